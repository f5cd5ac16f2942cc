package engine

import (
	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/frame"
)

// Ways to end, all on the loop:
//
//	closeBegun  we sent a Close frame first, and wait for the peer's
//	peerCloses  the peer's Close frame came: answer, FIN, wait for its FIN
//	fail        it broke the protocol: Close frame, FIN, wait for its FIN
//	end         the socket is of no use, or all has been said: gone
//
// Each leaves the talking phases through leave, which is where the one Close
// event comes from.

// leave ends the delivery of messages and raises the Close event, once.
func (l *loop) leave(c *conn, r Reason, next phase) {
	talking := c.phase().talking()
	c.setPhase(next)
	c.touch(l.now())
	if !talking {
		return
	}
	if c.word.lock(c.word.gen()) {
		c.set(flagSealed)
		c.allowReads(flagPaused) // to see the peer's end
		c.word.unlock()
	}
	l.engine.dismiss(c)
	l.stats.closes[r.Cause].Add(1)
	l.raise(c, event{kind: eventClose, reason: r})
}

// closeBegun is the loop's part of Conn.Close: the Close frame is queued.
func (l *loop) closeBegun(c *conn, r Reason) {
	c.clearTask()
	if !c.phase().talking() {
		return
	}
	l.leave(c, r, phaseClosing)
	switch {
	case c.has(flagLost):
		l.end(c, r)
	case c.has(flagAnswered | flagDeaf):
		l.sayFin(c)
	}
}

// broken is the loop's part of a write that failed.
func (l *loop) broken(c *conn, r Reason) {
	c.clearTask()
	l.last = true
	l.handleHeld(c) // it was said before
	l.last = false
	l.end(c, r)
}

func (c *conn) clearTask() {
	if c.word.lock(c.word.gen()) {
		c.clear(flagTask)
		c.word.unlock()
	}
}

// waitsForTask notes what has happened to a connection that was sealed, for
// the task that is in the mailbox on that account: its reason is the one that
// counts. It reports false if there is no such task.
func (c *conn) waitsForTask(what uint32) bool {
	if !c.phase().talking() || !c.word.lock(c.word.gen()) {
		return false
	}
	defer c.word.unlock()
	if !c.has(flagTask) {
		return false
	}
	c.set(what)
	return true
}

// peerCloses handles a Close frame. When we have sent one, it is the answer;
// otherwise it has its turn after the messages before it, so that what the
// Handler says to them is not lost.
func (l *loop) peerCloses(c *conn, body []byte) {
	if _, _, err := frame.ParseClose(body); err != nil {
		l.violated(c, err)
		return
	}
	if c.waitsForTask(flagAnswered) {
		return
	}
	if c.phase() == phaseClosing {
		l.sayFin(c)
		return
	}
	if c.in == nil {
		l.keep(c, l.scratch)
	}
	c.in.head = append(c.in.head[:0], body...)
	c.word.lock(c.word.gen())
	c.set(flagDeaf)
	c.word.unlock()
	if c.has(flagBusy) {
		l.enqueue(c, event{kind: eventPeerClose})
		return
	}
	l.peerClosed(c)
}

// peerClosed answers the Close frame that peerCloses has kept.
func (l *loop) peerClosed(c *conn) {
	if !c.phase().talking() || c.waitsForTask(flagAnswered) {
		return
	}
	r := c.peerReason()
	c.word.lock(c.word.gen())
	if !c.has(flagSealed) {
		c.sendClose(r.Code, "")
	}
	c.word.unlock()
	l.leave(c, r, phaseClosing)
	l.sayFin(c)
}

// peerReason reads the Close frame that was kept, which is correct.
func (c *conn) peerReason() Reason {
	code, text, _ := frame.ParseClose(c.in.head)
	return Reason{int(code), string(text), ByPeer}
}

// fail fails the connection with a Close frame; the peer's is not waited for.
func (l *loop) fail(c *conn, r Reason) {
	if c.waitsForTask(flagAnswered) {
		return
	}
	if !c.phase().talking() {
		l.end(c, r)
		return
	}
	if c.word.lock(c.word.gen()) {
		if !c.has(flagSealed) {
			c.sendClose(r.Code, r.Text)
		}
		c.word.unlock()
	}
	l.leave(c, r, phaseClosing)
	l.sayFin(c)
}

// sayFin sends FIN as soon as all is sent: now, or from corkOff or onWrite.
func (l *loop) sayFin(c *conn) {
	if !c.word.lock(c.word.gen()) {
		return
	}
	c.set(flagFin | flagSealed)
	now := c.out == nil && !c.has(flagCorked)
	c.word.unlock()
	if now {
		l.sendFin(c)
	}
}

// sendFin ends our direction. The descriptor stays until the peer has ended
// its own: closing it with input unread would send a reset, which destroys
// what the peer has not read yet.
func (l *loop) sendFin(c *conn) {
	if p := c.phase(); !p.reading() || p == phaseLingering {
		return
	}
	if err := unix.Shutdown(c.op.FD, unix.SHUT_WR); err != nil {
		l.end(c, Reason{statusAbnormal, err.Error(), ByReset})
		return
	}
	l.leave(c, Reason{statusAbnormal, "", ByServer}, phaseLingering)
	l.releaseIn(c)
}

// end lets go of the socket. The slot is free some turns later.
func (l *loop) end(c *conn, r Reason) {
	switch p := c.phase(); {
	case p <= phaseGone || c.waitsForTask(flagLost):
		return
	case p == phaseHandshake || p == phaseVerify:
		l.stats.handshake(outcomeOf(r))
	case p.talking() && c.has(flagDeaf): // it has said why before
		r = c.peerReason()
	}
	l.leave(c, r, phaseGone)
	l.releaseIn(c)
	c.word.lock(c.word.gen())
	c.dropQueue()
	c.set(flagSealed)
	c.word.closeLocked()
	c.word.unlock()
	l.poll.Detach(&c.op)
	l.dying = append(l.dying, c)
	l.poll.Wake()
}

// closeDead closes the descriptors of connections that were detached in an
// earlier batch, so that no event can be pending for their numbers, and frees
// the slots that no work on the pool needs. The others wait for workDone.
func (l *loop) closeDead() {
	for _, c := range l.dead {
		unix.Close(c.op.FD)
		l.stats.sockets.Add(-1)
		c.word.lockAlways(c.word.gen())
		c.set(flagClosed)
		pinned := c.has(flagEvent | flagBusy)
		c.word.unlock()
		if !pinned {
			l.freeSlot(c)
		}
	}
	clear(l.dead)
	l.dead, l.dying = l.dying, l.dead[:0]
	if len(l.dead) > 0 {
		l.poll.Wake()
	}
}

// workDone frees a slot that was kept for work on the pool alone.
func (l *loop) workDone(c *conn) {
	if c.has(flagClosed) && !c.has(flagEvent|flagBusy) {
		l.freeSlot(c)
	}
}

// freePinned does what workDone could not, after run has returned and the pool
// is closed.
func (l *loop) freePinned() {
	for _, ch := range l.slab.chunks {
		for i := range ch.conns {
			l.workDone(&ch.conns[i])
		}
	}
}

func (l *loop) freeSlot(c *conn) {
	c.word.retire()
	c.data = nil
	c.flags.Store(0)
	c.op.OnWrite = nil
	l.slab.put(c)
}

// outcomeOf tells why a handshake came to nothing.
func outcomeOf(r Reason) handshakeResult {
	switch {
	case r.Cause == ByLoss || r.Cause == ByReset:
		return handshakeAborted
	case r.Cause == ByPongTimeout:
		return handshakeTimeout
	}
	return handshakeFailed
}

// closeCode is the status code to send: none for those that are never sent.
func closeCode(code int) ws.StatusCode {
	if c := ws.StatusCode(code); frame.ValidCloseCode(c) {
		return c
	}
	return 0
}
