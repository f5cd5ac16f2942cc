// Package gateway joins the engine, which knows connections, and the hub, which
// knows who listens to what, into a server: configuration, the wire dialects,
// the HTTP API, the admin listener with metrics, and the way to stop.
//
//	Config     what can be set; Load reads it, Validate names the key at fault
//	Gateway    New, Start, Drain: one server in this process
//	app        a tenant: its hub, its secret, its rules
//	client     a connection as hub and dialects see it
//	broker     the way of a publication into the hub
package gateway
