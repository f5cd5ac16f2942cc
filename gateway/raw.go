package gateway

import (
	"bytes"

	"stentor/engine"
	"stentor/hub"
	"stentor/protocol/raw"
)

// rawClient speaks the raw dialect: one channel, payloads only. Its methods run
// on the connection's loop.
type rawClient struct {
	client
	channel string
}

// open subscribes the client, whose path has named the channel.
func (c *rawClient) open(user string) {
	c.as.app.hub.Add(&c.Client, c, user, classRaw, c.conn.Loop())
	c.Ready()
	if err := c.enter(c.channel, c.member(c.channel), func(hub.Subscribed) {}); err != nil { // no room, for now
		c.conn.Close(engine.StatusTryLater, err.Error())
	}
}

func (c *rawClient) close(engine.Reason) { c.leave() }

// message publishes a payload to the client's channel, itself included. A
// payload that may not be published ends the connection: there is no envelope
// to say so in.
func (c *rawClient) message(m engine.Message) {
	if err := c.as.mayPublish(c.channel); err != nil {
		c.conn.Close(closeStayAway, err.Error())
		return
	}
	p := publication{event: raw.Decode(m.Op == engine.Binary, bytes.Clone(m.Data), c.User())}
	p.to.channels = []string{c.channel}
	c.send(p)
}
