package gateway

import (
	"sync"

	"stentor/protocol/pusher"
)

// watchlists tells clients which users of theirs come and go. What changes is
// noted at once, and looked at and told by a worker: the hub waits for nobody,
// and a user that comes and goes often is told of as it is.
type watchlists struct {
	app *app

	mu      sync.Mutex
	users   map[string]map[*pusherClient]presenceTold // watchers of a user
	clients map[*pusherClient][]string                // users that a client watches
	changed map[string]bool
	working bool
}

// presenceTold is what a watcher has been told of a user.
type presenceTold uint8

const (
	toldNothing presenceTold = iota
	toldOnline
	toldOffline
)

// enter lets a client watch users. It is told of each of them soon.
func (w *watchlists) enter(c *pusherClient, users []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users == nil {
		w.users, w.clients = map[string]map[*pusherClient]presenceTold{}, map[*pusherClient][]string{}
	}
	for _, user := range users {
		if w.users[user] == nil {
			w.users[user] = map[*pusherClient]presenceTold{}
		}
		w.users[user][c] = toldNothing
		w.note(user)
	}
	w.clients[c] = users
}

// leave forgets a client.
func (w *watchlists) leave(c *pusherClient) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, user := range w.clients[c] {
		delete(w.users[user], c)
		if len(w.users[user]) == 0 {
			delete(w.users, user)
		}
	}
	delete(w.clients, c)
}

// touch is called when a user may have come or gone.
func (w *watchlists) touch(user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users[user] != nil {
		w.note(user)
	}
}

// note has the worker look at a user. mu is held.
func (w *watchlists) note(user string) {
	if w.changed == nil {
		w.changed = map[string]bool{}
	}
	w.changed[user] = true
	if !w.working {
		w.working = true
		w.app.gateway.fanout.Submit(w.work)
	}
}

// work tells of all changes that have been noted.
func (w *watchlists) work() {
	for {
		w.mu.Lock()
		changed := w.changed
		w.changed = nil
		w.working = changed != nil
		w.mu.Unlock()
		if changed == nil {
			return
		}
		online := map[string]bool{}
		for user := range changed {
			online[user] = w.app.hub.IsOnline(user)
		}
		w.tell(online)
	}
}

// news is what a watcher is to be told.
type news struct{ online, offline []string }

func (w *watchlists) tell(online map[string]bool) {
	for c, n := range w.news(online) { // those that have left meanwhile do not mind
		c.write(pusher.AppendWatchlist(nil, n.online, n.offline))
	}
}

// news returns whom to tell what they have not been told yet.
func (w *watchlists) news(online map[string]bool) map[*pusherClient]*news {
	all := map[*pusherClient]*news{}
	w.mu.Lock()
	defer w.mu.Unlock()
	for user, is := range online {
		now := toldOffline
		if is {
			now = toldOnline
		}
		for c, told := range w.users[user] {
			if told == now {
				continue
			}
			w.users[user][c] = now
			n := all[c]
			if n == nil {
				n = new(news)
				all[c] = n
			}
			if is {
				n.online = append(n.online, user)
			} else {
				n.offline = append(n.offline, user)
			}
		}
	}
	return all
}
