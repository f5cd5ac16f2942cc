package swarm

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"stentor/engine/poll"
)

// Loop is an event loop with its clients. Unless a comment says otherwise all of
// it belongs to its goroutine.
type Loop struct {
	Index int // fixed

	// Lag, if it is set, is told how late each turn came to its tick, before Tick is
	// called, and the time between two ticks, in nanoseconds: those that would have
	// come meanwhile are left out. It is to be set before the first Dial.
	Lag func(ns, period int64)

	// Counters, of all clients of the loop.
	Pings         int64 // of servers, each answered
	SentBytes     int64 // with headers, without handshakes
	ReceivedBytes int64 // all

	swarm  *Swarm        // fixed
	target unix.Sockaddr // unix.Connect writes to it
	poll   *poll.Poll    // any goroutine: Wake
	due    atomic.Int64
	own    atomic.Pointer[grid] // ticks besides those of SetTick

	mu    sync.Mutex // guards tasks and ended
	tasks []func()
	ended bool

	reasons  map[uint16]string // of Close frames, by status code: the first
	spare    []func()
	buf      []byte       // what the client in turn has received
	out      []byte       // what it is to send
	reader   bytes.Reader // over a part of buf
	header   [14]byte
	random   *rand.Rand
	waiting  Queue[attempt] // to be dialled
	inFlight int            // handshakes under way
	deadline Queue[attempt] // of handshakes, oldest first
	dying    []*Conn        // detached; an event of theirs may be in this batch
	dead     []*Conn        // no event can be pending
	spareAux []*aux
	stopped  bool
}

// attempt is one life of a client.
type attempt struct {
	conn *Conn
	life uint32
	at   int64 // when it is due, or must have come to something
}

const (
	readSize = 64 << 10
	// dialsATurn bounds how long dialling keeps a loop from reading.
	dialsATurn = 64
)

func newLoop(s *Swarm, index int) (*Loop, error) {
	l := &Loop{
		Index: index, swarm: s, target: address(s.cfg.Target), buf: make([]byte, readSize),
		random: rand.New(rand.NewPCG(s.cfg.Seed, uint64(index)+1)),
	}
	var err error
	l.poll, err = openPoll(l.turn)
	return l, err
}

func (l *Loop) run() {
	if err := l.poll.Run(); err != nil {
		panic("swarm: a poller has failed: " + err.Error()) // epoll_wait does not, on a valid descriptor
	}
}

// Do runs f on the loop's goroutine, soon. Any goroutine may call it; after
// Close it does nothing, and reports false.
func (l *Loop) Do(f func()) (queued bool) {
	l.mu.Lock()
	queued = !l.ended
	if queued {
		l.tasks = append(l.tasks, f)
	}
	l.mu.Unlock()
	l.poll.Wake()
	return queued
}

// Clients calls f with each client of the loop.
func (l *Loop) Clients(f func(c *Conn)) {
	for i := l.Index; i < len(l.swarm.conns); i += len(l.swarm.loops) {
		f(&l.swarm.conns[i])
	}
}

// Random is the loop's source of random numbers.
func (l *Loop) Random() *rand.Rand { return l.random }

// SetTicks has Tick called at start, and every so many nanoseconds from there on,
// besides when SetTick says; not any more if every is 0. What is seldom due needs
// no frequent looks that way. Any goroutine may call it; it takes effect within the
// time between two ticks.
func (l *Loop) SetTicks(start int64, every float64) {
	if every <= 0 {
		l.own.Store(nil)
		return
	}
	l.own.Store(&grid{start, max(every, float64(minTick))})
}

// Reason is a text that the server has given with a Close frame, for a cause that
// names a status code: the first of the loop. It is empty if there was none.
func (l *Loop) Reason(why Cause) string {
	for code, text := range l.reasons {
		if closedWith(int(code)) == why {
			return text
		}
	}
	return ""
}

// keepReason keeps what came with a status code, for some codes.
func (l *Loop) keepReason(code uint16, text string) {
	if _, ok := l.reasons[code]; ok || text == "" || len(l.reasons) >= mostReasons {
		return
	}
	if l.reasons == nil {
		l.reasons = map[uint16]string{}
	}
	l.reasons[code] = text
}

const mostReasons = 100

// turn is the poller's wake-up.
func (l *Loop) turn() {
	l.bury()
	l.mu.Lock()
	tasks := l.tasks
	l.tasks = l.spare[:0]
	l.mu.Unlock()
	for i, f := range tasks {
		f()
		tasks[i] = nil
	}
	l.spare = tasks[:0]
	if l.stopped {
		return
	}
	if due := l.due.Swap(0); due != 0 {
		now := Now()
		if l.Lag != nil {
			l.Lag(now-due, l.swarm.tick.Load())
		}
		l.expire(now)
		l.swarm.cfg.Handler.Tick(l, now)
	}
	l.dialWaiting()
}

// bury frees the sockets of clients that ended at least one whole batch of
// events ago, so that no event of theirs can be pending.
func (l *Loop) bury() {
	for _, c := range l.dead {
		unix.Close(c.op.FD)
		c.op.FD = -1
		c.state = idle
		l.releaseAux(c)
		if c.again {
			l.waiting.Push(attempt{c, 0, c.due})
		}
	}
	l.dead, l.dying = l.dying, l.dead[:0]
	if len(l.dead) > 0 {
		l.poll.Wake()
	}
}

// stop drops everything.
func (l *Loop) stop() {
	l.stopped = true
	l.mu.Lock()
	l.ended = true
	l.tasks = nil
	l.mu.Unlock()
	l.Clients(func(c *Conn) {
		if c.state > ended {
			c.reset()
			c.end()
		}
	})
	l.poll.Close()
}

// finish closes what stop has left, after run has returned.
func (l *Loop) finish() {
	for _, c := range append(l.dead, l.dying...) {
		unix.Close(c.op.FD)
	}
	l.dead, l.dying = nil, nil
}

// expire ends handshakes that take too long.
func (l *Loop) expire(now int64) {
	for l.deadline.Len() > 0 && l.deadline.Front().at <= now {
		a := l.deadline.Pop()
		c := a.conn
		if c.life != a.life {
			continue
		}
		switch c.state {
		case dialing, handshaking:
			c.fail(Timeout, now)
		case closing:
			c.reset()
			why := CloseTimeout
			if c.got { // it said why, and left the connection open
				why = c.ending(why)
			}
			c.fail(why, now)
		}
	}
}

func (l *Loop) watch(c *Conn, now int64) {
	l.deadline.Push(attempt{c, c.life, now + int64(l.swarm.cfg.Timeout/time.Nanosecond)})
}
