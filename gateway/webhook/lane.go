package webhook

import (
	"cmp"
	"container/heap"
	"container/list"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"time"
)

const (
	maxCalls    = 8                      // of one endpoint at a time
	batchEvents = 50                     // in one call
	batchBytes  = 1 << 20                // likewise, but for the last event
	giveUpAfter = 5 * time.Minute        // since an event's first try
	retryAtMost = time.Minute            // between two tries
	failingGap  = 100 * time.Millisecond // between calls of an endpoint that fails whatever it is sent
	sayEvery    = time.Minute            // an endpoint's complaints
)

// endpoint is an address with what waits for it.
type endpoint struct {
	app    *app
	url    string
	shown  string // in logs: without what may be secret
	prefix string // of its keys in the store
	ctx    context.Context
	cancel context.CancelFunc

	// Guarded by Queue.mu.
	filters []filter
	batch   bool
	gone    bool                // Set has left it out; the lanes are nil
	marks   map[mark]*departure // nil: not departing
	held    list.List           // departures for which there was no room, oldest first
	lanes   map[string]*lane    // by channel; those in which something waits
	ready   []*lane             // can send, in turn
	resting resting             // wait for a new try
	calls   int                 // under way
	failing int                 // calls that failed since one succeeded
	pause   time.Time           // no call before
	timer   *time.Timer         // for resting and pause; nil until needed

	departing                            int   // departures, those that are held as well; not what Queue.left has
	departBytes                          int64 // which they have
	backlog, unsaved                     int
	bytes, memory                        int64 // of the backlog; of what of it is not in the store
	delivered, failed, overflow, expired uint64

	sayFailure, sayOverflow, sayExpiry seldom
	complained                         bool // of failures, since the last success
}

// lane is what waits for an endpoint in one channel. It is either ready, or
// resting, or has a call under way.
type lane struct {
	channel string
	items   []*item // in order, never empty but in passing
	taken   int     // of them, how many a call has
	next    time.Time
}

// resting is a heap of lanes by when they may send.
type resting []*lane

func (r resting) Len() int           { return len(r) }
func (r resting) Less(i, j int) bool { return r[i].next.Before(r[j].next) }
func (r resting) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *resting) Push(x any)        { *r = append(*r, x.(*lane)) }
func (r *resting) Pop() any {
	last := len(*r) - 1
	l := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	return l
}

func newEndpoint(a *app, address string) *endpoint {
	ep := &endpoint{app: a, url: address, shown: shown(address), prefix: queuePrefix(a.name, address), marks: map[mark]*departure{}, lanes: map[string]*lane{}}
	ep.ctx, ep.cancel = context.WithCancel(context.Background())
	return ep
}

// shown returns an address without user, password and query.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(not a URL)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// appendStored lets an item wait that is in the store.
func (ep *endpoint) appendStored(channel string, it *item) {
	ep.backlog++
	ep.bytes += int64(it.size)
	ep.append(channel, it)
}

// append puts an item at the end of its channel's lane.
func (ep *endpoint) append(channel string, it *item) {
	l := ep.lanes[channel]
	if l == nil {
		l = &lane{channel: channel}
		ep.lanes[channel] = l
		ep.ready = append(ep.ready, l)
	}
	l.items = append(l.items, it)
}

// dispatchLocked starts the calls that an endpoint can make now, and sees to it
// that it is called again when it can make more.
func (q *Queue) dispatchLocked(ep *endpoint) {
	if q.closed || ep.gone || !ep.app.set {
		return
	}
	now := time.Now()
	for len(ep.resting) > 0 && !ep.resting[0].next.After(now) {
		ep.ready = append(ep.ready, heap.Pop(&ep.resting).(*lane))
	}
	for len(ep.ready) > 0 && ep.calls < maxCalls && !ep.pause.After(now) {
		if ep.failing >= maxCalls {
			ep.pause = now.Add(failingGap)
		}
		c := q.newCallLocked(ep)
		ep.calls++
		q.calls.Add(1)
		go q.makeCall(c)
	}
	var next time.Time
	if len(ep.resting) > 0 {
		next = ep.resting[0].next
	}
	if len(ep.ready) > 0 && ep.calls < maxCalls {
		next = sooner(next, ep.pause)
	}
	switch {
	case next.IsZero():
		if ep.timer != nil {
			ep.timer.Stop()
		}
	case ep.timer == nil:
		ep.timer = time.AfterFunc(next.Sub(now), func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.dispatchLocked(ep)
		})
	default:
		ep.timer.Reset(next.Sub(now))
	}
}

// take takes events for one call from the lanes that are ready. In a batch they
// give one each in turn; an event that has failed before goes alone.
func (ep *endpoint) take() (lanes []*lane) {
	pop := func() {
		lanes = append(lanes, ep.ready[0])
		ep.ready[0] = nil
		ep.ready = ep.ready[1:]
	}
	pop()
	if !ep.batch || lanes[0].items[0].tries > 0 {
		lanes[0].taken = 1
		return lanes
	}
	for len(lanes) < batchEvents && len(ep.ready) > 0 && ep.ready[0].items[0].tries == 0 {
		pop()
	}
	events, bytes := 0, 0
	for more := true; more; {
		more = false
		for _, l := range lanes {
			if events == batchEvents || bytes >= batchBytes {
				break
			}
			if l.taken < len(l.items) && l.items[l.taken].tries == 0 {
				bytes += int(l.items[l.taken].size)
				l.taken++
				events++
				more = true
			}
		}
	}
	// Lanes for which there was no room keep their turn.
	if i := slices.IndexFunc(lanes, func(l *lane) bool { return l.taken == 0 }); i >= 0 {
		ep.ready = append(slices.Clone(lanes[i:]), ep.ready...)
		lanes = lanes[:i]
	}
	return lanes
}

// newCallLocked takes what an endpoint is sent next.
func (q *Queue) newCallLocked(ep *endpoint) *call {
	c := &call{ep: ep, lanes: ep.take(), sign: ep.app.sign}
	now := time.Since(q.epoch)
	for _, l := range c.lanes {
		c.items = append(c.items, l.items[:l.taken]...)
	}
	slices.SortFunc(c.items, func(x, y *item) int { return cmp.Compare(x.id, y.id) })
	for _, it := range c.items {
		if it.tries == 0 {
			it.first = now
		}
		c.ids = append(c.ids, it.id)
		c.bodies = append(c.bodies, it.body)
	}
	c.ms = c.items[0].ms
	return c
}

// settleCallLocked notes how a call went and lets its lanes go on.
func (q *Queue) settleCallLocked(c *call, err error) {
	ep := c.ep
	ep.calls--
	switch {
	case ep.gone:
		return
	case err == nil:
		if ep.complained {
			q.sayLocked(slog.LevelInfo, "an endpoint of webhooks takes them again", "app", ep.app.name, "url", ep.shown, "waiting", ep.backlog)
		}
		ep.failing, ep.pause, ep.complained = 0, time.Time{}, false
		ep.delivered += uint64(len(c.items))
	case q.closed:
		for _, l := range c.lanes {
			l.taken = 0
		}
		return
	default:
		ep.failed++
		ep.failing++
		if ep.sayFailure.now() {
			ep.complained = true
			q.sayLocked(slog.LevelWarn, "an endpoint of webhooks fails", "app", ep.app.name, "url", ep.shown, "error", err, "waiting", ep.backlog)
		}
	}
	for _, l := range c.lanes {
		if err == nil {
			q.advanceLocked(ep, l)
		} else {
			q.retryLocked(ep, l)
		}
	}
	q.dispatchLocked(ep)
}

// advanceLocked ends the way of the items that a lane's call had.
func (q *Queue) advanceLocked(ep *endpoint, l *lane) {
	for i, it := range l.items[:l.taken] {
		q.finishLocked(ep, it)
		l.items[i] = nil
	}
	l.items = l.items[l.taken:]
	l.taken = 0
	if len(l.items) == 0 {
		delete(ep.lanes, l.channel)
	} else {
		ep.ready = append(ep.ready, l)
	}
}

// retryLocked lets a lane rest whose call failed, or drops the event if it has
// been tried for long enough.
func (q *Queue) retryLocked(ep *endpoint, l *lane) {
	for _, it := range l.items[:l.taken] {
		it.tries++
	}
	head := l.items[0]
	left := giveUpAfter - (time.Since(q.epoch) - head.first)
	if left <= 0 {
		ep.expired++
		if ep.sayExpiry.now() {
			q.sayLocked(slog.LevelWarn, "webhooks are dropped: the endpoint has failed them for five minutes", "app", ep.app.name, "url", ep.shown, "dropped", ep.expired)
		}
		l.taken = 1
		q.advanceLocked(ep, l)
		return
	}
	l.taken = 0
	l.next = time.Now().Add(min(backoff(head.tries), left))
	heap.Push(&ep.resting, l)
}

// backoff is how long to wait after so many tries.
func backoff(tries int32) time.Duration {
	d := min(time.Second<<min(tries-1, 10), retryAtMost)
	return d - d/8 + rand.N(d/4)
}

// seldom says yes once in a while.
type seldom struct{ last time.Time }

func (s *seldom) now() bool {
	if !s.last.IsZero() && time.Since(s.last) < sayEvery {
		return false
	}
	s.last = time.Now()
	return true
}

// message is a log line that waits until nothing is locked.
type message struct {
	level slog.Level
	text  string
	args  []any
}

// sayLocked logs something soon.
func (q *Queue) sayLocked(level slog.Level, text string, args ...any) {
	q.messages = append(q.messages, message{level, text, args})
	q.kick()
}
