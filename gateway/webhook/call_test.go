package webhook

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stentor/test/kit"
)

// TestCall looks at a call as the receiver gets it.
func TestCall(t *testing.T) {
	r, url := served(t)
	q := open(t, Config{Dir: t.TempDir()})
	q.Set("app", signer("secret"), []Endpoint{{URL: url}})
	before := time.Now().UnixMilli()
	q.Emit("app", Event{Name: ClientEvent, Channel: "presence-a", Event: "client-x", Data: `{"a":"<é>"}`, Socket: "1.2", User: "7"})
	soon(t, "a call", func() bool { return len(r.all()) == 1 })
	d := r.all()[0]
	if d.ms < before || d.ms > time.Now().UnixMilli() {
		t.Errorf("time_ms is %d, it was emitted after %d", d.ms, before)
	}
	if want := (told{Name: ClientEvent, Channel: "presence-a", Event: "client-x", Data: `{"a":"<é>"}`, Socket: "1.2", User: "7"}); !slices.Equal(d.events, []told{want}) {
		t.Errorf("%+v, want %+v", d.events, want)
	}
	for name, want := range map[string]string{
		"Content-Type":       "application/json",
		"User-Agent":         "stentor",
		"X-Pusher-Key":       testKey,
		"X-Pusher-Signature": signature("secret", d.body),
	} {
		if got := d.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	soon(t, "nothing waits", func() bool {
		s := q.Stats()
		return len(s) == 1 && s[0] == Stats{App: "app", URL: url, Delivered: 1}
	})
}

// TestFilters: each endpoint gets what it wants and nothing else, in batches as
// well.
func TestFilters(t *testing.T) {
	names, nurl := served(t)
	prefixes, purl := served(t)
	q := open(t, Config{Dir: t.TempDir()})
	q.Set("app", signer("s"), []Endpoint{
		{URL: nurl, Events: []string{CacheMiss, SubscriptionCount}, Batch: true},
		{URL: purl, ChannelPrefix: "room-", Batch: true},
		{URL: purl, Events: []string{CacheMiss}, ChannelPrefix: "hall-"}, // the same address once more
	})
	for _, channel := range []string{"room-1", "hall-1", "attic"} {
		q.Emit("app", said(channel, "x"))
		q.Emit("app", Event{Name: CacheMiss, Channel: channel})
		q.Emit("app", Event{Name: SubscriptionCount, Channel: channel, Count: 3})
		q.Emit("app", Event{Name: "unknown", Channel: channel})
		q.Emit("other", Event{Name: CacheMiss, Channel: channel})
	}
	sum := func(r *receiver) int {
		n := 0
		for _, d := range r.all() {
			n += len(d.events)
		}
		return n
	}
	soon(t, "all that is wanted", func() bool { return sum(names) == 6 && sum(prefixes) == 3 })
	got := short(names.taken())
	slices.Sort(got)
	same(t, "by name", got, []string{"cache_miss attic", "cache_miss hall-1", "cache_miss room-1",
		"subscription_count attic", "subscription_count hall-1", "subscription_count room-1"})
	got = short(prefixes.taken())
	slices.Sort(got)
	same(t, "by prefix", got, []string{"cache_miss hall-1", "cache_miss room-1", "client_event room-1"})
	closed(t, q)
	if n := sum(names) + sum(prefixes); n != 0 {
		t.Errorf("%d events more", n)
	}
}

// TestOrderOverSockets: many channels, a receiver that is slow at random.
func TestOrderOverSockets(t *testing.T) {
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			const channels, each = 20, 50
			r, url := served(t)
			var most, under atomic.Int32
			var n atomic.Int32
			r.setAnswer(func(d delivery) int {
				now := under.Add(1)
				for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
				}
				if n.Add(1)%7 == 0 {
					time.Sleep(time.Millisecond)
				}
				under.Add(-1)
				return 200
			})
			q := open(t, Config{Dir: t.TempDir()})
			q.Set("app", signer("s"), []Endpoint{{URL: url, Batch: batch}})
			for i := range each {
				for c := range channels {
					q.Emit("app", said(fmt.Sprint("private-", c), fmt.Sprint(i)))
				}
			}
			soon(t, "all is delivered", func() bool { return q.Stats()[0].Delivered == channels*each })
			var want []string
			for i := range each {
				want = append(want, fmt.Sprint(i))
			}
			calls := len(r.all())
			if !batch && calls != channels*each || batch && calls > channels*each/2 {
				t.Errorf("%d calls for %d events", calls, channels*each)
			}
			for _, d := range r.all() {
				if len(d.events) > batchEvents || !batch && len(d.events) != 1 {
					t.Errorf("%d events in a call", len(d.events))
				}
			}
			list := r.taken()
			for c := range channels {
				same(t, "order", datas(list, fmt.Sprint("private-", c)), want)
			}
			if m := most.Load(); m > maxCalls || !batch && m < 2 {
				t.Errorf("up to %d calls at a time", m)
			}
			check(t, q)
		})
	}
}

// TestSlowEndpointCostsNobody: one endpoint never answers, another is none, a
// third of the same app gets everything meanwhile.
func TestSlowEndpointCostsNobody(t *testing.T) {
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release); hangs.Close() })
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	r, url := served(t)
	q := open(t, Config{Dir: t.TempDir()})
	q.Set("app", signer("s"), []Endpoint{{URL: hangs.URL}, {URL: "http://" + nobody.Addr().String()}, {URL: url}})
	for i := range 2000 {
		q.Emit("app", said(fmt.Sprint("private-", i%100), fmt.Sprint(i)))
	}
	soon(t, "the good endpoint has all", func() bool { return len(r.all()) == 2000 })
	for _, s := range q.Stats() {
		if s.URL != url && (s.Backlog != 2000 || s.Delivered != 0) {
			t.Errorf("%+v", s)
		}
	}
	before := time.Now()
	closed(t, q)
	if d := time.Since(before); d > callTimeout-time.Second {
		t.Errorf("Close waited %v for an endpoint that hangs", d)
	}
	check(t, q)
}

// TestAnswers: redirects are failures and not followed, long answers are not
// read to their end, connections are used again, and no secret is logged.
func TestAnswers(t *testing.T) {
	var followed, connections, calls atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/there", func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 64<<10)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/fine", func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.WriteHeader(204)
	})
	s := httptest.NewUnstartedServer(mux)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	var log kit.Buffer
	q := open(t, Config{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	secret := strings.Replace(s.URL, "http://", "http://user:pass-word@", 1)
	q.Set("moved", signer("s"), []Endpoint{{URL: secret + "/moved?token=hidden"}})
	q.Set("long", signer("s"), []Endpoint{{URL: s.URL + "/long"}})
	q.Emit("moved", said("private-a", "1"))
	q.Emit("long", said("private-a", "1"))
	soon(t, "the long answer is taken as one, the redirect as a failure", func() bool {
		all := q.Stats()
		return all[0].Delivered == 1 && all[1].Failed >= 1
	})
	soon(t, "a log line", func() bool { return strings.Contains(log.String(), "it answered 307") })
	for _, word := range []string{"pass-word", "hidden"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("%q is in the log: %s", word, log.String())
		}
	}
	if followed.Load() != 0 {
		t.Error("a redirect was followed")
	}
	q.Remove("moved")
	q.Remove("long")
	before := connections.Load()
	q.Set("fine", signer("s"), []Endpoint{{URL: s.URL + "/fine"}})
	for i := range 200 {
		q.Emit("fine", said("private-a", fmt.Sprint(i)))
	}
	soon(t, "all calls", func() bool { return calls.Load() == 200 })
	if n := connections.Load() - before; n > 2 {
		t.Errorf("%d connections for 200 calls, one after the other", n)
	}
}
