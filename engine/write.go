package engine

import (
	"slices"
	"syscall"

	"github.com/cloudwego/netpoll"

	"stentor/engine/poll"
	"stentor/frame"
)

// corkSize bounds what gathers for one connection while its input is being
// handled, before it is written at once.
const corkSize = 32 << 10

// write sends b, whole frames, or queues what the socket does not take. shared
// says that b never changes, so that a reference may be kept. The caller holds
// the lock.
func (c *conn) write(b []byte, shared bool) Outcome {
	if c.has(flagSealed) {
		return Dropped
	}
	l := c.loop()
	if c.has(flagCorked) && c.out == nil {
		if len(b) <= cap(l.cork)-len(l.cork) {
			l.cork = append(l.cork, b...)
			return Written
		}
		if o := c.flushCork(); o != Written && o != Queued {
			return o
		}
	}
	if c.out != nil {
		return c.enqueue(b, 0, shared)
	}
	return c.writeNow(b, 0, shared)
}

// writeNow writes b to the socket and queues the rest. The first head bytes are
// no frame but the answer to the handshake. The caller holds the lock, and
// nothing is queued.
func (c *conn) writeNow(b []byte, head int, shared bool) Outcome {
	n, errno := poll.Write(c.op.FD, b)
	if errno != 0 && errno != syscall.EAGAIN {
		c.broke(errno)
		return Dropped
	}
	if n > 0 {
		c.loop().stats.bytesOut.Add(uint64(n))
	}
	if n == len(b) {
		return Written
	}
	if n >= head { // an outbox must begin at a frame, or it could not be cut
		b, n = b[head:], n-head
	}
	return c.enqueue(b, n, shared)
}

// enqueue adds b, of which sent bytes are sent, to what waits. The caller
// holds the lock.
func (c *conn) enqueue(b []byte, sent int, shared bool) Outcome {
	l := c.loop()
	if c.has(flagUnheard) {
		return Dropped
	}
	if c.out == nil {
		c.out = outboxes.Get().(*outbox)
	} else if c.out.bytes > 0 && c.out.cost()+len(b) > l.engine.cfg.QueueBytes {
		l.stats.queued.Add(-int64(c.out.cut()))
		c.sealWith(Reason{StatusTryLater, "the queue is full: messages come faster than this client reads", ByOverflow})
		return Overflowed
	}
	if !shared {
		b = slices.Clone(b)
	}
	c.out.push(b)
	c.out.sent(sent)
	l.stats.queued.Add(int64(len(b) - sent))
	if c.out.cost() >= l.engine.pauseOut() {
		c.stopReads(flagPauseOut)
	}
	c.arm()
	return Queued
}

// arm makes the poller report writability. The caller holds the lock. While
// the poller does not watch for readability it reports that anyway.
func (c *conn) arm() {
	if c.has(flagArmed | flagMuted) {
		return
	}
	if c.op.OnWrite == nil {
		c.op.OnWrite = c.onWrite
	}
	c.set(flagArmed)
	c.loop().poll.Control(&c.op, netpoll.PollR2RW)
}

// onWrite is the poller's callback on writability.
func (c *conn) onWrite(netpoll.Poll) error {
	if !c.phase().reading() || !c.word.lock(c.word.gen()) {
		return nil
	}
	some := c.drain()
	fin := c.out == nil && c.has(flagFin)
	c.word.unlock()
	if some && c.has(flagPauseOut) { // it takes what it gets: a sign of life while it is not read
		c.touch(c.loop().now())
		if c.phase() == phasePinged {
			c.setPhase(phaseOpen)
		}
	}
	if fin {
		c.loop().sendFin(c)
	}
	return nil
}

// drain sends what waits, as far as the socket takes it, and reports whether it
// took some. The caller holds the lock.
func (c *conn) drain() (some bool) {
	l := c.loop()
	for c.out != nil && c.out.bytes > 0 {
		n, errno := sysWritev(c.op.FD, c.out.q[c.out.head:], c.out.off)
		if n > 0 {
			some = true
			c.out.sent(n)
			l.stats.bytesOut.Add(uint64(n))
			l.stats.queued.Add(-int64(n))
		}
		if errno == syscall.EAGAIN {
			if c.out.cost() < l.engine.pauseOut()/2 {
				c.allowReads(flagPauseOut)
			}
			return some
		}
		if errno != 0 {
			c.broke(errno)
			return some
		}
	}
	if c.out != nil {
		c.out.free()
		c.out = nil
	}
	c.allowReads(flagPauseOut)
	if c.has(flagArmed) {
		c.clear(flagArmed)
		l.poll.Control(&c.op, netpoll.PollRW2R)
	}
	return some
}

// sealWith queues a Close frame behind what waits and lets nothing follow; the
// loop does the rest. The caller holds the lock.
func (c *conn) sealWith(r Reason) {
	if c.has(flagSealed) {
		return
	}
	c.sendClose(r.Code, r.Text)
	c.set(flagTask)
	c.loop().post(task{kind: taskClosing, conn: c, gen: c.word.gen(), reason: r})
}

// sendClose sends a Close frame and seals. The caller holds the lock.
func (c *conn) sendClose(code int, text string) {
	var room [2 + 125]byte
	b := frame.AppendClose(room[:0], closeCode(code), text)
	switch {
	case c.out != nil:
		c.out.push(slices.Clone(b))
		c.loop().stats.queued.Add(int64(len(b)))
		c.arm()
	default:
		c.write(b, false)
	}
	c.set(flagSealed)
}

// broke notes that the socket is of no use any more. The caller holds the
// lock.
func (c *conn) broke(errno syscall.Errno) {
	c.set(flagSealed | flagTask)
	c.dropQueue()
	c.loop().post(task{kind: taskBroken, conn: c, gen: c.word.gen(),
		reason: Reason{statusAbnormal, errno.Error(), ByReset}})
}

// dropQueue forgets what waits. The caller holds the lock.
func (c *conn) dropQueue() {
	if c.out != nil {
		c.loop().stats.queued.Add(-int64(c.out.bytes))
		c.out.free()
		c.out = nil
	}
}

// corkOn makes output of c gather until corkOff. Only the loop calls it, for
// one connection at a time.
func (l *loop) corkOn(c *conn) bool {
	if !c.word.lock(c.word.gen()) {
		return false
	}
	c.set(flagCorked)
	c.word.unlock()
	return true
}

// corkOff writes what has gathered, and sends FIN if that was the last.
func (l *loop) corkOff(c *conn) {
	if !c.word.lock(c.word.gen()) {
		l.cork, l.reply = l.cork[:0], 0 // released meanwhile
		return
	}
	c.flushCork()
	c.clear(flagCorked)
	fin := c.out == nil && c.has(flagFin)
	c.word.unlock()
	if fin {
		l.sendFin(c)
	}
}

// flushCork writes what has gathered. The caller holds the lock.
func (c *conn) flushCork() Outcome {
	l := c.loop()
	b, head := l.cork, l.reply
	if len(b) == 0 {
		return Written
	}
	l.cork, l.reply = l.cork[:0], 0
	if c.out != nil {
		return c.enqueue(b, 0, false)
	}
	return c.writeNow(b, head, false)
}
