package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Engine serves WebSocket connections. It is made by New, and its methods may
// be called from any goroutine.
type Engine struct {
	cfg      Config
	timeouts timeouts
	loops    []*loop
	workers  *Pool
	web      *web
	rate     *rate
	networks *networks
	buffers  buffers

	descriptors int // numbers from here on are not for connections

	now      atomic.Uint32 // time in ticks, see sweep.go
	lastTick atomic.Int64  // Unix time in nanoseconds of the last regular turn's start
	open     atomic.Int64  // WebSocket connections
	turn     atomic.Uint32 // for nextLoop
	warned   atomic.Int64  // when warnAccept last spoke

	mu        sync.Mutex
	listeners []*listener
	down      bool // Shutdown has begun

	stopTick chan struct{} // closed once, to end the ticker
	tickOnce sync.Once
	tickDone chan struct{} // closed when it has ended
	closed   sync.Once
	wg       sync.WaitGroup // loops
}

// New makes an Engine and starts its loops. It listens nowhere yet. An error
// names the field of cfg at fault, or is the system's.
func New(cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg,
		timeouts: timeouts{
			handshake: ticks(cfg.HandshakeTimeout),
			idle:      ticks(cfg.IdleTimeout),
			pong:      ticks(cfg.PongTimeout),
			close:     ticks(cfg.CloseTimeout),
			linger:    ticks(cfg.LingerTimeout),
		},
		rate:     newRate(cfg.AcceptRate),
		networks: newNetworks(cfg.MaxConnectionsPerIP),
		stopTick: make(chan struct{}),
		tickDone: make(chan struct{}),
	}
	e.web = newWeb(e)
	e.descriptors = descriptorLimit(cfg.Loops)
	for i := range cfg.Loops {
		l, err := newLoop(e, i)
		if err != nil {
			e.discard()
			return nil, err
		}
		e.loops = append(e.loops, l)
	}
	if e.workers, err = NewPool(cfg.Workers); err != nil {
		e.discard()
		return nil, err
	}
	for _, l := range e.loops {
		e.wg.Go(l.run)
	}
	go e.tick()
	go e.web.run()
	return e, nil
}

// discard frees loops that were not started.
func (e *Engine) discard() {
	for _, l := range e.loops {
		l.poll.Close()
		l.poll.Run()
	}
}

// tick drives the clock and the sweeps. It ends with stopTick.
func (e *Engine) tick() {
	defer close(e.tickDone)
	t := time.NewTicker(e.tickPeriod())
	defer t.Stop()
	start := time.Now()
	for {
		select {
		case <-t.C:
		case <-e.stopTick:
			return
		}
		now := time.Now()
		e.now.Store(uint32(now.Sub(start) / tickUnit))
		e.lastTick.Store(now.UnixNano())
		for _, l := range e.loops {
			l.post(task{kind: taskTick})
		}
	}
}

// tickPeriod is short enough for the shortest timeout to be kept well.
func (e *Engine) tickPeriod() time.Duration {
	shortest := min(e.cfg.HandshakeTimeout, e.cfg.IdleTimeout, e.cfg.PongTimeout, e.cfg.CloseTimeout, e.cfg.LingerTimeout)
	return min(max(shortest/8, tickUnit), 250*time.Millisecond)
}

func (e *Engine) ticked() time.Time { return time.Unix(0, e.lastTick.Load()) }

// nextLoop picks a loop for a connection that the system has not assigned.
func (e *Engine) nextLoop() *loop {
	return e.loops[int(e.turn.Add(1))%len(e.loops)]
}

// Loops returns the number of event loops.
func (e *Engine) Loops() int { return len(e.loops) }

const raiseLimit = "raise the limit of open files (ulimit -n, LimitNOFILE, fs.file-max)"

// warnAccept logs that accepting failed, once a second at most.
func (e *Engine) warnAccept(errno syscall.Errno) {
	now := time.Now().UnixNano()
	last := e.warned.Load()
	if now-last < int64(time.Second) || !e.warned.CompareAndSwap(last, now) {
		return
	}
	hint := ""
	if errno == syscall.EMFILE || errno == syscall.ENFILE {
		hint = raiseLimit + " or lower limits.max_connections"
	}
	e.cfg.Log.Error("cannot accept connections; waiting", "error", errno.Error(), "hint", hint)
}

// Each calls f for each connection that is open, until f returns false.
// Connections that open or close meanwhile may be missed. f runs on the event
// loops, one after another, and must not block. Each waits for them, so a
// Handler that is called inline must not call it.
func (e *Engine) Each(f func(c Conn) bool) {
	for _, l := range e.loops {
		if !l.each(f) {
			return
		}
	}
}

// each walks a loop's slots on the loop itself, a chunk a turn.
func (l *loop) each(f func(c Conn) bool) bool {
	for n := 0; ; n++ {
		type result struct{ more, stop bool }
		done := make(chan result, 1)
		ok := l.post(task{kind: taskCall, arg: func() {
			if n >= len(l.slab.chunks) {
				done <- result{}
				return
			}
			ch := l.slab.chunks[n]
			for i := range ch.conns {
				if ch.phase[i].talking() && !f(ch.conns[i].handle()) {
					done <- result{stop: true}
					return
				}
			}
			done <- result{more: true}
		}})
		if !ok {
			return true
		}
		if r := <-done; !r.more {
			return !r.stop
		}
	}
}

// StopListening closes the listeners. Connections stay.
func (e *Engine) StopListening() {
	e.mu.Lock()
	listeners := e.listeners
	e.listeners = nil
	e.mu.Unlock()
	for _, ln := range listeners {
		ln.loop.post(task{kind: taskUnlisten, arg: ln})
		ln.removePath()
	}
}

// Shutdown closes the listeners, closes every connection with 1001 and ends
// the Engine when all are gone or ctx is done; then what is left is cut off.
// It returns ctx's error in that case. An Engine that was shut down is of no
// further use. A Handler that is called inline must not call it: it would wait
// for itself. Handlers on the pool that do not return in five more seconds are
// left behind, which is an error, too.
func (e *Engine) Shutdown(ctx context.Context) error {
	err := errDown
	e.mu.Lock()
	e.down = true
	e.mu.Unlock()
	e.closed.Do(func() { err = e.shutdown(ctx) })
	return err
}

func (e *Engine) shutdown(ctx context.Context) error {
	e.StopListening()
	var dropped sync.WaitGroup
	for _, l := range e.loops {
		dropped.Add(1)
		l.post(task{kind: taskCall, arg: func() {
			l.dropHandshakes()
			l.post(task{kind: taskCall, arg: dropped.Done}) // behind what was on its way to net/http
		}})
	}
	webErr := make(chan error, 1)
	go func() {
		dropped.Wait() // from then on nothing is handed to net/http
		webErr <- e.web.shutdown(ctx)
	}()
	e.Each(func(c Conn) bool {
		c.closeAs(Reason{StatusGoingAway, "the server is shutting down", ByShutdown})
		return true
	})
	err := e.awaitEmpty(ctx)
	e.tickOnce.Do(func() { close(e.stopTick) })
	<-e.tickDone
	for _, l := range e.loops {
		l.post(task{kind: taskCall, arg: l.stop})
	}
	e.wg.Wait()
	for _, l := range e.loops {
		l.finish()
	}
	if poolErr := e.workers.Close(5 * time.Second); poolErr != nil && err == nil {
		err = errors.New("engine: handlers are still running")
	}
	for _, l := range e.loops {
		l.freePinned()
	}
	return errors.Join(err, <-webErr)
}

// awaitEmpty waits until no socket is left.
func (e *Engine) awaitEmpty(ctx context.Context) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for e.Stats().Sockets > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}
