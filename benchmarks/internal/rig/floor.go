package rig

import (
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/floor"
	"stentor/benchmarks/internal/sys"
)

// Floor is a floor server.
type Floor struct {
	*child.Child
	Envelope string // of what it publishes, see wire.Enveloped
	address  string
}

// StartFloor starts a floor.
func (r *Rig) StartFloor() (*Floor, error) {
	c, err := r.Group.Start(roleFloor, r.self, []string{roleFloor}, sys.Environment)
	if err != nil {
		return nil, err
	}
	f := &Floor{Child: c}
	return f, c.Receive(&f.address)
}

// Address returns where clients connect.
func (f *Floor) Address() string { return f.address }

// Publish writes count messages to every connection.
func (f *Floor) Publish(first, count, size, _ int) error {
	return f.Call(floor.Command{Publish: count, First: first, Size: size, Envelope: f.Envelope}, nil)
}

// Empty reports whether the server has let go of all connections.
func (f *Floor) Empty() (bool, error) {
	var n int
	err := f.Call(floor.Command{}, &n)
	return n == 0, err
}

// End stops the server.
func (f *Floor) End() error { return f.Stop(0, 10*time.Second) }
