package main

import (
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/floor"
	"stentor/benchmarks/internal/sys"
)

// bare is a floor server.
type bare struct {
	*child.Child
	address string
}

func (b *bench) startFloor() (*bare, error) {
	c, err := b.group.Start(roleFloor, b.self, []string{roleFloor}, sys.Environment)
	if err != nil {
		return nil, err
	}
	f := &bare{Child: c}
	return f, c.Receive(&f.address)
}

// Address returns where clients connect.
func (f *bare) Address() string { return f.address }

// Publish writes count messages to every connection.
func (f *bare) Publish(first, count, size, _ int) error {
	return f.Call(floor.Command{Publish: count, First: first, Size: size}, nil)
}

// Empty reports whether the server has let go of all connections.
func (f *bare) Empty() (bool, error) {
	var n int
	err := f.Call(floor.Command{}, &n)
	return n == 0, err
}

// End stops the server.
func (f *bare) End() error { return f.Stop(0, 10*time.Second) }

// clients is a crowd in its process.
type clients struct{ *child.Child }

func (b *bench) startCrowd() (clients, error) {
	c, err := b.group.Start(roleCrowd, b.self, []string{roleCrowd}, sys.Environment)
	return clients{c}, err
}

// Dial opens n connections; at is when the last handshake was done.
func (c clients) Dial(address string, n int, path string) (at time.Duration, err error) {
	err = c.Call(crowd.Command{Dial: &crowd.Dial{Address: address, N: n, Path: path}}, &at)
	return at, err
}

// Echo sends total messages and returns how long it took until all were back.
func (c clients) Echo(total, size int) (took time.Duration, err error) {
	err = c.Call(crowd.Command{Echo: &crowd.Echo{Total: total, Size: size}}, &took)
	return took, err
}

// Converse says something on every connection and waits for the answers.
func (c clients) Converse(say string, want ...string) error {
	return c.Call(crowd.Command{Converse: &crowd.Converse{Say: say, Want: want}}, nil)
}

// Silent makes sure that nothing comes for a while.
func (c clients) Silent(d time.Duration) error {
	return c.Call(crowd.Command{Silent: &d}, nil)
}

// Hang up drops all connections.
func (c clients) HangUp() error { return c.Call(crowd.Command{Close: true}, nil) }

// End stops the crowd.
func (c clients) End() error { return c.Stop(0, 10*time.Second) }
