package engine

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"stentor/engine/poll"
	"stentor/frame"
)

// readSize is the size of a loop's read buffer.
const readSize = 64 << 10

// loop is an event loop. Unless a comment says otherwise its fields belong to
// the goroutine in run.
type loop struct {
	engine *Engine    // fixed
	index  int        // fixed
	poll   *poll.Poll // any goroutine: Wake; under a connection's lock: Control
	mail   mailbox    // any goroutine
	stats  loopStats  // any goroutine

	buf       []byte         // what the connection in turn has sent
	cork      []byte         // what is to be sent to it; under its lock while it is corked
	reply     int            // bytes at the start of cork that answer a handshake
	scratch   *inbound       // parser state for connections that have none
	upgrader  frame.Upgrader // handshakes
	decision  decision       // on the handshake in turn
	decide    func(frame.Request) (frame.Answer, error)
	slab      slab
	dying     []*conn // detached; an event of theirs may be pending in this batch
	dead      []*conn // no event can be pending
	spare     []task
	sweepFrom int  // chunk at which a sweep goes on
	closing   bool // the engine shuts down: nothing begins
	last      bool // what was held is handled, all of it: the socket is gone
}

func newLoop(e *Engine, index int) (*loop, error) {
	l := &loop{engine: e, index: index, buf: make([]byte, readSize), cork: make([]byte, 0, corkSize)}
	l.scratch = e.newInbound()
	l.decision.loop = l
	l.decide = l.decision.decide
	p, err := poll.Open(l.onWake)
	if err != nil {
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			err = fmt.Errorf("%w: %s", err, raiseLimit)
		}
		return nil, fmt.Errorf("engine: event loop %d: %w", index, err)
	}
	l.poll = p
	return l, nil
}

// run dispatches events until the engine stops the poller.
func (l *loop) run() {
	if err := l.poll.Run(); err != nil {
		l.engine.cfg.Log.Error("event loop failed", "loop", l.index, "error", err)
	}
}

// dropHandshakes ends what has not become a WebSocket, and lets nothing begin
// any more.
func (l *loop) dropHandshakes() {
	l.closing = true
	l.endAll(func(p phase) bool { return p == phaseHandshake || p == phaseVerify })
}

// endAll ends the connections in certain phases.
func (l *loop) endAll(which func(phase) bool) {
	for _, ch := range l.slab.chunks {
		for i := range ch.conns {
			if c := &ch.conns[i]; which(ch.phase[i]) {
				c.clearTask() // there may be no turn for it any more
				l.end(c, Reason{statusAbnormal, "", ByShutdown})
			}
		}
	}
}

// stop releases what is left, on the loop, and ends it.
func (l *loop) stop() {
	l.endAll(func(p phase) bool { return p > phaseGone })
	l.mail.mu.Lock()
	l.mail.closed = true
	l.mail.mu.Unlock()
	// No further event can come for what is detached once this batch is over,
	// and nothing is read in it for phases that are gone.
	l.poll.Close()
}

// finish frees what stop could not, after run has returned.
func (l *loop) finish() {
	for i := range l.mail.tasks {
		l.do(&l.mail.tasks[i])
	}
	for len(l.dying)+len(l.dead) > 0 {
		l.closeDead()
	}
}

// tick is the regular turn: it measures how long the loop was busy elsewhere,
// and looks for timeouts.
func (l *loop) tick() {
	l.stats.lag.Store(int64(time.Since(l.engine.ticked())))
	l.sweepFrom = 0
	l.sweep()
}

func (l *loop) now() uint32 { return l.engine.now.Load() }
