package gateway

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	lookSoon   = 20 * time.Millisecond // after an event
	lookAnyway = 10 * time.Second      // without one, should it have been lost
)

// follow looks at the folder whenever it changes, until the gateway ends.
func (d *appsDir) follow() {
	w := newFolderWatch(d.path, d.gateway.log)
	defer w.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due, rested time.Time // of the next look
	expect := func(wait time.Duration) {
		due = time.Now().Add(wait)
		timer.Reset(wait)
	}
	soon := func() {
		if wait := max(lookSoon, time.Until(rested)); wait < time.Until(due) {
			expect(wait)
		}
	}
	for {
		select {
		case <-d.gateway.halt:
			return
		case e := <-w.events:
			if w.concerns(e) {
				soon()
			}
		case <-w.errors: // events were lost, most likely
			soon()
		case began := <-timer.C:
			w.renew()
			settled := d.look(began)
			// A folder that takes long to read is not read all the time.
			rest := min(4*time.Since(began), lookAnyway)
			rested = time.Now().Add(rest)
			if settled {
				expect(max(d.every, rest))
			} else {
				expect(max(settleTime, rest))
			}
		}
	}
}

// folderWatch tells of changes in a folder, which may be replaced by another: it
// may be a link to one. Without the system's help it tells of nothing.
type folderWatch struct {
	path    string // absolute
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil: there is none
	at      os.FileInfo       // the folder that is watched
	events  <-chan fsnotify.Event
	errors  <-chan error
	told    bool // that there is no help
}

func newFolderWatch(path string, log *slog.Logger) *folderWatch {
	w := &folderWatch{log: log}
	var err error
	if w.path, err = filepath.Abs(path); err == nil {
		w.watcher, err = fsnotify.NewWatcher()
	}
	if err != nil {
		w.fail(err)
		return w
	}
	w.events, w.errors = w.watcher.Events, w.watcher.Errors
	return w
}

func (w *folderWatch) fail(err error) {
	if !w.told {
		w.log.Warn("apps_dir cannot be watched: its changes take a while to be seen", "longest", lookAnyway.String(), "error", err)
	}
	w.told = true
}

// renew watches what is the folder now. It is called before each look, so that
// nothing happens unseen between the two.
func (w *folderWatch) renew() {
	if w.watcher == nil {
		return
	}
	now, err := os.Stat(w.path)
	if err == nil && w.at != nil && os.SameFile(now, w.at) && slices.Contains(w.watcher.WatchList(), w.path) {
		return
	}
	w.watcher.Remove(w.path)
	w.at = nil
	// Above, another folder may get its name.
	fault := w.watcher.Add(filepath.Dir(w.path))
	if err == nil {
		if err := w.watcher.Add(w.path); err != nil {
			fault = errors.Join(fault, err)
		} else {
			w.at = now
		}
	}
	if fault != nil {
		w.fail(fault)
	}
}

// concerns reports whether an event is about the folder or what is in it.
func (w *folderWatch) concerns(e fsnotify.Event) bool {
	return e.Name == w.path || filepath.Dir(e.Name) == w.path
}

func (w *folderWatch) close() {
	if w.watcher != nil {
		w.watcher.Close()
	}
}
