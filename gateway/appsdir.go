package gateway

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	settleTime = 100 * time.Millisecond // a file that has not changed for so long has been written,
	settleGone = 500 * time.Millisecond // and one that was not there for so long is not on its way
)

// appsDir decides which apps are served: those of the configuration and those
// of the files of apps_dir, which it looks at again and again. A file that is
// wrong changes nothing. It is used by one goroutine at a time.
type appsDir struct {
	gateway *Gateway
	path    string // empty: there is none
	fixed   []*placed
	files   map[string]*appFile // by path
	fault   string              // of the folder itself, as it was told
	every   time.Duration       // it is looked at, if nothing tells of a change

	ok, failed atomic.Uint64 // reloads
}

// appFile is what is known of a file.
type appFile struct {
	seen  version // at the last look
	since time.Time
	done  version // that has been acted upon
	want  *placed // the app that it is, if nothing is in the way; nil: none
	live  *placed // the app that is served for it; nil: none
	told  string  // what is in the way, as it was told
}

// version tells apart what a file may be at a look.
type version struct {
	looked bool
	there  bool
	sum    [sha256.Size]byte // of the text, or of the error
}

// newAppsDir begins with apps as they were loaded.
func newAppsDir(g *Gateway, path string, apps []*placed) *appsDir {
	d := &appsDir{gateway: g, path: path, files: map[string]*appFile{}, every: lookAnyway}
	for _, p := range apps {
		if p.file == "" {
			d.fixed = append(d.fixed, p)
		} else {
			d.files[p.file] = &appFile{want: p, live: p}
		}
	}
	return d
}

// look reads the folder. It reports false if something is to be looked at again
// before it can be trusted.
func (d *appsDir) look(now time.Time) (settled bool) {
	paths, err := appFiles(d.path)
	if err != nil { // what was there may well be there again
		d.complain(err)
		return true
	}
	d.fault = ""
	for _, path := range paths {
		if d.files[path] == nil {
			d.files[path] = &appFile{}
		}
	}
	settled = true
	acted := false
	for _, path := range d.paths() {
		f := d.files[path]
		v, text, err := readVersion(path)
		if v != f.seen {
			f.seen, f.since = v, now
		}
		wait := settleTime
		if !v.there {
			wait = settleGone
		}
		switch {
		case v == f.done:
		case now.Sub(f.since) < wait:
			settled = false
		default:
			f.done = v
			d.take(path, f, text, err)
			acted = true
		}
	}
	if acted {
		d.serve()
	}
	return settled
}

// paths returns the files' in the order of their names.
func (d *appsDir) paths() []string { return slices.Sorted(maps.Keys(d.files)) }

// readVersion reads a file that may not be there.
func readVersion(path string) (v version, text []byte, err error) {
	text, err = readAppFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return version{looked: true}, nil, nil
	case err != nil:
		return version{true, true, sha256.Sum256([]byte(err.Error()))}, nil, err
	}
	return version{true, true, sha256.Sum256(text)}, text, nil
}

// take notes what a file has become.
func (d *appsDir) take(path string, f *appFile, text []byte, err error) {
	if !f.done.there {
		f.want = nil
		return
	}
	var p *placed
	if err == nil {
		p, err = parseApp(path, text)
	}
	if err != nil {
		f.want = f.live
		d.refuse(path, f, err)
		return
	}
	f.want = p
}

// refuse tells that a file is not what is served.
func (d *appsDir) refuse(path string, f *appFile, err error) {
	d.failed.Add(1)
	what := "an app is not served: its file cannot be used"
	if f.live != nil {
		what = "an app keeps the settings that it had: its file cannot be used"
	}
	d.gateway.log.Error(what, "file", path, "error", brief(err))
}

// brief returns an error's text, of which a file may make a long one.
func brief(err error) string {
	const most = 1000
	text := err.Error()
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " ..."
}

// complain tells, once, that the folder cannot be read.
func (d *appsDir) complain(err error) {
	if err.Error() == d.fault {
		return
	}
	d.fault = err.Error()
	d.failed.Add(1)
	d.gateway.log.Error("apps_dir cannot be read: the apps stay as they are", "error", err)
}

// serve serves what the files say, as far as no two have a word in common.
func (d *appsDir) serve() {
	chosen := d.choose()
	for _, path := range d.paths() {
		f := d.files[path]
		if !reflect.DeepEqual(f.live, chosen[path]) {
			d.ok.Add(1)
		}
		f.live = chosen[path]
		if f.want == nil && f.done == (version{looked: true}) {
			delete(d.files, path)
		}
	}
	apps := make([]App, 0, len(d.fixed)+len(chosen))
	for _, p := range d.list(chosen) {
		apps = append(apps, p.App)
	}
	d.gateway.serveApps(apps)
}

// list returns the apps of the configuration, and behind them those that are
// chosen for files.
func (d *appsDir) list(chosen map[string]*placed) []*placed {
	list := slices.Clone(d.fixed)
	for _, path := range slices.Sorted(maps.Keys(chosen)) {
		list = append(list, chosen[path])
	}
	return list
}

// choose decides for each file which app is served for it: the one that it is
// now, or, if that has a word of another app, the one that was served before.
func (d *appsDir) choose() map[string]*placed {
	chosen := map[string]*placed{}
	for path, f := range d.files {
		if f.want != nil {
			chosen[path] = f.want
		}
	}
	// Files change together: what has words of each other now may not have in the
	// end. Those that cannot be as they are now stay as they were, which may be in
	// the way of others in turn; as they all were before, no two are.
	lost := map[string]*twin{}
	for found := twins(d.list(chosen)); len(found) > 0; found = twins(d.list(chosen)) {
		for _, t := range found {
			d.turn(t)
			path := t.app.file
			lost[path] = t
			if live := d.files[path].live; live != nil {
				chosen[path] = live
			} else {
				delete(chosen, path)
			}
		}
	}
	d.regain(chosen, lost)
	for path, f := range d.files {
		if t := lost[path]; t == nil {
			f.told = ""
		} else if text := t.Error(); text != f.told {
			f.told = text
			d.refuse(path, f, t)
		}
	}
	return chosen
}

// turn puts the one of two twins first that has to stay without the word: not
// the one that had it before, nor one of the configuration.
func (d *appsDir) turn(t *twin) {
	f := d.files[t.app.file]
	if f != nil && f.live != nil && slices.Contains(slices.Collect(maps.Values(f.live.words())), t.word) {
		*t = twin{t.word, t.first, t.app, t.firstKey, t.key}
	}
}

// regain gives files what they have lost to others that have lost it, too.
func (d *appsDir) regain(chosen map[string]*placed, lost map[string]*twin) {
	owner := map[word]string{}
	for _, p := range d.list(chosen) {
		for _, w := range p.words() {
			owner[w] = p.file
		}
	}
	free := func(path string) bool {
		for _, w := range d.files[path].want.words() {
			if o, taken := owner[w]; taken && o != path {
				return false
			}
		}
		return true
	}
	for again := true; again; {
		again = false
		for _, path := range slices.Sorted(maps.Keys(lost)) {
			if !free(path) {
				continue
			}
			if p := chosen[path]; p != nil {
				for _, w := range p.words() {
					delete(owner, w)
				}
			}
			chosen[path] = d.files[path].want
			for _, w := range chosen[path].words() {
				owner[w] = path
			}
			delete(lost, path)
			again = true
		}
	}
}
