package engine

// stopClock stops the engine's ticker, so that a test can set the time.
func (e *Engine) stopClock() {
	e.tickOnce.Do(func() { close(e.stopTick) })
	<-e.tickDone
}

// slabUsed counts the slots that are issued, on the loop.
func (l *loop) slabUsed() int {
	n := make(chan int)
	l.post(task{kind: taskCall, arg: func() { n <- l.slab.used }})
	return <-n
}

// sweepAll runs a sweep on every loop and waits for its first turn.
func (e *Engine) sweepAll() {
	for _, l := range e.loops {
		done := make(chan struct{})
		l.post(task{kind: taskTick})
		l.post(task{kind: taskCall, arg: func() { close(done) }})
		<-done
	}
}
