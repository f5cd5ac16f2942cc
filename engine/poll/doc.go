// Package poll obtains netpoll's pollers and adds the little that driving them
// with operators of our own needs.
//
// netpoll exports the poller's interface and its operators but not a way to
// make one apart from its own Connection, which costs kilobytes a socket. This
// package opens a poller (open.go), keeps its tables small (tame_linux.go) and its
// short waits cheap (hold_linux.go), stamps operators into memory that the caller
// owns (poll.go, operator.go), wakes a poller's goroutine from any other
// (wake_linux.go, wake_other.go), and has the two system calls of a socket that
// does not block (socket_linux.go, socket_other.go).
//
// It knows nothing of connections or frames: engine builds servers on it and
// loadtest builds clients.
package poll
