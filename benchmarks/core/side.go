package main

import (
	"fmt"
	"time"

	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/sys"
)

// server is what is compared: Stentor or the floor.
type server interface {
	PID() int
	Address() string
	Publish(first, count, size, subscribers int) error
	Empty() (bool, error)
	End() error
}

// side is a server with the crowd that is connected to it.
type side struct {
	bench *bench
	server
	crowd clients
	n     int // connections
}

// sides is both, at the same time.
type sides struct{ floor, stentor *side }

// startSides starts the floor and Stentor, with a crowd each.
func (b *bench) startSides() (*sides, error) {
	f, err := b.startFloor()
	if err != nil {
		return nil, err
	}
	s, err := b.startStentor()
	if err != nil {
		return nil, err
	}
	both := &sides{&side{bench: b, server: f}, &side{bench: b, server: s}}
	for _, x := range both.all() {
		if x.crowd, err = b.startCrowd(); err != nil {
			return nil, err
		}
	}
	return both, nil
}

func (s *sides) all() []*side { return []*side{s.floor, s.stentor} }

// dial connects n clients to each side.
func (s *sides) dial(n int, path string) error {
	for _, x := range s.all() {
		if _, err := x.dial(n, path); err != nil {
			return err
		}
	}
	return nil
}

// end makes sure that no client has received more than was due, and stops all.
func (s *sides) end() error {
	for _, x := range s.all() {
		if err := x.end(); err != nil {
			return err
		}
	}
	return nil
}

func (x *side) dial(n int, path string) (took time.Duration, err error) {
	x.n = n
	start := sys.Monotonic()
	at, err := x.crowd.Dial(x.Address(), n, path)
	return at - start, err
}

// hangUp drops the connections and waits until the server has noticed.
func (x *side) hangUp() error {
	if err := x.crowd.Silent(0); err != nil {
		return err
	}
	if err := x.crowd.HangUp(); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err := x.bench.settle(x.PID()); err != nil {
			return err
		}
		if empty, err := x.Empty(); empty || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d still has connections 20 s after all clients have gone", x.PID())
		}
	}
}

func (x *side) end() error {
	if x.n > 0 {
		if err := x.crowd.Silent(50 * time.Millisecond); err != nil {
			return err
		}
		if err := x.hangUp(); err != nil {
			return err
		}
	}
	if err := x.crowd.End(); err != nil {
		return err
	}
	return x.End()
}

// deliver publishes count messages and waits until every client has received
// all of each. It returns the time from the publication to the last byte.
func (x *side) deliver(first, count int) (time.Duration, error) {
	size := x.bench.plan.MessageSize
	if err := x.crowd.Call(crowd.Command{Expect: true}, nil); err != nil {
		return 0, err
	}
	err := x.crowd.Send(crowd.Command{Receive: &crowd.Receive{First: first, Count: count, Size: size}})
	if err != nil {
		return 0, err
	}
	start := sys.Monotonic()
	if err := x.Publish(first, count, size, x.n); err != nil {
		return 0, err
	}
	var at time.Duration
	err = x.crowd.Receive(&at)
	return at - start, err
}
