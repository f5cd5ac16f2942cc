package swarm

import (
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"stentor/engine/poll"
)

// Dial connects the client as soon as fewer than Config.InFlight handshakes are
// under way. due is when it should have begun, as Now tells the time, and is kept
// for Due; 0 is the moment at which it begins. A client that is connected, or about to be, is left alone.
func (c *Conn) Dial(due int64) {
	if !c.Idle() {
		return
	}
	c.due, c.again = due, true
	if c.state == ended {
		return // bury goes on
	}
	c.loop.waiting.Push(attempt{c, 0, due})
	c.loop.poll.Wake()
}

// Waiting returns how many clients are to be dialled, and how many handshakes
// are under way.
func (l *Loop) Waiting() (waiting, inFlight int) { return l.waiting.Len(), l.inFlight }

// Forget drops what waits to be dialled.
func (l *Loop) Forget() {
	for l.waiting.Len() > 0 {
		l.waiting.Pop().conn.again = false
	}
	for _, list := range [][]*Conn{l.dying, l.dead} {
		for _, c := range list {
			c.again = false
		}
	}
}

// dialWaiting begins attempts, as many as may be under way.
func (l *Loop) dialWaiting() {
	most := max(1, l.swarm.cfg.InFlight/len(l.swarm.loops))
	for n := 0; l.waiting.Len() > 0 && l.inFlight < most; n++ {
		if n == dialsATurn {
			l.poll.Wake()
			return
		}
		l.waiting.Pop().conn.dial()
	}
}

// dial begins an attempt.
func (c *Conn) dial() {
	l := c.loop
	now := Now()
	if c.due == 0 {
		c.due = now
	}
	c.again = false
	c.life++
	c.got, c.code, c.wasReset = false, 0, false
	if c.op.OnRead == nil {
		c.op.OnRead, c.op.OnHup = c.onRead, c.onHup
	}
	fd, err := socket(l.swarm.cfg.Target.Addr(), c.source())
	if err != nil {
		l.swarm.cfg.Handler.Closed(c, false, causeOf(err), now)
		return
	}
	l.inFlight++
	c.state = dialing
	c.op.OnWrite = nil
	l.poll.Stamp(&c.op, fd)
	err = unix.Connect(fd, l.target)
	if err != nil && !errors.Is(err, syscall.EINPROGRESS) {
		c.fail(causeOf(err), now)
		return
	}
	l.watch(c, now)
	// On loopback the connection is there by now, and one registration does.
	n, errno := poll.Write(fd, c.request())
	switch {
	case errno == 0 && n == len(l.out):
		c.state = handshaking
		err = l.poll.Add(&c.op)
	case errno == 0 || errno == syscall.EAGAIN:
		if errno == 0 {
			c.needAux().out = append(c.needAux().out, l.out[n:]...)
		}
		c.op.OnWrite = c.onConnected
		err = l.poll.AddDialing(&c.op)
	default:
		err = errno
	}
	if err != nil {
		c.fail(causeOf(err), now)
	}
}

// onConnected is the poller's callback when a socket is connected, and has room.
func (c *Conn) onConnected(poller) error {
	if c.state != dialing {
		return nil
	}
	b := c.request()
	if c.aux != nil && len(c.aux.out) > 0 {
		b = c.aux.out
	}
	n, errno := poll.Write(c.op.FD, b)
	if errno == syscall.EAGAIN {
		return nil // edge-triggered: it comes again
	}
	if errno != 0 {
		c.fail(causeOf(errno), Now())
		return nil
	}
	rest := append([]byte(nil), b[n:]...)
	if c.aux != nil {
		c.aux.out = c.aux.out[:0]
		c.tidy()
	}
	c.state = handshaking
	c.op.OnWrite = nil
	// Off the callback: netpoll waits for ever if an operator is added in its own.
	life := c.life
	c.loop.Do(func() {
		if c.life != life || c.state != handshaking {
			return
		}
		if err := c.loop.poll.Resume(&c.op); err != nil {
			c.fail(causeOf(err), Now())
			return
		}
		if len(rest) > 0 {
			c.send(rest)
		}
	})
	return nil
}

// source returns where the client comes from: with clients dealt to the loops in
// turn, each loop uses all sources.
func (c *Conn) source() netip.Addr {
	s := c.loop.swarm.cfg.Sources
	if len(s) == 0 {
		return netip.Addr{}
	}
	return s[int(c.number)/len(c.loop.swarm.loops)%len(s)]
}

// prepared sets what every socket has, unless something has failed before.
func prepared(fd int, err error) (int, error) {
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// CanBind tells why clients cannot come from an address, or nil.
func CanBind(source netip.Addr) error {
	fd, err := socket(source, source)
	if err == nil {
		unix.Close(fd)
	}
	return err
}
