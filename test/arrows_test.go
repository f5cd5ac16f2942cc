// Package test holds what concerns the whole module: who may import whom, in kit
// what tests share, and in e2e the tests with clients that other people have
// written.
package test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "stentor"

// arrow says what a package may import besides the standard library. In each
// list, a name that ends in /... stands for all that begin so.
type arrow struct {
	from   string   // below the module's root
	own    []string // packages of this module
	others []string // packages of other modules
	reason string
}

// arrows holds each package of the module. Test files are free of it.
var arrows = []arrow{
	{"cmd/...", list("gateway", "loadtest/..."), list("..."),
		"a command is thin: whatever it does, others can do through gateway and loadtest"},
	{"gateway", list("engine", "frame", "gateway/webhook", "hub", "protocol/...", "web"), list("..."),
		"the one place where connections, channels and dialects meet; of frame it uses the prepared frames"},
	{"gateway/webhook", nil, list("go.etcd.io/bbolt/..."),
		"it knows apps and addresses, and nothing of connections; how to sign is given to it"},
	{"engine", list("engine/poll", "frame"), list("github.com/cloudwego/netpoll", "github.com/gobwas/ws", "github.com/panjf2000/ants/v2", "golang.org/x/sys/..."),
		"it knows connections and bytes, and nothing of channels"},
	{"engine/poll", nil, list("github.com/cloudwego/netpoll", "golang.org/x/sys/..."),
		"servers and load generators are built on it alike, so it has no part of either"},
	{"frame", nil, list("github.com/gobwas/ws/..."),
		"bytes in, bytes out: it can be tested without anything around it"},
	{"hub", nil, nil,
		"it has never heard of a socket, and its logic is tested in fake time"},
	{"protocol/...", list("protocol/..."), nil,
		"dialects are pure translation, which anybody may take for a client too"},
	{"loadtest", list("loadtest/host", "loadtest/swarm"), list("github.com/gobwas/ws/...", "golang.org/x/sys/...", "github.com/HdrHistogram/hdrhistogram-go", "go.yaml.in/yaml/v3"),
		"it judges the server, so it shares none of the code that it judges; histograms and template files are others' work"},
	{"loadtest/swarm", list("engine/poll"), list("github.com/gobwas/ws/...", "golang.org/x/sys/..."),
		"client sockets, with nothing of a server but its pollers"},
	{"loadtest/host", nil, list("golang.org/x/sys/..."),
		"it asks the kernel and nobody else"},
	{"loadtest/report", list("loadtest"), nil,
		"a report is made from a stored result as well as from a new one, so it knows nothing else"},
	{"loadtest/faulty", nil, list("github.com/gorilla/websocket"),
		"the truth that loadtest is tested against shares no code with it, nor with the server that it judges"},
	{"web", nil, nil, "files and nothing else"},
	{"test/...", nil, list("go.uber.org/goleak"), "it looks at the module from outside, and helps its tests"},
}

// ban says what must not be imported, not even by a test file.
type ban struct {
	from, except []string // packages of this module
	not          []string // import paths
	through      bool     // nor by way of other packages of this module
	reason       string
}

var bans = []ban{
	{from: list("..."), not: list("stentor/benchmarks/..."),
		reason: "benchmarks have a go.mod of their own, so that rivals never enter ours"},
	{from: list("..."), except: list("engine/..."), not: list("github.com/cloudwego/netpoll/...", "github.com/panjf2000/ants/..."),
		reason: "engine alone knows by what means connections and workers are served"},
	{from: list("engine/..."), not: list("stentor/hub", "stentor/gateway"), through: true,
		reason: "engine declares the interface that it calls, gateway joins it to the hub"},
	{from: list("hub"), not: list("stentor/engine/...", "stentor/frame", "stentor/gateway"), through: true,
		reason: "hub declares the interface that it calls, gateway joins it to the engine"},
	{from: list("loadtest/..."), not: list("stentor/frame", "stentor/hub", "stentor/engine"), through: true,
		reason: "a bug there must not cancel itself out here"},
}

func list(s ...string) []string { return s }

// matches reports whether a name is among patterns.
func matches(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		prefix, all := strings.CutSuffix(p, "...")
		return name == p || all && (strings.HasPrefix(name, prefix) || name == strings.TrimSuffix(prefix, "/"))
	})
}

// pkg is what the files of a folder say.
type pkg struct {
	imports     []string // of files that are no tests
	testImports []string
	documented  bool
}

// packages reads all files of the module, whatever system they are for.
func packages(t *testing.T, root string) map[string]*pkg {
	found := map[string]*pkg{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if file != root && foreign(file, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		if found[dir] == nil {
			found[dir] = &pkg{}
		}
		p := found[dir]
		p.documented = p.documented || parsed.Doc != nil && !strings.HasSuffix(parsed.Name.Name, "_test")
		for _, i := range parsed.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if strings.HasSuffix(file, "_test.go") {
				p.testImports = append(p.testImports, name)
			} else {
				p.imports = append(p.imports, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// foreign reports whether a folder is none of this module's.
func foreign(dir, name string) bool {
	if name == "testdata" || name == "node_modules" || name[0] == '.' || name[0] == '_' {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// faults tells all that is wrong.
func faults(found map[string]*pkg) (list []string) {
	fault := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, dir := range slices.Sorted(maps.Keys(found)) {
		p := found[dir]
		if !p.documented {
			fault("%s has no package comment", dir)
		}
		i := slices.IndexFunc(arrows, func(a arrow) bool { return matches(dir, []string{a.from}) })
		if i < 0 {
			fault("%s is not in the table of arrows: add it, with a reason", dir)
			continue
		}
		for _, name := range p.imports {
			if !arrows[i].allows(name) {
				fault("%s must not import %s: %s", dir, name, arrows[i].reason)
			}
		}
		for _, b := range bans {
			for _, name := range b.broken(found, dir) {
				fault("%s must not import %s, not in a test either: %s", dir, name, b.reason)
			}
		}
	}
	return list
}

func (a arrow) allows(name string) bool {
	if own, ok := strings.CutPrefix(name, module+"/"); ok {
		return matches(own, a.own)
	}
	first, _, _ := strings.Cut(name, "/")
	standard := !strings.Contains(first, ".")
	return standard || matches(name, a.others)
}

// broken returns the imports that a ban forbids to a package.
func (b ban) broken(found map[string]*pkg, dir string) (list []string) {
	if !matches(dir, b.from) || matches(dir, b.except) {
		return nil
	}
	names := slices.Concat(found[dir].imports, found[dir].testImports)
	seen := map[string]bool{}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		if matches(name, b.not) {
			list = append(list, name)
		}
		if next := found[strings.TrimPrefix(name, module+"/")]; b.through && next != nil {
			names = append(names, next.imports...)
		}
	}
	return list
}

// TestArrows holds the module to the tables above.
func TestArrows(t *testing.T) {
	found := packages(t, "..")
	for _, dir := range []string{"cmd/stentor", "engine", "engine/poll", "frame", "gateway", "hub", "protocol/native", "web"} {
		if found[dir] == nil || len(found[dir].imports) == 0 && dir != "web" {
			t.Errorf("%s was not read: is this test looking in the right place?", dir)
		}
	}
	for _, f := range faults(found) {
		t.Error(f)
	}
}

// TestArrowsBite shows that each kind of fault is found: a table that nothing
// can break would hold nobody.
func TestArrowsBite(t *testing.T) {
	for _, c := range []struct {
		dir  string
		file pkg
		want string // part of the one fault, empty for none
	}{
		{"hub", pkg{imports: list("sync/atomic")}, ""},
		{"hub", pkg{imports: list("golang.org/x/sys/unix")}, "hub must not import golang.org/x/sys/unix"},
		{"hub", pkg{imports: list("stentor/protocol")}, "hub must not import stentor/protocol"},
		{"hub", pkg{testImports: list("go.uber.org/goleak")}, ""},
		{"hub", pkg{testImports: list("stentor/engine")}, "hub must not import stentor/engine, not in a test"},
		{"engine", pkg{testImports: list("stentor/hub")}, "engine must not import stentor/hub, not in a test"},
		{"engine/poll", pkg{imports: list("github.com/cloudwego/netpoll")}, ""},
		{"engine/poll", pkg{imports: list("stentor/frame")}, "engine/poll must not import stentor/frame"},
		{"gateway", pkg{imports: list("stentor/hub", "stentor/engine", "github.com/spf13/cobra")}, ""},
		{"gateway", pkg{imports: list("github.com/panjf2000/ants/v2")}, "gateway must not import github.com/panjf2000/ants/v2"},
		{"gateway", pkg{testImports: list("stentor/benchmarks/core")}, "gateway must not import stentor/benchmarks/core"},
		{"protocol/native", pkg{imports: list("stentor/protocol")}, ""},
		{"protocol/native", pkg{imports: list("stentor/frame")}, "protocol/native must not import stentor/frame"},
		{"cmd/stentor", pkg{imports: list("stentor/hub")}, "cmd/stentor must not import stentor/hub"},
		{"loadtest/swarm", pkg{imports: list("stentor/engine/poll")}, ""},
		{"loadtest", pkg{testImports: list("stentor/helper")}, "loadtest must not import stentor/hub, not in a test"}, // by way of
		{"loadtest", pkg{imports: list("stentor/loadtest/host")}, ""},
		{"loadtest/host", pkg{imports: list("stentor/loadtest")}, "loadtest/host must not import stentor/loadtest"},
		{"loadtest/host", pkg{testImports: list("stentor/engine")}, "loadtest/host must not import stentor/engine, not in a test"},
		{"newcomer", pkg{}, "newcomer is not in the table"},
	} {
		file := c.file
		file.documented = true
		found := map[string]*pkg{c.dir: &file}
		if c.dir == "loadtest" {
			found["helper"] = &pkg{imports: list("stentor/hub"), documented: true}
		}
		got := slices.DeleteFunc(faults(found), func(f string) bool { return strings.HasPrefix(f, "helper ") })
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: %q, want no fault", c.dir, got)
		case c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)):
			t.Errorf("%s: %q, want one fault: %s ...", c.dir, got, c.want)
		}
	}
	if got := faults(map[string]*pkg{"web": {}}); len(got) != 1 || got[0] != "web has no package comment" {
		t.Errorf("a package without a comment: %q", got)
	}
}
