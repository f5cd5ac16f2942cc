package webhook

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lookEvery is how often a queue looks for files of processes that have ended.
const lookEvery = 10 * time.Second

// leftFile is what a process has left that ended while this one runs. Nobody
// else takes it until unlock is called.
type leftFile struct {
	store  *store
	events int
	unlock func()
}

// look looks for a file that a process has left, nil if there is none or if it
// is not time to look. In run only.
func (q *Queue) look() *leftFile {
	if time.Now().Before(q.lookAt) {
		return nil
	}
	q.lookAt = time.Now().Add(lookEvery)
	q.mu.Lock()
	volatile := q.volatile
	q.mu.Unlock()
	if volatile {
		return nil
	}
	dir := filepath.Dir(q.store.path)
	paths := otherFiles(dir, q.store.path)
	if len(paths) == 0 {
		return nil
	}
	unlock, err := tryLockFolder(dir)
	if err != nil {
		return nil // a process starts and does this, or another one that runs
	}
	for _, path := range paths {
		if q.stuck[path] {
			continue
		}
		l, err := openLeft(path, q.log)
		if err != nil {
			q.log.Error("the webhooks of a process that has ended are not taken over", "file", path, "error", err)
		}
		if l != nil {
			l.unlock = unlock
			return l
		}
	}
	unlock()
	return nil
}

// otherFiles lists the stores in a folder but one.
func otherFiles(dir, own string) (paths []string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, f := range list {
		path := filepath.Join(dir, f.Name())
		if strings.HasPrefix(f.Name(), filePrefix) && strings.HasSuffix(f.Name(), fileSuffix) && path != own {
			paths = append(paths, path)
		}
	}
	return paths
}

// openLeft opens a file that no process has open; nil if one has, or if there
// is nothing in it.
func openLeft(path string, log *slog.Logger) (*leftFile, error) {
	s, err := openOld(path)
	switch {
	case errors.Is(err, errBusy):
		return nil, nil
	case errors.Is(err, errDamaged):
		return nil, moveAside(path, err, log)
	case err != nil:
		return nil, err
	case s == nil:
		return nil, os.Remove(path)
	}
	l := &leftFile{store: s}
	_, err = s.each(func(stored) error { l.events++; return nil }, func(string, string, mark) error { return nil })
	if errors.Is(err, errDamaged) { // what can be read is taken over
		s.close()
		l.store, err = openOld(path)
		if errors.Is(err, errDamaged) {
			return nil, moveAside(path, err, log)
		}
		return l, err
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return l, nil
}

// leftEvent is an event of a file that is taken over, once it is in our store.
type leftEvent struct {
	app, url, channel string
	it                *item
}

type leftMark struct {
	app, url string
	mark     mark
}

// takeOverLeft copies what a file holds to the store and deletes it. Events get
// the numbers from first on, of which there are l.events; what is emitted later
// has higher ones. In run only, so that nothing else comes into lanes meanwhile.
func (q *Queue) takeOverLeft(l *leftFile, first uint64) {
	defer l.unlock()
	defer l.store.close()
	var events []leftEvent
	var members, channels []leftMark
	names := map[string]string{} // apps, URLs and channels, each once
	name := func(b []byte) string {
		s, ok := names[string(b)]
		if !ok {
			s = string(b)
			names[s] = s
		}
		return s
	}
	path := l.store.path
	_, err := q.store.copyFrom(l.store, copying{
		first: first,
		event: func(e stored) {
			it := &item{id: e.id, ms: e.ms, size: int32(len(e.value)), state: inStore}
			events = append(events, leftEvent{name(e.app), name(e.url), name(e.channel), it})
		},
		marked: func(app, url string, m mark) {
			if m.member {
				members = append(members, leftMark{app, url, m})
			} else {
				channels = append(channels, leftMark{app, url, m})
			}
		},
	}, q.log)
	marks := append(members, channels...) // members depart before their channels
	damaged := errors.Is(err, errDamaged) && !q.store.broken.Load()
	if err != nil && !damaged {
		q.log.Error("the webhooks of a process that has ended are not taken over, this will be tried again", "file", path, "error", err)
		q.mu.Lock()
		q.forgetLeftLocked(events, marks)
		q.mu.Unlock()
		return
	}
	if damaged {
		err = moveAside(path, err, q.log)
	} else {
		err = os.Remove(path)
	}
	if err != nil {
		q.log.Error("a file of webhooks is taken over but cannot be removed: remove it, or the next start sends them again", "file", path, "error", err)
		q.stuck[path] = true
	}
	q.log.Info("took over the webhooks of a process that has ended", "file", path, "events", len(events), "marks", len(marks))
	for len(events)+len(marks) > 0 { // in parts, so that the lock is free in between
		var someEvents []leftEvent
		var someMarks []leftMark
		n := min(departMost, len(events))
		someEvents, events = events[:n], events[n:]
		if n == 0 {
			n = min(departMost, len(marks))
			someMarks, marks = marks[:n], marks[n:]
		}
		q.mu.Lock()
		q.attachLeftLocked(someEvents, someMarks)
		q.mu.Unlock()
	}
	q.lookAt = time.Now() // there may be more
}

// attachLeftLocked lets events that are in the store wait for their endpoints,
// and what is marked depart unless it comes back.
func (q *Queue) attachLeftLocked(events []leftEvent, marks []leftMark) {
	touched := map[*endpoint]struct{}{}
	for _, e := range events {
		ep := q.endpointOfLeftLocked(e.app, e.url)
		if ep == nil {
			q.deletes = append(q.deletes, reference{queuePrefix(e.app, e.url), e.it.id})
			continue
		}
		ep.backlog++
		ep.bytes += int64(e.it.size)
		ep.append(e.channel, e.it)
		touched[ep] = struct{}{}
	}
	for _, l := range marks {
		ep := q.endpointOfLeftLocked(l.app, l.url)
		key := endpointMark{queuePrefix(l.app, l.url), l.mark}
		if ep != nil {
			delete(q.marks, key) // it may have gone here since it was copied
		}
		switch {
		case ep == nil || ep.app.set && !ep.tracks(l.mark):
			q.marks[key] = false
		case ep.marks[l.mark] != nil:
			ep.marks[l.mark].untold = false // the store has it now
		case ep.knows(l.mark):
		case ep.app.set:
			q.waitLocked(ep, &departure{mark: l.mark}, &q.left, q.returnAfter)
		default:
			ep.marks[l.mark] = nil
		}
	}
	for ep := range touched {
		q.dispatchLocked(ep)
	}
	q.kick()
}

// endpointOfLeftLocked returns for whom something is that a process has left;
// nil if its app is set and has no such endpoint any more.
func (q *Queue) endpointOfLeftLocked(app, url string) *endpoint {
	if a := q.apps[app]; a != nil && a.set {
		return a.endpointAt(url)
	}
	if q.orphans.IsZero() {
		q.orphans = time.Now().Add(orphanAfter)
	}
	return q.endpointLeft(app, url)
}

// forgetLeftLocked takes out of the store what may have been copied to it.
func (q *Queue) forgetLeftLocked(events []leftEvent, marks []leftMark) {
	for _, e := range events {
		q.deletes = append(q.deletes, reference{queuePrefix(e.app, e.url), e.it.id})
	}
	for _, l := range marks {
		if a := q.apps[l.app]; a != nil {
			if ep := a.endpointAt(l.url); ep != nil && ep.knows(l.mark) && (ep.marks[l.mark] == nil || !ep.marks[l.mark].untold) {
				continue
			}
		}
		if !q.rewrite {
			q.marks[endpointMark{queuePrefix(l.app, l.url), l.mark}] = false
		}
	}
	q.kick()
}

// knows reports whether an endpoint has a mark.
func (ep *endpoint) knows(m mark) bool {
	_, ok := ep.marks[m]
	return ok
}
