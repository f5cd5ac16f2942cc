package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"stentor/benchmarks/internal/comparison"
	"stentor/benchmarks/internal/proc"
	"stentor/benchmarks/internal/rig"
	"stentor/loadtest/host"
)

// bench is a run: what it needs and what it has found.
type bench struct {
	*rig.Rig
	plan     comparison.Plan
	entrants []entrant
	progress io.Writer // what is being done

	started time.Time
	load    float64       // when it began
	spare   time.Duration // for rounds that others disturb
	visits  []*comparison.Visit
}

// newBench prepares a run; Close ends it.
func newBench(ctx context.Context, plan comparison.Plan, stentor string, entrants []entrant, progress io.Writer) (*bench, error) {
	b := &bench{plan: plan, entrants: entrants, progress: progress, started: time.Now(), load: proc.Load(), spare: spare}
	most := 0
	for _, l := range plan.Levels {
		most = max(most, l.Connections)
	}
	var err error
	if b.Rig, err = rig.New(ctx, stentor); err != nil {
		return nil, err
	}
	if why := b.Machine.Refuses(rig.Needs{Connections: most, CPU: true, RSS: true}); why != "" {
		b.Close()
		return nil, fmt.Errorf("this machine cannot measure that: %s", why)
	}
	return b, nil
}

const (
	// spare is how long a run may take longer because others disturb it.
	spare = 2 * time.Minute
	// timeLimit is after which no further repetition is begun.
	timeLimit = 25 * time.Minute
	// visitLimit ends a visit that hangs.
	visitLimit = 2 * time.Minute
	// mostFailures of a server with a number of connections: after these it is
	// left out of what remains of that.
	mostFailures = 2
)

// measure visits every server in turn, as often as the plan says: which is the
// first changes from one repetition to the next. What fails is noted; an error
// is that the run is over.
func (b *bench) measure() error {
	b.versions()
	if err := b.echoes(); err != nil {
		return err
	}
	for _, l := range b.plan.Levels {
		for repetition := range l.Repetitions {
			if time.Since(b.started) > timeLimit {
				fmt.Fprintf(b.progress, "%v are over: the rest is left out\n", timeLimit)
				return nil
			}
			for i := range b.entrants {
				e := &b.entrants[(i+repetition)%len(b.entrants)]
				if e.version == nil || e.Most > 0 && l.Connections > e.Most || b.failed(e, l.Connections) >= mostFailures {
					continue
				}
				b.visit(e, l, repetition)
				if err := b.Group.Context().Err(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// versions finds the servers' versions. One that has none cannot be measured.
func (b *bench) versions() {
	for i := range b.entrants {
		e := &b.entrants[i]
		var err error
		if e.Version, err = e.version(); err != nil {
			fmt.Fprintf(b.progress, "%s: %v\n", e.Name, err)
			b.visits = append(b.visits, &comparison.Visit{Server: e.Name, Error: err.Error()})
			e.version = nil
		}
	}
}

// failed counts a server's failures.
func (b *bench) failed(e *entrant, connections int) (n int) {
	for _, v := range b.visits {
		if v.Server == e.Name && v.Connections == connections && v.Error != "" {
			n++
		}
	}
	return n
}

// visit measures a server once.
func (b *bench) visit(e *entrant, l comparison.Level, repetition int) {
	start := time.Now()
	fmt.Fprintf(b.progress, "%d connections, repetition %d of %d: %s ... ", l.Connections, repetition+1, l.Repetitions, e.Name)
	v := b.newVisit(e, l, repetition)
	err := v.measure()
	v.Seconds = time.Since(start).Seconds()
	if b.Group.Context().Err() != nil {
		fmt.Fprintln(b.progress, "interrupted")
		return
	}
	b.visits = append(b.visits, v.Visit)
	if err != nil {
		v.Error = err.Error()
		fmt.Fprintf(b.progress, "failed: %v\n", err)
		return
	}
	fmt.Fprintf(b.progress, "%.1f s\n", v.Seconds)
}

func (b *bench) newVisit(e *entrant, l comparison.Level, repetition int) *visit {
	return &visit{
		bench: b, entrant: e, level: l,
		Visit: &comparison.Visit{Server: e.Name, Connections: l.Connections, Repetition: repetition},
	}
}

// file puts the run together.
func (b *bench) file(command string) *comparison.File {
	f := &comparison.File{
		Benchmark: "peers",
		Date:      b.started.UTC().Format(time.RFC3339),
		Commit:    commit(),
		Command:   command,
		Machine:   host.ThisMachine(),
		Load:      [2]float64{b.load, proc.Load()},
		Go:        runtime.Version(),
		Node:      output("node", "--version"),
		Plan:      b.plan,
		Seconds:   time.Since(b.started).Seconds(),
		Visits:    b.visits,
	}
	for _, e := range b.entrants {
		f.Servers = append(f.Servers, e.Server)
	}
	return f
}

// commit describes the commit of the folder that this runs in, "unknown" if
// there is none.
func commit() string {
	if s := output("git", "describe", "--always", "--dirty", "--tags"); s != "" {
		return s
	}
	return "unknown"
}

// output is what a program prints, empty if it fails.
func output(name string, args ...string) string {
	cmd := exec.Command(name, args...)
	cmd.Env = append(cmd.Environ(), "GIT_OPTIONAL_LOCKS=0")
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
