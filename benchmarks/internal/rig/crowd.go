package rig

import (
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/sys"
)

// Clients is a crowd in its process.
type Clients struct{ *child.Child }

// StartCrowd starts a crowd without connections.
func (r *Rig) StartCrowd() (Clients, error) {
	c, err := r.Group.Start(roleCrowd, r.self, []string{roleCrowd}, sys.Environment)
	return Clients{c}, err
}

// Dial opens n connections; at is when the last handshake was done.
func (c Clients) Dial(address string, n int, path string) (at time.Duration, err error) {
	err = c.Call(crowd.Command{Dial: &crowd.Dial{Address: address, N: n, Path: path}}, &at)
	return at, err
}

// Echo sends total messages and returns how long it took until all were back.
func (c Clients) Echo(total, size int) (took time.Duration, err error) {
	err = c.Call(crowd.Command{Echo: &crowd.Echo{Total: total, Size: size}}, &took)
	return took, err
}

// Paced receives what is published meanwhile, see crowd.Paced. publish is called
// when the crowd is ready.
func (c Clients) Paced(p crowd.Paced, publish func() error) (delays crowd.Delays, err error) {
	if err := c.Call(crowd.Command{Expect: true}, nil); err != nil {
		return delays, err
	}
	if err := c.Send(crowd.Command{Paced: &p}); err != nil {
		return delays, err
	}
	if err := publish(); err != nil {
		return delays, err
	}
	err = c.Receive(&delays)
	return delays, err
}

// Converse says something on every connection and waits for the answers.
func (c Clients) Converse(talk crowd.Converse) error {
	return c.Call(crowd.Command{Converse: &talk}, nil)
}

// Heartbeat sends a pong on every connection, so that the server has no cause
// to ping clients that only listen.
func (c Clients) Heartbeat() error { return c.Call(crowd.Command{Heartbeat: true}, nil) }

// Silent makes sure that nothing comes for a while.
func (c Clients) Silent(d time.Duration) error {
	return c.Call(crowd.Command{Silent: &d}, nil)
}

// HangUp drops all connections.
func (c Clients) HangUp() error { return c.Call(crowd.Command{Close: true}, nil) }

// End stops the crowd.
func (c Clients) End() error { return c.Stop(0, 10*time.Second) }
