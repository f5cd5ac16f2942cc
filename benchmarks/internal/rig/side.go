package rig

import (
	"fmt"
	"time"

	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/sys"
)

// Server is what is measured: Stentor, the floor, or a peer.
type Server interface {
	PID() int
	// Address returns where clients connect.
	Address() string
	// Publish sends count messages of size bytes to all, from number first on
	// (see wire.Payload), of whom there must be as many as subscribers says.
	Publish(first, count, size, subscribers int) error
	// Empty reports whether the server has let go of all connections.
	Empty() (bool, error)
	// End stops the server.
	End() error
}

// Side is a server with the crowd that is connected to it.
type Side struct {
	Server
	Rig      *Rig
	Crowd    Clients
	N        int    // connections
	Envelope string // of what the clients receive, see wire.Enveloped
}

// Dial connects n clients, and returns how long that took.
func (x *Side) Dial(n int, path string) (took time.Duration, err error) {
	x.N = n
	start := sys.Monotonic()
	at, err := x.Crowd.Dial(x.Address(), n, path)
	return at - start, err
}

// HangUp drops the connections and waits until the server has noticed.
func (x *Side) HangUp() error {
	if err := x.Crowd.Silent(0); err != nil {
		return err
	}
	if err := x.Crowd.HangUp(); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err := x.Rig.Settle(x.PID()); err != nil {
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

// End makes sure that no client has received more than was due, and stops all.
func (x *Side) End() error {
	if x.N > 0 {
		if err := x.Crowd.Silent(50 * time.Millisecond); err != nil {
			return err
		}
		if err := x.HangUp(); err != nil {
			return err
		}
	}
	if err := x.Crowd.End(); err != nil {
		return err
	}
	return x.Server.End()
}

// Deliver publishes count messages and waits until every client has received
// all of each. It returns the time from the publication to the last byte.
func (x *Side) Deliver(first, count, size int) (time.Duration, error) {
	if err := x.Crowd.Call(crowd.Command{Expect: true}, nil); err != nil {
		return 0, err
	}
	err := x.Crowd.Send(crowd.Command{Receive: &crowd.Receive{
		First: first, Count: count, Size: size, Envelope: x.Envelope,
	}})
	if err != nil {
		return 0, err
	}
	start := sys.Monotonic()
	if err := x.Publish(first, count, size, x.N); err != nil {
		return 0, err
	}
	var at time.Duration
	err = x.Crowd.Receive(&at)
	return at - start, err
}
