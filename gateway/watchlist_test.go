package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// watchText is user_data of a client that watches.
func watchText(user string, watched ...string) string {
	list, _ := json.Marshal(watched)
	return `{"id":"` + user + `","watchlist":` + string(list) + `}`
}

// hears reads what a client is told of those whom it watches, sorted.
func (p *pusherPeer) hears() (online, offline []string) {
	p.t.Helper()
	_, text := p.next()
	return newsOf(p.t, text)
}

func newsOf(t testing.TB, text string) (online, offline []string) {
	t.Helper()
	var m struct{ Event, Channel, Data string }
	var d struct {
		Events []struct {
			Name  string
			Users []string `json:"user_ids"`
		}
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil || m.Event != "pusher_internal:watchlist_events" || m.Channel != "" {
		t.Fatalf("received %s, want news of a watchlist", text)
	}
	if err := json.Unmarshal([]byte(m.Data), &d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for _, e := range d.Events {
		switch e.Name {
		case "online":
			online = append(online, e.Users...)
		case "offline":
			offline = append(offline, e.Users...)
		default:
			t.Fatal(text)
		}
		if len(e.Users) == 0 {
			t.Fatal(text)
		}
	}
	slices.Sort(online)
	slices.Sort(offline)
	return online, offline
}

// wantNews demands the next news.
func (p *pusherPeer) wantNews(online, offline string) {
	p.t.Helper()
	on, off := p.hears()
	if got, want := strings.Join(on, ","), online; got != want {
		p.t.Fatalf("online are %s, want %s", got, want)
	}
	if got, want := strings.Join(off, ","), offline; got != want {
		p.t.Fatalf("offline are %s, want %s", got, want)
	}
}

// A client is told of those whom it watches: how things are, and then what
// changes. Who has several connections, in whatever dialect, is there as long as
// one of them.
func TestWatchlist(t *testing.T) {
	a := tenant("a", func(a *App) { a.Watchlist = true })
	s := newTest(t, tenants(a))
	bob, p := s.pusher(a), s.pusher(a)
	bob.signIn("bob")
	data := watchText("ann", "bob", "carol", "ann", "bob")
	p.ask(p.signInText(data), signedInText(data))
	p.wantNews("ann,bob", "carol")

	again := s.pusher(a)
	again.signIn("bob")
	bob.Close()
	n, _ := s.native("?token=" + sign(t, a.Secret, map[string]any{"sub": "carol"}))
	p.wantNews("carol", "")
	again.Close()
	p.wantNews("", "bob")
	n.Close()
	p.wantNews("", "carol")
	p.quiet()

	// A member of a channel, and who is nobody, have not signed in.
	carol := s.pusher(a)
	carol.enter("presence-x", `{"user_id":"carol"}`, "carol", "null")
	carol.quiet()
	p.quiet()
	carol.signIn("carol")
	p.wantNews("carol", "")
	// Signing in again changes nothing, and neither does another list.
	data = watchText("ann", "dave")
	p.ask(p.signInText(data), signedInText(data))
	p.quiet()
	dave := s.pusher(a)
	dave.signIn("dave")
	dave.quiet()
	p.quiet()

	other := s.pusher(a)
	data = watchText("eve", "ann", "nobody")
	other.ask(other.signInText(data), signedInText(data))
	other.wantNews("ann", "nobody")
	p.Close()
	other.wantNews("", "ann")
	for _, p := range []*pusherPeer{other, carol, dave} {
		p.Close()
	}
	soon(t, "nobody is watched", func() bool {
		w := &s.apps.byID("a").watch
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.users) == 0 && len(w.clients) == 0
	})
}

// An app that does not want them has none; who watches nobody is told nothing.
func TestWatchlistOff(t *testing.T) {
	a, b := tenant("a"), tenant("b", func(a *App) { a.Watchlist = true })
	s := newTest(t, tenants(a, b))
	p, none := s.pusher(a), s.pusher(b)
	data := watchText("ann", "bob")
	p.ask(p.signInText(data), signedInText(data))
	for _, data := range []string{watchText("ann"), `{"id":"ann"}`, `{"id":"ann","watchlist":null}`} {
		none.ask(none.signInText(data), signedInText(data))
	}
	bob := s.pusher(a)
	bob.signIn("bob")
	bob.quiet()
	p.quiet()
	none.quiet()
}

// Of too many the first hundred are watched, and the client is told so.
func TestWatchlistTooLong(t *testing.T) {
	a := tenant("a", func(a *App) { a.Watchlist = true })
	s := newTest(t, tenants(a))
	var list []string
	for i := range 1000 { // some 45 KB
		list = append(list, fmt.Sprintf("user-%03d-%s", i, strings.Repeat("x", 32)))
	}
	p := s.pusher(a)
	data := watchText("ann", list[:100]...)
	p.ask(p.signInText(data), signedInText(data))
	p.wantNews("", strings.Join(list[:100], ","))
	p.quiet()

	p = s.pusher(a)
	data = watchText("ann", append(list, list[0])...)
	p.ask(p.signInText(data), signedInText(data))
	told, fault := false, false
	for range 2 { // in either order
		_, text := p.next()
		told = told || strings.HasPrefix(text, `{"event":"pusher_internal:watchlist_events"`)
		fault = fault || strings.HasPrefix(text, `{"event":"pusher:error","data":{"code":4302,`)
		if strings.Contains(text, "user-100") {
			t.Errorf("received %s", text)
		}
	}
	if !told || !fault {
		t.Error("news or the error are missing")
	}
	last, ninth := s.pusher(a), s.pusher(a)
	last.signIn(list[100])
	ninth.signIn(list[99])
	p.wantNews(list[99], "")
	p.quiet()
}

// However often users come and go, what is told last is the truth, and what is
// told of each takes turns.
func TestWatchlistSettles(t *testing.T) {
	const users, rounds = 5, 60
	a := tenant("a", func(a *App) { a.Watchlist = true })
	s := newTest(t, tenants(a))
	var names []string
	for i := range users {
		names = append(names, fmt.Sprintf("user-%d", i))
	}
	p := s.pusher(a)
	data := watchText("ann", names...)
	p.ask(p.signInText(data), signedInText(data))
	is := map[string]bool{}
	note := func(text string) {
		t.Helper()
		online, offline := newsOf(t, text)
		for _, u := range online {
			if is[u] {
				t.Errorf("%s is online twice", u)
			}
			is[u] = true
		}
		for _, u := range offline {
			if now, known := is[u]; known && !now {
				t.Errorf("%s is offline twice", u)
			}
			is[u] = false
		}
	}
	comes := func(user string) *pusherPeer {
		q, err := dialPusher(s.addr, a)
		if err == nil {
			err = q.WriteMessage(websocket.TextMessage, []byte(q.signInText(`{"id":"`+user+`"}`)))
		}
		if err == nil {
			_, _, err = q.ReadMessage()
		}
		if err != nil {
			t.Error(err)
		}
		return q
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var stay []*pusherPeer
	for i, name := range names {
		all.Go(func() {
			for range rounds {
				comes(name).Close()
			}
			if i%2 == 0 {
				q := comes(name)
				mu.Lock()
				stay = append(stay, q)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	h := s.apps.byID("a").hub
	soon(t, "all have gone but for those that stay", func() bool { return h.Clients() == int64(1+len(stay)) })
	w := &s.apps.byID("a").watch
	soon(t, "all is told", func() bool {
		w.noted.Lock()
		defer w.noted.Unlock()
		return !w.working
	})
	p.send(`{"event":"pusher:ping"}`)
	for _, text := p.next(); !strings.HasPrefix(text, `{"event":"pusher:pong"`); _, text = p.next() {
		note(text)
	}
	for i, name := range names {
		if now, known := is[name]; !known || now != (i%2 == 0) {
			t.Errorf("%s is told last to be online: %t", name, now)
		}
	}
	for _, q := range stay {
		q.Close()
	}
}
