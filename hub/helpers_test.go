package hub

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Generous: it only decides how long a failing test takes.
const patience = 30 * time.Second

// goroutines is a Pool without bounds.
type goroutines struct{ wg sync.WaitGroup }

func (g *goroutines) Submit(f func()) { g.wg.Go(f) }

// newTest makes a hub whose workers have ended, and whose lanes and arrays are
// consistent, when the test ends.
func newTest(t testing.TB, cfg Config) *Hub {
	pool := &goroutines{}
	cfg.Pool = pool
	if cfg.Shards == 0 {
		cfg.Shards = 3
	}
	h := New(cfg)
	t.Cleanup(func() {
		pool.wg.Wait()
		check(t, h)
	})
	return h
}

// text is a message whose frame is its text between brackets, for every class
// but 7, which receives nothing. The offset goes in front of it.
type text string

func (m text) Size() int { return len(m) }

func (m text) Encode(class uint8, to Target) []byte {
	if class == 7 {
		return nil
	}
	return fmt.Appendf(nil, "[%d:%s]", to.Offset, string(m))
}

// sink records what a client receives, as a connection would: one thing at a
// time, acknowledgements among deliveries.
type sink struct {
	Client
	mu     sync.Mutex
	got    bytes.Buffer
	calls  []int       // frames of each delivery
	hold   *sync.Mutex // if not nil, deliveries wait for it
	answer Outcome     // instead of Written
	turn   *atomic.Int64
	rank   int64 // of the last delivery among those that share turn
}

func (s *sink) Deliver(frames []byte, n int, guard *atomic.Uint64, want uint64) Outcome {
	if s.hold != nil {
		s.hold.Lock()
		defer s.hold.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if guard != nil && guard.Load() != want {
		return Stale
	}
	if s.answer != Written {
		return s.answer
	}
	if s.turn != nil {
		s.rank = s.turn.Add(1)
	}
	s.got.Write(frames)
	s.calls = append(s.calls, n)
	return Written
}

// note records an acknowledgement.
func (s *sink) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.got, format, args...)
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

func (s *sink) subscribe(t testing.TB, h *Hub, channel string) {
	t.Helper()
	if err := h.Subscribe(&s.Client, channel, nil, func(Subscribed) {}); err != nil {
		t.Fatal(err)
	}
}

var shardTurn atomic.Int32

// join adds a client, in one shard after the other.
func join(h *Hub, user string) *sink {
	s := new(sink)
	h.Add(&s.Client, s, user, 0, int(shardTurn.Add(1)))
	s.Ready()
	return s
}

// settle waits until nothing is on its way.
func settle(t testing.TB, h *Hub) {
	t.Helper()
	soon(t, "the workers have nothing to do", func() bool {
		idle := true
		for _, s := range h.shards { // all at once: one may wake another
			s.mu.Lock()
			defer s.mu.Unlock()
			idle = idle && !s.working
		}
		return idle
	})
}

func soon(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// check checks that clients, entries and subscriptions agree with each other.
// Nothing may be going on.
func check(t testing.TB, h *Hub) {
	t.Helper()
	subscriptions := map[*shard]int64{}
	for i := range h.channels {
		h.channels[i].all(func(ch *Channel) bool {
			n := 0
			for _, r := range ch.rosters {
				for pos, e := range r.entries {
					sb := e.client.sub(e.place())
					if sb.roster != r || int(sb.pos) != pos {
						t.Errorf("%s: entry %d and its client's subscription %d disagree", ch.name, pos, e.place())
					}
				}
				n += len(r.entries)
				subscriptions[r.shard] += int64(len(r.entries))
				if r.lane != nil {
					t.Errorf("%s: a lane is left", ch.name)
				}
			}
			if n != int(ch.n.Load()) || n == 0 || ch.dead {
				t.Errorf("%s: %d entries, count %d, dead %v", ch.name, n, ch.n.Load(), ch.dead)
			}
			return true
		})
	}
	for _, s := range h.shards {
		live := int64(0)
		for slot, c := range s.slots {
			if c == nil {
				continue
			}
			live++
			if int(c.slot) != slot || c.gone {
				t.Errorf("slot %d holds a client of slot %d, gone: %v", slot, c.slot, c.gone)
			}
			checkClient(t, c)
		}
		if live != s.stats.clients.Load() || subscriptions[s] != s.stats.subscriptions.Load() {
			t.Errorf("shard %d: %d clients and %d subscriptions, counted %d and %d", s.index, live, subscriptions[s],
				s.stats.clients.Load(), s.stats.subscriptions.Load())
		}
		if s.posts != 0 || s.bytes != 0 || len(s.room) != 0 {
			t.Errorf("shard %d: %d posts of %d bytes, %d wait for room", s.index, s.posts, s.bytes, len(s.room))
		}
		if s.working || s.stats.waiting.Load() != 0 {
			t.Errorf("shard %d: working %v, %d wait", s.index, s.working, s.stats.waiting.Load())
		}
	}
}

func checkClient(t testing.TB, c *Client) {
	t.Helper()
	for i := range c.subs() {
		if c.find(c.sub(i).roster.channel) != i {
			t.Errorf("subscription %d is not found where it is", i)
		}
	}
	if x := c.extra; x != nil && (len(x.more) == 0 && x.index == nil || x.direct != nil) {
		t.Errorf("a client has extra %+v without need", x)
	}
	if !settled(c.guard.Load()) {
		t.Errorf("the guard word is %x", c.guard.Load())
	}
}

// numbers takes the offsets out of what a client has received.
func numbers(t testing.TB, got string) (list []int) {
	t.Helper()
	for part := range strings.SplitSeq(strings.Trim(got, "[]"), "][") {
		if part == "" {
			continue
		}
		n, err := strconv.Atoi(strings.SplitN(part, ":", 2)[0])
		if err != nil {
			t.Fatalf("%q in %.100q", part, got)
		}
		list = append(list, n)
	}
	return list
}

// consecutive checks that numbers go up by one from first.
func consecutive(list []int, first int) bool {
	for i, n := range list {
		if n != first+i {
			return false
		}
	}
	return true
}
