package gateway

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"stentor/engine"
	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/pusher"
)

// Classes of clients: one encoding of a publication each.
const (
	classNative uint8 = iota
	classRaw
	classPusher
	classes // how many there are
)

// client is a connection as hub and dialects see it. Its size is a budget.
type client struct {
	hub.Client
	conn engine.Conn
	as   *identity
}

// Deliver implements hub.Sink.
func (c *client) Deliver(frames []byte, n int, guard *atomic.Uint64, want uint64) hub.Outcome {
	switch c.conn.Send(frames, n, engine.Guard{Word: guard, Want: want}) {
	case engine.Written:
		return hub.Written
	case engine.Queued:
		return hub.Queued
	case engine.Stale:
		return hub.Stale
	}
	return hub.Dropped
}

// session is what a connection's value (engine.Conn.Data) does with its
// events: a dialect's client, or the echo.
type session interface {
	message(m engine.Message)
	close(r engine.Reason)
}

// entry is a connection's value until it opens: it becomes a session then.
type entry interface{ open(c engine.Conn) }

// sessions hands the engine's events to the sessions, on its loops.
type sessions struct{}

func (sessions) Open(c engine.Conn) {
	// The session is the value before it can be reached through the hub.
	c.Data().(entry).open(c)
}

func (sessions) Message(c engine.Conn, m engine.Message) {
	switch s := c.Data().(type) {
	case session:
		s.message(m)
	case echo:
		c.Write(m.Op, m.Data)
	}
}

func (sessions) Close(c engine.Conn, r engine.Reason) {
	if s, ok := c.Data().(session); ok {
		s.close(r)
	}
}

// echo is the value of a connection whose messages are sent back.
type echo struct{}

func (echo) open(engine.Conn) {}

// leave forgets a client whose connection has ended.
func (c *client) leave() {
	c.as.app.hub.Remove(&c.Client)
	c.as.app.leavePlace()
	c.as.app.gateway.expiry.forget(c.conn, c.as.expires)
}

// member describes a client for presence, nil if the channel has none.
func (c *client) member(channel string) *hub.Join {
	if !protocol.IsPresence(channel) {
		return nil
	}
	return c.join(c.User(), c.as.info)
}

// join describes a member of a presence channel.
func (c *client) join(user string, info []byte) *hub.Join {
	return &hub.Join{Member: hub.Member{User: user, Info: info}, Max: c.as.app.settings().PresenceMax}
}

// enter subscribes a client that may, within its limits. join is nil for a channel
// without presence.
func (c *client) enter(channel string, join *hub.Join, acknowledge func(hub.Subscribed)) error {
	a := c.as.app
	most, key := a.maxSubscriptions()
	if most > 0 && c.SubscriptionCount() >= most && !a.hub.Subscribed(&c.Client, channel) {
		return fmt.Errorf("this client is subscribed to %d channels already (%s): unsubscribe from some", most, key)
	}
	subscribe := func(acknowledge func(hub.Subscribed)) error {
		return a.hub.Subscribe(&c.Client, channel, join, acknowledge)
	}
	var err error
	mu := a.gateway.turns.of(c)
	mu.Lock()
	if isCache(channel) {
		err = a.cache.subscribe(c, channel, acknowledge, subscribe)
	} else {
		err = subscribe(acknowledge)
	}
	mu.Unlock()
	if errors.Is(err, hub.ErrPresenceFull) {
		return fmt.Errorf("%s has %d members already, more are not allowed (presence_max_members)", channel, a.settings().PresenceMax)
	}
	return err
}

// exit ends a subscription, and reports whether there was one.
func (c *client) exit(channel string, acknowledge func(was bool)) bool {
	mu := c.as.app.gateway.turns.of(c)
	mu.Lock()
	defer mu.Unlock()
	was := c.as.app.hub.Unsubscribe(&c.Client, channel)
	acknowledge(was)
	return was
}

// turns lets a client and its backend change the client's subscriptions one
// after another, each with its acknowledgement: the last one that the client
// receives tells what is. Many clients share a lock.
type turns [64]sync.Mutex

func (t *turns) of(c *client) *sync.Mutex {
	return &t[maphash.Comparable(turnsSeed, c)%uint64(len(t))]
}

var turnsSeed = maphash.MakeSeed()

// send publishes what the client has sent, and returns how many clients it is
// for.
func (c *client) send(p publication) int {
	pr := &pressure{conn: c.conn}
	p.room, p.client = pr.room, true
	r := c.as.app.gateway.broker.publish(c.as.app, p)
	if r.Full {
		pr.full()
	}
	return r.Matched
}

// sendAway closes the connection, and tells the client not to come back.
func (c *client) sendAway(reason string) {
	code := closeStayAway
	if c.Class() == classPusher {
		code = pusher.CodeUnauthorized
	}
	c.conn.Close(code, reason)
}

// pressure holds up a client that publishes faster than its publications get
// away. Reading stops when a publication met a full lane, and goes on when there
// is room; the two are heard of in either order.
type pressure struct {
	conn engine.Conn
	half atomic.Bool // one of the two has been heard of
}

// full is called when a publication met a full lane.
func (p *pressure) full() {
	p.conn.Pause()
	p.room()
}

// room is called when there is room again. The second of the two resumes.
func (p *pressure) room() {
	if p.half.Swap(true) {
		p.conn.Resume()
	}
}
