package webhook

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	defaultBacklog = 100_000
	defaultBytes   = 64 << 20
	maxMemory      = 64 << 20  // bytes of events that are not in the store
	maxNames       = 16_000    // bytes of an app and URL, and of an app, channel and user: the store's keys have a limit
	orphanAfter    = time.Hour // what waits for apps that nobody has set by then is dropped
)

var errNoStore = errors.New("the disk took nothing when they were opened")

// Queue tells endpoints. All its methods may be called from any goroutine.
type Queue struct {
	log        *slog.Logger
	client     *http.Client
	owned      bool // the client is the queue's own
	maxBacklog int
	maxBytes   int64
	store      *store // nil: there is none, everything is in memory only
	epoch      time.Time

	filtersMu sync.RWMutex        // taken under any other lock, mu as well
	filters   map[string][]filter // by app; what is in a list does not change

	wake  chan struct{} // holds one: there is something for run
	quit  chan struct{} // closed by Close once no call is under way
	saved chan struct{} // closed when run has ended
	calls sync.WaitGroup

	// Of run, and of Close after it.
	lastErr error                  // of the last commit
	lookAt  time.Time              // when to look for what other processes have left
	later   map[string]putOff      // their files that could not be taken over
	stuck   map[string]os.FileInfo // those that are taken over but could not be removed

	// mu guards what follows, and all apps, endpoints, lanes and items. It may be
	// taken under any other lock. It is never held across a system call.
	mu          sync.Mutex
	closed      bool
	volatile    bool // nothing can be stored until the next start
	apps        map[string]*app
	lastID      uint64
	memory      int64                  // bytes of items that are not in the store
	most        int64                  // of them; maxMemory
	waiting     list.List              // departures, in the order in which they are due
	returnAfter time.Duration          // returnAfter, but for tests
	left        list.List              // likewise, of what an earlier process has left
	holding     map[*endpoint]struct{} // those that hold departures
	orphans     time.Time              // when apps that are not set are dropped; zero: there are none
	messages    []message

	// What run is to write.
	fresh   []record              // emitted, in no lane yet
	unsaved []record              // in lanes, but writing them has failed; some may be done
	deletes []reference           // items in the store that are done
	marks   map[endpointMark]bool // changed since the last commit; true: set
	rewrite bool                  // all marks are to be written: too many have changed while nothing could be
	retryAt time.Time             // no commit before, the last has failed
	retry   time.Duration         // how long it was waited for that
}

// app is what is known of one.
type app struct {
	name      string
	sign      func(body []byte) (key, signature string)
	set       bool // false: its endpoints are what an earlier process left, and wait for Set
	endpoints []*endpoint
}

// Open opens the store and takes over what earlier processes have left, which
// is sent as soon as Set names its endpoints. If the disk takes nothing, the
// queue works in memory only, and logs that.
func Open(cfg Config) (*Queue, error) {
	q := &Queue{
		log:         cfg.Log,
		client:      newClient(cfg.Client),
		owned:       cfg.Client == nil,
		maxBacklog:  cmp.Or(cfg.MaxBacklog, defaultBacklog),
		maxBytes:    cmp.Or(cfg.MaxBytes, defaultBytes),
		most:        maxMemory,
		returnAfter: returnAfter,
		epoch:       time.Now(),
		lookAt:      time.Now().Add(lookEvery),
		later:       map[string]putOff{},
		stuck:       map[string]os.FileInfo{},
		wake:        make(chan struct{}, 1),
		quit:        make(chan struct{}),
		saved:       make(chan struct{}),
		apps:        map[string]*app{},
		filters:     map[string][]filter{},
		holding:     map[*endpoint]struct{}{},
		marks:       map[endpointMark]bool{},
	}
	if q.log == nil {
		q.log = slog.Default()
	}
	s, err := openFolder(cfg.Dir, q.log)
	switch {
	case err == nil:
		q.store = s
		if err = q.load(); errors.Is(err, errDamaged) { // there was no room to copy it
			q.volatile, q.apps = true, map[string]*app{}
			q.log.Error("webhooks are kept in memory only: their store is damaged and the disk full; make room and start again", "folder", cfg.Dir, "error", err)
			err = nil
		}
	case unwritable(err):
		q.volatile = true
		q.log.Error("webhooks are kept in memory only: the disk takes nothing; make room and start again", "folder", cfg.Dir, "error", err)
		err = nil
	}
	if err != nil {
		if s != nil {
			s.close()
		}
		return nil, fmt.Errorf("opening the store of webhooks in %s: %w", cfg.Dir, err)
	}
	go q.run()
	return q, nil
}

// load reads what waits in the store. Before run has started.
func (q *Queue) load() error {
	_, err := q.store.each(func(e stored) error {
		ep := q.endpointLeft(string(e.app), string(e.url))
		it := &item{id: e.id, ms: e.ms, size: int32(len(e.value)), state: inStore}
		ep.appendStored(string(e.channel), it)
		q.lastID = max(q.lastID, e.id)
		return nil
	}, func(app, url string, m mark) error {
		q.endpointLeft(app, url).marks[m] = nil
		return nil
	})
	if len(q.apps) > 0 {
		q.orphans = time.Now().Add(orphanAfter)
	}
	return err
}

// endpointLeft returns an endpoint of an earlier process, a new one if need be.
func (q *Queue) endpointLeft(app, url string) *endpoint {
	a := q.appNamed(app)
	ep := a.endpointAt(url)
	if ep == nil {
		ep = newEndpoint(a, url)
		a.endpoints = append(a.endpoints, ep)
	}
	return ep
}

// appNamed returns an app, a new one if need be.
func (q *Queue) appNamed(name string) *app {
	a := q.apps[name]
	if a == nil {
		a = &app{name: name}
		q.apps[name] = a
	}
	return a
}

func (a *app) endpointAt(url string) *endpoint {
	for _, ep := range a.endpoints {
		if ep.url == url {
			return ep
		}
	}
	return nil
}

// Set configures an app, or replaces how it was. What waits for an endpoint
// that is not among these any more is dropped. sign must not be nil; it gets
// the body of each call when it is sent, and returns what X-Pusher-Key and
// X-Pusher-Signature hold. It is called from any goroutine.
func (q *Queue) Set(name string, sign func(body []byte) (key, signature string), endpoints []Endpoint) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	a := q.appNamed(name)
	a.sign = sign
	old := a.endpoints
	a.endpoints = nil
	var made []*endpoint
	before := map[*endpoint][]filter{}
	for _, e := range endpoints {
		if len(name)+len(e.URL) > maxNames {
			q.sayLocked(slog.LevelError, "a webhook's URL is too long, it is left out", "app", name, "bytes", len(e.URL))
			continue
		}
		ep := a.endpointAt(e.URL)
		if ep == nil { // the first of this URL
			if i := slices.IndexFunc(old, func(ep *endpoint) bool { return ep.url == e.URL }); i >= 0 {
				ep = old[i]
				before[ep] = ep.filters
				ep.filters, ep.batch = nil, false
				old = slices.Delete(old, i, i+1)
			} else {
				ep = newEndpoint(a, e.URL)
				made = append(made, ep)
			}
			a.endpoints = append(a.endpoints, ep)
		}
		ep.filters = append(ep.filters, newFilter(e))
		ep.batch = ep.batch || e.Batch
	}
	for _, ep := range made {
		q.inheritLocked(ep, old)
	}
	for _, gone := range old {
		q.dropLocked(gone)
	}
	q.setFilters(a)
	for _, ep := range a.endpoints {
		if !a.set || !slices.Equal(ep.filters, before[ep]) {
			q.sortMarksLocked(ep)
		}
	}
	if len(a.endpoints) == 0 {
		delete(q.apps, name)
		return
	}
	a.set = true
	for _, ep := range a.endpoints {
		q.dispatchLocked(ep)
	}
}

// Remove forgets an app with all that waits for its endpoints.
func (q *Queue) Remove(name string) { q.Set(name, nil, nil) }

// dropLocked forgets an endpoint and what waits for it, and ends its calls.
func (q *Queue) dropLocked(ep *endpoint) {
	if ep.backlog > 0 {
		q.sayLocked(slog.LevelInfo, "webhooks are dropped: their endpoint is gone", "app", ep.app.name, "url", ep.shown, "events", ep.backlog)
	}
	ep.gone = true
	ep.cancel()
	if ep.timer != nil {
		ep.timer.Stop()
	}
	for _, l := range ep.lanes {
		for _, it := range l.items {
			q.finishLocked(ep, it)
		}
	}
	ep.lanes, ep.ready, ep.resting = nil, nil, nil
	for m := range ep.marks {
		q.unmarkLocked(ep, m)
	}
	delete(q.holding, ep)
}

// Stats returns how each endpoint fares, by app and URL.
func (q *Queue) Stats() []Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []Stats
	for _, a := range q.apps {
		for _, ep := range a.endpoints {
			all = append(all, Stats{
				App: a.name, URL: ep.url,
				Backlog: ep.backlog, Bytes: ep.bytes, Unsaved: ep.unsaved,
				Delivered: ep.delivered, Failed: ep.failed, Overflow: ep.overflow, Expired: ep.expired,
			})
		}
	}
	slices.SortFunc(all, func(x, y Stats) int {
		return cmp.Or(cmp.Compare(x.App, y.App), cmp.Compare(x.URL, y.URL))
	})
	return all
}

// Close writes what was emitted to the store and ends calls under way, without
// waiting for their answers: what they were to tell is sent again at the next
// start. What is emitted later is lost.
func (q *Queue) Close() error {
	q.mu.Lock()
	first := !q.closed
	q.closed = true
	q.filtersMu.Lock()
	q.filters = nil
	q.filtersMu.Unlock()
	for _, a := range q.apps {
		for _, ep := range a.endpoints {
			ep.cancel()
			if ep.timer != nil {
				ep.timer.Stop()
			}
		}
	}
	q.mu.Unlock()
	if !first {
		<-q.saved
		return nil
	}
	q.calls.Wait()
	close(q.quit)
	<-q.saved
	if q.owned {
		q.client.CloseIdleConnections()
	}
	err := q.lastErr
	if q.store != nil {
		if e := q.store.close(); err == nil {
			err = e
		}
	}
	if err == nil && q.memory > 0 {
		err = errNoStore
	}
	if err != nil {
		return fmt.Errorf("webhooks that wait could not all be stored: %w", err)
	}
	return nil
}
