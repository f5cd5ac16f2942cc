package webhook

import (
	"container/list"
	"log/slog"
	"strings"
	"time"
)

const (
	departAfter = 3 * time.Second
	holdFor     = 10 * time.Second // a departure for which there is no room
	departMost  = 1000             // departures told in one turn, so that the lock is free in between
)

// mark stands for a channel that is occupied or a member that is present, as
// far as endpoints have been told.
type mark struct {
	channel string
	user    string // empty: of the channel
	member  bool
}

type appMark struct {
	app string
	mark
}

// departure is a channel_vacated or member_removed that waits.
type departure struct {
	app  *app
	mark mark
	due  time.Time
	in   *list.List
	elem *list.Element
}

// Emit tells the endpoints of an app that want it of an event. It does not
// block, may be called under locks and keeps nothing of the event. Events of one
// channel must be emitted in their order.
func (q *Queue) Emit(name string, e Event) {
	k, ok := kindOf(e.Name)
	if !ok || !q.wants(name, k, e.Channel) || len(e.Channel)+len(e.User)+len(name) > maxNames {
		return
	}
	e.Channel = strings.Clone(e.Channel) // it may be part of something large
	m := mark{channel: e.Channel}
	if k == added || k == removed {
		if e.User == "" {
			return // nobody
		}
		m.member, m.user = true, strings.Clone(e.User)
	}
	departs := k == vacated || k == removed
	var body []byte
	if !departs {
		body = encode(k, e)
	}

	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.apps[name]
	if a == nil || q.closed {
		return
	}
	if k <= removed {
		if !a.tracks(m) {
			return // Set has just changed what is wanted
		}
		if departs {
			q.departLocked(a, m)
			return
		}
		if !q.arriveLocked(a, m) {
			return
		}
	}
	for _, ep := range a.endpoints {
		if anyWants(ep.filters, k.set(), e.Channel) {
			q.admitLocked(ep, e.Channel, body)
		}
	}
}

// arriveLocked notes an arrival and reports whether it is to be told.
func (q *Queue) arriveLocked(a *app, m mark) bool {
	d, known := a.marks[m]
	if d != nil {
		d.in.Remove(d.elem)
		a.marks[m] = nil
	}
	if !known {
		a.marks[m] = nil
		q.markLocked(a, m, true)
	}
	return !known
}

// departLocked lets a departure wait.
func (q *Queue) departLocked(a *app, m mark) {
	d, known := a.marks[m]
	if d != nil {
		return
	}
	if !known { // nobody has told the arrival, but the departure is to survive a crash
		q.markLocked(a, m, true)
	}
	d = &departure{app: a, mark: m}
	a.marks[m] = d
	q.putLocked(d, &q.waiting, departAfter)
	if q.waiting.Len() == 1 {
		q.kick()
	}
}

// putLocked puts a departure at the end of a list.
func (q *Queue) putLocked(d *departure, in *list.List, wait time.Duration) {
	if d.in != nil {
		d.in.Remove(d.elem)
	}
	d.due, d.in, d.elem = time.Now().Add(wait), in, in.PushBack(d)
}

// departuresLocked tells the departures that are due, some of them at most, and
// returns when the next is; zero: there is none.
func (q *Queue) departuresLocked() (next time.Time) {
	now := time.Now()
	left := departMost
	for _, in := range []*list.List{&q.held, &q.waiting} {
		for in.Len() > 0 {
			d := in.Front().Value.(*departure)
			if d.due.After(now) || left == 0 {
				next = sooner(next, d.due)
				break
			}
			left--
			q.tellDepartureLocked(d)
		}
	}
	return next
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (q *Queue) tellDepartureLocked(d *departure) {
	a, k := d.app, vacated
	if d.mark.member {
		k = removed
	}
	wanted, room := false, false
	for _, ep := range a.endpoints {
		if anyWants(ep.filters, k.set(), d.mark.channel) {
			wanted = true
			room = room || q.roomLocked(ep, len(d.mark.channel)+len(d.mark.user)+128)
		}
	}
	if wanted && !room {
		q.putLocked(d, &q.held, holdFor)
		return
	}
	body := encode(k, Event{Channel: d.mark.channel, User: d.mark.user})
	for _, ep := range a.endpoints {
		if anyWants(ep.filters, k.set(), d.mark.channel) {
			q.admitLocked(ep, d.mark.channel, body)
		}
	}
	q.unmarkLocked(a, d.mark)
}

// unmarkLocked forgets a channel or member.
func (q *Queue) unmarkLocked(a *app, m mark) {
	if d := a.marks[m]; d != nil {
		d.in.Remove(d.elem)
	}
	delete(a.marks, m)
	q.markLocked(a, m, false)
}

// markLocked notes what the store is to be told of a mark.
func (q *Queue) markLocked(a *app, m mark, there bool) {
	if !q.volatile && !q.rewrite {
		q.marks[appMark{a.name, m}] = there
	}
	q.kick()
}

// sortMarksLocked forgets marks that no endpoint asks for any more. Those that
// are left of an earlier process, whose connections are gone, begin to depart:
// members before their channels.
func (q *Queue) sortMarksLocked(a *app) {
	for _, member := range []bool{true, false} {
		for m, d := range a.marks {
			switch {
			case m.member != member:
			case !a.tracks(m):
				q.unmarkLocked(a, m)
			case !a.set && d == nil:
				q.departLocked(a, m)
			}
		}
	}
}

// roomLocked reports whether an endpoint has room for an event of so many
// bytes. Of the memory for what is not in the store, one endpoint never takes
// more than it leaves: a flood that is faster than the disk harms its own app.
func (q *Queue) roomLocked(ep *endpoint, size int) bool {
	n := int64(size)
	return ep.backlog < q.maxBacklog && ep.bytes+n <= q.maxBytes && ep.memory+n <= q.most-q.memory
}

// admitLocked lets an event wait for an endpoint, or drops it.
func (q *Queue) admitLocked(ep *endpoint, channel string, body []byte) {
	size := len(body) + len(channel) + 16 // about what it has in the store
	if !q.roomLocked(ep, size) {
		ep.overflow++
		if ep.sayOverflow.now() {
			q.sayLocked(slog.LevelWarn, "webhooks are dropped: too many wait for an endpoint", "app", ep.app.name, "url", ep.shown, "waiting", ep.backlog, "dropped", ep.overflow)
		}
		return
	}
	q.lastID++
	it := &item{id: q.lastID, ms: time.Now().UnixMilli(), body: body, size: int32(size)}
	ep.backlog++
	ep.unsaved++
	ep.bytes += int64(size)
	ep.memory += int64(size)
	q.memory += int64(size)
	q.fresh = append(q.fresh, record{ep: ep, channel: channel, it: it})
	q.kick()
}

// kick wakes run.
func (q *Queue) kick() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
