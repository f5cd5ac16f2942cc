package swarm

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"stentor/engine/poll"
)

// Handler is told what happens to clients, on their loop's goroutine. now is
// Now at that moment. Data is valid until the method returns.
type Handler interface {
	// Opened: the opening handshake is done.
	Opened(c *Conn, now int64)
	// Message: a whole text or binary message has come.
	Message(c *Conn, binary bool, data []byte, now int64)
	// Closed ends each attempt that Dial began, opened or not. The client may be
	// dialled again, now or later.
	Closed(c *Conn, opened bool, why Cause, now int64)
	// Tick is called on each loop about every period of SetTick.
	Tick(l *Loop, now int64)
}

// Config says whom the clients connect to, and how.
type Config struct {
	Target  netip.AddrPort
	Sources []netip.Addr // addresses to come from, in turn; none: the system chooses
	Clients int          // how many there are; each is dialled when asked for
	Loops   int          // 0: one for each processor
	Handler Handler

	// Request appends the opening handshake of a client, whose
	// Sec-WebSocket-Key is key. It is called on the client's loop.
	Request func(dst []byte, number int, key []byte) []byte
	// Subprotocols are those that Request offers.
	Subprotocols []string

	InFlight   int           // handshakes under way at once, all together; 0: 512
	Timeout    time.Duration // of an opening or closing handshake; 0: 10 s
	MaxMessage int           // bytes of a message; 0: 16 MiB
	MaxBacklog int           // bytes that the socket has not taken; 0: 16 MiB
	Seed       uint64        // of masking keys and nonces
}

// Swarm is clients and their loops.
type Swarm struct {
	cfg   Config
	conns []Conn
	loops []*Loop

	tick atomic.Int64 // nanoseconds between two ticks
	done chan struct{}
	wg   sync.WaitGroup
}

// New starts the loops. Close ends them.
func New(cfg Config) (*Swarm, error) {
	if cfg.Clients < 1 {
		return nil, errors.New("swarm: there are no clients")
	}
	if cfg.Loops == 0 {
		cfg.Loops = runtime.GOMAXPROCS(0)
	}
	cfg.Loops = min(cfg.Loops, cfg.Clients)
	if cfg.InFlight == 0 {
		cfg.InFlight = 512
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = 16 << 20
	}
	if cfg.MaxBacklog == 0 {
		cfg.MaxBacklog = 16 << 20
	}
	s := &Swarm{cfg: cfg, conns: make([]Conn, cfg.Clients), done: make(chan struct{})}
	s.tick.Store(int64(defaultTick))
	for i := range cfg.Loops {
		l, err := newLoop(s, i)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.loops = append(s.loops, l)
		s.wg.Go(l.run)
	}
	for i := range s.conns {
		s.conns[i].number, s.conns[i].loop = int32(i), s.loops[i%len(s.loops)]
	}
	s.wg.Go(s.ticks)
	return s, nil
}

// Loops returns the loops; client n belongs to loop n modulo their number.
func (s *Swarm) Loops() []*Loop { return s.loops }

// Conn returns a client by its number. Its methods belong to its loop.
func (s *Swarm) Conn(number int) *Conn { return &s.conns[number] }

// defaultTick is often enough for timeouts.
const defaultTick = 20 * time.Millisecond

// minTick bounds what ticks may cost.
const minTick = 200 * time.Microsecond

// SetTick sets how often Tick is called: every 20 ms if d is 0, every 200 µs at
// most. Any goroutine may call it.
func (s *Swarm) SetTick(d time.Duration) {
	if d <= 0 {
		d = defaultTick
	}
	s.tick.Store(int64(max(d, minTick)))
}

// ticks wakes the loops that have a tick, of SetTick or of their own.
func (s *Swarm) ticks() {
	origin := Now()
	for last := origin; ; {
		tick := following(origin, last, s.tick.Load())
		at := tick
		for _, l := range s.loops {
			at = min(at, l.own.Load().after(last))
		}
		Sleep(time.Duration(at - Now()))
		select {
		case <-s.done:
			return
		default:
		}
		now := Now()
		for _, l := range s.loops {
			if due := min(tick, l.own.Load().after(last)); due <= now {
				l.due.CompareAndSwap(0, due) // not when this goroutine got to run
				l.poll.Wake()
			}
		}
		last = now
	}
}

// grid is when a loop has ticks of its own.
type grid struct {
	start int64
	every float64
}

// after is the first tick after now.
func (g *grid) after(now int64) int64 {
	switch {
	case g == nil:
		return math.MaxInt64
	case now < g.start:
		return g.start
	}
	for k := int64(float64(now-g.start) / g.every); ; k++ {
		if at := g.start + int64(float64(k)*g.every); at > now {
			return at
		}
	}
}

// following is the first tick after now, if there was one at a time.
func following(at, now, period int64) int64 {
	return at + period*(1+max(0, now-at)/period)
}

// Each runs f on every loop's goroutine, on all at once, and returns when all
// have. It must not be called on a loop; after Close it does nothing.
func (s *Swarm) Each(f func(l *Loop)) {
	var wg sync.WaitGroup
	for _, l := range s.loops {
		wg.Add(1)
		queued := l.Do(func() {
			defer wg.Done()
			f(l)
		})
		if !queued {
			wg.Done()
		}
	}
	wg.Wait()
}

// Close drops all connections by a reset and ends the loops. The Handler hears
// no more.
func (s *Swarm) Close() {
	select {
	case <-s.done:
		return
	default:
	}
	close(s.done)
	for _, l := range s.loops {
		l.Do(l.stop)
	}
	s.wg.Wait()
	for _, l := range s.loops {
		l.finish()
	}
}

// family returns a target's address family.
func family(a netip.Addr) int {
	if a.Is4() || a.Is4In6() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// address makes a socket address.
func address(a netip.AddrPort) unix.Sockaddr {
	if family(a.Addr()) == unix.AF_INET {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// openPoll opens a loop's poller.
func openPoll(onWake func()) (*poll.Poll, error) {
	p, err := poll.Open(onWake)
	if err != nil {
		return nil, fmt.Errorf("swarm: %w", err)
	}
	return p, nil
}
