package engine

import (
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"

	"github.com/cloudwego/netpoll"
	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/engine/poll"
	"stentor/frame"
)

// onRead is the poller's callback on readability, with or without a FIN.
func (c *conn) onRead(netpoll.Poll) error {
	if c.phase().reading() && !c.has(flagPaused|flagLost) {
		c.loop().readOnce(c)
	}
	return nil
}

// onHup is the poller's callback on a hang-up, after it has dropped the
// operator. It runs on a goroutine of netpoll's, late perhaps: the slot may
// have been issued again, so it is only a hint.
func (c *conn) onHup(netpoll.Poll) error {
	c.loop().post(task{kind: taskHup, conn: c})
	return nil
}

// hungUp reads on after the peer has hung up, to the end.
func (l *loop) hungUp(c *conn) {
	if !c.phase().reading() || c.has(flagLost) {
		return
	}
	if !hasHungUp(c.op.FD) {
		// The hint was meant for an earlier connection of this slot. Should it
		// not have been, make sure of the operator; for one that is registered
		// this fails and changes nothing.
		l.poll.Control(&c.op, netpoll.PollReadable)
		return
	}
	if !c.word.lock(c.word.gen()) {
		return
	}
	// The poller would not tell when more can be sent, so nothing waits for it.
	c.set(flagUnheard)
	c.allowReads(flagPauseOut)
	wait := c.has(flagPauseWork | flagPauseApp)
	if wait {
		c.set(flagHup)
	}
	c.word.unlock()
	if wait {
		return
	}
	l.readOnce(c)
	if c.phase().reading() && !c.has(flagLost) {
		l.post(task{kind: taskHup, conn: c}) // others have their turn
	}
}

// readOnce reads once and handles what came. It reports whether there may be
// more.
func (l *loop) readOnce(c *conn) bool {
	if l.handleHeld(c) {
		return true // reading was allowed a moment ago
	}
	n, errno := poll.Read(c.op.FD, l.buf)
	switch {
	case n > 0:
		l.stats.bytesIn.Add(uint64(n))
		l.received(c, l.buf[:n])
		poison(l.buf[:n])
		return true
	case errno == 0:
		l.end(c, Reason{statusAbnormal, "", ByLoss})
	case errno != syscall.EAGAIN:
		l.end(c, Reason{statusAbnormal, errno.Error(), ByReset})
	}
	return false
}

// received handles input of a connection, with its output corked.
func (l *loop) received(c *conn, b []byte) {
	if c.has(flagFin | flagDeaf) {
		return // after a Close frame nothing counts (RFC 6455, 1.4)
	}
	switch p := c.phase(); p {
	case phaseLingering:
		return
	case phaseClosing:
	case phaseOpen:
		c.touch(l.now())
	case phasePinged:
		c.touch(l.now())
		c.setPhase(phaseOpen)
	case phaseHandshake: // its time is for the whole head
	case phaseVerify:
		l.holdBack(c, b)
		return
	default:
		return
	}
	if !l.corkOn(c) {
		return
	}
	if c.phase() == phaseHandshake {
		l.handshake(c, b)
	} else {
		l.messages(c, b)
	}
	l.corkOff(c)
}

// messages parses frames and hands on what they bring.
func (l *loop) messages(c *conn, b []byte) {
	in := c.in
	if in == nil {
		in = l.scratch
	}
	for len(b) > 0 {
		m, n, ok, err := in.parser.Next(b)
		if err != nil {
			l.violated(c, err)
			break
		}
		b = b[n:]
		if ok {
			l.message(c, m)
			if p := c.phase(); !p.talking() && p != phaseClosing || c.has(flagFin|flagDeaf) {
				break
			}
			if len(b) > 0 && c.has(flagPauseWork|flagPauseOut) && !l.last {
				l.hold(c, in, b)
				return
			}
		}
	}
	switch {
	case !c.phase().reading() || c.phase() == phaseLingering:
		l.dropIn(c, in)
	case c.has(flagDeaf):
		l.count(c.in) // the Close frame is in it
	case !in.parser.Idle():
		l.keep(c, in)
	case c.in != nil:
		l.releaseIn(c)
	default:
		in.parser.Reset(keepBuffer)
	}
}

// dropIn clears parser state that nobody will complete.
func (l *loop) dropIn(c *conn, in *inbound) {
	if c.in != nil {
		l.releaseIn(c)
	} else if in == l.scratch {
		in.parser.Reset(keepBuffer)
	}
}

// message handles one message or control frame.
func (l *loop) message(c *conn, m frame.Message) {
	switch m.Op {
	case ws.OpPing:
		if c.word.lock(c.word.gen()) {
			c.writeMessage(ws.OpPong, m.Data)
			c.word.unlock()
		}
	case ws.OpPong:
	case ws.OpClose:
		l.peerCloses(c, m.Data)
	default:
		if c.has(flagSealed) && !(l.last && c.phase().talking()) {
			return // we have begun to close
		}
		l.stats.messagesIn.Add(1)
		l.deliver(c, Message{m.Op, m.Data})
	}
}

// deliver hands a message to the application, here or on the pool.
func (l *loop) deliver(c *conn, m Message) {
	if l.engine.cfg.Inline && !c.has(flagBusy) {
		l.engine.call(c.handle(), event{kind: eventMessage, op: m.Op, data: m.Data})
		return
	}
	l.enqueue(c, event{kind: eventMessage, op: m.Op, data: m.Data})
}

// call calls the Handler, and closes the connection if it panics.
func (e *Engine) call(h Conn, ev event) {
	defer func() {
		if v := recover(); v != nil {
			e.cfg.Log.Error("a handler panicked; its connection is closed",
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			h.closeAs(Reason{StatusInternal, "internal error", ByPanic})
		}
	}()
	switch ev.kind {
	case eventOpen:
		e.cfg.Handler.Open(h)
	case eventMessage:
		e.cfg.Handler.Message(h, Message{ev.op, ev.data})
	case eventClose:
		e.cfg.Handler.Close(h, ev.reason)
	case eventCall:
		ev.call()
	}
}

// violated fails the connection (RFC 6455, 7.1.7).
func (l *loop) violated(c *conn, err error) {
	r := Reason{int(ws.StatusProtocolError), err.Error(), ByViolation}
	var v *frame.Error
	if errors.As(err, &v) {
		r.Code = int(v.Code)
	}
	if err == frame.ErrTooBig {
		r.Cause = ByTooBig
		r.Text = fmt.Sprintf("message is larger than %d bytes", l.engine.cfg.MaxMessageBytes)
	}
	l.fail(c, r)
}

// hasHungUp reports whether the peer has sent its last byte.
func hasHungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: pollHup}}
	n, _ := unix.Poll(p, 0)
	return n > 0
}
