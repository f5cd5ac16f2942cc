package engine

// phase says where a slot is in its life. Its loop alone reads and writes it.
type phase uint8

const (
	phaseFree phase = iota // in the free list
	// Detached from the poller; the descriptor is closed once no event of it
	// can be pending, and the slot is free once nothing of it is on the pool.
	phaseGone
	// On its way to net/http: nothing is read any more.
	phaseHandover

	// In the phases from here on the loop reads.

	// Waiting for a whole request head. Ends in verify, open, handover or, at
	// Config.HandshakeTimeout, gone.
	phaseHandshake
	// The application decides on the handshake elsewhere. Ends in open, or gone.
	phaseVerify
	// Messages flow. Ends in pinged after Config.IdleTimeout of silence.
	phaseOpen
	// Open, with a ping of ours unanswered. Any byte leads back to open,
	// Config.PongTimeout without one to closing.
	phasePinged
	// Our Close frame is queued or sent first; what comes is dropped until the
	// peer's Close frame. Ends in gone.
	phaseClosing
	// Our last byte and our FIN are sent; what comes is dropped until the
	// peer's FIN, so that no reset destroys what we sent. Ends in gone.
	phaseLingering
)

// talking reports whether messages are delivered to the application.
func (p phase) talking() bool { return p == phaseOpen || p == phasePinged }

// reading reports whether the socket is read.
func (p phase) reading() bool { return p >= phaseHandshake }
