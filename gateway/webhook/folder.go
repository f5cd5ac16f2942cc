package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	mostFiles   = 1024 // processes that share a folder
	folderWait  = 30 * time.Second
	chunkEvents = 1000 // taken over in one transaction
	chunkBytes  = 4 << 20
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
	return filepath.Join(dir, fmt.Sprintf("webhooks-%d.db", i))
}

// lockFolder waits until no other process is in openFolder.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "webhooks.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for waited := time.Duration(0); ; waited += 50 * time.Millisecond {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || waited > folderWait {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
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

// openSound opens a file; one that is damaged is moved aside, and a new one
// made.
func openSound(path string, log *slog.Logger) (*store, error) {
	s, err := openFile(path)
	if errors.Is(err, errDamaged) {
		aside := fmt.Sprintf("%s.damaged-%d", path, time.Now().UnixNano())
		if err := os.Rename(path, aside); err != nil {
			return nil, err
		}
		log.Error("a file of webhooks is damaged, what was in it will not be sent", "file", path, "moved_to", aside, "error", err)
		s, err = openFile(path)
	}
	if err == nil && s.purged > 0 {
		log.Error("a file of webhooks had records that make no sense, they were deleted", "file", path, "records", s.purged)
	}
	return s, err
}

// takeOver moves what is in a file into s and deletes it, unless a process has
// it open. After a crash in between, some of it may be in both.
func takeOver(s *store, path string, log *slog.Logger) error {
	from, err := openSound(path, log)
	if errors.Is(err, errBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.close()
	total := 0
	for {
		n, err := moveSome(s, from)
		if err != nil {
			return err
		}
		if total += n; n == 0 {
			break
		}
	}
	if total > 0 {
		log.Info("took over the webhooks of an earlier process", "file", path, "records", total)
	}
	return os.Remove(path)
}

// moveSome moves the first records of a store to another one.
func moveSome(to, from *store) (n int, err error) {
	for _, name := range [][]byte{eventsBucket, marksBucket} {
		var keys, values [][]byte
		err := from.view(func(tx *bolt.Tx) error {
			size := 0
			c := tx.Bucket(name).Cursor()
			for k, v := c.First(); k != nil && len(keys) < chunkEvents && size < chunkBytes; k, v = c.Next() {
				keys, values = append(keys, append([]byte{}, k...)), append(values, append([]byte{}, v...))
				size += len(v)
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		if len(keys) == 0 {
			continue
		}
		err = to.update(func(tx *bolt.Tx) error {
			for i, k := range keys {
				if string(name) == string(eventsBucket) {
					app, url, _, ok := parseEventKey(k)
					if !ok {
						continue
					}
					to.lastID++
					k = eventKey(queuePrefix(string(app), string(url)), to.lastID)
				}
				if err := tx.Bucket(name).Put(k, values[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		err = from.update(func(tx *bolt.Tx) error {
			for _, k := range keys {
				if err := tx.Bucket(name).Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(keys)
	}
	return n, nil
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
