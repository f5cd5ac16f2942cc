package main

import (
	"time"

	"stentor/benchmarks/internal/report"
	"stentor/benchmarks/internal/rig"
)

// sides is the floor and Stentor with a crowd each, at the same time.
type sides struct{ floor, stentor *rig.Side }

func (b *bench) startSides() (*sides, error) {
	f, err := b.StartFloor()
	if err != nil {
		return nil, err
	}
	s, err := b.StartStentor()
	if err != nil {
		return nil, err
	}
	both := &sides{&rig.Side{Rig: b.Rig, Server: f}, &rig.Side{Rig: b.Rig, Server: s}}
	for _, x := range both.all() {
		if x.Crowd, err = b.StartCrowd(); err != nil {
			return nil, err
		}
	}
	return both, nil
}

func (s *sides) all() []*rig.Side { return []*rig.Side{s.floor, s.stentor} }

// dial connects n clients to each side.
func (s *sides) dial(n int, path string) error {
	for _, x := range s.all() {
		if _, err := x.Dial(n, path); err != nil {
			return err
		}
	}
	return nil
}

// envelop has both sides deliver in an envelope: the same bytes.
func (s *sides) envelop(envelope string) {
	s.floor.Server.(*rig.Floor).Envelope = envelope
	for _, x := range s.all() {
		x.Envelope = envelope
	}
}

// end makes sure that no client has received more than was due, and stops all.
func (s *sides) end() error {
	for _, x := range s.all() {
		if err := x.End(); err != nil {
			return err
		}
	}
	return nil
}

// work is what a round does: on a side, and what clears up after it. It returns
// its wall time.
type work struct {
	round func(x *rig.Side, number int) (wall time.Duration, err error)
	rest  func(x *rig.Side) error // nil if there is nothing to do; it is not measured
}

// compare does work in pairs of rounds, one on each side.
func (s *sides) compare(warmUps, pairs int, w work) ([]report.Pair, error) {
	return takePairs(warmUps, pairs, time.Now, func(floor bool, number int) (report.Sample, error) {
		x := s.stentor
		if floor {
			x = s.floor
		}
		sample, err := x.Rig.Sample(x.PID(), func() (time.Duration, error) { return w.round(x, number) })
		if err == nil && w.rest != nil {
			err = w.rest(x)
		}
		return sample, err
	})
}
