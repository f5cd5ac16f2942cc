package rig

import (
	"fmt"
	"os"
	"time"

	"stentor/benchmarks/internal/proc"
	"stentor/benchmarks/internal/report"
	"stentor/loadtest/host"
)

// roundRest comes before each round. Connections that were used a moment ago
// acknowledge later than others (RFC 1122, 4.2.3.2), which makes a write cheaper
// by a tenth: after a rest all are the same.
const roundRest = 250 * time.Millisecond

// Sample measures what a round takes on the server with this process id, until
// that is quiet again. The round returns its wall time.
func (r *Rig) Sample(pid int, round func() (wall time.Duration, err error)) (s report.Sample, err error) {
	if err := r.Sleep(roundRest); err != nil {
		return s, err
	}
	start := time.Now()
	before, err := r.times(pid)
	if err != nil {
		return s, err
	}
	if s.Wall, err = round(); err != nil {
		return s, err
	}
	if err := r.Settle(pid); err != nil {
		return s, err
	}
	after, err := r.times(pid)
	if err != nil {
		return s, err
	}
	s.CPU = after.server - before.server
	others := (after.busy - before.busy) - (after.ours - before.ours)
	s.Others = max(0, float64(others)/float64(time.Since(start))/float64(r.Machine.Cores))
	return s, nil
}

// times is who has run how long.
type times struct {
	server time.Duration // the server
	ours   time.Duration // all processes of the benchmark
	busy   time.Duration // all processes of the machine
}

func (r *Rig) times(server int) (t times, err error) {
	if r.Machine.CPU != nil {
		return t, nil
	}
	for _, pid := range append(r.Group.PIDs(), os.Getpid()) {
		one, err := proc.CPU(pid)
		if err != nil {
			return t, err
		}
		t.ours += one
		if pid == server {
			t.server = one
		}
	}
	t.busy, err = host.Busy()
	return t, err
}

// cpu returns a process's run time, 0 where that is not to be had.
func (r *Rig) cpu(pid int) (time.Duration, error) {
	if r.Machine.CPU != nil {
		return 0, nil
	}
	return proc.CPU(pid)
}

// A process is quiet when it runs less than this in a glance.
const (
	glance     = 5 * time.Millisecond
	glanceBusy = 100 * time.Microsecond
)

// Settle waits until a process is quiet, so that all it did is counted.
func (r *Rig) Settle(pid int) error {
	last, err := r.cpu(pid)
	for deadline := time.Now().Add(20 * time.Second); err == nil; {
		time.Sleep(glance)
		var now time.Duration
		if now, err = r.cpu(pid); now-last < glanceBusy {
			return err
		}
		if last = now; time.Now().After(deadline) {
			return fmt.Errorf("process %d does not fall quiet: others keep it busy, or it keeps itself", pid)
		}
	}
	return err
}
