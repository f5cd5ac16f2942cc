package faulty

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	writeLimit  = 5 * time.Second // for a client that does not read
	lingerLimit = 5 * time.Second // for a client that does not notice that it was closed
	pingPayload = "faulty"
)

// errOver is returned for what cannot be sent since the connection has ended.
var errOver = errors.New("the connection is over")

// conn is one opened connection. The server's handler reads from it; what it is
// sent goes through a queue, which the goroutine of run empties.
type conn struct {
	// Static after construction.
	server *Server
	id     int // from 1, in the order of opening
	native bool
	breaks bool          // after Plan.CloseAfter deliveries
	wake   chan struct{} // of one place: something was queued
	gone   chan struct{} // closed by the reader when there is no more to send for
	ended  chan struct{} // closed by run when it returns
	net    net.Conn      // from when the handshake is done

	// Owned by run.
	random *rand.Rand
	number int       // of the delivery at hand, from 1
	held   *message  // by Reorder
	until  time.Time // when it is sent in any case

	// Guarded by writing, which is held across a write: a Close frame has to be
	// the last, and two goroutines write.
	writing sync.Mutex
	over    bool // nothing may be written any more

	mu     sync.Mutex // a leaf: no other lock is taken under it
	counts Counts
	queue  []queued
	closed bool // for the queue: run has ended
}

type queued struct {
	*message
	at time.Time // not to be sent before
}

func newConn(s *Server, id int, native bool) *conn {
	return &conn{
		server: s,
		id:     id,
		native: native,
		breaks: nth(id, s.plan.CloseEvery),
		wake:   make(chan struct{}, 1),
		gone:   make(chan struct{}),
		ended:  make(chan struct{}),
		random: rand.New(rand.NewPCG(s.plan.Seed, uint64(id))),
	}
}

// enqueue has a message sent. Any goroutine may call it.
func (c *conn) enqueue(m *message) {
	q := queued{message: m}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.counts
	if m.delivery {
		n.Due++
		q.at = time.Now().Add(c.server.plan.Delay)
	}
	if c.closed {
		if m.delivery {
			n.Lost++
		}
		return
	}
	if m.delivery {
		n.Pending++
	}
	c.queue = append(c.queue, q)
	select {
	case c.wake <- struct{}{}:
	default: // it is awake already
	}
}

// next takes the first message off the queue if it may be sent. If it may not
// yet, next tells when.
func (c *conn) next(now time.Time) (m *message, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return nil, time.Time{}
	}
	if q := c.queue[0]; q.at.After(now) {
		return nil, q.at
	}
	m = c.queue[0].message
	c.queue[0] = queued{}
	c.queue = c.queue[1:]
	return m, time.Time{}
}

// run sends until the connection ends, and then accounts for the rest.
func (c *conn) run() {
	defer close(c.ended)
	defer c.settle()
	var pings <-chan time.Time
	if every := c.server.plan.PingEvery; every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		pings = t.C
	}
	for {
		now := time.Now()
		m, at := c.next(now)
		var err error
		switch {
		case m != nil:
			err = c.handle(m)
		case c.held != nil && !c.until.After(now):
			err = c.release()
		default:
			if c.held != nil && (at.IsZero() || c.until.Before(at)) {
				at = c.until
			}
			var timer <-chan time.Time
			if !at.IsZero() {
				timer = time.After(at.Sub(now))
			}
			select {
			case <-c.wake:
			case <-timer:
			case <-pings:
				err = c.ping()
			case <-c.gone:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// settle counts as lost whatever was due and has found no other end.
func (c *conn) settle() {
	c.server.leave(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.queue = nil
	n := &c.counts
	n.Lost = n.Due - n.Delivered - n.Dropped - n.Corrupted
	n.Pending = 0
}

// handle sends a message that came off the queue, or does it wrong.
func (c *conn) handle(m *message) error {
	if !m.delivery {
		return c.write(frame(true, m.opcode, m.payload), false)
	}
	c.number++
	if err := c.deliver(m); err != nil {
		return err
	}
	if c.held != m {
		c.count(-1, &c.counts.Pending)
	}
	if c.breaks && c.number == c.server.plan.CloseAfter {
		if err := c.release(); err != nil {
			return err
		}
		c.breakOff()
		return errOver
	}
	return nil
}

// deliver does to a delivery what the plan says.
func (c *conn) deliver(m *message) error {
	n, p := &c.counts, &c.server.plan
	f := p.fate(c.random, c.number)
	if held := c.held; held != nil && held.channel == m.channel {
		c.held = nil
		err := errors.Join(c.send(m, f.fragment, &n.Delivered), c.send(held, false, &n.Delivered, &n.Reordered))
		c.count(-1, &n.Pending) // the held one
		return err
	}
	if err := c.release(); err != nil { // another channel's, which none can be late for
		return err
	}
	switch f.fault {
	case drop:
		c.count(1, &n.Dropped)
		return nil
	case duplicate:
		return errors.Join(c.send(m, f.fragment, &n.Delivered), c.send(m, f.fragment, &n.Duplicated))
	case corrupt:
		if changed := m.corrupt(f.random, p.CorruptFrom, p.CorruptTo); changed != nil {
			return c.send(changed, f.fragment, &n.Corrupted)
		}
	case reorder:
		c.held, c.until = m, time.Now().Add(p.HoldFor)
		return nil
	case garbage:
		return errors.Join(c.send(m, f.fragment, &n.Delivered), c.send(m.garbage(), f.fragment, &n.Garbage))
	}
	return c.send(m, f.fragment, &n.Delivered)
}

// release sends what is held back, in order, since nothing has followed it.
func (c *conn) release() error {
	if c.held == nil {
		return nil
	}
	m := c.held
	c.held = nil
	err := c.send(m, false, &c.counts.Delivered)
	c.count(-1, &c.counts.Pending)
	return err
}

// breakOff closes the connection as the plan says, without being asked to.
func (c *conn) breakOff() {
	c.server.leave(c) // before the client can know
	c.server.count(func(t *Truth) { t.Closed++ })
	tcp := c.net.(*net.TCPConn)
	switch c.server.plan.CloseBy {
	case CloseFrame:
		c.write(closeFrameOf(1011), true)
	case CloseReset:
		tcp.SetLinger(0)
		tcp.Close()
		return
	}
	// The reader reads on: the system would reset the connection for what nobody
	// reads, and the client lose what it was sent.
	tcp.SetReadDeadline(time.Now().Add(lingerLimit))
	tcp.CloseWrite()
}

// count adds n to counts.
func (c *conn) count(n int64, counts ...*int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range counts {
		*p += n
	}
}

// send sends a message, which counts as the counts say.
func (c *conn) send(m *message, fragment bool, counts ...*int64) error {
	if fragment {
		counts = append(counts, &c.counts.Fragmented)
	}
	c.count(1, counts...)
	err := c.transmit(m, fragment)
	if err != nil {
		c.count(-1, counts...)
	}
	return err
}

func (c *conn) transmit(m *message, fragment bool) error {
	b := m.bytes()
	if !fragment {
		return c.write(frame(true, m.opcode, b), false)
	}
	one, two := len(b)/3, len(b)*2/3
	if err := c.write(frame(false, m.opcode, b[:one]), false); err != nil {
		return err
	}
	if err := c.ping(); err != nil {
		return err
	}
	if err := c.write(frame(false, continuation, b[one:two]), false); err != nil {
		return err
	}
	return c.write(frame(true, continuation, b[two:]), false)
}

func (c *conn) ping() error {
	c.count(1, &c.counts.Pings)
	err := c.write(frame(true, ping, []byte(pingPayload)), false)
	if err != nil {
		c.count(-1, &c.counts.Pings)
	}
	return err
}

// write writes a frame, perhaps the last one. Any goroutine may call it.
func (c *conn) write(frame []byte, last bool) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.over {
		return errOver
	}
	c.net.SetWriteDeadline(time.Now().Add(writeLimit))
	_, err := c.net.Write(frame)
	if err != nil || last {
		c.over = true
	}
	if err != nil { // the reader may still find what the client has sent before
		c.net.SetReadDeadline(time.Now().Add(lingerLimit))
	}
	return err
}

// end ends sending, after a Close frame if there is one to send. It returns when
// all is accounted for. Only the reader calls it, once.
func (c *conn) end(closeFrame []byte) {
	if closeFrame != nil {
		c.write(closeFrame, true)
	}
	c.writing.Lock()
	c.over = true
	c.writing.Unlock()
	close(c.gone)
	<-c.ended
}
