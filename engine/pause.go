package engine

import "slices"

// pauseOut returns how much may wait to be sent to a peer before nothing more
// is read from it: so one that asks faster than it takes the answers is held up
// by its own socket.
func (e *Engine) pauseOut() int { return e.cfg.QueueBytes / 2 }

// Reading is stopped and allowed again from any goroutine by bits of the
// flags; the loop then adjusts what the poller watches for. In between the
// loop ignores what the poller reports.

// stopReads sets a reason not to read. The caller holds the lock.
func (c *conn) stopReads(reason uint32) {
	if c.has(flagSealed | reason) {
		return // what comes is dropped anyway, or all is done
	}
	c.set(reason)
	if !c.has(flagMuted) {
		c.loop().post(task{kind: taskReads, conn: c, gen: c.word.gen()})
	}
}

// allowReads takes reasons back. The caller holds the lock.
func (c *conn) allowReads(reasons uint32) {
	if !c.has(reasons) {
		return
	}
	c.clear(reasons)
	if c.has(flagParked) && !c.has(flagPauseOut) {
		c.clear(flagParked)
		c.loop().engine.workers.Submit(c.work.run)
	}
	if !c.has(flagPaused) || c.has(flagHup) {
		c.loop().post(task{kind: taskReads, conn: c, gen: c.word.gen()})
	}
}

// adjustReads makes the poller watch for what the flags want.
func (l *loop) adjustReads(c *conn) {
	if !c.phase().reading() || !c.word.lock(c.word.gen()) {
		return
	}
	want, muted, hup := !c.has(flagPaused), c.has(flagMuted), c.has(flagHup)
	switch {
	case hup:
		c.clear(flagHup | flagMuted)
	case want && muted:
		c.clear(flagMuted)
		l.poll.Resume(&c.op)
		if c.out != nil {
			c.arm()
		}
	case !want && !muted:
		if c.op.OnWrite == nil {
			c.op.OnWrite = c.onWrite
		}
		c.clear(flagArmed)
		c.set(flagMuted)
		l.poll.Pause(&c.op)
	}
	c.word.unlock()
	if want {
		c.touch(l.now()) // silence was ours
	}
	if hup {
		l.hungUp(c)
	} else if want {
		l.handleHeld(c)
	}
}

// hold keeps the rest of what was read until reading is allowed again.
func (l *loop) hold(c *conn, in *inbound, b []byte) {
	l.keep(c, in)
	in.held = slices.Clone(b) // b may be what was held until now
	l.count(in)
}

// handleHeld handles what hold has kept, and reports whether there was any.
func (l *loop) handleHeld(c *conn) bool {
	if c.in == nil || len(c.in.held) == 0 {
		return false
	}
	b := c.in.held
	c.in.held = nil
	l.received(c, b)
	return true
}
