package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"stentor/benchmarks/internal/comparison"
	"stentor/benchmarks/internal/rig"
)

// TestMain lets the test binary play the roles that the benchmark starts itself
// for, and has the programs built once.
func TestMain(m *testing.M) {
	rig.Play()
	runtime.UnlockOSThread()
	code := m.Run()
	if built := programs(); built.folder != "" {
		os.RemoveAll(built.folder)
	}
	os.Exit(code)
}

// builds is where the programs are, or why they are not.
type builds struct {
	folder string
	err    error
}

// programs builds Stentor and the small servers.
var programs = sync.OnceValue(func() (b builds) {
	if b.folder, b.err = os.MkdirTemp("", "peers-test-"); b.err != nil {
		return b
	}
	build := func(module string, packages ...string) {
		cmd := exec.Command("go", append([]string{"build", "-o", b.folder + "/"}, packages...)...)
		cmd.Dir = module
		if out, err := cmd.CombinedOutput(); err != nil && b.err == nil {
			b.err = fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
	}
	build(filepath.Join("..", ".."), "./cmd/stentor")
	build("..", "./peers/gorilla", "./peers/coder", "./peers/gws", "./peers/gobwas")
	return b
})

// newTestRig prepares to run servers.
func newTestRig(t *testing.T) (r *rig.Rig, bin string) {
	t.Helper()
	built := programs()
	if built.err != nil {
		t.Fatal(built.err)
	}
	r, err := rig.New(t.Context(), filepath.Join(built.folder, "stentor"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, built.folder
}

// installed skips a test of a server that is not there: Node's packages are
// installed by scripts/bench-peers.sh.
func installed(t *testing.T, e *entrant) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil && (e.Kind == comparison.Node || e.Kind == comparison.Product) {
		t.Skip("there is no node")
	}
	if _, err := e.version(); err != nil {
		t.Skip(err)
	}
}

// Every server echoes, and sends what is published to all: byte for byte, once,
// in order.
func TestServers(t *testing.T) {
	all := allEntrants("", ".")
	for i := range all {
		t.Run(all[i].Name, func(t *testing.T) {
			r, bin := newTestRig(t)
			e := &allEntrants(bin, ".")[i]
			installed(t, e)
			if e.idle != "" && e.idle != e.push {
				check(t, r, e, e.idle)
			}
			check(t, r, e, e.push)
		})
	}
}

// check has clients on a path of a server echo, and receive.
func check(t *testing.T, r *rig.Rig, e *entrant, path string) {
	t.Helper()
	const n = 50
	s, err := e.start(r)
	if err != nil {
		t.Fatal(err)
	}
	x := &rig.Side{Rig: r, Server: s, Envelope: e.envelope}
	if x.Crowd, err = r.StartCrowd(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Dial(n, path); err != nil {
		t.Fatal(err)
	}
	if e.subscribe != nil {
		if err := x.Crowd.Converse(*e.subscribe); err != nil {
			t.Fatal(err)
		}
	}
	if path == e.idle {
		for _, size := range []int{12, 128, 1024, 60_000} {
			if e.Kind == comparison.Floor && size > 16_000 {
				continue // it takes a read for a message
			}
			if _, err := x.Crowd.Echo(3*n, size); err != nil {
				t.Fatalf("echo of %d bytes: %v", size, err)
			}
		}
	}
	if path == e.push {
		for i, d := range []struct{ count, size int }{{1, 128}, {40, 128}, {25, 1024}, {1, 12}} {
			if _, err := x.Deliver(1000*i, d.count, d.size); err != nil {
				t.Fatalf("%d publications of %d bytes: %v", d.count, d.size, err)
			}
		}
	}
	if live, ok, err := s.Free(); err != nil || ok && live <= 0 {
		t.Errorf("%d bytes in use, %v, %v", live, ok, err)
	}
	if err := x.End(); err != nil {
		t.Error(err)
	}
}

// The whole benchmark in small, with one server that fails: the run goes on, and
// says so.
func TestWholeRun(t *testing.T) {
	r, bin := newTestRig(t)
	plan := comparison.Quick()
	plan.Levels = []comparison.Level{{Connections: 20, Repetitions: 2}}
	plan.EchoConnections = 20
	entrants, err := choose(allEntrants(bin, "."), "stentor,gws")
	if err != nil {
		t.Fatal(err)
	}
	broken := entrants[1]
	broken.Name = "broken"
	broken.start = func(r *rig.Rig) (server, error) { return startSmall(r, "broken", "/bin/echo", "not", "ready") }
	absent := entrants[1]
	absent.Name = "absent"
	absent.version = npm("/does/not/exist", "absent")
	b, err := newBench(t.Context(), plan, r.Binary, append(entrants, broken, absent), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.measure(); err != nil {
		t.Fatal(err)
	}
	for i := range entrants {
		if n := b.failed(&entrants[i], 20); n > 0 {
			t.Errorf("%s failed %d times", entrants[i].Name, n)
		}
	}
	if n := b.failed(&broken, 20); n < 2 {
		t.Errorf("the broken server failed %d times, want 2 at least", n)
	}
	var text strings.Builder
	results := t.TempDir()
	if err := b.conclude(&text, &options{results: results}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"broken failed with 20 connections, repetition ", "absent could not be measured", "this is no ready line", "TARGET serial_cpu_vs_peers "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report does not have %q", want)
		}
	}
	files, _ := filepath.Glob(filepath.Join(results, "peers-*.json"))
	if len(files) != 1 {
		t.Fatalf("result files: %v", files)
	}
	f, err := comparison.Read(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{comparison.IdleRSS, comparison.IdleFreed, comparison.IdleLive, comparison.HandshakeCPU,
		"serial_us_128", "serial_rate_1024", "burst_us_128", "burst_us_1024", "paced_p99_ms_128", comparison.EchoCPU} {
		for _, server := range []string{"stentor", "gws"} {
			if f.Figure(server, 20, name) == nil {
				t.Errorf("%s has no %s", server, name)
			}
		}
	}
}
