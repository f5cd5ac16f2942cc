package swarm

import (
	"errors"
	"io"
	"syscall"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/engine/poll"
)

type poller = poll.Poller

// onRead is the poller's callback for input.
func (c *Conn) onRead(poller) error {
	if c.state >= dialing {
		c.read()
	}
	return nil
}

// onHup is the poller's callback for a hang-up, on another goroutine.
func (c *Conn) onHup(poller) error {
	c.loop.Do(c.hungUp)
	return nil
}

// hungUp reads what was sent before the hang-up. If there is neither an end nor
// an error, the hang-up was one of an earlier life.
func (c *Conn) hungUp() {
	if c.state == dialing {
		errno, err := unix.GetsockoptInt(c.op.FD, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			c.fail(causeOf(syscall.Errno(errno)), Now())
		}
		return
	}
	for c.state > dialing && c.read() {
	}
}

// read reads once, and reports whether there may be more.
func (c *Conn) read() bool {
	l := c.loop
	n, errno := poll.Read(c.op.FD, l.buf)
	switch {
	case errno == syscall.EAGAIN:
		return false
	case errno != 0:
		c.fail(c.ending(causeOf(errno)), Now())
		return false
	case n == 0:
		why := NoClose
		if c.wasReset {
			why = Reset
		}
		c.fail(c.ending(why), Now())
		return false
	}
	l.ReceivedBytes += int64(n)
	b, now := l.buf[:n], Now()
	if c.state == handshaking {
		var opened bool
		if b, opened = c.greet(b, now); !opened {
			return c.state == handshaking
		}
	}
	if len(b) > 0 {
		c.feed(b, now)
	}
	return true
}

// ending is what the end of the connection means, with regard to Close frames.
func (c *Conn) ending(why Cause) Cause {
	switch {
	case c.state == handshaking && why == NoClose:
		return BadHandshake
	case c.state != closing:
		return why
	case c.got && c.code != 0:
		return closedWith(int(c.code))
	}
	return Done
}

// feed parses frames. What does not make one is kept.
func (c *Conn) feed(b []byte, now int64) {
	held := c.aux != nil && len(c.aux.in) > 0
	if held {
		c.aux.in = append(c.aux.in, b...)
		b = c.aux.in
	}
	life := c.life
	for len(b) > 0 {
		n := c.frame(b, now)
		if c.life != life || c.state < open {
			return
		}
		if n == 0 {
			break
		}
		b = b[n:]
	}
	switch {
	case held:
		c.aux.in = c.aux.in[:copy(c.aux.in, b)]
		c.tidy()
	case len(b) > 0:
		a := c.needAux()
		a.in = append(a.in, b...)
	default:
		c.tidy()
	}
}

// frame takes one frame from the front of b and returns its length, 0 if it is
// not whole.
func (c *Conn) frame(b []byte, now int64) int {
	l := c.loop
	l.reader.Reset(b)
	h, err := ws.ReadHeaderBuffer(&l.reader, l.header[:])
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			c.broken(now)
		}
		return 0
	}
	if h.Masked || h.Rsv != 0 {
		c.broken(now)
		return 0
	}
	head := len(b) - l.reader.Len()
	if h.Length > int64(l.swarm.cfg.MaxMessage) {
		c.Fail(TooBig)
		return 0
	}
	total := head + int(h.Length)
	if len(b) < total {
		return 0
	}
	payload := b[head:total:total]
	if h.OpCode.IsControl() {
		c.control(h, payload, now)
	} else {
		c.data(h, payload, now)
	}
	return total
}

// data takes a data frame (RFC 6455, 5.4).
func (c *Conn) data(h ws.Header, payload []byte, now int64) {
	handler := c.loop.swarm.cfg.Handler
	a := c.aux
	began := a != nil && a.fragment
	switch {
	case h.OpCode.IsReserved() || (h.OpCode == ws.OpContinuation) != began:
		c.broken(now)
	case h.Fin && !began:
		if c.state == open {
			handler.Message(c, h.OpCode == ws.OpBinary, payload, now)
		}
	default:
		if !began {
			a = c.needAux()
			a.fragment, a.binary, a.message = true, h.OpCode == ws.OpBinary, a.message[:0]
		}
		if len(a.message)+len(payload) > c.loop.swarm.cfg.MaxMessage {
			c.Fail(TooBig)
			return
		}
		a.message = append(a.message, payload...)
		if h.Fin {
			a.fragment = false
			if c.state == open {
				handler.Message(c, a.binary, a.message, now)
			}
		}
	}
}

// control takes a control frame (RFC 6455, 5.5).
func (c *Conn) control(h ws.Header, payload []byte, now int64) {
	if !h.Fin || h.Length > ws.MaxControlFramePayloadSize {
		c.broken(now)
		return
	}
	switch h.OpCode {
	case ws.OpPing:
		c.loop.Pings++
		c.Write(ws.OpPong, payload)
	case ws.OpPong:
	case ws.OpClose:
		if !c.got {
			c.got = true
			code, text := ws.ParseCloseFrameData(payload)
			if c.state == open {
				c.code = uint16(code) // theirs came first
				if code == 0 {
					c.code = uint16(ws.StatusNoStatusRcvd)
				}
				c.loop.keepReason(c.code, text)
				c.state = closing
				c.loop.watch(c, now)
				c.sendClose(int(code))
			}
		}
	default:
		c.broken(now)
	}
}

// broken ends a connection whose server breaks the protocol.
func (c *Conn) broken(now int64) {
	c.reset()
	c.fail(BadFrame, now)
}
