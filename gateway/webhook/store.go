package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	eventsBucket = []byte("events")
	marksBucket  = []byte("marks")
)

// errDamaged is of a store that must not be used any further.
var errDamaged = errors.New("the store is damaged")

// errBusy is of a file that another process has open.
var errBusy = errors.New("another process has the store open")

// store is a file of events and marks. Any goroutine may read, one writes.
type store struct {
	db     *bolt.DB
	file   *os.File // db's
	path   string
	broken atomic.Bool
}

// openFile opens a file, or makes it if write is set. Errors may be errBusy, or
// wrap errDamaged.
func openFile(path string, write bool) (*store, error) {
	s := &store{path: path}
	err := s.guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{
			ReadOnly:     !write,
			Timeout:      time.Nanosecond, // one try to lock it
			FreelistType: bolt.FreelistMapType,
			NoStatistics: true,
			OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, flag, perm)
				s.file = f
				return f, err
			},
		})
		return err
	})
	var system syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		err = errBusy
	case err != nil && !errors.As(err, &system): // it was readable, but is no store
		err = fmt.Errorf("%w: %v", errDamaged, err)
	case err == nil && write:
		err = s.makeBuckets()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// makeBuckets writes only if they are missing: the disk may be full.
func (s *store) makeBuckets() error {
	missing := false
	err := s.view(func(tx *bolt.Tx) error {
		missing = tx.Bucket(eventsBucket) == nil || tx.Bucket(marksBucket) == nil
		return nil
	})
	if err != nil || !missing {
		return err
	}
	return s.update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{eventsBucket, marksBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// guard calls f, and turns what a damaged file does to its reader, a panic or a
// fault beyond the file's end, into errDamaged. The database may hold any of its
// locks then, so nothing is called after that.
func (s *store) guard(f func() error) (err error) {
	if s.broken.Load() {
		return errDamaged
	}
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if p := recover(); p != nil {
			s.broken.Store(true)
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

func (s *store) view(f func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.View(f) })
}

func (s *store) update(f func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.Update(f) })
}

func (s *store) close() error {
	if s.db != nil && !s.broken.Load() {
		return s.guard(s.db.Close)
	}
	if s.file != nil {
		return s.file.Close()
	}
	return nil
}

// change is what a transaction does.
type change struct {
	puts     []record
	deletes  []reference
	marks    map[endpointMark]bool // true: set, false: gone
	allMarks []endpointMark        // if not nil: all there are, which replace what is in the store
}

func (c *change) empty() bool {
	return len(c.puts) == 0 && len(c.deletes) == 0 && len(c.marks) == 0 && c.allMarks == nil
}

// entry is a key and its value; a nil one is deleted.
type entry struct{ key, value []byte }

// apply makes a change, or none of it. Keys go in their order: within a
// transaction, a page that grows large in the middle is slow.
func (s *store) apply(c *change) error {
	events := make([]entry, 0, len(c.puts)+len(c.deletes))
	for _, r := range c.puts {
		events = append(events, entry{eventKey(r.ep.prefix, r.it.id), eventValue(r.it.ms, r.channel, r.body)})
	}
	for _, r := range c.deletes {
		events = append(events, entry{eventKey(r.prefix, r.id), nil})
	}
	marks := make([]entry, 0, len(c.marks)+len(c.allMarks))
	for _, m := range c.allMarks {
		marks = append(marks, entry{markKey(m.prefix, m.mark), []byte{}})
	}
	for m, there := range c.marks {
		e := entry{markKey(m.prefix, m.mark), nil}
		if there {
			e.value = []byte{}
		}
		marks = append(marks, e)
	}
	return s.update(func(tx *bolt.Tx) error {
		if c.allMarks != nil {
			if err := tx.DeleteBucket(marksBucket); err != nil {
				return err
			}
			if _, err := tx.CreateBucket(marksBucket); err != nil {
				return err
			}
		}
		return writeBoth(tx, events, marks)
	})
}

// writeBoth writes to both buckets.
func writeBoth(tx *bolt.Tx, events, marks []entry) error {
	if err := write(tx.Bucket(eventsBucket), events); err != nil {
		return err
	}
	return write(tx.Bucket(marksBucket), marks)
}

// write puts and deletes. No key is in the list twice.
func write(b *bolt.Bucket, list []entry) error {
	slices.SortFunc(list, func(x, y entry) int { return bytes.Compare(x.key, y.key) })
	for _, e := range list {
		var err error
		if e.value == nil {
			err = b.Delete(e.key)
		} else {
			err = b.Put(e.key, e.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bodies returns the JSON of events; nil for one that is not there.
func (s *store) bodies(prefix string, ids []uint64) ([][]byte, error) {
	list := make([][]byte, len(ids))
	err := s.view(func(tx *bolt.Tx) error {
		events := tx.Bucket(eventsBucket)
		for i, id := range ids {
			if _, _, body, ok := parseEventValue(events.Get(eventKey(prefix, id))); ok {
				list[i] = append([]byte{}, body...)
			}
		}
		return nil
	})
	return list, err
}

// stored is an event in the store. Slices are valid during the call that gets it.
type stored struct {
	app, url []byte
	id       uint64
	value    []byte // all of it
	ms       int64
	channel  []byte
}

// each tells what is in the store, the events of an endpoint in order, and
// returns how many records it cannot understand. It reads every byte of what it
// tells.
func (s *store) each(event func(stored) error, marked func(app, url string, m mark) error) (bad int, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		events, marks := tx.Bucket(eventsBucket), tx.Bucket(marksBucket)
		if events == nil || marks == nil {
			return fmt.Errorf("%w: it has not the buckets of a store of webhooks", errDamaged)
		}
		if err := events.ForEach(func(k, v []byte) error {
			e := stored{value: v}
			var body []byte
			var keyOK, valueOK bool
			e.app, e.url, e.id, keyOK = parseEventKey(k)
			e.ms, e.channel, body, valueOK = parseEventValue(v)
			if !keyOK || !valueOK || !json.Valid(body) {
				bad++
				return nil
			}
			return event(e)
		}); err != nil {
			return err
		}
		return marks.ForEach(func(k, _ []byte) error {
			app, url, m, ok := parseMarkKey(k)
			if !ok {
				bad++
				return nil
			}
			return marked(app, url, m)
		})
	})
	return bad, err
}
