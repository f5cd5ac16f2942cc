package gateway

import (
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"

	"stentor/hub"
)

// apps is the apps that are served. Apps come, change and go at run time;
// looking for one takes no lock.
type apps struct {
	now     atomic.Pointer[roster]
	mu      sync.Mutex // of changes, and of what follows
	leaving []*app     // removed, with clients that are being closed
	past    hub.Stats  // sums of those that have gone
}

// roster is the apps at a time. It does not change.
type roster struct {
	list     []*app // in the order of the configuration
	byID     map[string]*app
	byKey    map[string]*app
	bySecret map[digest]*app
}

func newRoster(list []*app) *roster {
	r := &roster{list: list, byID: map[string]*app{}, byKey: map[string]*app{}, bySecret: map[digest]*app{}}
	for _, a := range list {
		s := a.settings()
		r.byID[a.id], r.byKey[s.Key] = a, a
		for _, d := range s.secrets {
			r.bySecret[d] = a
		}
	}
	return r
}

// all returns the apps. The list must not be changed.
func (s *apps) all() []*app { return s.now.Load().list }

// byID finds an app by its id, nil if there is none.
func (s *apps) byID(id string) *app { return s.now.Load().byID[id] }

// forClient finds the app that a client names by key, or the only one if it
// names none.
func (s *apps) forClient(key string) *app {
	r := s.now.Load()
	if key == "" && len(r.list) == 1 {
		return r.list[0]
	}
	return r.byKey[key]
}

// forSecret finds the app of which a backend knows a valid secret. The time it
// takes tells nothing of any secret.
func (s *apps) forSecret(secret string) *app { return s.now.Load().bySecret[digestOf(secret)] }

// serveApps makes the list, in which no two have an id, key or secret in common,
// the apps that are served. One whose id was served before is changed in place;
// those whose id is not in the list are removed.
func (g *Gateway) serveApps(list []App) {
	late := g.openHooksLate(list) // it may take a while: without the lock
	s := &g.apps
	s.mu.Lock()
	defer s.mu.Unlock()
	old, log := s.now.Load(), g.log
	if old == nil { // the first ones: nothing changes
		old, log = newRoster(nil), slog.New(slog.DiscardHandler)
	}
	var apps, changed, disabled []*app
	kept := map[string]bool{}
	for _, cfg := range list {
		a := old.byID[cfg.ID]
		switch {
		case a == nil:
			a = newApp(g, cfg)
			log.Info("an app is added", "app", a.id)
			changed = append(changed, a)
		case !reflect.DeepEqual(a.settings().App, cfg):
			if cfg.Disabled && !a.settings().Disabled {
				disabled = append(disabled, a)
			}
			a.set(cfg)
			log.Info("an app is changed", "app", a.id)
			changed = append(changed, a)
		}
		apps = append(apps, a)
		kept[cfg.ID] = true
	}
	var removed []*app
	for _, a := range old.list {
		if !kept[a.id] {
			last := *a.settings()
			last.removed = true
			a.now.Store(&last)
			log.Info("an app is removed", "app", a.id)
			removed = append(removed, a)
		}
	}
	if late { // nobody has been told what they want
		changed = apps
	}
	for _, a := range changed {
		g.appChanged(a)
	}
	s.now.Store(newRoster(apps))
	s.forget()
	s.leaving = append(s.leaving, removed...)
	for _, a := range append(disabled, removed...) {
		a.closeAll(a.settings().refusal())
	}
	for _, a := range removed {
		g.appRemoved(a)
	}
}

// appChanged is called for one app at a time, before its first client comes if it
// is new, or after it was changed.
func (g *Gateway) appChanged(a *app) { g.setHooks(a) }

// appRemoved is called after an app was removed, for one app at a time. Its
// clients are being closed.
func (g *Gateway) appRemoved(a *app) {
	if q := g.hooks.Load(); q != nil {
		q.Remove(a.id)
	}
}

// forget lets go of removed apps whose clients have gone, but for the sums of
// their counters, which must not fall. mu is held.
func (s *apps) forget() {
	left := s.leaving[:0]
	for _, a := range s.leaving {
		if st := a.hub.Stats(); st.Clients == 0 && st.Waiting == 0 {
			addStats(&s.past, st)
		} else {
			left = append(left, a)
		}
	}
	clear(s.leaving[len(left):])
	s.leaving = left
}

// total returns the sums of the counters over all apps that there have been.
func (s *apps) total() hub.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	sum := s.past
	for _, list := range [][]*app{s.leaving, s.all()} {
		for _, a := range list {
			addStats(&sum, a.hub.Stats())
		}
	}
	return sum
}

// addStats adds up what has been delivered.
func addStats(sum *hub.Stats, s hub.Stats) {
	sum.Written += s.Written
	sum.Queued += s.Queued
	sum.Dropped += s.Dropped
	sum.Latency.Sum += s.Latency.Sum
	for i, n := range s.Latency.Counts {
		sum.Latency.Counts[i] += n
	}
}
