package webhook

import (
	"container/list"
	"log/slog"
	"strings"
	"time"
)

const (
	departAfter = 3 * time.Second
	returnAfter = 30 * time.Second // for those whose connections an earlier process had: clients take their time
	departMost  = 1000             // departures told in one turn, so that the lock is free in between
	departExtra = 128              // bytes that a waiting departure has in memory besides its names, about
)

// mark stands for a channel that is occupied or a member that is present, as
// far as an endpoint has been told.
type mark struct {
	channel string
	user    string // empty: of the channel
	member  bool
}

func (m mark) size() int64 { return int64(len(m.channel) + len(m.user) + departExtra) }

func (m mark) clone() mark {
	m.channel, m.user = strings.Clone(m.channel), strings.Clone(m.user)
	return m
}

// endpointMark is a mark as the store knows it.
type endpointMark struct {
	prefix string // the endpoint's
	mark
}

// departure is a channel_vacated or member_removed that waits for its time, or
// for room.
type departure struct {
	ep     *endpoint
	mark   mark
	due    time.Time
	untold bool // the endpoint has not been told of the arrival; the store has no mark
	in     *list.List
	elem   *list.Element
}

// Emit tells the endpoints of an app that want it of an event. It does not
// block, may be called under locks and keeps nothing of the event. Events of one
// channel must be emitted in their order.
func (q *Queue) Emit(name string, e Event) {
	k, ok := kindOf(e.Name)
	if !ok || !q.wants(name, k, e.Channel) || len(e.Channel)+len(e.User)+len(name) > maxNames {
		return
	}
	switch k {
	case occupied, vacated:
		q.emitPair(name, k, mark{channel: e.Channel})
		return
	case added, removed:
		if e.User != "" {
			q.emitPair(name, k, mark{e.Channel, e.User, true})
		}
		return
	}
	body := encode(k, e)
	e.Channel = strings.Clone(e.Channel) // it may be part of something large

	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.apps[name]
	if a == nil || q.closed {
		return
	}
	for _, ep := range a.endpoints {
		if anyWants(ep.filters, k.set(), e.Channel) {
			q.admitLocked(ep, e.Channel, body)
		}
	}
}

// emitPair is Emit for arrivals and departures.
func (q *Queue) emitPair(name string, k kind, m mark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.apps[name]
	if a == nil || q.closed {
		return
	}
	for _, ep := range a.endpoints {
		switch {
		case !ep.tracks(m):
		case k == vacated || k == removed:
			q.departLocked(ep, m)
		default:
			q.arriveLocked(ep, k, m)
		}
	}
}

// arriveLocked tells an endpoint of an arrival, unless it knows. If there is no
// room for the event or, later, for the departure, the arrival is dropped and
// leaves no mark.
func (q *Queue) arriveLocked(ep *endpoint, k kind, m mark) {
	d, known := ep.marks[m]
	switch {
	case d != nil && d.untold:
		q.unmarkLocked(ep, m)
	case d != nil:
		q.callOffLocked(d)
		ep.marks[d.mark] = nil
		return
	case known:
		return
	}
	if !q.roomLocked(ep, int(m.size())) || ep.departing >= q.maxBacklog || ep.departBytes+m.size() > q.maxBytes {
		q.overflowLocked(ep)
		return
	}
	m = m.clone() // it may be part of something large
	if anyWants(ep.filters, k.set(), m.channel) &&
		!q.admitLocked(ep, m.channel, encode(k, Event{Channel: m.channel, User: m.user})) {
		return
	}
	ep.marks[m] = nil
	q.markLocked(ep, m, true)
}

// departLocked lets a departure wait. That of which an endpoint knows no arrival
// may be news to it, if it has asked who is there: it is taken, but only if
// there is much room, so that it is never in the way of what belongs together.
func (q *Queue) departLocked(ep *endpoint, m mark) {
	d, known := ep.marks[m]
	if d != nil {
		return
	}
	if !known && (!q.roomLocked(ep, int(m.size())) || max(ep.departing, ep.backlog) > q.maxBacklog/2 || max(ep.departBytes, ep.bytes) > q.maxBytes/2) {
		q.overflowLocked(ep)
		return
	}
	m = m.clone()
	d = &departure{mark: m, untold: !known}
	q.waitLocked(ep, d, &q.waiting, departAfter)
}

// waitLocked puts a departure into a list of those that all wait for so long.
func (q *Queue) waitLocked(ep *endpoint, d *departure, in *list.List, wait time.Duration) {
	d.ep, d.due = ep, time.Now().Add(wait)
	ep.marks[d.mark] = d
	q.putLocked(d, in)
	if in.Len() == 1 {
		q.kick()
	}
}

// putLocked puts a departure at the end of a list, out of that in which it is.
func (q *Queue) putLocked(d *departure, in *list.List) {
	if d.in != nil {
		q.callOffLocked(d)
	}
	d.in, d.elem = in, in.PushBack(d)
	q.countLocked(d, 1)
}

// callOffLocked ends a departure's wait.
func (q *Queue) callOffLocked(d *departure) {
	d.in.Remove(d.elem)
	q.countLocked(d, -1)
}

// countLocked counts a departure, unless it is of what an earlier process has
// left: there are no more of these than were stored, however many come and go
// now, and they must not keep out who is new.
func (q *Queue) countLocked(d *departure, n int) {
	if d.in != &q.left {
		d.ep.departing += n
		d.ep.departBytes += int64(n) * d.mark.size()
	}
}

// departuresLocked tells the departures that are due, some of them at most:
// first those for which there was no room. It returns when the next is due;
// zero: there is none. For those that are held, run is woken when there is room.
func (q *Queue) departuresLocked() (next time.Time) {
	now := time.Now()
	left := departMost
	for ep := range q.holding {
		for ep.held.Len() > 0 && left > 0 && q.tellDepartureLocked(ep.held.Front().Value.(*departure)) {
			left--
		}
		if ep.held.Len() == 0 {
			delete(q.holding, ep)
		}
	}
	for _, in := range []*list.List{&q.waiting, &q.left} {
		for in.Len() > 0 && left > 0 {
			d := in.Front().Value.(*departure)
			if d.due.After(now) {
				next = sooner(next, d.due)
				break
			}
			left--
			q.dueLocked(d)
		}
	}
	if left == 0 {
		return now
	}
	return next
}

// dueLocked tells a departure or, if there is no room for it, holds it. That of
// which the arrival was not told is dropped.
func (q *Queue) dueLocked(d *departure) {
	switch ep := d.ep; {
	case ep.held.Len() == 0 && q.tellDepartureLocked(d):
	case d.untold:
		q.overflowLocked(ep)
		q.unmarkLocked(ep, d.mark)
	default:
		q.putLocked(d, &ep.held)
		q.holding[ep] = struct{}{}
	}
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tellDepartureLocked reports whether there was room for it.
func (q *Queue) tellDepartureLocked(d *departure) bool {
	ep, m, k := d.ep, d.mark, vacated
	if m.member {
		k = removed
	}
	if anyWants(ep.filters, k.set(), m.channel) {
		if !q.spaceLocked(ep, int(m.size())) {
			return false
		}
		q.addLocked(ep, m.channel, encode(k, Event{Channel: m.channel, User: m.user}))
	}
	q.unmarkLocked(ep, m)
	return true
}

// unmarkLocked forgets a channel or member.
func (q *Queue) unmarkLocked(ep *endpoint, m mark) {
	d := ep.marks[m]
	if d != nil {
		q.callOffLocked(d)
	}
	delete(ep.marks, m)
	if d == nil || !d.untold {
		q.markLocked(ep, m, false)
	}
}

// markLocked notes what the store is to be told of a mark.
func (q *Queue) markLocked(ep *endpoint, m mark, there bool) {
	if !q.volatile && !q.rewrite {
		q.marks[endpointMark{ep.prefix, m}] = there
	}
	q.kick()
}

// sortMarksLocked forgets marks for which an endpoint does not ask any more.
// Those that are left of an earlier process, whose connections are gone, begin
// to depart: members before their channels.
func (q *Queue) sortMarksLocked(ep *endpoint) {
	for _, member := range []bool{true, false} {
		for m, d := range ep.marks {
			switch {
			case m.member != member:
			case !ep.tracks(m):
				q.unmarkLocked(ep, m)
			case !ep.app.set && d == nil:
				q.waitLocked(ep, &departure{mark: m}, &q.left, q.returnAfter)
			}
		}
	}
}

// inheritLocked lets a new endpoint go on where those that are gone have
// stopped: a backend that has moved is told who has left, members before their
// channels.
func (q *Queue) inheritLocked(ep *endpoint, gone []*endpoint) {
	for _, member := range []bool{true, false} {
		for _, from := range gone {
			for m, d := range from.marks {
				if m.member == member && (d == nil || !d.untold) {
					q.inheritMarkLocked(ep, m, d)
				}
			}
		}
	}
}

// inheritMarkLocked does so for a mark that may be departing: d is not nil then.
func (q *Queue) inheritMarkLocked(ep *endpoint, m mark, d *departure) {
	if _, known := ep.marks[m]; known || !ep.tracks(m) {
		return
	}
	ep.marks[m] = nil
	q.markLocked(ep, m, true)
	switch {
	case d == nil:
	case d.in == &q.left:
		q.waitLocked(ep, &departure{mark: m}, &q.left, q.returnAfter)
	default:
		q.departLocked(ep, m)
	}
}

// roomLocked reports whether an endpoint has room for an event of so many
// bytes: departures that are held go first.
func (q *Queue) roomLocked(ep *endpoint, size int) bool {
	return ep.held.Len() == 0 && q.spaceLocked(ep, size)
}

// spaceLocked does so for departures. Of the memory for what is not in the
// store, one endpoint never takes more than it leaves: a flood that is faster
// than the disk harms its own app.
func (q *Queue) spaceLocked(ep *endpoint, size int) bool {
	n := int64(size)
	return ep.backlog < q.maxBacklog && ep.bytes+n <= q.maxBytes && ep.memory+n <= q.most-q.memory
}

// admitLocked lets an event wait for an endpoint, or drops it and returns false.
func (q *Queue) admitLocked(ep *endpoint, channel string, body []byte) bool {
	if !q.roomLocked(ep, itemSize(channel, body)) {
		q.overflowLocked(ep)
		return false
	}
	q.addLocked(ep, channel, body)
	return true
}

// itemSize is about what an event has in the store.
func itemSize(channel string, body []byte) int { return len(body) + len(channel) + 16 }

// overflowLocked counts an event that is dropped.
func (q *Queue) overflowLocked(ep *endpoint) {
	ep.overflow++
	if ep.sayOverflow.now() {
		q.sayLocked(slog.LevelWarn, "webhooks are dropped: too many wait for an endpoint", "app", ep.app.name, "url", ep.shown, "waiting", ep.backlog, "dropped", ep.overflow)
	}
}

func (q *Queue) addLocked(ep *endpoint, channel string, body []byte) {
	size := itemSize(channel, body)
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
