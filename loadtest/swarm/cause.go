package swarm

import (
	"errors"
	"fmt"
	"syscall"
)

// Cause is why a connection failed or ended, as people read it. There are few,
// so that they can be counted: a cause never has a number in it that differs
// from connection to connection.
type Cause string

// Causes. Besides these there are "HTTP status 503" and the like, "closed by the
// server with 1012" and the like, and the system's errors by their names.
const (
	Done          Cause = "closed as asked"                 // by Close or Abort
	Refused       Cause = "connection refused"              // nobody listens, or the backlog is full
	Reset         Cause = "connection reset"                // RST
	Timeout       Cause = "handshake timed out"             // no 101 in time
	NoDescriptors Cause = "out of descriptors (ulimit -n)"  // here
	NoPorts       Cause = "out of ports (use more sources)" // here: EADDRNOTAVAIL
	BadAccept     Cause = "wrong Sec-WebSocket-Accept"      // RFC 6455, 4.1
	BadHandshake  Cause = "answer is no WebSocket handshake"
	NoClose       Cause = "ended without a Close frame" // FIN
	BadFrame      Cause = "broke the WebSocket protocol"
	NotRead       Cause = "server does not read"
	TooBig        Cause = "message too big for this client"
	CloseTimeout  Cause = "closing handshake timed out"
)

// causeOf names an error of the system.
func causeOf(err error) Cause {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return NoDescriptors
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return NoPorts
	}
	return Cause(err.Error())
}

func closedWith(code int) Cause {
	return Cause(fmt.Sprintf("closed by the server with %d", code))
}
