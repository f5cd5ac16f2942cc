package hub

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPublish(t *testing.T) {
	h := newTest(t, Config{})
	a, b, c := join(h, ""), join(h, ""), join(h, "")
	a.subscribe(t, h, "news")
	b.subscribe(t, h, "news")
	c.subscribe(t, h, "other")
	if r := h.Publish("news", text("one"), nil); r.Matched != 2 || r.Full {
		t.Errorf("receipt %+v", r)
	}
	settle(t, h)
	h.Publish("news", text("two"), nil)
	h.Publish("other", text("three"), nil)
	if r := h.Publish("nobody", text("four"), nil); r.Matched != 0 {
		t.Errorf("receipt %+v", r)
	}
	settle(t, h)
	for s, want := range map[*sink]string{a: "[1:one][2:two]", b: "[1:one][2:two]", c: "[1:three]"} {
		if got := s.text(); got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	}
	if st := h.Stats(); st.Clients != 3 || st.Channels != 2 || st.Subscriptions != 3 || st.Publications != 4 || st.Written != 5 {
		t.Errorf("stats %+v", st)
	}
}

// What is published while a shard is busy leaves in one piece, in order.
func TestBatching(t *testing.T) {
	h := newTest(t, Config{Shards: 1})
	var hold sync.Mutex
	first, second := join(h, ""), join(h, "")
	for _, s := range []*sink{first, second} {
		s.hold = &hold
		s.subscribe(t, h, "c")
	}
	hold.Lock()
	h.Publish("c", text("0"), nil)
	soon(t, "the worker is under way", func() bool {
		s := h.shards[0]
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.working && s.stats.waiting.Load() == 0
	})
	var want strings.Builder
	want.WriteString("[1:0]")
	for i := 1; i < 100; i++ {
		h.Publish("c", text(fmt.Sprint(i)), nil)
		fmt.Fprintf(&want, "[%d:%d]", i+1, i)
	}
	hold.Unlock()
	settle(t, h)
	for _, s := range []*sink{first, second} {
		if s.text() != want.String() {
			t.Errorf("received %.80q", s.text())
		}
		if len(s.calls) != 2 || s.calls[0] != 1 || s.calls[1] != 99 {
			t.Errorf("deliveries of %v frames, want 1 and 99", s.calls)
		}
	}
}

// A batch is bounded in posts and in bytes; a larger message still goes.
func TestBatchBounds(t *testing.T) {
	for name, c := range map[string]struct {
		size, n, most int
	}{
		"posts": {1, 3 * batchPosts, batchPosts},
		"bytes": {batchBytes/4 + 1, 20, 3},
		"large": {3 * batchBytes, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTest(t, Config{Shards: 1})
			var hold sync.Mutex
			s := join(h, "")
			s.hold = &hold
			s.subscribe(t, h, "c")
			hold.Lock()
			for range c.n {
				h.Publish("c", text(strings.Repeat("x", c.size)), nil)
			}
			hold.Unlock()
			settle(t, h)
			sum := 0
			for _, k := range s.calls {
				sum += k
				if k > c.most {
					t.Errorf("%d frames at once, want at most %d", k, c.most)
				}
			}
			if sum != c.n || !consecutive(numbers(t, s.text()), 1) {
				t.Errorf("%d of %d frames", sum, c.n)
			}
		})
	}
}

// Exceptions hold inside a joined batch too: everybody else receives all.
func TestExcept(t *testing.T) {
	h := newTest(t, Config{Shards: 1})
	var hold sync.Mutex
	a, b, c := join(h, "ann"), join(h, "bob"), join(h, "bob")
	for _, s := range []*sink{a, b, c} {
		s.hold = &hold
		s.subscribe(t, h, "c")
	}
	hold.Lock()
	h.Publish("c", text("first"), nil)
	soon(t, "the worker has begun", func() bool { return h.Stats().Waiting == 0 })
	for _, p := range []struct {
		m text
		o *Options
		n int
	}{
		{"all", nil, 3},
		{"not a", &Options{ExceptClients: []*Client{&a.Client}}, 2},
		{"not bob", &Options{ExceptUsers: []string{"bob", "nobody"}}, 1},
		{"neither", &Options{ExceptClients: []*Client{&a.Client, nil}, ExceptUsers: []string{"bob"}}, 0},
		{"not b", &Options{ExceptClients: []*Client{&b.Client, &b.Client}}, 2},
		{"last", nil, 3},
	} {
		if r := h.Publish("c", p.m, p.o); r.Matched != p.n {
			t.Errorf("%s: matched %d, want %d", p.m, r.Matched, p.n)
		}
	}
	hold.Unlock()
	settle(t, h)
	for s, want := range map[*sink]string{
		a: "[1:first][2:all][4:not bob][6:not b][7:last]",
		b: "[1:first][2:all][3:not a][7:last]",
		c: "[1:first][2:all][3:not a][6:not b][7:last]",
	} {
		if got := s.text(); got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	}
}

// An exception holds for a user's clients that come later, and is never counted
// for more than there are.
func TestExceptComing(t *testing.T) {
	h := newTest(t, Config{Shards: 2})
	o := &Options{ExceptUsers: []string{"bob"}}
	x := newExcept(o)
	ann, bob := join(h, "ann"), join(h, "bob")
	if !x.has(&bob.Client) || x.has(&ann.Client) {
		t.Error("an exception does not know who has come since")
	}
	h.Remove(&ann.Client)
	h.Remove(&bob.Client)

	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s := join(h, "bob")
				s.subscribe(t, h, "c")
				h.Remove(&s.Client)
				if got := s.text(); got != "" {
					t.Errorf("received %q although excepted", got)
				}
			}
		})
	}
	for range 5000 {
		if r := h.Publish("c", text("x"), o); r.Matched < 0 {
			t.Errorf("matched %d of a channel", r.Matched)
		}
		if r := h.PublishAll(text("x"), o); r.Matched < 0 {
			t.Errorf("matched %d of all", r.Matched)
		}
	}
	close(stop)
	wg.Wait()
	gone := join(h, "bob")
	h.Remove(&gone.Client)
	if r := h.PublishAll(text("x"), &Options{ExceptClients: []*Client{&gone.Client, nil, {}}}); r.Matched != 0 {
		t.Errorf("matched %d, want nobody", r.Matched)
	}
	settle(t, h)
}

// Classes are encoded apart; one that receives nothing of a message is left out
// of the counts.
func TestClasses(t *testing.T) {
	h := newTest(t, Config{Shards: 1})
	deaf, fine := new(sink), new(sink)
	h.Add(&deaf.Client, deaf, "", 7, 0)
	h.Add(&fine.Client, fine, "", 1, 0)
	deaf.Ready()
	fine.Ready()
	deaf.subscribe(t, h, "c")
	fine.subscribe(t, h, "c")
	track := NewTracker()
	h.Publish("c", text("x"), &Options{Track: track})
	res, err := track.Wait(context.Background())
	if err != nil || res != (Result{Written: 1}) {
		t.Errorf("%+v, %v", res, err)
	}
	if deaf.text() != "" || fine.text() != "[1:x]" {
		t.Errorf("received %q and %q", deaf.text(), fine.text())
	}
}

// Users, clients and all are one copy for each client; an exception counts.
func TestDirect(t *testing.T) {
	h := newTest(t, Config{})
	a1, a2, b, c := join(h, "ann"), join(h, "ann"), join(h, "bob"), join(h, "")
	steps := []struct {
		name  string
		send  func() Receipt
		heard []*sink
	}{
		{"user", func() Receipt { return h.PublishClients(nil, []string{"ann", "nobody"}, text("1"), nil) }, []*sink{a1, a2}},
		{"client and its user", func() Receipt {
			return h.PublishClients([]*Client{&a1.Client, &c.Client, nil}, []string{"ann", "bob", "bob"}, text("2"), nil)
		}, []*sink{a1, a2, b, c}},
		{"except", func() Receipt {
			return h.PublishClients(nil, []string{"ann", "bob"}, text("3"), &Options{ExceptUsers: []string{"bob"}, ExceptClients: []*Client{&a2.Client}})
		}, []*sink{a1}},
		{"all", func() Receipt { return h.PublishAll(text("4"), nil) }, []*sink{a1, a2, b, c}},
		{"all except", func() Receipt {
			return h.PublishAll(text("5"), &Options{ExceptUsers: []string{"ann"}, ExceptClients: []*Client{&a1.Client, &c.Client}})
		}, []*sink{b}},
	}
	want := map[*sink]string{}
	for i, step := range steps {
		if r := step.send(); r.Matched != len(step.heard) {
			t.Errorf("%s: matched %d, want %d", step.name, r.Matched, len(step.heard))
		}
		for _, s := range step.heard {
			want[s] += fmt.Sprintf("[0:%d]", i+1)
		}
		settle(t, h)
		for _, s := range []*sink{a1, a2, b, c} {
			if s.text() != want[s] {
				t.Errorf("%s: received %q, want %q", step.name, s.text(), want[s])
			}
		}
	}
}

// A burst to one client is joined like one to a channel.
func TestDirectBatching(t *testing.T) {
	h := newTest(t, Config{Shards: 1})
	var hold sync.Mutex
	s := join(h, "ann")
	s.hold = &hold
	hold.Lock()
	for i := range 50 {
		h.PublishClients(nil, []string{"ann"}, text(fmt.Sprint(i)), nil)
	}
	hold.Unlock()
	settle(t, h)
	if !strings.HasPrefix(s.text(), "[0:0][0:1][0:2]") || strings.Count(s.text(), "[") != 50 || len(s.calls) > 2 {
		t.Errorf("received %.60q in deliveries of %v", s.text(), s.calls)
	}
}

// A tracker counts each outcome, over several publications and shards.
func TestTracker(t *testing.T) {
	h := newTest(t, Config{})
	for i := range 30 {
		s := join(h, "")
		s.answer = Outcome(i % 3) // Written, Queued, Dropped
		s.subscribe(t, h, "c")
	}
	track := NewTracker()
	for range 4 {
		h.Publish("c", text("x"), &Options{Track: track})
	}
	h.PublishAll(text("y"), &Options{Track: track})
	res, err := track.Wait(context.Background())
	if want := (Result{Written: 50, Queued: 50, Dropped: 50}); err != nil || res != want {
		t.Errorf("%+v, %v; want %+v", res, err, want)
	}
	// Nobody was reached: nothing to wait for.
	none := NewTracker()
	h.Publish("nobody", text("x"), &Options{Track: none})
	if res, err := none.Wait(context.Background()); err != nil || res != (Result{}) {
		t.Errorf("%+v, %v", res, err)
	}
	// Waiting may end first.
	var hold sync.Mutex
	slow := join(h, "")
	slow.hold = &hold
	slow.subscribe(t, h, "slow")
	hold.Lock()
	late := NewTracker()
	h.Publish("slow", text("x"), &Options{Track: late})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := late.Wait(ctx); err != context.Canceled {
		t.Errorf("error %v", err)
	}
	hold.Unlock()
	if res, err := late.Wait(context.Background()); err != nil || res.Written != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// A publisher that is too fast learns it once, and when there is room again.
func TestRoom(t *testing.T) {
	for name, size := range map[string]int{"posts": 1, "bytes": fullBytes / 8} {
		t.Run(name, func(t *testing.T) {
			h := newTest(t, Config{Shards: 2})
			var hold sync.Mutex
			for range 4 {
				s := join(h, "")
				s.hold = &hold
				s.subscribe(t, h, "c")
			}
			hold.Lock()
			full, calls := 0, make(chan int, 10000)
			for i := range fullPosts + 2*batchPosts {
				r := h.Publish("c", text(strings.Repeat("x", size)), &Options{Room: func() { calls <- i }})
				if r.Full {
					full++
				}
				if size > 1 && full > 3 {
					break
				}
			}
			if full == 0 {
				t.Error("the lane never was full")
			}
			select {
			case <-calls:
				t.Error("room, while nothing has moved")
			default:
			}
			hold.Unlock()
			seen := map[int]bool{}
			for range full {
				i := <-calls
				if seen[i] {
					t.Errorf("publication %d heard of room twice", i)
				}
				seen[i] = true
			}
			settle(t, h)
			if len(calls) > 0 {
				t.Errorf("%d more calls than were promised", len(calls))
			}
		})
	}
}

// A small channel does not wait for a large one: lanes take turns.
func TestFairness(t *testing.T) {
	h := newTest(t, Config{Shards: 1})
	var hold sync.Mutex
	var turn atomic.Int64
	newcomer := func(channel string) *sink {
		s := join(h, "")
		s.hold, s.turn = &hold, &turn
		s.subscribe(t, h, channel)
		return s
	}
	for range 20 * chunk {
		newcomer("large")
	}
	small := newcomer("small")
	hold.Lock()
	h.Publish("large", text("x"), nil)
	h.Publish("small", text("x"), nil)
	hold.Unlock()
	settle(t, h)
	if small.rank > 2*chunk {
		t.Errorf("the small channel's client was served as number %d", small.rank)
	}
}

// Many lanes that are far from full make a full shard.
func TestRoomOfShard(t *testing.T) {
	for name, c := range map[string]struct{ size, n int }{
		"posts": {1, fullShardPosts},
		"bytes": {fullBytes / 2, fullShardBytes / (fullBytes / 2)},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTest(t, Config{Shards: 1})
			var hold sync.Mutex
			const channels = 128
			s := join(h, "")
			s.hold = &hold
			for i := range channels {
				s.subscribe(t, h, fmt.Sprint("c", i))
			}
			hold.Lock()
			room, n := make(chan int, 1), 0
			m := text(strings.Repeat("x", c.size))
			for ; n <= 2*c.n; n++ {
				if h.Publish(fmt.Sprint("c", n%channels), m, &Options{Room: func() { room <- h.shards[0].posts }}).Full {
					break
				}
			}
			if n != c.n-1 {
				t.Errorf("full after %d publications, want %d", n+1, c.n)
			}
			if len(room) > 0 {
				t.Error("room, while nothing has moved")
			}
			hold.Unlock()
			if left := <-room; left > c.n/2 {
				t.Errorf("room, while %d wait", left)
			}
			settle(t, h)
		})
	}
}

// hardy is a Pool that survives panics and counts them.
type hardy struct {
	goroutines
	panics atomic.Int32
}

func (p *hardy) Submit(f func()) {
	p.goroutines.Submit(func() {
		defer func() {
			if recover() != nil {
				p.panics.Add(1)
			}
		}()
		f()
	})
}

// fragile is a client that panics instead of taking a delivery.
type fragile struct{ Client }

func (*fragile) Deliver([]byte, int, *atomic.Uint64, uint64) Outcome { panic("fragile") }

// poison is a message that cannot be encoded.
type poison struct{ text }

func (poison) Encode(uint8, Target) []byte { panic("poison") }

// A callback that panics is one delivery less, or one publication; all others
// are served, and the shard goes on.
func TestPanics(t *testing.T) {
	pool := new(hardy)
	h := New(Config{Shards: 1, Pool: pool})
	var hold sync.Mutex
	var fine []*sink
	fragiles := int32(0)
	for i := range 3 * chunk {
		if i%20 == 7 {
			s := new(fragile)
			h.Add(&s.Client, s, "", 0, 0)
			s.Ready()
			h.Subscribe(&s.Client, "c", nil, func(Subscribed) {})
			fragiles++
			continue
		}
		s := join(h, "")
		s.hold = &hold
		s.subscribe(t, h, "c")
		fine = append(fine, s)
	}
	last := new(fragile) // the last of a chunk
	h.Add(&last.Client, last, "alone", 0, 0)
	last.Ready()
	settled := func(panics int32) {
		t.Helper()
		settle(t, h)
		pool.wg.Wait()
		if n := pool.panics.Swap(0); n == 0 || n > panics {
			t.Errorf("the pool saw %d panics, want up to %d", n, panics)
		}
	}
	h.Publish("c", text("one"), nil)
	settled(fragiles)
	h.PublishClients(nil, []string{"alone"}, text("alone"), nil)
	settled(1)

	hold.Lock()
	h.Publish("c", text("two"), nil)
	soon(t, "the worker is under way", func() bool { return h.Stats().Waiting == 0 })
	h.Publish("c", text("three"), nil)
	h.Publish("c", poison{"four"}, nil)
	h.Publish("c", text("five"), nil)
	hold.Unlock()
	settled(2*fragiles + 1)
	for _, s := range fine {
		if got := s.text(); got != "[1:one][2:two][3:three][5:five]" {
			t.Fatalf("received %q", got)
		}
	}

	hold.Lock()
	track, called := NewTracker(), make(chan int, 3)
	for i, full := 0, 0; full < 3; i++ {
		if h.Publish("c", text("x"), &Options{Track: track, Room: func() { called <- i; panic("room") }}).Full {
			full++
		}
	}
	hold.Unlock()
	if _, err := track.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	for range 3 {
		<-called
	}
	settle(t, h)
	pool.wg.Wait()
	check(t, h)
}
