package webhook

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	retryLeast  = time.Second // after a commit that failed
	retryMost   = 15 * time.Second
	mostChanges = 50_000 // of marks that are kept while nothing can be written
)

// state says where an item's JSON is.
type state uint8

const (
	inMemory state = iota // in item.body; it may be in run's lists as well
	writing               // there, and a transaction is under way
	inStore               // in the store only
)

// item is an event that waits for an endpoint.
type item struct {
	id    uint64 // in the order of emission
	ms    int64  // when it was emitted, Unix time
	body  []byte
	size  int32
	tries int32
	first time.Duration // when the first try began, since the queue was opened
	state state
	done  bool // it is not to be sent any more
}

// record is an item with all that the store is to hold of it.
type record struct {
	ep      *endpoint
	channel string
	it      *item
	body    []byte // the item's, for apply
}

// reference is an item that is in the store.
type reference struct {
	prefix string // of its endpoint's keys
	id     uint64
}

// finishLocked ends an item's way, for whatever reason.
func (q *Queue) finishLocked(ep *endpoint, it *item) {
	it.done = true
	ep.backlog--
	ep.bytes -= int64(it.size)
	switch it.state {
	case inStore:
		if !q.volatile {
			q.deletes = append(q.deletes, reference{ep.prefix, it.id})
			q.kick()
		}
	case inMemory:
		q.leaveMemoryLocked(ep, it)
	case writing: // run sees it when the transaction is over
	}
	if len(q.holding) > 0 {
		q.kick() // there is room
	}
}

func (q *Queue) leaveMemoryLocked(ep *endpoint, it *item) {
	it.body = nil
	ep.unsaved--
	ep.memory -= int64(it.size)
	q.memory -= int64(it.size)
}

// run writes what was emitted, tells departures and logs, until quit is closed.
// Then it writes once more.
func (q *Queue) run() {
	defer close(q.saved)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ending := false; !ending; {
		select {
		case <-q.quit:
			ending = true
		case <-q.wake:
		case <-timer.C:
		}
		timer.Reset(time.Until(q.turn(ending)))
	}
}

// turn does what run is to do now, and returns when it has to be done again.
func (q *Queue) turn(ending bool) (next time.Time) {
	var left *leftFile
	if !ending {
		left = q.look()
	}
	q.mu.Lock()
	if !ending {
		next = q.departuresLocked()
		next = sooner(next, q.orphansLocked())
	}
	fresh := q.fresh
	q.fresh = nil
	first := q.lastID + 1
	if left != nil {
		q.lastID += uint64(len(left.events))
	}
	c := q.takeLocked(&fresh, ending)
	q.mu.Unlock()

	var err error
	if c != nil {
		err = q.store.apply(c)
		q.lastErr = err
	}

	q.mu.Lock()
	if c != nil {
		q.settleLocked(c, err)
	}
	q.attachLocked(fresh)
	if !q.retryAt.IsZero() {
		next = sooner(next, q.retryAt)
	}
	messages := q.messages
	q.messages = nil
	volatile := q.volatile
	q.mu.Unlock()

	for _, m := range messages {
		q.log.Log(context.Background(), m.level, m.text, m.args...)
	}
	switch {
	case left == nil:
	case volatile: // since this turn
		left.close()
	default:
		q.takeOverLeft(left, first)
	}
	return sooner(next, q.lookAt)
}

// takeLocked returns what is to be written now, nil for nothing. All of it goes
// into one transaction, so that a mark and the event that tells of it are
// written together. It takes records whose endpoint is gone out of fresh.
func (q *Queue) takeLocked(fresh *[]record, ending bool) *change {
	kept := (*fresh)[:0]
	for _, r := range *fresh {
		if r.ep.gone {
			q.finishLocked(r.ep, r.it)
		} else {
			kept = append(kept, r)
		}
	}
	*fresh = kept
	if q.volatile {
		return nil
	}
	if !ending && !q.retryAt.IsZero() && time.Now().Before(q.retryAt) {
		q.unsaved = append(q.unsaved, kept...)
		return nil
	}
	c := &change{deletes: q.deletes, marks: q.marks}
	for _, list := range [][]record{q.unsaved, kept} {
		for _, r := range list {
			if !r.it.done {
				r.it.state, r.body = writing, r.it.body
				c.puts = append(c.puts, r)
			}
		}
	}
	if q.rewrite {
		c.allMarks = q.allMarksLocked()
	}
	q.unsaved, q.deletes, q.marks, q.rewrite = nil, nil, map[endpointMark]bool{}, false
	if c.empty() {
		q.retryAt = time.Time{}
		return nil
	}
	return c
}

func (q *Queue) allMarksLocked() []endpointMark {
	n := 0
	for _, a := range q.apps {
		for _, ep := range a.endpoints {
			n += len(ep.marks)
		}
	}
	all := make([]endpointMark, 0, n)
	for _, a := range q.apps {
		for _, ep := range a.endpoints {
			for m, d := range ep.marks {
				if d == nil || !d.untold {
					all = append(all, endpointMark{ep.prefix, m})
				}
			}
		}
	}
	return all
}

// settleLocked notes how a commit went. If it failed, the items go on in
// memory, and all of the change is due again.
func (q *Queue) settleLocked(c *change, err error) {
	for _, r := range c.puts {
		it := r.it
		switch {
		case err == nil:
			it.state = inStore
			q.leaveMemoryLocked(r.ep, it)
			if it.done {
				q.deletes = append(q.deletes, reference{r.ep.prefix, it.id})
				q.kick()
			}
		case it.done:
			q.leaveMemoryLocked(r.ep, it)
		default:
			it.state = inMemory
			r.body = nil
			q.unsaved = append(q.unsaved, r)
		}
	}
	if err == nil {
		if q.retry > 0 {
			q.sayLocked(slog.LevelInfo, "webhooks are stored again", "file", q.store.path)
		}
		q.retry, q.retryAt = 0, time.Time{}
		if len(q.holding) > 0 {
			q.kick() // there is room in memory
		}
		return
	}
	if errors.Is(err, errDamaged) {
		q.volatile = true
		q.retryAt = time.Time{}
		q.unsaved, q.deletes, q.marks = nil, nil, nil
		q.sayLocked(slog.LevelError, "webhooks are kept in memory only until the next start: their store is damaged", "file", q.store.path, "error", err)
		return
	}
	if q.retry == 0 {
		q.sayLocked(slog.LevelError, "webhooks cannot be stored and are kept in memory: writing is tried again every few seconds", "file", q.store.path, "error", err)
	}
	q.deletes = append(c.deletes, q.deletes...)
	q.rewrite = c.allMarks != nil || len(c.marks)+len(q.marks) > mostChanges
	if q.rewrite {
		q.marks = map[endpointMark]bool{}
	}
	for m, there := range c.marks {
		if _, newer := q.marks[m]; !newer && !q.rewrite {
			q.marks[m] = there
		}
	}
	q.retry = min(max(2*q.retry, retryLeast), retryMost)
	q.retryAt = time.Now().Add(q.retry)
}

// attachLocked puts records into the lanes of their endpoints, which may send
// them now.
func (q *Queue) attachLocked(fresh []record) {
	last := (*endpoint)(nil)
	for _, r := range fresh {
		switch {
		case r.it.done:
		case r.ep.gone:
			q.finishLocked(r.ep, r.it)
		default:
			if last != nil && last != r.ep {
				q.dispatchLocked(last)
			}
			r.ep.append(r.channel, r.it)
			last = r.ep
		}
	}
	if last != nil {
		q.dispatchLocked(last)
	}
}

// orphansLocked drops apps that nobody has set for a long time, and returns
// when to look again; zero: never.
func (q *Queue) orphansLocked() time.Time {
	if q.orphans.IsZero() || time.Now().Before(q.orphans) {
		return q.orphans
	}
	q.orphans = time.Time{}
	for name, a := range q.apps {
		if a.set {
			continue
		}
		for _, ep := range a.endpoints {
			q.dropLocked(ep)
		}
		delete(q.apps, name)
	}
	return time.Time{}
}
