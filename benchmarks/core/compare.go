package main

import (
	"fmt"
	"os"
	"time"

	"stentor/benchmarks/internal/proc"
	"stentor/benchmarks/internal/report"
)

// work is what a round does: on a side, and what clears up after it. It returns
// its wall time.
type work struct {
	round func(x *side, number int) (wall time.Duration, err error)
	rest  func(x *side) error // nil if there is nothing to do; it is not measured
}

// compare does work in pairs of rounds, one on each side.
func (s *sides) compare(warmUps, pairs int, w work) ([]report.Pair, error) {
	return takePairs(warmUps, pairs, time.Now, func(floor bool, number int) (report.Sample, error) {
		if floor {
			return s.floor.sample(number, w)
		}
		return s.stentor.sample(number, w)
	})
}

// roundRest comes before each round. Connections that were used a moment ago
// acknowledge later than others (RFC 1122, 4.2.3.2), which makes a write cheaper
// by a tenth: after a rest all are the same.
const roundRest = 250 * time.Millisecond

// sample measures what a round takes on a side's server, until that is quiet
// again.
func (x *side) sample(number int, w work) (s report.Sample, err error) {
	if err := x.bench.sleep(roundRest); err != nil {
		return s, err
	}
	start := time.Now()
	before, err := x.times()
	if err != nil {
		return s, err
	}
	if s.Wall, err = w.round(x, number); err != nil {
		return s, err
	}
	if err := x.bench.settle(x.PID()); err != nil {
		return s, err
	}
	after, err := x.times()
	if err != nil {
		return s, err
	}
	s.CPU = after.server - before.server
	others := (after.busy - before.busy) - (after.ours - before.ours)
	s.Others = max(0, float64(others)/float64(time.Since(start))/float64(x.bench.machine.cores))
	if w.rest != nil {
		err = w.rest(x)
	}
	return s, err
}

// times is who has run how long.
type times struct {
	server time.Duration // a side's server
	ours   time.Duration // all processes of the benchmark
	busy   time.Duration // all processes of the machine
}

func (x *side) times() (t times, err error) {
	b := x.bench
	if b.machine.cpu != nil {
		return t, nil
	}
	for _, pid := range append(b.group.PIDs(), os.Getpid()) {
		one, err := proc.CPU(pid)
		if err != nil {
			return t, err
		}
		t.ours += one
		if pid == x.PID() {
			t.server = one
		}
	}
	t.busy, err = proc.Busy()
	return t, err
}

// cpu returns a process's run time, 0 where that is not to be had.
func (b *bench) cpu(pid int) (time.Duration, error) {
	if b.machine.cpu != nil {
		return 0, nil
	}
	return proc.CPU(pid)
}

// A process is quiet when it runs less than this in a glance.
const (
	glance     = 5 * time.Millisecond
	glanceBusy = 100 * time.Microsecond
)

// settle waits until a process is quiet, so that all it did is counted.
func (b *bench) settle(pid int) error {
	last, err := b.cpu(pid)
	for deadline := time.Now().Add(20 * time.Second); err == nil; {
		time.Sleep(glance)
		var now time.Duration
		if now, err = b.cpu(pid); now-last < glanceBusy {
			return err
		}
		if last = now; time.Now().After(deadline) {
			return fmt.Errorf("process %d does not fall quiet: others keep it busy, or it keeps itself", pid)
		}
	}
	return err
}
