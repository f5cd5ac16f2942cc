package engine

// Reading is stopped and allowed again from any goroutine by bits of the
// flags; the loop then adjusts what the poller watches for. In between the
// loop ignores what the poller reports.

// stopReads sets a reason not to read. The caller holds the lock.
func (c *conn) stopReads(reason uint32) {
	if c.has(flagSealed) {
		return // what comes is dropped anyway
	}
	c.set(reason)
	if !c.has(flagMuted) {
		c.loop().post(task{kind: taskReads, conn: c, gen: c.word.gen()})
	}
}

// allowReads takes reasons back.
func (c *conn) allowReads(reasons uint32) {
	if c.word.lock(c.word.gen()) {
		c.allowReadsLocked(reasons)
		c.word.unlock()
	}
}

func (c *conn) allowReadsLocked(reasons uint32) {
	if !c.has(reasons) {
		return
	}
	c.clear(reasons)
	if !c.has(flagPaused) {
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
	}
}
