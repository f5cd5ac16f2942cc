package engine

import (
	"time"

	"github.com/gobwas/ws"
)

// Time is kept in ticks of 10 ms in 32 bits: differences are right for
// intervals of up to 497 days, whenever the counter wraps.
const tickUnit = 10 * time.Millisecond

// sweepActions bounds what one turn of a sweep does, so that many connections
// that fall silent together do not hold up the loop.
const sweepActions = 256

// ticks converts a timeout, rounding up.
func ticks(d time.Duration) uint32 {
	return uint32((d + tickUnit - 1) / tickUnit)
}

// timeouts are the limits of the phases, in ticks.
type timeouts struct {
	handshake, idle, pong, close, linger uint32
}

// sweep looks for connections whose time is over, one chunk after another, and
// lets the loop do other things when there is much to do.
func (l *loop) sweep() {
	now := l.now()
	actions := 0
	for l.sweepFrom < len(l.slab.chunks) {
		actions += l.sweepChunk(l.slab.chunks[l.sweepFrom], now)
		l.sweepFrom++
		if actions >= sweepActions {
			l.post(task{kind: taskSweep})
			return
		}
	}
}

func (l *loop) sweepChunk(ch *chunk, now uint32) (actions int) {
	t := &l.engine.timeouts
	for i, p := range &ch.phase {
		if p < phaseHandshake {
			continue
		}
		age := now - ch.stamp[i]
		switch {
		case p == phaseOpen && age >= t.idle:
			l.ping(&ch.conns[i])
		case p == phasePinged && age >= t.pong:
			l.pongMissing(&ch.conns[i])
		case p <= phaseVerify && age >= t.handshake:
			l.lateHandshake(&ch.conns[i])
		case p == phaseClosing && age >= t.close, p == phaseLingering && age >= t.linger:
			l.end(&ch.conns[i], Reason{statusAbnormal, "", ByReset})
		default:
			continue
		}
		actions++
	}
	return actions
}

// silenceIsOurs reports whether it says nothing of the peer that nothing comes.
// Where work waits until the peer takes answers, it does.
func (c *conn) silenceIsOurs() bool { return c.has(flagOurs) && !c.has(flagParked) }

// ping asks a silent peer for a sign of life. The stamp is then that of the
// ping; any byte from the peer sets it anew.
func (l *loop) ping(c *conn) {
	if c.silenceIsOurs() {
		c.touch(l.now())
		return
	}
	l.stats.pings.Add(1)
	c.setPhase(phasePinged)
	c.touch(l.now())
	if c.word.lock(c.word.gen()) {
		c.writeMessage(ws.OpPing, nil)
		c.word.unlock()
	}
}

// pongMissing ends a connection whose peer is gone. It still gets a Close
// frame, in case that only its answers are lost.
func (l *loop) pongMissing(c *conn) {
	if c.silenceIsOurs() {
		c.touch(l.now())
		return
	}
	code := int(c.pongCode)
	if code == 0 {
		code = statusTimeoutDef
	}
	l.fail(c, Reason{code, "no sign of life after a ping", ByPongTimeout})
}
