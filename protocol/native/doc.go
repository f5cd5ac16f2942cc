// Package native is Stentor's own dialect: one JSON object a message, in both
// directions, as docs/protocol.md specifies it. It translates and checks form;
// what a client may do is the gateway's to decide.
package native

// Subprotocol is the name that a client may offer in Sec-WebSocket-Protocol.
const Subprotocol = "stentor.v1"
