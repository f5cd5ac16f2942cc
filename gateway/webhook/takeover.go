package webhook

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	lookEvery = 10 * time.Second       // for files of processes that have ended
	lookSoon  = 100 * time.Millisecond // for one more
	lookMost  = 5 * time.Minute        // for one that could not be taken over
)

// leftFile is what a process has left that ended while this one runs. Nobody
// else takes it until close is called.
type leftFile struct {
	store   *store
	unlock  func()
	info    os.FileInfo
	damaged error // not all of it could be read
	events  []leftEvent
	members []leftMark
	rooms   []leftMark // marks of channels
}

// leftEvent is an event of such a file; value is as in the store.
type leftEvent struct {
	to      *endpointRoom
	channel string
	value   []byte
	it      *item
}

// leftMark is a mark of such a file.
type leftMark struct {
	to   *endpointRoom
	mark mark
}

func (l *leftFile) close() {
	l.store.close()
	l.unlock()
}

// putOff says when a file that could not be taken over is looked at again.
type putOff struct {
	until time.Time
	wait  time.Duration
}

// errNotOurs is of a file that is left for another process, or for the next
// start.
var errNotOurs = errors.New("it has webhooks of endpoints that are not set here, or for which there is no room")

// look looks for a file that a process has left, nil if there is none or if it
// is not time to look. In run only.
func (q *Queue) look() *leftFile {
	if time.Now().Before(q.lookAt) {
		return nil
	}
	q.lookAt = time.Now().Add(lookEvery)
	q.mu.Lock()
	unfit := q.volatile || q.closed || !q.retryAt.IsZero()
	q.mu.Unlock()
	if unfit {
		return nil
	}
	dir := filepath.Dir(q.store.path)
	paths := slices.DeleteFunc(otherFiles(dir, q.store.path), func(path string) bool {
		return time.Now().Before(q.later[path].until)
	})
	if len(paths) == 0 {
		return nil
	}
	unlock, err := tryLockFolder(dir)
	if err != nil {
		return nil // a process starts and does this, or another one that runs
	}
	for _, path := range paths {
		l, err := q.readLeft(path)
		switch {
		case l != nil:
			l.unlock = unlock
			return l
		case errors.Is(err, errBusy):
		case err != nil:
			q.putOffFile(path)
			if !errors.Is(err, errNotOurs) {
				q.log.Error("the webhooks of a process that has ended are not taken over, this will be tried again", "file", path, "error", err)
			}
		}
	}
	unlock()
	return nil
}

// putOffFile lets a file rest, twice as long each time.
func (q *Queue) putOffFile(path string) {
	wait := min(max(2*q.later[path].wait, lookEvery), lookMost)
	q.later[path] = putOff{time.Now().Add(wait), wait}
}

// otherFiles lists the stores in a folder but one.
func otherFiles(dir, own string) (paths []string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, f := range list {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(f.Name(), filePrefix), fileSuffix))
		path := filepath.Join(dir, f.Name())
		if err == nil && n >= 0 && n < mostFiles && path == filePath(dir, n) && path != own {
			paths = append(paths, path)
		}
	}
	return paths
}

// readLeft reads a file, if no process has it open and all that is in it is for
// endpoints that are set here and have room: whatever else waits may be wanted
// by the process that comes back. Nil without an error: there was nothing in it.
func (q *Queue) readLeft(path string) (*leftFile, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) { // another one has taken it over
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if left, err := diskRoom(filepath.Dir(path)); err != nil || left/4 < info.Size() {
		return nil, fmt.Errorf("there should be room for four times the file's %d bytes on the disk, and there are %d (%v)", info.Size(), left, err)
	}
	if done := q.stuck[path]; done != nil && os.SameFile(done, info) {
		return nil, errNotOurs
	}
	s, err := openOld(path)
	switch {
	case errors.Is(err, errDamaged):
		return nil, moveAside(path, err, q.log)
	case err != nil:
		return nil, err
	case s == nil:
		return nil, os.Remove(path)
	}
	l := &leftFile{store: s, info: info}
	room := q.room()
	_, err = s.each(func(e stored) error {
		r := room[queuePrefix(string(e.app), string(e.url))]
		if r == nil || r.events == 0 || r.bytes < int64(len(e.value)) {
			return errNotOurs
		}
		r.events--
		r.bytes -= int64(len(e.value))
		l.events = append(l.events, leftEvent{r, string(e.channel), slices.Clone(e.value),
			&item{ms: e.ms, size: int32(len(e.value)), state: inStore}})
		return nil
	}, func(app, url string, m mark) error {
		r := room[queuePrefix(app, url)]
		if r == nil {
			return errNotOurs
		}
		if m.member {
			l.members = append(l.members, leftMark{r, m})
		} else {
			l.rooms = append(l.rooms, leftMark{r, m})
		}
		return nil
	})
	switch {
	case errors.Is(err, errDamaged):
		l.damaged = err // what could be read is taken over
	case err != nil:
		s.close()
		return nil, err
	}
	return l, nil
}

// diskRoom returns how many bytes a folder's disk has for a user.
func diskRoom(dir string) (int64, error) {
	var st syscall.Statfs_t
	err := syscall.Statfs(dir, &st)
	return int64(st.Bavail) * int64(st.Bsize), err
}

// endpointRoom is how much an endpoint takes.
type endpointRoom struct {
	app, url, prefix string
	events           int
	bytes            int64
}

// room returns how much each endpoint takes, by the prefix of its keys.
func (q *Queue) room() map[string]*endpointRoom {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := map[string]*endpointRoom{}
	for _, a := range q.apps {
		for _, ep := range a.endpoints {
			if a.set {
				all[ep.prefix] = &endpointRoom{a.name, ep.url, ep.prefix, max(0, q.maxBacklog-ep.backlog), q.maxBytes - ep.bytes}
			}
		}
	}
	return all
}

// takeOverLeft writes what a file held to the store, all or nothing, and deletes
// the file. Events get the numbers from first on; what is emitted later has
// higher ones. In run only, so that nothing else comes into lanes meanwhile.
func (q *Queue) takeOverLeft(l *leftFile, first uint64) {
	defer l.close()
	path := l.store.path
	var events, marks []entry
	for i, e := range l.events {
		e.it.id = first + uint64(i)
		events = append(events, entry{eventKey(e.to.prefix, e.it.id), e.value})
		l.events[i].value = nil
	}
	all := append(l.members, l.rooms...) // members depart before their channels
	for _, m := range all {
		marks = append(marks, entry{markKey(m.to.prefix, m.mark), []byte{}})
	}
	var err error
	if len(events)+len(marks) > 0 {
		err = q.store.update(func(tx *bolt.Tx) error { return writeBoth(tx, events, marks) })
	}
	if err != nil {
		q.putOffFile(path)
		q.log.Error("the webhooks of a process that has ended are not taken over, this will be tried again", "file", path, "error", err)
		return
	}
	if l.damaged != nil {
		err = moveAside(path, l.damaged, q.log)
	} else {
		err = os.Remove(path)
	}
	if err != nil {
		q.log.Error("a file of webhooks is taken over but cannot be removed: remove it, or the next start sends them again", "file", path, "error", err)
		q.stuck[path] = l.info
	}
	delete(q.later, path)
	if len(events)+len(marks) > 0 {
		q.log.Info("took over the webhooks of a process that has ended", "file", path, "events", len(events), "marks", len(marks))
	}
	for part := range slices.Chunk(l.events, departMost) { // so that the lock is free in between
		q.mu.Lock()
		q.attachLeftLocked(part)
		q.mu.Unlock()
	}
	for part := range slices.Chunk(all, departMost) {
		q.mu.Lock()
		q.markLeftLocked(part)
		q.mu.Unlock()
	}
	q.lookAt = time.Now().Add(lookSoon)
}

// attachLeftLocked lets events that are in the store wait for their endpoints.
func (q *Queue) attachLeftLocked(events []leftEvent) {
	last := (*endpoint)(nil)
	for _, e := range events {
		ep := q.endpointSet(e.to)
		if ep == nil { // Set has left it out meanwhile
			q.deletes = append(q.deletes, reference{e.to.prefix, e.it.id})
			continue
		}
		if last != nil && last != ep {
			q.dispatchLocked(last)
		}
		ep.appendStored(e.channel, e.it)
		last = ep
	}
	if last != nil {
		q.dispatchLocked(last)
	}
	q.kick()
}

// markLeftLocked lets what is marked depart, unless it is here, or comes back.
// The store has the marks, whatever has been noted for it since.
func (q *Queue) markLeftLocked(marks []leftMark) {
	for _, l := range marks {
		key := endpointMark{l.to.prefix, l.mark}
		ep := q.endpointSet(l.to)
		if ep == nil || !ep.tracks(l.mark) {
			if !q.rewrite {
				q.marks[key] = false
			}
			continue
		}
		delete(q.marks, key)
		d, known := ep.marks[l.mark]
		switch {
		case d != nil: // it is departing here: who was there may come back now
			d.untold = false
			q.waitLocked(ep, d, &q.left, q.returnAfter)
		case !known:
			q.waitLocked(ep, &departure{mark: l.mark}, &q.left, q.returnAfter)
		}
	}
	q.kick()
}

// endpointSet returns the endpoint, or nil if it is not set any more.
func (q *Queue) endpointSet(to *endpointRoom) *endpoint {
	if a := q.apps[to.app]; a != nil && a.set {
		return a.endpointAt(to.url)
	}
	return nil
}
