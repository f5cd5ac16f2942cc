package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/rig"
)

// buildServer builds the real stentor binary.
func buildServer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stentor")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/stentor")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// newTestBench prepares a small run, and makes sure that it leaves no process
// behind.
func newTestBench(t *testing.T, ctx context.Context, server string) *bench {
	t.Helper()
	b, err := newBench(ctx, quickPlan(), server, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pids := b.Group.PIDs()
		b.Close()
		for _, pid := range pids {
			if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
				t.Errorf("process %d is still there: %v", pid, err)
			}
		}
	})
	return b
}

// The whole benchmark in small, against the real server: every figure is
// measured, and all processes stop by themselves.
func TestWholeRun(t *testing.T) {
	b := newTestBench(t, t.Context(), buildServer(t))
	for _, f := range b.figures {
		if f.Skipped != "" {
			t.Logf("%s cannot be measured here: %s", f.Name, f.Skipped)
		}
	}
	if err := b.measure(); err != nil {
		t.Fatal(err)
	}
	if left := b.Group.PIDs(); len(left) > 0 {
		t.Errorf("processes that were not stopped: %v", left)
	}
	for _, f := range b.figures {
		if zero := f.Median == 0 && f.Name != parseAllocs && f.Name != dispatchAllocs; f.Skipped == "" && zero {
			t.Errorf("%s was not measured", f.Name)
		}
		if f.Median < f.Min || f.Median > f.Max {
			t.Errorf("%s: median %v is not within %v and %v", f.Name, f.Median, f.Min, f.Max)
		}
	}
	results := t.TempDir()
	var text strings.Builder
	if _, err := b.conclude(&text, &options{results: results}); err != nil {
		t.Fatal(err)
	}
	for _, one := range budgets(&b.plan) {
		if n := strings.Count(text.String(), "\nBUDGET "+one.Name+" "); n != 1 {
			t.Errorf("%d lines for %s", n, one.Name)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(results, "core-*.json")); len(files) != 1 {
		t.Errorf("result files: %v", files)
	}
}

// A run that is interrupted ends at once and says so.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := newTestBench(t, ctx, buildServer(t))
	s, err := b.startSides()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.dial(20, "/echo"); err != nil {
		t.Fatal(err)
	}
	// Something that would take much longer than patience has.
	done := make(chan error, 1)
	go func() {
		_, err := s.stentor.Crowd.Echo(1<<30, 16)
		done <- err
	}()
	cancel()
	select {
	case err := <-done:
		if err != context.Canceled {
			t.Errorf("the error is %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still running")
	}
}

// Floor and crowd by themselves: every byte is checked, so a server that sends
// what is not due fails the run.
func TestFloorAndCrowd(t *testing.T) {
	b := newTestBench(t, t.Context(), "")
	f, err := b.StartFloor()
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.StartCrowd()
	if err != nil {
		t.Fatal(err)
	}
	x := &rig.Side{Rig: b.Rig, Server: f, Crowd: c}
	const n = 40
	for _, envelope := range []string{"", rig.StentorApp.Subscriber().Envelope} { // the second dials anew
		x.Envelope, f.Envelope = envelope, envelope
		if _, err := x.Dial(n, "/"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Echo(10*n, 128); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Deliver(1, 1, 128); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Deliver(2, 5, 128); err != nil {
			t.Fatal(err)
		}
		if err := x.HangUp(); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.End(); err != nil {
		t.Error(err)
	}
	if err := c.End(); err != nil {
		t.Error(err)
	}
}

// A crowd complains of what is missing from, added to or changed in what is
// due.
func TestCrowdComplains(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong func(t *testing.T, f *rig.Floor, c rig.Clients) error
		want  string
	}{
		{"another publication", func(t *testing.T, f *rig.Floor, c rig.Clients) error {
			return receive(t, f, c, 7, 1)
		}, "due is"},
		{"another envelope", func(t *testing.T, f *rig.Floor, c rig.Clients) error {
			f.Envelope = "[{payload}]"
			return receive(t, f, c, 8, 1)
		}, "due is"},
		{"one too many", func(t *testing.T, f *rig.Floor, c rig.Clients) error {
			if err := receive(t, f, c, 8, 2); err != nil {
				return err
			}
			return c.Silent(10 * time.Second)
		}, "due"},
		{"unexpected", func(t *testing.T, f *rig.Floor, c rig.Clients) error {
			if err := f.Publish(1, 1, 16, 0); err != nil {
				t.Fatal(err)
			}
			return c.Silent(10 * time.Second)
		}, "not due"},
		{"gone", func(t *testing.T, f *rig.Floor, c rig.Clients) error {
			kill(t, f)
			return c.Call(crowd.Command{Receive: &crowd.Receive{First: 1, Count: 1, Size: 16}}, nil)
		}, "connection 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTestBench(t, t.Context(), "")
			f, err := b.StartFloor()
			if err != nil {
				t.Fatal(err)
			}
			cl, err := b.StartCrowd()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := cl.Dial(f.Address(), 1, "/"); err != nil {
				t.Fatal(err)
			}
			if err := c.wrong(t, f, cl); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}

// receive publishes count messages from first on while the crowd waits for
// number 8.
func receive(t *testing.T, f *rig.Floor, c rig.Clients, first, count int) error {
	t.Helper()
	if err := f.Publish(first, count, 16, 0); err != nil {
		t.Fatal(err)
	}
	return c.Call(crowd.Command{Receive: &crowd.Receive{First: 8, Count: 1, Size: 16}}, nil)
}

// kill ends the floor without ceremony.
func kill(t *testing.T, f *rig.Floor) {
	t.Helper()
	p, err := os.FindProcess(f.PID())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}
