package engine

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/frame"
)

// Errors of Conn's methods.
var (
	// ErrClosed says that the connection no longer takes messages: one side has
	// begun to close it, or it is gone.
	ErrClosed = errors.New("engine: connection is closed")
	// ErrOverflow says that the peer reads too slowly: its queue would have
	// gone over Config.QueueBytes. The connection is being closed with 1013.
	ErrOverflow = errors.New("engine: the peer reads too slowly, its queue is full")
)

// Conn is a handle of a connection: small, comparable, to be passed by value
// and kept at will. All methods may be called from any goroutine at any time;
// on a connection that is gone they do nothing, and never reach another one.
// The zero Conn is a connection that is gone.
type Conn struct {
	c   *conn
	gen uint32
}

// Write sends a message. It never blocks: what the socket does not take at
// once is copied to the connection's queue. The errors are ErrClosed and
// ErrOverflow. payload is not kept.
func (h Conn) Write(op OpCode, payload []byte) error {
	if h.c == nil {
		return ErrClosed
	}
	l := h.c.loop()
	if !h.c.word.lock(h.gen) {
		l.stats.sent(Dropped, 1)
		return ErrClosed
	}
	o := h.c.writeMessage(op, payload)
	h.c.word.unlock()
	l.stats.sent(o, 1)
	return o.err()
}

// Outcome is what became of a Send.
type Outcome uint8

// Outcomes of a Send.
const (
	Written    Outcome = iota // all of it was handed to the system, or will be when this event is over
	Queued                    // it waits, in part or whole, until the peer reads
	Dropped                   // the connection is closed
	Overflowed                // the queue is full: the connection is now being closed
	Stale                     // the Guard's word had changed: nothing was done
)

func (o Outcome) err() error {
	switch o {
	case Dropped:
		return ErrClosed
	case Overflowed:
		return ErrOverflow
	}
	return nil
}

// Guard makes a Send conditional: it is done only while *Word is Want, seen
// under the connection's lock. Whoever changes the word and then writes to the
// connection knows that nothing guarded follows what it wrote. The zero Guard
// always holds.
type Guard struct {
	Word *atomic.Uint64
	Want uint64
}

// Send sends encoded frames (frame.Encode), one or several joined, that many
// connections share: they are written or queued as they are, by reference, so
// they must never change again. It allocates only to begin a queue. n is the
// number of frames, for the counters.
func (h Conn) Send(frames []byte, n int, g Guard) Outcome {
	if h.c == nil {
		return Dropped
	}
	l := h.c.loop()
	if !h.c.word.lock(h.gen) {
		l.stats.sent(Dropped, n)
		return Dropped
	}
	if g.Word != nil && g.Word.Load() != g.Want {
		h.c.word.unlock()
		return Stale
	}
	o := h.c.write(frames, true)
	h.c.word.unlock()
	l.stats.sent(o, n)
	return o
}

// Close begins the closing handshake: what is queued is sent, then a Close
// frame with code and text (none of both if code is 0), and the connection
// ends when the peer has answered or Config.CloseTimeout has passed. Messages
// that come meanwhile are dropped. Close after Close does nothing.
func (h Conn) Close(code int, text string) {
	h.closeAs(Reason{code, text, ByServer})
}

func (h Conn) closeAs(r Reason) {
	if h.c == nil || !h.c.word.lock(h.gen) {
		return
	}
	h.c.sealWith(r)
	h.c.word.unlock()
}

// SetData attaches a value of the application's to the connection, in place of
// the one from the handshake's Answer.
func (h Conn) SetData(v any) {
	if h.c != nil && h.c.word.lockAlways(h.gen) {
		h.c.data = v
		h.c.word.unlock()
	}
}

// Data returns the application's value, nil if there is none or the
// connection's Close event is over.
func (h Conn) Data() (v any) {
	if h.c != nil && h.c.word.lockAlways(h.gen) {
		v = h.c.data
		h.c.word.unlock()
	}
	return v
}

// Pause stops reading from the connection, so that a peer which sends too much
// is held up by its own socket and nobody else notices. Messages that were
// read already are still delivered. It may be called in Message.
func (h Conn) Pause() {
	if h.c != nil && h.c.word.lock(h.gen) {
		h.c.stopReads(flagPauseApp)
		h.c.word.unlock()
	}
}

// Resume reads on after Pause.
func (h Conn) Resume() {
	if h.c != nil && h.c.word.lock(h.gen) {
		h.c.allowReads(flagPauseApp)
		h.c.word.unlock()
	}
}

// Remote returns the peer's address, the zero value for a unix socket or a
// connection that is gone.
func (h Conn) Remote() netip.AddrPort {
	if h.c == nil || !h.c.word.lock(h.gen) {
		return netip.AddrPort{}
	}
	defer h.c.word.unlock()
	return remote(h.c.op.FD)
}

// Loop returns the number of the connection's event loop, from 0 to
// Config.Loops-1. Work that is spread over processors does well to follow it.
func (h Conn) Loop() int {
	if h.c == nil {
		return 0
	}
	return h.c.loop().index
}

// Backlog returns the bytes that wait because the peer does not read.
func (h Conn) Backlog() int {
	if h.c == nil || !h.c.word.lock(h.gen) {
		return 0
	}
	defer h.c.word.unlock()
	if h.c.out == nil {
		return 0
	}
	return h.c.out.bytes
}

func remote(fd int) netip.AddrPort {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// writeMessage encodes a message and writes it. The caller holds the lock.
func (c *conn) writeMessage(op ws.OpCode, payload []byte) Outcome {
	if c.has(flagSealed) {
		return Dropped
	}
	// On the loop, during an event of this connection, the cork buffer has room
	// for what is usual: encode there.
	l := c.loop()
	if n := frame.HeaderSize(len(payload)) + len(payload); c.has(flagCorked) && c.out == nil && n <= cap(l.cork)-len(l.cork) {
		l.cork = frame.Append(l.cork, op, payload)
		return Written
	}
	bp := l.engine.buffers.get(frame.HeaderSize(len(payload)) + len(payload))
	defer l.engine.buffers.put(bp)
	*bp = frame.Append((*bp)[:0], op, payload)
	return c.write(*bp, false)
}
