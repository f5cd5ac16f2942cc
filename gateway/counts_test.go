package gateway

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"stentor/hub"
)

func countText(channel string, n int) string {
	return fmt.Sprintf(`{"event":"pusher_internal:subscription_count","channel":"%s","data":"{\"subscription_count\":%d}"}`, channel, n)
}

// counted reads counts up to this one. They never pass over it: nobody else
// comes or goes.
func (p *pusherPeer) counted(channel string, n int) {
	p.t.Helper()
	for {
		_, text := p.next()
		if text == countText(channel, n) {
			return
		}
		if !strings.HasPrefix(text, `{"event":"pusher_internal:subscription_count","channel":"`+channel+`"`) {
			p.t.Fatalf("received %s, want the count %d", text, n)
		}
	}
}

// Subscribers are told how many they are, if the app wants it, and never of
// presence channels. Clients of other dialects count, and are told nothing.
func TestSubscriptionCount(t *testing.T) {
	a, b := tenant("a", func(a *App) { a.SubCount = true }), tenant("b")
	s := newTest(t, tenants(a, b))
	p, other, silent := s.pusher(a), s.pusher(a), s.pusher(b)
	silent.subscribe("private-x")
	p.subscribe("private-x")
	p.counted("private-x", 1)
	other.subscribe("private-x")
	other.counted("private-x", 2)
	p.counted("private-x", 2)
	other.subscribe("private-x") // again
	n, _ := s.native("?app=a-key&token=" + sign(t, a.Secret, map[string]any{"channels": []string{"private-x"}}))
	n.ask(`{"type":"subscribe","channel":"private-x"}`, `{"type":"subscribed","channel":"private-x"}`)
	for _, p := range []*pusherPeer{p, other} {
		p.counted("private-x", 3)
	}
	other.unsubscribe("private-x")
	p.counted("private-x", 2)
	n.quiet()
	n.Close()
	p.counted("private-x", 1)
	p.unsubscribe("private-x")
	p.quiet()
	p.enter("presence-x", `{"user_id":"1"}`, "1", "null")
	other.enter("presence-x", `{"user_id":"2"}`, "1", "null", "2", "null")
	p.want(memberAdded("presence-x", "2", "null"))
	p.subscribe("cache-x")
	p.want(`{"event":"pusher:cache_miss","channel":"cache-x","data":"{}"}`)
	p.counted("cache-x", 1)
	s.mark("private-x", silent)
	soon(t, "nothing waits", func() bool {
		c := &s.apps.byID("a").counts
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.pending) == 0
	})
	s.mark("presence-x", p, other)
}

// However many come and go, what is told last is the truth.
func TestSubscriptionCountSettles(t *testing.T) {
	a := tenant("a", func(a *App) { a.SubCount = true })
	s := newTest(t, tenants(a))
	watcher := s.pusher(a)
	watcher.subscribe("x")
	var all sync.WaitGroup
	var stay atomic.Int64
	for i := range 8 {
		p := s.pusher(a)
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			in := false
			for range 200 {
				if in {
					p.WriteMessage(1, []byte(`{"event":"pusher:unsubscribe","data":{"channel":"x"}}`))
				} else {
					p.WriteMessage(1, []byte(`{"event":"pusher:subscribe","data":{"channel":"x"}}`))
				}
				in = !in
				time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
			}
			if i%2 == 0 {
				p.WriteMessage(1, []byte(`{"event":"pusher:subscribe","data":{"channel":"x"}}`))
				stay.Add(1)
			}
		})
	}
	all.Wait()
	want := 1 + int(stay.Load())
	soon(t, "all have come and gone", func() bool { return s.subscribers(a, "x") == want })
	c := &s.apps.byID("a").counts
	soon(t, "all is told", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.pending) == 0
	})
	s.event(a, `"channels":["x"]`, "mark", "1")
	last := 0
	number := regexp.MustCompile(`subscription_count\\":([0-9]+)`)
	for {
		_, text := watcher.next()
		if text == eventText("x", "mark", "1") {
			break
		}
		last, _ = strconv.Atoi(number.FindStringSubmatch(text)[1])
	}
	if last != want {
		t.Errorf("told %d last, want %d", last, want)
	}
}

// goroutines is a hub's pool without bounds.
type goroutines struct{}

func (goroutines) Submit(f func()) { go f() }

// listener is a Pusher client without a socket, which notes when it received what.
type listener struct {
	hub.Client
	mu    sync.Mutex
	lines []string
	began time.Time
}

func (l *listener) Deliver(frames []byte, n int, guard *atomic.Uint64, want uint64) hub.Outcome {
	if guard != nil && guard.Load() != want {
		return hub.Stale
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := bytes.NewReader(frames); r.Len() > 0; {
		header, err := ws.ReadHeader(r)
		payload := make([]byte, header.Length)
		if _, short := io.ReadFull(r, payload); err != nil || short != nil {
			panic("no whole frames")
		}
		text := regexp.MustCompile(`[0-9]+`).FindString(string(payload))
		l.lines = append(l.lines, fmt.Sprintf("%v:%s", time.Since(l.began), text))
	}
	return hub.Written
}

// With more than a hundred subscribers a channel is told of every five seconds at
// most, and soon when it has changed after a rest.
func TestSubscriptionCountRests(t *testing.T) {
	s := newTest(t, nil)
	synctest.Test(t, func(t *testing.T) {
		cfg := defaultApp()
		cfg.SubCount = true
		a := newApp(s.Gateway, cfg)
		a.hub = hub.New(hub.Config{Shards: 2, Pool: goroutines{}, Observer: observer{a}})
		began := time.Now()
		join := func(i int) *listener {
			l := &listener{began: began}
			a.hub.Add(&l.Client, l, "", classPusher, i)
			l.Ready()
			if err := a.hub.Subscribe(&l.Client, "x", nil, func(hub.Subscribed) {}); err != nil {
				t.Fatal(err)
			}
			return l
		}
		first := join(0)
		var all []*listener
		for i := range 149 {
			all = append(all, join(i))
		}
		leave := func(n int) {
			for range n {
				a.hub.Remove(&all[0].Client)
				all = all[1:]
			}
		}
		time.Sleep(time.Second)
		leave(1)
		time.Sleep(time.Second)
		leave(2)
		time.Sleep(4 * time.Second) // 6 s
		leave(97)                   // 50 are left
		time.Sleep(5 * time.Second) // 11 s
		leave(1)
		time.Sleep(time.Second)
		leave(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		want := "20ms:150 5.02s:147 10.02s:50 11.02s:49 12.02s:48"
		if got := strings.Join(first.lines, " "); got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
		if len(a.counts.pending) != 0 {
			t.Errorf("%d channels are pending", len(a.counts.pending))
		}
		leave(len(all))
		a.hub.Remove(&first.Client)
		time.Sleep(time.Second)
	})
}
