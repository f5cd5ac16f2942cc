package engine

import "github.com/gobwas/ws"

// Reason tells how and why a connection ended.
type Reason struct {
	// Code is the status code of the Close frame that began the end, the
	// peer's or ours; 1005 for one without a code, 1006 where there was none.
	Code  int
	Text  string // the reason in that frame
	Cause Cause  // who ended it and why
}

// Cause says who ended a connection and why, in a word for metrics and logs.
type Cause uint8

// Causes of an end. The peer's doing:
const (
	ByPeer        Cause = iota + 1 // it sent a Close frame
	ByLoss                         // it sent FIN, without a Close frame
	ByReset                        // reading or writing failed: reset, timed out, unreachable
	ByViolation                    // it broke the protocol: 1002 or 1007
	ByTooBig                       // it sent a message over Config.MaxMessageBytes: 1009
	ByPongTimeout                  // it was silent, even after a ping
	ByOverflow                     // it did not read what was sent: over Config.QueueBytes
)

// Our doing:
const (
	ByServer   Cause = iota + 16 // the application called Conn.Close
	ByPanic                      // a Handler panicked: 1011
	ByShutdown                   // the Engine was closed
)

var causeNames = map[Cause]string{
	ByPeer:        "client",
	ByLoss:        "lost",
	ByReset:       "reset",
	ByViolation:   "protocol_error",
	ByTooBig:      "too_big",
	ByPongTimeout: "pong_timeout",
	ByOverflow:    "overflow",
	ByServer:      "server",
	ByPanic:       "internal_error",
	ByShutdown:    "shutdown",
}

// causeLimit is above every Cause, for arrays of counters.
const causeLimit = int(ByShutdown) + 1

// String returns the cause as metrics label it, "pong_timeout" for example.
func (c Cause) String() string {
	if s, ok := causeNames[c]; ok {
		return s
	}
	return "unknown"
}

// Status codes of Close frames that Close is often called with.
const (
	StatusNormal     = int(ws.StatusNormalClosure)
	StatusGoingAway  = int(ws.StatusGoingAway)
	StatusPolicy     = int(ws.StatusPolicyViolation)
	StatusInternal   = int(ws.StatusInternalServerError)
	StatusRestart    = 1012 // service restart (IANA): come back
	StatusTryLater   = 1013 // try again later (IANA): overload
	statusNone       = int(ws.StatusNoStatusRcvd)
	statusAbnormal   = int(ws.StatusAbnormalClosure)
	statusTimeoutDef = 4408 // pong missing, where the handshake's Answer names no other
)
