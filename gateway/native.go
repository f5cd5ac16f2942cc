package gateway

import (
	"errors"

	"stentor/engine"
	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/native"
)

// nativeClient speaks the native dialect. Its methods run on the connection's
// loop.
type nativeClient struct{ client }

// open greets the client. Deliveries wait for the greeting.
func (c *nativeClient) open(user string) {
	a := c.as.app
	a.hub.Add(&c.Client, c, user, classNative, c.conn.Loop())
	defer c.Ready()
	limits := &a.gateway.cfg.Limits
	c.write(native.AppendWelcome(nil, native.Welcome{
		Client: c.ID(),
		User:   user,
		Idle:   limits.IdleTimeout,
		Pong:   limits.PongTimeout,
		Max:    limits.MaxMessageBytes,
	}))
}

func (c *client) write(text []byte) { c.conn.Write(engine.Text, text) }

func (c *nativeClient) close(engine.Reason) { c.leave() }

// message handles one message.
func (c *nativeClient) message(m engine.Message) {
	if m.Op == engine.Binary {
		c.fail(&native.Error{Code: native.BadMessage, Message: `binary messages are not used here: send a text message, with "encoding": "base64" for bytes`})
		return
	}
	cmd, err := native.Parse(m.Data)
	if err != nil {
		c.fail(err)
		return
	}
	switch cmd.Type {
	case native.Subscribe:
		err = c.subscribe(&cmd)
	case native.Unsubscribe:
		c.exit(cmd.Channel, func(bool) { c.write(native.AppendUnsubscribed(nil, cmd.ID, cmd.Channel)) })
	case native.Publish:
		err = c.publish(&cmd)
	case native.Presence:
		err = c.presence(&cmd)
	case native.Ping:
		c.write(native.AppendPong(nil, cmd.ID))
	}
	if err != nil {
		c.fail(withID(err, &cmd))
	}
}

// fail tells the client what is wrong. The connection stays.
func (c *nativeClient) fail(err error) {
	var e *native.Error
	if !errors.As(err, &e) {
		e = &native.Error{Code: native.BadMessage, Message: err.Error()}
	}
	c.write(native.AppendError(nil, e))
}

func withID(err error, cmd *native.Command) error {
	var e *native.Error
	if errors.As(err, &e) {
		e.ID = cmd.ID
	}
	return err
}

func forbidden(err error) error {
	return &native.Error{Code: native.Forbidden, Message: err.Error()}
}

func (c *nativeClient) subscribe(cmd *native.Command) error {
	if err := c.as.maySubscribe(cmd.Channel, c.User()); err != nil {
		return forbidden(err)
	}
	err := c.enter(cmd.Channel, c.member(cmd.Channel), func(s hub.Subscribed) {
		c.write(native.AppendSubscribed(nil, cmd.ID, cmd.Channel, members(cmd.Channel, s.Members)))
	})
	if err != nil && !errors.Is(err, hub.ErrGone) {
		return &native.Error{Code: native.TooMany, Message: err.Error()}
	}
	return nil
}

func (c *nativeClient) publish(cmd *native.Command) error {
	if err := checkEventName(cmd.Event.Name); err != nil {
		return &native.Error{Code: native.BadMessage, Message: err.Error()}
	}
	p := publication{event: cmd.Event}
	p.event.User = c.User()
	switch {
	case cmd.Channel != "":
		if err := c.as.mayPublish(cmd.Channel); err != nil {
			return forbidden(err)
		}
		p.to.channels = []string{cmd.Channel}
	default:
		if err := c.as.mayAddress(); err != nil {
			return forbidden(err)
		}
		p.to.all = cmd.All
		if cmd.User != "" {
			p.to.users = []string{cmd.User}
		}
	}
	if !cmd.Echo {
		p.sender = &c.client
	}
	matched := c.send(p)
	if cmd.ID != nil {
		c.write(native.AppendPublished(nil, cmd.ID, matched))
	}
	return nil
}

func (c *nativeClient) presence(cmd *native.Command) error {
	if !protocol.IsPresence(cmd.Channel) {
		return &native.Error{Code: native.BadChannel, Message: "only channels that begin with presence- have members"}
	}
	h := c.as.app.hub
	if !h.Subscribed(&c.Client, cmd.Channel) {
		return &native.Error{Code: native.NotMember, Message: "subscribe to " + cmd.Channel + " to see who is present"}
	}
	list, _ := h.Members(cmd.Channel)
	c.write(native.AppendPresence(nil, cmd.ID, cmd.Channel, members(cmd.Channel, list)))
	return nil
}

// subscribedBy returns what tells a client that its backend has subscribed it.
func subscribedBy(c *hub.Client, channel string) func(hub.Subscribed) {
	return func(s hub.Subscribed) {
		if s.Again {
			return
		}
		switch to := c.Sink().(type) {
		case *nativeClient:
			to.write(native.AppendSubscribed(nil, nil, channel, members(channel, s.Members)))
		case *pusherClient:
			to.write(to.acknowledgement(channel, s))
		}
	}
}

// tellUnsubscribed tells a client that its backend has ended a subscription.
func tellUnsubscribed(c *hub.Client, channel string) {
	if n, ok := c.Sink().(*nativeClient); ok {
		n.write(native.AppendUnsubscribed(nil, nil, channel))
	}
}
