// Package swarm is thousands of WebSocket clients on a few event loops: what a
// load generator has in place of a goroutine for each. An idle client takes some
// two hundred bytes.
//
// A Swarm has loops, and each client belongs to one of them for life. All that
// happens to a client happens on its loop's goroutine: the Handler is called
// there, and the methods of Conn may be called only there (Loop.Do gets others
// there). So nothing here is locked, and a Handler must not block.
//
// What it speaks is RFC 6455 without extensions, over TCP. It shares no code
// with Stentor's server but the pollers.
package swarm
