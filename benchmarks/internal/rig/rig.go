// Package rig is what the benchmarks have in common: the servers and crowds as
// processes, and the counting of what a round of work takes.
package rig

import (
	"context"
	"os"
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/floor"
)

// Rig runs the processes of a benchmark. Its methods are for one goroutine, as
// those of child.Group.
type Rig struct {
	Group   *child.Group
	Machine Machine
	Binary  string // the stentor binary
	self    string // this program, for its roles
	home    string // an empty home folder for servers
}

// New prepares to measure the stentor binary. Close ends it.
func New(ctx context.Context, binary string) (*Rig, error) {
	r := &Rig{Binary: binary}
	var err error
	if r.Machine, err = ThisMachine(); err != nil {
		return nil, err
	}
	if r.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if r.home, err = os.MkdirTemp("", "stentor-bench-"); err != nil {
		return nil, err
	}
	r.Group = child.NewGroup(ctx)
	return r, nil
}

// Part returns a Rig for a part of the benchmark, with processes of its own
// that End kills. They have limit to do their work.
func (r *Rig) Part(limit time.Duration) (part *Rig, end func()) {
	ctx, cancel := context.WithTimeout(r.Group.Context(), limit)
	p := *r
	p.Group = child.NewGroup(ctx)
	return &p, func() {
		p.Group.End()
		cancel()
	}
}

// Close ends what runs.
func (r *Rig) Close() {
	r.Group.End()
	os.RemoveAll(r.home)
}

// Environment is the environment of the servers under measurement.
func (r *Rig) Environment() []string {
	return []string{"HOME=" + r.home, "PATH=" + os.Getenv("PATH")}
}

// Sleep waits, and fails if the run is over meanwhile.
func (r *Rig) Sleep(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-r.Group.Context().Done():
		return r.Group.Context().Err()
	}
}

// Roles that the benchmark's program plays for itself, as its only argument.
const (
	roleFloor = "floor"
	roleCrowd = "crowd"
)

// PlayRole runs the floor or a crowd if the arguments ask for it. The main
// function of a benchmark calls it first, with its thread locked.
func PlayRole(args []string) (played bool, err error) {
	if len(args) != 1 {
		return false, nil
	}
	switch args[0] {
	case roleFloor:
		return true, floor.Run()
	case roleCrowd:
		return true, crowd.Run()
	}
	return false, nil
}
