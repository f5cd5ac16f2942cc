package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stentor/benchmarks/internal/proc"
	"stentor/benchmarks/internal/report"
	"stentor/benchmarks/internal/rig"
)

// bench is a run: what it needs and what it has found.
type bench struct {
	*rig.Rig
	plan     Plan
	progress io.Writer // what is being done

	started time.Time
	load    float64 // when it began
	figures []*report.Figure
	pairs   map[string][]report.Pair

	disturbed map[string]int // pairs, by kind
	memory    []memoryReading
	allocs    []allocCount
}

// newBench prepares a run; Close ends it.
func newBench(ctx context.Context, plan Plan, server string, progress io.Writer) (*bench, error) {
	b := &bench{
		plan: plan, progress: progress,
		started: time.Now(), load: proc.Load(), pairs: map[string][]report.Pair{}, disturbed: map[string]int{},
	}
	var err error
	if b.Rig, err = rig.New(ctx, server); err != nil {
		return nil, err
	}
	for _, one := range budgets(&plan) {
		b.figures = append(b.figures, &report.Figure{Budget: one.Budget, Skipped: b.Machine.Refuses(one.needs)})
	}
	return b, nil
}

// restrict leaves out the figures that are not in a list of names with commas,
// unless that is empty.
func (b *bench) restrict(only string) error {
	if only == "" {
		return nil
	}
	names := strings.Split(only, ",")
	for _, n := range names {
		if !slices.ContainsFunc(b.figures, func(f *report.Figure) bool { return f.Name == n }) {
			return fmt.Errorf("-only: there is no figure %q", n)
		}
	}
	for _, f := range b.figures {
		if f.Skipped == "" && !slices.Contains(names, f.Name) {
			f.Skipped = notAsked
		}
	}
	return nil
}

// notAsked is why restrict leaves out a figure.
const notAsked = "it was not asked for"

// told returns the figures that the run has to tell something about.
func (b *bench) told() []*report.Figure {
	return slices.DeleteFunc(slices.Clone(b.figures), func(f *report.Figure) bool { return f.Skipped == notAsked })
}

// step is a part of a run, of which some figures come.
type step struct {
	name    string
	figures []string
	run     func() error
}

func (b *bench) steps() []step {
	return []step{
		{"allocations in the parser and the engine", []string{parseAllocs, dispatchAllocs}, b.measureLocal},
		{"memory of idle connections", []string{idleHeap, idleRSS}, b.measureIdle},
		{"memory of idle connections, unforced", []string{idleRSSUnforced}, b.measureIdleUnforced},
		{"memory of users on one channel", []string{userHeap}, b.measureUsers},
		{"memory of users with a channel each", []string{ownChannelHeap}, b.measureOwnChannels},
		{"memory of Pusher clients on one channel", []string{pusherHeap}, b.measurePusherClients},
		{"handshakes", []string{handshakeCPU}, b.measureHandshakes},
		{"echo", []string{echoCPU}, b.measureEcho},
		{"deliveries", []string{deliveryCPU, deliveryRate, burstCPU, deliveryAllocs}, b.measureDeliveries},
		{"deliveries to Pusher clients", []string{pusherDeliveryCPU}, b.measurePusherDeliveries},
	}
}

// measure goes through all steps that can be measured here.
func (b *bench) measure() error {
	for _, s := range b.steps() {
		if !b.any(s.figures) {
			continue
		}
		start := time.Now()
		fmt.Fprintf(b.progress, "%s ... ", s.name)
		err := b.Group.Context().Err()
		if err == nil {
			err = s.run()
		}
		if err != nil {
			fmt.Fprintln(b.progress, "failed")
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(b.progress, "%.1f s\n", time.Since(start).Seconds())
	}
	return nil
}

// figure finds a figure by its name.
func (b *bench) figure(name string) *report.Figure {
	for _, f := range b.figures {
		if f.Name == name {
			return f
		}
	}
	panic("no figure is called " + name)
}

// wants reports whether a figure is to be measured.
func (b *bench) wants(name string) bool { return b.figure(name).Skipped == "" }

func (b *bench) any(names []string) bool {
	for _, n := range names {
		if b.wants(n) {
			return true
		}
	}
	return false
}

// set notes what was measured. absolute says it in absolute terms.
func (b *bench) set(name string, s report.Spread, absolute string, args ...any) {
	if f := b.figure(name); f.Skipped == "" {
		f.Spread, f.Absolute = s, fmt.Sprintf(absolute, args...)
	}
}
