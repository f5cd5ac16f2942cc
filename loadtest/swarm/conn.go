package swarm

import (
	"golang.org/x/sys/unix"

	"stentor/engine/poll"
)

// Conn is one client. Its methods belong to its loop's goroutine.
type Conn struct {
	op     poll.Operator
	loop   *Loop
	aux    *aux  // what only clients in the middle of something need
	due    int64 // when the attempt was due
	number int32
	life   uint32 // attempts so far
	state  state
	again  bool // waits to be dialled, or for its old socket to be gone first
	got    bool // the peer's Close frame has come
	code   uint16
	// wasReset: a write has found a reset. The kernel tells it once, so that a
	// read finds nothing but an end.
	wasReset bool
}

// state is where a client stands.
type state uint8

const (
	idle        state = iota // no socket: Dial
	ended                    // detached, its socket still open: for a batch of events
	dialing                  // connect(2) is under way
	handshaking              // the request is sent
	open                     // messages
	closing                  // our Close frame is sent, or theirs has come
)

// aux is what a client has while a handshake, a message or a write is
// incomplete.
type aux struct {
	in       []byte // bytes that do not make a frame yet, or a head
	message  []byte // fragments so far
	out      []byte // what the socket has not taken
	binary   bool
	fragment bool // message has begun
}

// auxKeep is how large a buffer may be that is kept for the next who needs one.
const auxKeep = 16 << 10

func (c *Conn) needAux() *aux {
	if c.aux == nil {
		l := c.loop
		if n := len(l.spareAux); n > 0 {
			c.aux, l.spareAux = l.spareAux[n-1], l.spareAux[:n-1]
		} else {
			c.aux = new(aux)
		}
	}
	return c.aux
}

// tidy gives the aux back if nothing is in it.
func (c *Conn) tidy() {
	if a := c.aux; a != nil && len(a.in) == 0 && len(a.out) == 0 && !a.fragment {
		c.loop.releaseAux(c)
	}
}

func (l *Loop) releaseAux(c *Conn) {
	a := c.aux
	if a == nil {
		return
	}
	c.aux = nil
	if cap(a.in)+cap(a.message)+cap(a.out) > auxKeep || len(l.spareAux) >= 1024 {
		return
	}
	*a = aux{in: a.in[:0], message: a.message[:0], out: a.out[:0]}
	l.spareAux = append(l.spareAux, a)
}

// Number is the client's number in its swarm, from 0.
func (c *Conn) Number() int { return int(c.number) }

// Loop is the client's loop.
func (c *Conn) Loop() *Loop { return c.loop }

// Open reports whether messages may be sent.
func (c *Conn) Open() bool { return c.state == open }

// Idle reports whether the client has no connection and is not about to have
// one.
func (c *Conn) Idle() bool { return c.state <= ended && !c.again }

// Due is when the attempt in turn was due, as Dial was told.
func (c *Conn) Due() int64 { return c.due }

// Close begins the closing handshake with status code 1000 or another, and
// waits for the server to end the connection.
func (c *Conn) Close(code int) {
	if c.state != open {
		return
	}
	c.state = closing
	c.loop.watch(c, Now())
	c.sendClose(code)
}

// Abort drops the connection by a reset. Closed is called before it returns.
func (c *Conn) Abort() {
	if c.state > ended {
		c.reset()
		c.fail(Done, Now())
	}
}

// Fail drops the connection by a reset for a reason of the caller's.
func (c *Conn) Fail(why Cause) {
	if c.state > ended {
		c.reset()
		c.fail(why, Now())
	}
}

// reset makes the end of the socket a reset, so that no port lingers here.
func (c *Conn) reset() {
	unix.SetsockoptLinger(c.op.FD, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// fail ends the connection and tells the Handler.
func (c *Conn) fail(why Cause, now int64) {
	if c.state <= ended {
		return
	}
	opened := c.state >= open
	if !opened {
		c.loop.inFlight--
		if why == Timeout {
			c.reset()
		}
	}
	c.end()
	c.loop.swarm.cfg.Handler.Closed(c, opened, why, now)
}

// end detaches the connection; its socket is closed when no event of it can be
// pending.
func (c *Conn) end() {
	c.loop.poll.Detach(&c.op)
	c.state = ended
	c.loop.dying = append(c.loop.dying, c)
	c.loop.poll.Wake()
}
