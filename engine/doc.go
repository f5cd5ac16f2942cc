// Package engine serves WebSocket connections from event loops: one poller a
// core, no goroutine, timer or buffer for a connection that is idle.
//
// A loop reads into one buffer that all its connections share, parses in
// place, answers control frames itself and hands messages to a Handler, either
// right there (Config.Inline) or on a pool of goroutines, in order for each
// connection. Writing never blocks: what a socket does not take is queued as a
// reference, up to a bound. Requests that are not WebSocket handshakes go with
// their bytes to net/http, on the same port.
//
// # Who owns what
//
// A connection is a slot of a slab that its loop owns (slab.go). The loop
// alone opens, registers, reads, pauses, times out and closes it, through
// tasks in its mailbox where another goroutine asks for it (mailbox.go). What
// writers share, the queue and the flags, is under the slot's lock (lock.go),
// a word that also holds the slot's generation: a Conn is (slot, generation),
// so that one kept too long fails cleanly instead of reaching a stranger.
//
// # Life of a connection
//
//	accept -> handshake -> (verify) -> open <-> pinged -> closing -> lingering -> gone
//	              \-> net/http                      \________\___________________/
//
// The phases are described in phase.go, the ways to end in close.go.
package engine
