package gateway

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"stentor/engine"
	"stentor/protocol"
	"stentor/protocol/pusher"
)

// pusherClient speaks the Pusher Channels protocol. Its methods run on the
// connection's loop.
type pusherClient struct {
	client
	events quota                       // client events that it has sent
	asked  debt                        // what subscribing and signing in has cost
	slowed atomic.Bool                 // it is not read for a while
	proven atomic.Bool                 // it has signed in, or subscribed with a signature
	ends   uint32                      // Unix seconds, if it must by then; or 0
	signed atomic.Pointer[pusher.User] // as which it has signed in; nil if it has not
}

// Subscribing and signing in cost about as much as the answer is long. A client
// may ask for a burst at once, thousands of channels or eighty presence channels as
// full as they may be by default, and then for so much a second: its socket is not
// read any faster. What had been read is refused beyond two bursts.
const (
	askBurst = 8000 // answers of up to a kilobyte
	askRate  = 1000
)

// charge counts a command that may cost much. The error refuses it.
func (c *pusherClient) charge() error {
	now := time.Now()
	c.asked.add(1, askRate, now)
	owed := c.asked.owed(askRate, now)
	if owed > askBurst && !c.slowed.Swap(true) {
		c.conn.Pause()
		time.AfterFunc(time.Duration(owed-askBurst)*time.Second/askRate, func() {
			c.slowed.Store(false)
			c.conn.Resume()
		})
	}
	if owed > 2*askBurst {
		return errors.New("too much is subscribed to, or signed in, at once: try again in a moment")
	}
	return nil
}

// answer writes what a client has asked for, and counts its length.
func (c *pusherClient) answer(text []byte) {
	c.asked.add(len(text)/1024, askRate, time.Now())
	c.write(text)
}

// pusherNewcomer is a client of the Pusher dialect that is about to connect.
type pusherNewcomer struct{ app *app }

// open greets the client. Deliveries wait for the greeting.
func (n pusherNewcomer) open(conn engine.Conn) {
	a := n.app
	if !a.takePlace() {
		conn.Close(pusher.CodeQuota, "the app has as many connections as it may (max_connections)")
		return
	}
	c := &pusherClient{client: client{conn: conn, as: &a.nobody}}
	conn.SetData(c)
	a.hub.Add(&c.Client, c, "", classPusher, conn.Loop())
	defer c.Ready()
	s := a.settings()
	if code, text := s.refusal(); code != 0 { // meanwhile
		conn.Close(code, text)
		return
	}
	c.write(pusher.AppendEstablished(nil, c.ID(), a.gateway.cfg.Limits.IdleTimeout))
	if s.AuthorizationTimeout > 0 {
		c.ends = uint32(time.Now().Add(s.AuthorizationTimeout).Unix())
		a.gateway.expiry.add(conn, c.end())
	}
}

// end returns until when it has to show who it is, zero if it has not.
func (c *pusherClient) end() time.Time {
	if c.ends == 0 {
		return time.Time{}
	}
	return time.Unix(int64(c.ends), 0)
}

func (c *pusherClient) close(engine.Reason) {
	c.as.app.watch.leave(c)
	c.leave()
	c.as.app.gateway.expiry.forget(c.conn, c.end())
}

// message handles one message.
func (c *pusherClient) message(m engine.Message) {
	if m.Op == engine.Binary {
		c.fail(&pusher.Error{Message: "binary messages are not used here: send JSON as a text message"})
		return
	}
	cmd, err := pusher.Parse(m.Data)
	if err != nil {
		c.fail(err)
		return
	}
	switch cmd.Type {
	case pusher.Ping:
		c.write(pusher.AppendPong(nil))
	case pusher.Subscribe:
		err = c.subscribe(&cmd)
	case pusher.Unsubscribe:
		c.exit(cmd.Channel, func(bool) {})
	case pusher.SignIn:
		err = c.signIn(&cmd)
	case pusher.ClientEvent:
		err = c.clientEvent(&cmd)
	}
	if err != nil {
		c.fail(err)
	}
}

// fail tells the client what is wrong. The connection stays.
func (c *pusherClient) fail(err error) {
	var refused *refusedChannel
	if errors.As(err, &refused) {
		c.write(pusher.AppendSubscriptionError(nil, refused.channel, refused.kind, refused.message, refused.status))
		return
	}
	var e *pusher.Error
	if !errors.As(err, &e) {
		e = &pusher.Error{Message: err.Error()}
	}
	c.write(pusher.AppendError(nil, e))
}

// clientEvent passes on what a client has to tell the others of a channel.
func (c *pusherClient) clientEvent(cmd *pusher.Command) error {
	a := c.as.app
	s := a.settings()
	refuse := func(format string, args ...any) error {
		a.clientEvents.refused.Add(1)
		return &pusher.Error{Message: fmt.Sprintf(format, args...), Channel: cmd.Channel}
	}
	if err := pusher.CheckChannel(cmd.Channel, s.MaxChannelName); err != nil {
		return refuse("%v", err)
	}
	kind := pusher.KindOf(cmd.Channel)
	switch {
	case !s.ClientEvents:
		return refuse("client events are off for this app (client_events)")
	case !kind.Has(pusher.Private) && !kind.Has(pusher.Presence) || kind.Has(pusher.Encrypted):
		return refuse("client events are for private and presence channels only, and not for encrypted ones")
	case len(cmd.Event.Data) > a.mostEventBytes(s):
		return refuse("the event's data has %d bytes, at most %d are allowed (max_event_bytes)", len(cmd.Event.Data), a.mostEventBytes(s))
	}
	if err := protocol.CheckEvent(cmd.Event.Name); err != nil {
		return refuse("%v", err)
	}
	if !a.hub.Subscribed(&c.Client, cmd.Channel) {
		return refuse("subscribe to the channel before sending client events to it")
	}
	if _, ok := c.events.take(s.EventRate, time.Now()); !ok {
		a.clientEvents.refused.Add(1)
		return &pusher.Error{Code: pusher.CodeClientEvent, Channel: cmd.Channel,
			Message: fmt.Sprintf("more than %d client events in a second (client_event_rate): this one was not sent", s.EventRate)}
	}
	p := publication{event: cmd.Event, sender: &c.client}
	p.event.User = c.User()
	if kind.Has(pusher.Presence) { // whom its membership has verified, never what it says
		if user, ok := a.hub.Membership(&c.Client, cmd.Channel); ok {
			p.event.User = user
		}
	}
	p.to.channels = []string{cmd.Channel}
	c.send(p)
	a.clientEvents.sent.Add(1)
	a.tellClientEvent(c, cmd.Channel, &p.event)
	return nil
}

// mostEventBytes is the greatest size of an event's data.
func (a *app) mostEventBytes(s *settings) int {
	if s.MaxEventBytes > 0 {
		return s.MaxEventBytes
	}
	return a.gateway.cfg.Limits.MaxMessageBytes
}
