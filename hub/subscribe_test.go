package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestSubscribeTwice(t *testing.T) {
	h := newTest(t, Config{})
	s := join(h, "")
	again := 0
	for range 3 {
		h.Subscribe(&s.Client, "c", nil, func(d Subscribed) {
			if d.Again {
				again++
			}
		})
	}
	if again != 2 || h.Publish("c", text("x"), nil).Matched != 1 {
		t.Errorf("%d repetitions were noticed", again)
	}
	settle(t, h)
	if s.text() != "[1:x]" {
		t.Errorf("received %q", s.text())
	}
	if !h.Unsubscribe(&s.Client, "c") || h.Unsubscribe(&s.Client, "c") || h.Unsubscribe(&s.Client, "never") {
		t.Error("Unsubscribe tells wrongly whether there was a subscription")
	}
	if st := h.Stats(); st.Channels != 0 || st.Subscriptions != 0 {
		t.Errorf("stats %+v", st)
	}
}

// One client of many channels: past a number of subscriptions they are found by
// an index, and every bookkeeping stays right.
func TestManySubscriptions(t *testing.T) {
	h := newTest(t, Config{})
	rng := rand.New(rand.NewPCG(3, 4))
	clients := []*sink{join(h, ""), join(h, ""), join(h, "")}
	in := map[*sink]map[string]bool{}
	for _, s := range clients {
		in[s] = map[string]bool{}
	}
	for i := range 6000 {
		s := clients[rng.IntN(len(clients))]
		name := fmt.Sprint("channel-", rng.IntN(60))
		if i > 5000 { // towards none
			if h.Unsubscribe(&s.Client, name) != in[s][name] {
				t.Fatalf("step %d: Unsubscribe from %s", i, name)
			}
			delete(in[s], name)
		} else if in[s][name] {
			if rng.IntN(2) == 0 {
				h.Unsubscribe(&s.Client, name)
				delete(in[s], name)
			}
		} else {
			s.subscribe(t, h, name)
			in[s][name] = true
		}
		if s.SubscriptionCount() != len(in[s]) {
			t.Fatalf("step %d: %d subscriptions, want %d", i, s.SubscriptionCount(), len(in[s]))
		}
		if i%500 == 0 {
			check(t, h)
			for _, name := range s.Subscriptions() {
				if !in[s][name] || !h.Subscribed(&s.Client, name) {
					t.Fatalf("step %d: subscribed to %s", i, name)
				}
			}
		}
	}
	for _, s := range clients {
		h.Remove(&s.Client)
	}
	if st := h.Stats(); st.Channels != 0 || st.Clients != 0 {
		t.Errorf("stats %+v", st)
	}
}

// A client with an index may lose all its subscriptions while something to it
// alone is on its way.
func TestIndexEnds(t *testing.T) {
	h := newTest(t, Config{Shards: 1})
	var hold sync.Mutex
	busy, s := join(h, ""), join(h, "ann")
	busy.hold = &hold
	busy.subscribe(t, h, "busy")
	for i := range indexFrom + 1 {
		s.subscribe(t, h, fmt.Sprint("c", i))
	}
	hold.Lock()
	h.Publish("busy", text("x"), nil)
	soon(t, "the worker is under way", func() bool { return h.Stats().Waiting == 0 })
	h.PublishClients(nil, []string{"ann"}, text("direct"), nil)
	for i := range indexFrom + 1 {
		h.Unsubscribe(&s.Client, fmt.Sprint("c", i))
	}
	if h.Subscribed(&s.Client, "busy") {
		t.Error("subscribed without a subscription")
	}
	s.subscribe(t, h, "busy")
	index := s.extra.index
	hold.Unlock()
	settle(t, h)
	if index != nil {
		t.Errorf("an index of %d for one subscription", len(index))
	}
	if s.text() != "[0:direct]" {
		t.Errorf("received %q", s.text())
	}
}

// meddler does something when the first delivery comes, before it is taken.
type meddler struct {
	sink
	once sync.Once
	do   func()
}

func (s *meddler) Deliver(frames []byte, n int, guard *atomic.Uint64, want uint64) Outcome {
	s.once.Do(s.do)
	return s.sink.Deliver(frames, n, guard, want)
}

// A publication that is under way when a client unsubscribes is not for it when
// it has subscribed again; one that is under way while it changes what else it
// is subscribed to still is.
func TestResubscribe(t *testing.T) {
	var h *Hub
	var s *meddler
	again := func() {
		h.Unsubscribe(&s.Client, "c")
		s.note("out ")
		h.Subscribe(&s.Client, "c", nil, func(d Subscribed) { s.note("in after %d ", d.Offset) })
	}
	for name, c := range map[string]struct {
		do   func()
		want string
	}{
		"again":      {again, "out in after 1 [2:new]"},
		"twice":      {func() { again(); again() }, "out in after 1 out in after 1 [2:new]"},
		"last moves": {func() { h.Unsubscribe(&s.Client, "first"); again() }, "out in after 1 [2:new]"},
		"others":     {func() { h.Unsubscribe(&s.Client, "first"); s.subscribe(t, h, "third") }, "[1:old][2:new]"},
		"removed":    {func() { h.Remove(&s.Client); s.note("gone") }, "gone"},
		"published meanwhile": {func() {
			h.Unsubscribe(&s.Client, "c")
			h.Publish("c", text("between"), nil)
			again()
		}, "out in after 2 [3:new]"},
	} {
		t.Run(name, func(t *testing.T) {
			h = newTest(t, Config{Shards: 1})
			s = &meddler{do: c.do}
			h.Add(&s.Client, s, "", 0, 0)
			s.Ready()
			s.subscribe(t, h, "first")
			s.subscribe(t, h, "c")
			join(h, "").subscribe(t, h, "c")
			join(h, "").subscribe(t, h, "first")
			h.Publish("c", text("old"), nil)
			settle(t, h)
			h.Publish("c", text("new"), nil)
			settle(t, h)
			if got := s.text(); got != c.want {
				t.Errorf("received %q, want %q", got, c.want)
			}
		})
	}
}

// A client that is found by its user while it is being added has its id, and
// can be removed.
func TestFoundWhileAdded(t *testing.T) {
	h := newTest(t, Config{Shards: 2})
	stop := make(chan struct{})
	seen := map[*Client]string{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			for _, c := range h.UserClients("ann") {
				seen[c] = c.ID()
				if n%5 == 0 {
					h.Remove(c)
				}
			}
		}
	})
	var all []*sink
	for i := range 3000 {
		s := new(sink)
		h.Add(&s.Client, s, "ann", 0, i)
		s.Ready()
		all = append(all, s)
		if i > 3 {
			h.Remove(&all[i-3].Client)
		}
	}
	close(stop)
	wg.Wait()
	for _, s := range all {
		if id := seen[&s.Client]; id != "" && id != s.ID() {
			t.Fatalf("the id was %q, then %q", id, s.ID())
		}
		h.Remove(&s.Client)
	}
	if st := h.Stats(); st.Clients != 0 || st.Users != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestRemove(t *testing.T) {
	h := newTest(t, Config{})
	a, b := join(h, "ann"), join(h, "ann")
	for i := range 30 {
		a.subscribe(t, h, fmt.Sprint("c", i))
		b.subscribe(t, h, fmt.Sprint("c", i))
	}
	id := a.ID()
	if h.Client(id) != &a.Client {
		t.Error("a client is not found by its id")
	}
	h.Remove(&a.Client)
	h.Remove(&a.Client)
	if h.Client(id) != nil {
		t.Error("a removed client is found")
	}
	if err := h.Subscribe(&a.Client, "c", nil, func(Subscribed) { t.Error("acknowledged") }); !errors.Is(err, ErrGone) {
		t.Errorf("Subscribe: %v", err)
	}
	if r := h.PublishClients([]*Client{&a.Client}, []string{"ann"}, text("x"), nil); r.Matched != 1 {
		t.Errorf("matched %d", r.Matched)
	}
	if n := len(h.UserClients("ann")); n != 1 {
		t.Errorf("%d clients of the user", n)
	}
	h.Remove(&b.Client)
	if st := h.Stats(); st.Clients != 0 || st.Users != 0 || st.Channels != 0 || st.Subscriptions != 0 {
		t.Errorf("stats %+v", st)
	}
	var never Client
	h.Remove(&never)
	settle(t, h)
}

// An id finds its client, and nothing else does.
func TestClientID(t *testing.T) {
	h := newTest(t, Config{Node: 77})
	ids := map[string]bool{}
	for range 2000 {
		s := join(h, "")
		id := s.ID()
		if ids[id] || h.Client(id) != &s.Client {
			t.Fatalf("id %q", id)
		}
		first, second, ok := strings.Cut(id, ".")
		if !ok || strings.Trim(first, "0123456789") != "" || strings.Trim(second, "0123456789") != "" {
			t.Fatalf("id %q", id)
		}
		ids[id] = true
		for _, wrong := range []string{first + ".1", "0." + second, id + "0", "1" + id, first, second, "", ".", first + "." + second + ".1", "-" + id, first + ".+1"} {
			if h.Client(wrong) != nil {
				t.Fatalf("%q finds a client", wrong)
			}
		}
	}
	other := newTest(t, Config{Node: 78})
	s := join(other, "")
	if h.Client(s.ID()) != nil || other.Client(s.ID()) == nil {
		t.Error("nodes are not told apart")
	}
}

func TestUsers(t *testing.T) {
	h := newTest(t, Config{})
	rng := rand.New(rand.NewPCG(5, 6))
	online := map[string][]*sink{}
	for i := range 4000 {
		user := fmt.Sprint("user-", rng.IntN(40))
		if n := len(online[user]); n > 0 && rng.IntN(100) < 55 {
			k := rng.IntN(n)
			h.Remove(&online[user][k].Client)
			online[user] = slices.Delete(online[user], k, k+1)
		} else {
			online[user] = append(online[user], join(h, user))
		}
		got := h.UserClients(user)
		if len(got) != len(online[user]) {
			t.Fatalf("step %d: %d clients of %s, want %d", i, len(got), user, len(online[user]))
		}
		for _, s := range online[user] {
			if !slices.Contains(got, &s.Client) || s.User() != user {
				t.Fatalf("step %d: a client of %s is missing", i, user)
			}
		}
	}
	users := 0
	for _, list := range online {
		if len(list) > 0 {
			users++
		}
	}
	if n := h.Stats().Users; int(n) != users {
		t.Errorf("%d users, want %d", n, users)
	}
}

// A subscriber receives exactly the publications after its subscription, in
// order, from the acknowledgement on, and none after that of its
// unsubscription; whatever others do meanwhile.
func TestExactly(t *testing.T) {
	h := newTest(t, Config{Shards: 2})
	const publishers, each, churners = 3, 1500, 6
	stop := make(chan struct{})
	var churn, publish sync.WaitGroup
	for range 40 { // keeps the walk long
		join(h, "").subscribe(t, h, "c")
	}
	steady := join(h, "")
	steady.subscribe(t, h, "c")
	for range churners {
		churn.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				s := join(h, "")
				for range 5 {
					h.Subscribe(&s.Client, "c", nil, func(d Subscribed) { s.note("[%d:in]", d.Offset) })
					if n%3 > 0 {
						other := join(h, "") // comes and goes meanwhile
						other.subscribe(t, h, "c")
						defer h.Remove(&other.Client)
					}
					h.Unsubscribe(&s.Client, "c")
					s.note("|")
				}
				h.Remove(&s.Client)
				life := s.text()
				for part := range strings.SplitSeq(strings.TrimSuffix(life, "|"), "|") {
					if !strings.HasPrefix(part, "[") || !consecutive(numbers(t, part), numbers(t, part)[0]) || strings.Contains(part[1:], "in]") && strings.Count(part, "in]") > 1 {
						t.Errorf("received %.200q", part)
						return
					}
				}
			}
		})
	}
	for p := range publishers {
		publish.Go(func() {
			for i := range each {
				h.Publish("c", text(fmt.Sprint(p, ".", i)), nil)
			}
		})
	}
	publish.Wait()
	close(stop)
	churn.Wait()
	settle(t, h)
	got := numbers(t, steady.text())
	if len(got) != publishers*each || !consecutive(got, 1) {
		t.Errorf("a steady subscriber received %d publications, want %d", len(got), publishers*each)
	}
}

// The same for a hub in which everything happens at once; the accounts are
// checked at the end.
func TestEverythingAtOnce(t *testing.T) {
	h := newTest(t, Config{Shards: 3, Events: presenceTexts{}})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 9))
			var mine []*sink
			for range 1500 {
				channel := fmt.Sprint("c", rng.IntN(5))
				switch k := rng.IntN(10); {
				case k < 2 || len(mine) == 0:
					mine = append(mine, join(h, fmt.Sprint("u", rng.IntN(4))))
				case k < 4:
					mine[rng.IntN(len(mine))].subscribe(t, h, channel)
				case k < 5:
					s := mine[rng.IntN(len(mine))]
					h.Subscribe(&s.Client, "presence", &Join{Member: Member{User: s.User()}}, func(Subscribed) {})
				case k < 6:
					h.Unsubscribe(&mine[rng.IntN(len(mine))].Client, channel)
				case k < 7:
					i := rng.IntN(len(mine))
					h.Remove(&mine[i].Client)
					mine = slices.Delete(mine, i, i+1)
				case k < 8:
					h.PublishAll(text("a"), &Options{ExceptUsers: []string{"u1"}})
				case k < 9:
					h.PublishClients(nil, []string{"u0", "u2"}, text("u"), nil)
				default:
					h.Publish(channel, text("p"), &Options{ExceptClients: []*Client{&mine[0].Client}})
				}
			}
			for _, s := range mine {
				h.Remove(&s.Client)
			}
		})
	}
	wg.Wait()
	settle(t, h)
	if st := h.Stats(); st.Clients != 0 || st.Users != 0 || st.Channels != 0 || st.Subscriptions != 0 || st.Waiting != 0 {
		t.Errorf("stats %+v", st)
	}
}

// Deliveries wait for the greeting of a new client.
func TestReady(t *testing.T) {
	h := newTest(t, Config{Shards: 1})
	s := new(sink)
	h.Add(&s.Client, s, "ann", 0, 0)
	h.PublishAll(text("all"), nil)
	h.PublishClients(nil, []string{"ann"}, text("user"), nil)
	s.note("hello ")
	s.Ready()
	settle(t, h)
	if got := s.text(); got != "hello [0:all][0:user]" && got != "hello [0:user][0:all]" {
		t.Errorf("received %q", got)
	}
	// One that goes before its greeting holds up nobody.
	early := new(sink)
	h.Add(&early.Client, early, "", 0, 0)
	h.PublishAll(text("x"), nil)
	h.Remove(&early.Client)
	settle(t, h)
	if early.text() != "" || !strings.HasSuffix(s.text(), "[0:x]") {
		t.Errorf("received %q and %q", early.text(), s.text())
	}
}
