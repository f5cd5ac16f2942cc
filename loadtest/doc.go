// Package loadtest puts load on WebSocket servers, Stentor and any other, and
// accounts for every message.
package loadtest
