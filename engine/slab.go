package engine

import (
	"sync/atomic"

	"github.com/cloudwego/netpoll"
)

// chunkSize is the number of slots that a slab grows by.
const chunkSize = 512

// conn is a slot: the state of one connection, or of none. It is sized by the
// budget of an idle connection, so what only a busy one needs is behind
// pointers that are nil while it idles.
type conn struct {
	op    netpoll.FDOperator // loop; op.FD is fixed while word is open
	word  lockWord
	chunk *chunk // fixed

	in    *inbound      // loop; what has come but is not complete
	out   *outbox       // under word; what could not be sent yet
	work  *work         // under word; what waits for the pool
	data  any           // under word once open; the application's
	flags atomic.Uint32 // changed under word, read anywhere

	index    uint16 // fixed; place in chunk
	pongCode uint16 // loop; status code for a missing pong
}

// Bits of conn.flags.
const (
	flagSealed    = 1 << iota // a Close frame is queued or sent: nothing may follow
	flagCorked                // output gathers in the loop's cork buffer
	flagArmed                 // the poller watches for writability
	flagFin                   // send FIN once all is sent
	flagPauseWork             // do not read: too much waits for the pool
	flagPauseApp              // do not read: Conn.Pause
	flagPauseOut              // do not read: too much waits to be sent
	flagMuted                 // the poller does not watch for readability
	flagHup                   // the poller has dropped the operator on a hang-up; read on to the end
	flagBusy                  // work is not nil: events go to the pool, to stay in order
	flagDeaf                  // the peer's Close frame has come, and waits for messages before it
	flagTask                  // the task that follows sealing has not been done yet
	flagAnswered              // meanwhile the peer's part of the closing handshake came,
	flagLost                  // or the end of the stream
	flagEvent                 // the Close event waits for the pool, or runs there
	flagUnheard               // the peer has hung up: what waits to be sent never is
	flagParked                // work waits until the peer has taken answers
	flagClosed                // the descriptor is closed, the slot is not free yet
)

const (
	flagPaused = flagPauseWork | flagPauseApp | flagPauseOut
	// flagOurs is why nothing is read that the peer might say.
	flagOurs = flagPauseWork | flagPauseApp | flagDeaf
)

// chunk is a block of slots with what the sweep reads of them, free of
// pointers and close together.
type chunk struct {
	loop  *loop
	base  uint32            // number of slots in the chunks before
	stamp [chunkSize]uint32 // tick of the last inbound byte, or of entering the phase
	phase [chunkSize]phase  // see phase.go
	conns [chunkSize]conn   // the slots
	_     [0]func()         // not comparable
}

// slab is a loop's slots. It grows by chunks and keeps them: slots are reused,
// and a stale handle always finds its slot.
type slab struct {
	chunks []*chunk
	free   uint32 // number of the first free slot plus 1; the stamp of a free slot links on
	used   int
}

// get issues a free slot.
func (s *slab) get(l *loop) *conn {
	if s.free == 0 {
		s.grow(l)
	}
	n := s.free - 1
	ch := s.chunks[n/chunkSize]
	c := &ch.conns[n%chunkSize]
	s.free = ch.stamp[c.index]
	s.used++
	return c
}

// put takes back a slot whose generation has been retired.
func (s *slab) put(c *conn) {
	c.setPhase(phaseFree)
	c.chunk.stamp[c.index] = s.free
	s.free = c.chunk.base + uint32(c.index) + 1
	s.used--
}

func (s *slab) grow(l *loop) {
	ch := &chunk{loop: l, base: uint32(len(s.chunks)) * chunkSize}
	s.chunks = append(s.chunks, ch)
	for i := chunkSize - 1; i >= 0; i-- {
		c := &ch.conns[i]
		c.chunk, c.index = ch, uint16(i)
		c.op.OnRead, c.op.OnHup = c.onRead, c.onHup
		ch.stamp[i] = s.free
		s.free = ch.base + uint32(i) + 1
	}
}

func (c *conn) loop() *loop          { return c.chunk.loop }
func (c *conn) phase() phase         { return c.chunk.phase[c.index] }
func (c *conn) setPhase(p phase)     { c.chunk.phase[c.index] = p }
func (c *conn) touch(now uint32)     { c.chunk.stamp[c.index] = now }
func (c *conn) has(bits uint32) bool { return c.flags.Load()&bits != 0 }
func (c *conn) handle() Conn         { return Conn{c, c.word.gen()} }

// set and clear change flags. The caller holds the lock.
func (c *conn) set(bits uint32)   { c.flags.Store(c.flags.Load() | bits) }
func (c *conn) clear(bits uint32) { c.flags.Store(c.flags.Load() &^ bits) }
