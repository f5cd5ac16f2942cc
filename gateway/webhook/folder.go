package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	filePrefix = "webhooks-"
	fileSuffix = ".db"
	mostFiles  = 1024 // processes that share a folder
	folderWait = 30 * time.Second
	chunkKeys  = 10_000 // copied in one transaction
	chunkBytes = 8 << 20
)

// openFolder opens the first file of a folder that nobody else has open, and
// moves into it what is in other such files. A lock keeps processes that start
// together from doing so at the same time.
func openFolder(dir string, log *slog.Logger) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, own, err := openFirst(dir, log)
	if err != nil {
		return nil, err
	}
	for i := range mostFiles {
		path := filePath(dir, i)
		if _, err := os.Stat(path); i == own || err != nil {
			continue
		}
		if err := takeOver(s, path, log); err != nil {
			log.Error("the webhooks of an earlier process were not taken over, the next start will try again", "file", path, "error", err)
		}
	}
	return s, nil
}

func filePath(dir string, i int) string {
	return filepath.Join(dir, fmt.Sprint(filePrefix, i, fileSuffix))
}

// lockFolder waits until no other process opens or takes over files.
func lockFolder(dir string) (unlock func(), err error) {
	for waited := time.Duration(0); ; waited += 50 * time.Millisecond {
		unlock, err = tryLockFolder(dir)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || waited > folderWait {
			return unlock, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func tryLockFolder(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "webhooks.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// openFirst opens the first file that is not busy.
func openFirst(dir string, log *slog.Logger) (*store, int, error) {
	for i := range mostFiles {
		s, err := openSound(filePath(dir, i), log)
		if err == nil {
			return s, i, nil
		}
		if !errors.Is(err, errBusy) {
			return nil, 0, err
		}
	}
	return nil, 0, fmt.Errorf("%d processes use %s: give each group of processes a folder of its own", mostFiles, dir)
}

// openSound opens a file as a new one, to which what was in the old one has been
// copied: damage that has not been noticed, in the list of free pages above all,
// does not spread, and a file that was large once becomes small. What is damaged
// is moved aside, once what can be read of it is copied.
func openSound(path string, log *slog.Logger) (*store, error) {
	old, err := openOld(path)
	if errors.Is(err, errDamaged) {
		err = moveAside(path, err, log)
	}
	if err != nil {
		return nil, err
	}
	if old == nil {
		return openFile(path, true)
	}
	defer old.close()
	made := path + ".new"
	if err := os.Remove(made); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	s, err := openFile(made, true)
	if err == nil {
		_, err = s.copyFrom(old, false, log)
	}
	if errors.Is(err, errDamaged) && s != nil && !s.broken.Load() {
		err = moveAside(path, err, log)
	}
	if err == nil {
		err = os.Rename(made, path)
	}
	if err == nil {
		s.path = path
		return s, nil
	}
	if s != nil {
		s.close()
	}
	os.Remove(made)
	if unwritable(err) {
		old.close()
		return openFile(path, true) // as it is: there may be room later
	}
	return nil, err
}

// openOld opens a file to read it; nil if there is none, or nothing in it.
func openOld(path string) (*store, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return openFile(path, false)
}

// moveAside keeps a damaged file for whoever wants to look at it.
func moveAside(path string, fault error, log *slog.Logger) error {
	aside := fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano())
	log.Error("a file of webhooks is damaged, not all that was in it will be sent", "file", path, "moved_to", aside, "error", fault)
	return os.Rename(path, aside)
}

// takeOver copies what is in a file to s and deletes it, unless a process has
// it open. After a crash in between, some of it may be in both.
func takeOver(s *store, path string, log *slog.Logger) error {
	from, err := openOld(path)
	switch {
	case errors.Is(err, errBusy):
		return nil
	case errors.Is(err, errDamaged):
		return moveAside(path, err, log)
	case err != nil:
		return err
	case from != nil:
		defer from.close()
		n, err := s.copyFrom(from, true, log)
		if errors.Is(err, errDamaged) && !s.broken.Load() {
			return moveAside(path, err, log)
		}
		if err != nil {
			return err
		}
		if n > 0 {
			log.Info("took over the webhooks of an earlier process", "file", path, "records", n)
		}
	}
	return os.Remove(path)
}

// copyFrom copies all that makes sense, events under new numbers if asked for.
func (s *store) copyFrom(from *store, renumber bool, log *slog.Logger) (n int, err error) {
	var events, marks []entry
	bytes := 0
	flush := func() error {
		err := s.update(func(tx *bolt.Tx) error { return writeBoth(tx, events, marks) })
		n += len(events) + len(marks)
		events, marks, bytes = nil, nil, 0
		return err
	}
	room := func() error {
		if len(events)+len(marks) < chunkKeys && bytes < chunkBytes {
			return nil
		}
		return flush()
	}
	last := uint64(0)
	if renumber {
		if _, err := s.each(func(e stored) error { last = max(last, e.id); return nil }, func(string, string, mark) error { return nil }); err != nil {
			return 0, err
		}
	}
	bad, err := from.each(func(e stored) error {
		if renumber {
			last++
			e.id = last
		}
		events = append(events, entry{eventKey(queuePrefix(string(e.app), string(e.url)), e.id), slices.Clone(e.value)})
		bytes += len(e.value)
		return room()
	}, func(app, url string, m mark) error {
		k := markKey(queuePrefix(app, url), m)
		marks = append(marks, entry{k, []byte{}})
		bytes += len(k)
		return room()
	})
	if bad > 0 {
		log.Error("a file of webhooks has records that make no sense, they are left out", "file", from.path, "records", bad)
	}
	if err == nil || errors.Is(err, errDamaged) { // what could be read is kept
		if e := flush(); e != nil {
			err = e
		}
	}
	return n, err
}

// unwritable reports whether an error is of a disk that takes nothing now.
func unwritable(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
