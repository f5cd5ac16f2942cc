package gateway

import (
	"sync"
	"sync/atomic"

	"stentor/protocol/pusher"
)

// watchlists tells clients which users of theirs come and go. Who does is noted at
// once, and looked at and told by a worker: the hub waits for nobody, and a user
// that comes and goes often is told of as it is.
type watchlists struct {
	app      *app
	watching atomic.Int64 // clients

	mu      sync.Mutex
	users   map[string]*watched
	clients map[*pusherClient][]watch

	noted   sync.Mutex // alone, or with mu held
	changed map[string]bool
	working bool
}

// watched is the clients that watch a user.
type watched struct {
	user string
	by   []watcher
}

type watcher struct {
	client *pusherClient
	place  uint8 // of the watch among the client's
	told   told
}

// watch is one of a client's.
type watch struct {
	of    *watched
	place int // of the watcher
}

// told is what a watcher knows of a user.
type told uint8

const (
	toldNothing told = iota
	toldOnline
	toldOffline
)

// enter lets a client watch users, of which none is named twice and there are at
// most pusher.MaxWatchlist. It is told of each of them soon.
func (w *watchlists) enter(c *pusherClient, users []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users == nil {
		w.users, w.clients = map[string]*watched{}, map[*pusherClient][]watch{}
	}
	list := make([]watch, len(users))
	for i, user := range users {
		of := w.users[user]
		if of == nil {
			of = &watched{user: user}
			w.users[user] = of
		}
		list[i] = watch{of, len(of.by)}
		of.by = append(of.by, watcher{client: c, place: uint8(i)})
	}
	w.clients[c] = list
	w.watching.Store(int64(len(w.clients)))
	w.note(users...)
}

// leave forgets a client.
func (w *watchlists) leave(c *pusherClient) {
	if w.watching.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.clients[c] {
		// The last takes the place of the one that leaves.
		last := len(x.of.by) - 1
		moved := x.of.by[last]
		x.of.by[last] = watcher{}
		x.of.by = x.of.by[:last]
		if x.place < last {
			x.of.by[x.place] = moved
			w.clients[moved.client][moved.place].place = x.place
		}
		if last == 0 {
			delete(w.users, x.of.user)
		}
	}
	delete(w.clients, c)
	w.watching.Store(int64(len(w.clients)))
}

// touch is called when a user may have come or gone, under the hub's locks: it
// waits for nobody who holds mu.
func (w *watchlists) touch(user string) {
	if w.watching.Load() > 0 {
		w.note(user)
	}
}

// note has the worker look at users.
func (w *watchlists) note(users ...string) {
	w.noted.Lock()
	defer w.noted.Unlock()
	if w.changed == nil {
		w.changed = map[string]bool{}
	}
	for _, user := range users {
		w.changed[user] = true
	}
	if !w.working {
		w.working = true
		w.app.gateway.fanout.Submit(w.work)
	}
}

// work tells of the changes that have been noted, and has itself called again
// until there are none: others want the pool, too.
func (w *watchlists) work() {
	w.noted.Lock()
	changed := w.changed
	w.changed = nil
	w.working = changed != nil
	w.noted.Unlock()
	if changed == nil {
		return
	}
	all := map[*pusherClient]*news{}
	for user := range changed {
		w.look(user, all)
	}
	for c, n := range all { // those that have left meanwhile do not mind
		c.write(pusher.AppendWatchlist(nil, n.online, n.offline))
	}
	w.app.gateway.fanout.Submit(w.work)
}

// news is what a watcher is to be told.
type news struct{ online, offline []string }

// look adds what a user's watchers do not know yet.
func (w *watchlists) look(user string, all map[*pusherClient]*news) {
	now := toldOffline
	if w.app.hub.IsOnline(user) {
		now = toldOnline
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.users[user]
	if of == nil {
		return
	}
	for i := range of.by {
		by := &of.by[i]
		if by.told == now {
			continue
		}
		by.told = now
		n := all[by.client]
		if n == nil {
			n = new(news)
			all[by.client] = n
		}
		if now == toldOnline {
			n.online = append(n.online, user)
		} else {
			n.offline = append(n.offline, user)
		}
	}
}
