package gateway

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// logbook is a log that can be read.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// has reports whether there is a line with all these words.
func (l *logbook) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for line := range strings.Lines(l.text.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		return true
	}
	return false
}

// estate is an apps_dir with a gateway that serves it.
type estate struct {
	*server
	dir string
	log *logbook
}

// newEstate starts a gateway with a folder of files, given by name and text.
func newEstate(t *testing.T, files map[string]string, change ...func(*Config)) *estate {
	t.Helper()
	e := &estate{dir: t.TempDir(), log: &logbook{}}
	for name, text := range files {
		putFile(t, filepath.Join(e.dir, name), text)
	}
	e.server = newTest(t, func(c *Config) {
		c.AppsDir = e.dir
		for _, f := range change {
			f(c)
		}
	}, func(g *Gateway) { g.log = slog.New(slog.NewJSONHandler(e.log, nil)) })
	return e
}

func putFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (e *estate) put(name, text string) {
	e.t.Helper()
	putFile(e.t.(*testing.T), filepath.Join(e.dir, name), text)
}

// replace puts a file in the place of another at once.
func (e *estate) replace(name, text string) {
	e.t.Helper()
	e.put("."+name+".new", text)
	e.rename("."+name+".new", name)
}

func (e *estate) rename(from, to string) {
	e.t.Helper()
	if err := os.Rename(filepath.Join(e.dir, from), filepath.Join(e.dir, to)); err != nil {
		e.t.Fatal(err)
	}
}

func (e *estate) remove(name string) {
	e.t.Helper()
	if err := os.Remove(filepath.Join(e.dir, name)); err != nil {
		e.t.Fatal(err)
	}
}

// told waits for a line of the log with all these words.
func (e *estate) told(words ...string) {
	e.t.Helper()
	soon(e.t, fmt.Sprintf("the log tells %q", words), func() bool { return e.log.has(words...) })
}

// becomes waits until an app is there and as it should be.
func (e *estate) becomes(id, what string, ok func(*settings) bool) {
	e.t.Helper()
	soon(e.t, id+": "+what, func() bool {
		a := e.apps.byID(id)
		return a != nil && ok(a.settings())
	})
}

func (e *estate) gone(id string) {
	e.t.Helper()
	soon(e.t, id+" is gone", func() bool { return e.apps.byID(id) == nil })
}

func (e *estate) comes(id string) {
	e.t.Helper()
	e.becomes(id, "is there", func(*settings) bool { return true })
}

func (e *estate) ids() (list []string) {
	for _, a := range e.apps.all() {
		list = append(list, a.id)
	}
	return list
}

// yamlOf is the file of tenant(id), with more lines.
func yamlOf(id string, more ...string) string {
	return fmt.Sprintf("id: %s\nkey: %s-key\nsecret: %s-long-secret\nanonymous: true\n%s\n", id, id, id, strings.Join(more, "\n"))
}

// Tenants come, change, are disabled and go by their files. Sockets of others,
// and those of a changed one, stay and receive.
func TestAppsDir(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	e := newEstate(t, map[string]string{"a.yaml": yamlOf("a"), "b.yml": yamlOf("b"), "notes.txt": "x: [", ".hidden.yaml": "x: ["},
		tenants(tenant("main")))
	if got := e.ids(); !slices.Equal(got, []string{"main", "a", "b"}) {
		t.Fatalf("serves %q", got)
	}
	stays, first, one := e.listens(b), e.listens(tenant("main")), e.listens(a)

	e.put("a.yaml", yamlOf("a", "previous_secret: a-longer-secret", "allowed_origins: https://a.example"))
	e.becomes("a", "has two secrets", func(s *settings) bool { return len(s.validSecrets()) == 2 && len(s.origins) == 1 })
	e.reaches(one, a, "changed")
	a.Secret = "a-longer-secret"
	e.reaches(one, a, "changed again")
	if e.metric("stentor_app_reloads_total", "result", "ok") != 1 || e.metric("stentor_app_reloads_total", "result", "failed") != 0 {
		t.Error("the change is not counted")
	}

	e.replace("c.yaml", yamlOf("c"))
	e.comes("c")
	c := tenant("c")
	e.reaches(e.listens(c), c, "new")

	e.replace("a.yaml", yamlOf("a", "disabled: true"))
	one.wantClose(closeDisabled)
	e.dial("/ws?app=a-key").wantClose(closeDisabled)
	e.put("a.yaml", yamlOf("a"))
	e.becomes("a", "is enabled", func(s *settings) bool { return !s.Disabled })
	a = tenant("a")
	one = e.listens(a)
	e.reaches(one, a, "enabled")

	e.remove("a.yaml")
	one.wantClose(closeUnknownApp)
	if status, answer := e.call("GET", "/api/channels", a.Secret, ""); status != 401 {
		t.Errorf("%d %s", status, answer)
	}
	e.reaches(stays, b, "still here")
	e.reaches(first, tenant("main"), "still here")
	e.told("an app is removed", `"a"`)
	if n := e.metric("stentor_apps"); n != 3 {
		t.Errorf("%v apps, want 3", n)
	}
}

// A file that is wrong changes nothing, and the log says where it is wrong.
func TestAppsDirKeepsWhatWorks(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	e := newEstate(t, map[string]string{"a.yaml": yamlOf("a"), "b.yaml": yamlOf("b")})
	one, other := e.listens(a), e.listens(b)
	file := filepath.Join(e.dir, "a.yaml")
	for i, c := range []struct{ text, says string }{
		{"id: [", "yaml"},
		{"", "id: is missing"},
		{"just words", "unmarshal"},
		{yamlOf("a", "max_connections: many"), "max_connections: "},
		{yamlOf("a", "max_connectoins: 1"), "max_connectoins: there is no such key; did you mean max_connections?"},
		{yamlOf("a", "webhooks: [{url: 'ftp://x'}]"), "webhooks[0].url: "},
		{yamlOf("a", "authorization_timeout: 30"), "has no unit"},
		{yamlOf("a", "---", "id: b"), "only one document"},
		{strings.Repeat("# long\n", maxAppFile/7+1), "larger than"},
	} {
		e.put("a.yaml", c.text)
		e.told("keeps the settings", file, c.says)
		if n := e.metric("stentor_app_reloads_total", "result", "failed"); n != float64(i+1) {
			t.Errorf("%v failures, want %d", n, i+1)
		}
		e.reaches(one, a, fmt.Sprint("kept ", i))
	}
	// One that is not readable is as good as wrong; one that never was right is not
	// served.
	e.remove("a.yaml")
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	e.told("keeps the settings", file, "is no file")
	e.put("new.yaml", "id: new")
	e.told("not served", filepath.Join(e.dir, "new.yaml"), "key: is missing")
	e.reaches(one, a, "kept")
	e.reaches(other, b, "kept")
	if n := e.metric("stentor_app_reloads_total", "result", "ok"); n != 0 {
		t.Errorf("%v changes, want none", n)
	}
	e.remove("a.yaml")
	e.replace("a.yaml", yamlOf("a", "max_connections: 7"))
	e.becomes("a", "is right again", func(s *settings) bool { return s.MaxConnections == 7 })
	e.put("new.yaml", yamlOf("new"))
	e.comes("new")
	e.remove("new.yaml")
	e.gone("new")
	e.reaches(one, a, "never gone")
}

// At the start everything must be in order.
func TestAppsDirAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		says  []string
	}{
		"not YAML":       {map[string]string{"a.yaml": "["}, []string{"a.yaml: "}},
		"an unknown key": {map[string]string{"a.yaml": yamlOf("a", "secrets: x")}, []string{"a.yaml: secrets: there is no such key; did you mean secret?"}},
		"a list":         {map[string]string{"a.yaml": "apps:\n  - id: a\n"}, []string{"a.yaml: apps: there is no such key"}},
		"several faults": {map[string]string{"a.yaml": "id: a b\nsecret: short", "b.yml": "key: x"}, []string{
			`a.yaml: id: "a b": use letters`, "a.yaml: key: is missing", "a.yaml: secret: has 5", "b.yml: id: is missing", "b.yml: secret: is missing"}},
		"twins":           {map[string]string{"a.yaml": yamlOf("a"), "b.yaml": yamlOf("a")}, []string{"b.yaml: key: is the same as the key of ", "a.yaml: it must be unique"}},
		"twins elsewhere": {map[string]string{"m.yaml": yamlOf("main")}, []string{"m.yaml: id: is the same as apps[0].id"}},
		"a secret's twin": {map[string]string{"a.yaml": yamlOf("a"), "b.yaml": yamlOf("b", "previous_secret: a-long-secret")}, []string{"b.yaml: previous_secret: is the same as the secret of "}},
		"its own twin":    {map[string]string{"a.yaml": yamlOf("a", "previous_secret: a-long-secret")}, []string{"a.yaml: previous_secret: is the same as secret"}},
		"a mask":          {map[string]string{"a.yaml": "id: a\nkey: a\nsecret: '********'"}, []string{"a.yaml: secret: is ********, which checkconfig prints"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Default()
			cfg.AppsDir = t.TempDir()
			cfg.Apps = []App{tenant("main")}
			for file, text := range c.files {
				putFile(t, filepath.Join(cfg.AppsDir, file), text)
			}
			err := cfg.Validate()
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %v\nwant %q in it", err, says)
				}
			}
			if strings.Contains(err.Error(), "long-secret") {
				t.Errorf("the error tells a secret: %v", err)
			}
			if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil {
				t.Error("a gateway begins with it")
			}
		})
	}
	cfg := Default()
	cfg.AppsDir = t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(cfg.AppsDir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "a.yaml: no such file") {
		t.Errorf("a link to nowhere: %v", err)
	}
	cfg.AppsDir = filepath.Join(cfg.AppsDir, "none")
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "apps_dir: ") {
		t.Errorf("without the folder: %v", err)
	}
}

// With an empty folder there is no app, not even the development app, and all
// addresses are allowed.
func TestAppsDirEmpty(t *testing.T) {
	e := newEstate(t, nil, func(c *Config) { c.Listen = []string{"0.0.0.0:0"} })
	if e.Development() || len(e.apps.all()) != 0 {
		t.Error("there is an app")
	}
	_, port, _ := net.SplitHostPort(e.addr)
	e.addr = "127.0.0.1:" + port
	if text := e.dial("/ws").wantClose(closeUnknownApp); text != "there is no app here" {
		t.Error(text)
	}
	if status, answer := e.call("GET", "/api/channels", "dev-secret", ""); status != 401 {
		t.Errorf("%d %s", status, answer)
	}
	e.put("a.yaml", yamlOf("a"))
	e.comes("a")
	e.native("")
}

// Apps that have a word in common are not served together. The first stays; the
// other comes when there is nothing in the way any more.
func TestAppsDirConflicts(t *testing.T) {
	e := newEstate(t, map[string]string{"m.yaml": yamlOf("m")}, tenants(tenant("main")))
	m := e.listens(tenant("m"))
	path := func(name string) string { return filepath.Join(e.dir, name) }

	e.put("a.yaml", "id: a\nkey: m-key\nsecret: a-long-secret\n") // before m.yaml by name, but later
	e.told("not served", "key: is the same as the key of", path("a.yaml"), path("m.yaml"))
	e.put("z.yaml", yamlOf("z", "previous_secret: main-long-secret"))
	e.told("not served", "previous_secret: is the same as apps[0].secret", path("z.yaml"))
	if got := e.ids(); !slices.Equal(got, []string{"main", "m"}) {
		t.Errorf("serves %q", got)
	}
	e.put("z.yaml", yamlOf("z"))
	e.comes("z")
	z := e.listens(tenant("z"))
	e.put("z.yaml", yamlOf("z", "previous_secret: m-long-secret", "api_rate: 5"))
	e.told("keeps the settings", path("z.yaml"), path("m.yaml"))
	e.reaches(z, tenant("z"), "as before")
	if e.apps.byID("z").settings().APIRate != 0 {
		t.Error("a version that clashes is served in part")
	}

	failed := e.metric("stentor_app_reloads_total", "result", "failed")
	e.remove("m.yaml")
	m.wantClose(closeUnknownApp)
	e.comes("a")
	e.becomes("z", "is as its file says", func(s *settings) bool { return s.APIRate == 5 })
	e.reaches(z, tenant("z"), "all the time")
	if now := e.metric("stentor_app_reloads_total", "result", "failed"); now != failed {
		t.Errorf("%v failures, there were %v", now, failed)
	}
}

// A file may get another name, and two may change places: their apps' sockets
// stay. An id that changes is another app.
func TestAppsDirRenames(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	e := newEstate(t, map[string]string{"a.yaml": yamlOf("a"), "b.yaml": yamlOf("b")})
	one, other := e.listens(a), e.listens(b)

	e.rename("a.yaml", "c.yaml")
	e.put("c.yaml", yamlOf("a", "max_connections: 5"))
	e.becomes("a", "is as its other file says", func(s *settings) bool { return s.MaxConnections == 5 })
	e.reaches(one, a, "1")

	e.rename("c.yaml", ".tmp")
	e.rename("b.yaml", "c.yaml")
	e.rename(".tmp", "b.yaml")
	e.put("b.yaml", yamlOf("a", "max_connections: 6"))
	e.put("c.yaml", yamlOf("b", "max_connections: 7"))
	e.becomes("a", "is as its third file says", func(s *settings) bool { return s.MaxConnections == 6 })
	e.becomes("b", "is as its other file says", func(s *settings) bool { return s.MaxConnections == 7 })
	e.reaches(one, a, "2")
	e.reaches(other, b, "1")

	e.put("b.yaml", "id: d\nkey: a-key\nsecret: a-long-secret\nanonymous: true\n")
	one.wantClose(closeUnknownApp)
	d := a
	d.ID = "d"
	e.comes("d")
	e.reaches(e.listens(d), d, "another app")
	e.reaches(other, b, "2")
}

// However fast and by whatever steps a file is written, in the end it counts as
// it is then, and nobody is thrown out on the way.
func TestAppsDirRewrites(t *testing.T) {
	e := newEstate(t, map[string]string{"a.yaml": yamlOf("a"), "b.yaml": yamlOf("b"), "c.yaml": yamlOf("c")})
	var peers []*peer
	for _, id := range []string{"a", "b", "c"} {
		peers = append(peers, e.listens(tenant(id)))
	}
	last := 0
	for end := time.Now().Add(2 * settleGone); time.Now().Before(end); last++ {
		i := last
		e.replace("a.yaml", yamlOf("a", fmt.Sprint("max_connections: ", 1000+i)))
		// The second in small steps, the third by way of none at all.
		f, err := os.Create(filepath.Join(e.dir, "b.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for part := range slices.Chunk([]byte(yamlOf("b", fmt.Sprint("max_connections: ", 1000+i))), 7) {
			if _, err := f.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
		e.remove("c.yaml")
		e.put("c.yaml", yamlOf("c", fmt.Sprint("max_connections: ", 1000+i)))
	}
	for i, id := range []string{"a", "b", "c"} {
		e.becomes(id, "is as it was written last", func(s *settings) bool { return s.MaxConnections == 1000+last-1 })
		e.reaches(peers[i], tenant(id), "still here")
	}
}

// A folder as Kubernetes mounts it: links to a folder that a link names, which is
// replaced.
func TestAppsDirOfLinks(t *testing.T) {
	base := t.TempDir()
	version := func(n int, files map[string]string) {
		dir := filepath.Join(base, fmt.Sprint("..", n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			putFile(t, filepath.Join(dir, name), text)
			if err := os.Symlink("..data/"+name, filepath.Join(base, name)); err != nil && !os.IsExist(err) {
				t.Fatal(err)
			}
		}
		link := filepath.Join(base, "..new")
		if err := os.Symlink(filepath.Base(dir), link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(base, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version(1, map[string]string{"a.yaml": yamlOf("a"), "b.yaml": yamlOf("b")})
	e := newEstate(t, nil, func(c *Config) { c.AppsDir = base })
	one, other := e.listens(tenant("a")), e.listens(tenant("b"))
	version(2, map[string]string{"a.yaml": yamlOf("a", "max_connections: 5"), "c.yaml": yamlOf("c")})
	e.becomes("a", "has changed", func(s *settings) bool { return s.MaxConnections == 5 })
	e.comes("c")
	other.wantClose(closeUnknownApp) // its link leads nowhere
	e.reaches(one, tenant("a"), "1")
}

// The folder itself may be a link that is turned to another one, or be replaced;
// while it is away everything stays.
func TestAppsDirIsReplaced(t *testing.T) {
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	for _, name := range []string{"one", "two", "three"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
		putFile(t, filepath.Join(at(name), "a.yaml"), yamlOf("a", "max_connections: "+fmt.Sprint(len(name))))
	}
	if err := os.Symlink("one", at("apps")); err != nil {
		t.Fatal(err)
	}
	e := newEstate(t, nil, func(c *Config) { c.AppsDir = at("apps") })
	one := e.listens(tenant("a"))
	if err := os.Symlink("three", at("new")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at("new"), at("apps")); err != nil {
		t.Fatal(err)
	}
	e.becomes("a", "is as the other folder says", func(s *settings) bool { return s.MaxConnections == 5 })
	// What happens there is seen.
	putFile(t, at("three/b.yaml"), yamlOf("b"))
	e.comes("b")

	if err := os.Remove(at("apps")); err != nil {
		t.Fatal(err)
	}
	e.told("apps_dir cannot be read", at("apps"))
	e.reaches(one, tenant("a"), "still here")
	if err := os.Rename(at("two"), at("apps")); err != nil {
		t.Fatal(err)
	}
	e.becomes("a", "is as the folder says", func(s *settings) bool { return s.MaxConnections == 3 })
	e.gone("b")
	putFile(t, at("apps/b.yaml"), yamlOf("b"))
	e.comes("b")
	e.reaches(one, tenant("a"), "all the time")
}

// What nobody tells of, since it happens in another folder, is seen, too, after
// a while.
func TestAppsDirUnwatched(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "x.yaml")
	putFile(t, elsewhere, yamlOf("a"))
	dir := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	s := newTest(t, func(c *Config) { c.AppsDir = dir }, func(g *Gateway) { g.folder.every = 20 * time.Millisecond })
	putFile(t, elsewhere, yamlOf("a", "max_connections: 5"))
	soon(t, "the app has changed", func() bool { return s.apps.byID("a").settings().MaxConnections == 5 })
}

// Whoever closes the clients of an app leaves off when they are let in again.
func TestCloseAllLeavesOff(t *testing.T) {
	s := newTest(t, nil)
	p, _ := s.native("")
	s.apps.all()[0].closeAll(closeDisabled, "this app is disabled")
	s.background.Wait()
	p.quiet()
}

// A gateway that ends does not wait for the closes of a large app.
func TestCloseAllEndsWithTheGateway(t *testing.T) {
	s := newTest(t, tenants(tenant("a")))
	for range 300 {
		s.dial("/raw/news")
	}
	soon(t, "all are there", func() bool { return s.apps.all()[0].hub.Stats().Clients == 300 })
	s.serveApps(nil)
	s.Close() // the rest is newTest's to check
}

// Whatever the files say, no two apps that are served have a word in common,
// nobody waits for nothing, and what was served is given up only for something
// else.
func TestChoose(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		pick := func(kind string) string { return fmt.Sprint(kind, r.IntN(5)) }
		d := newAppsDir(&Gateway{log: slog.New(slog.NewTextHandler(io.Discard, nil))}, "/", nil)
		d.fixed = []*placed{{App: App{ID: "id0", Key: "key0", Secret: "secret0"}}}
		for step := range 30 {
			for range 1 + r.IntN(3) {
				path := fmt.Sprint("/", r.IntN(6), ".yaml")
				if r.IntN(4) == 0 {
					delete(d.files, path)
					continue
				}
				f := d.files[path]
				if f == nil {
					f = &appFile{}
					d.files[path] = f
				}
				f.want = &placed{file: path, App: App{ID: pick("id"), Key: pick("key"), Secret: pick("secret")}}
				if old := pick("secret"); r.IntN(3) == 0 && old != f.want.Secret {
					f.want.PreviousSecret = old
				}
			}
			chosen := d.choose()
			if found := twins(d.list(chosen)); len(found) > 0 {
				t.Fatalf("seed %d, step %d: %v", seed, step, found[0])
			}
			taken := map[word]string{}
			for _, p := range d.list(chosen) {
				for _, w := range p.words() {
					taken[w] = p.file
				}
			}
			for path, f := range d.files {
				p := chosen[path]
				if p != f.want && p != f.live {
					t.Fatalf("seed %d, step %d: %s is served as it never was", seed, step, path)
				}
				if p == f.want {
					continue
				}
				free := !slices.ContainsFunc(slices.Collect(maps.Values(f.want.words())), func(w word) bool {
					owner, ok := taken[w]
					return ok && owner != path
				})
				if free || f.told == "" {
					t.Fatalf("seed %d, step %d: nothing is in the way of %s, told %q", seed, step, path, f.told)
				}
			}
			for path, f := range d.files {
				f.live = chosen[path]
			}
		}
	}
}

// A file counts when it has not changed for a while, whatever others do; one that
// is away, after a longer while.
func TestAppsDirSettles(t *testing.T) {
	cfg := Default()
	cfg.AppsDir = t.TempDir()
	at := func(name string) string { return filepath.Join(cfg.AppsDir, name) }
	putFile(t, at("a.yaml"), yamlOf("a"))
	g, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	began := time.Now()
	look := func(after time.Duration, settled bool, limit int) {
		t.Helper()
		if got := g.folder.look(began.Add(after)); got != settled {
			t.Errorf("after %v: settled %t", after, got)
		}
		a := g.apps.byID("a")
		if (a != nil) != (limit >= 0) || a != nil && a.settings().MaxConnections != limit {
			t.Errorf("after %v: %+v, want a limit of %d", after, a, limit)
		}
	}
	with := func(n int) string { return yamlOf("a", fmt.Sprint("max_connections: ", n)) }
	look(0, false, 0) // as it was loaded, but who knows
	look(settleTime, true, 0)
	putFile(t, at("a.yaml"), with(1))
	look(1000*time.Millisecond, false, 0)
	putFile(t, at("a.yaml"), with(2))
	look(1099*time.Millisecond, false, 0)
	look(1100*time.Millisecond, false, 0)
	look(1199*time.Millisecond, true, 2)
	putFile(t, at("a.yaml"), with(3))
	putFile(t, at("b.yaml"), "id: [")
	look(2000*time.Millisecond, false, 2)
	putFile(t, at("b.yaml"), yamlOf("b"))
	look(2100*time.Millisecond, false, 3) // b still changes
	if err := os.Remove(at("a.yaml")); err != nil {
		t.Fatal(err)
	}
	look(2200*time.Millisecond, false, 3)
	if g.apps.byID("b") == nil || g.folder.failed.Load() != 0 {
		t.Error("b has come to rest")
	}
	look(2200*time.Millisecond+settleTime, false, 3)
	putFile(t, at("a.yaml"), with(4))
	look(2600*time.Millisecond, false, 3)
	look(2700*time.Millisecond, true, 4)
	if err := os.Remove(at("a.yaml")); err != nil {
		t.Fatal(err)
	}
	look(3000*time.Millisecond, false, 4)
	look(3000*time.Millisecond+settleGone, true, -1)
	if len(g.folder.files) != 1 {
		t.Errorf("%d files are known, want b.yaml", len(g.folder.files))
	}
}
