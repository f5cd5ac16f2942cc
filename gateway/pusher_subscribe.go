package gateway

import (
	"errors"
	"net/http"

	"stentor/hub"
	"stentor/protocol/pusher"
)

// refusedChannel is a subscription that is refused, as pusher:subscription_error
// tells it: pusher-js and Laravel Echo give it to who has subscribed.
type refusedChannel struct {
	channel string
	kind    string // for programs
	message string
	status  int // of HTTP
}

func (e *refusedChannel) Error() string { return e.channel + ": " + e.message }

func unauthorized(channel string, err error) error {
	return &refusedChannel{channel, "AuthError", err.Error(), http.StatusUnauthorized}
}

// subscribe subscribes the client to a channel, if its signature allows it.
func (c *pusherClient) subscribe(cmd *pusher.Command) error {
	a, channel := c.as.app, cmd.Channel
	s := a.settings()
	if err := pusher.CheckChannel(channel, s.MaxChannelName); err != nil {
		return &pusher.Error{Message: err.Error(), Channel: clipChannel(channel)}
	}
	kind := pusher.KindOf(channel)
	if user, ok := pusher.UserOf(channel); ok {
		if c.signed == nil || c.signed.ID != user {
			return unauthorized(channel, errors.New("only the user itself receives this channel: sign in first"))
		}
		// What is sent to a user reaches all its clients, subscribed or not.
		c.write(pusher.AppendSubscribed(nil, channel))
		return nil
	}
	join, err := c.authorise(s, kind, cmd)
	if err != nil {
		return unauthorized(channel, err)
	}
	if kind.Restricted() {
		c.proven.Store(true)
	}
	err = c.enter(channel, join, func(done hub.Subscribed) { c.acknowledge(channel, done) })
	if err != nil && !errors.Is(err, hub.ErrGone) {
		return &refusedChannel{channel, "LimitReached", err.Error(), http.StatusForbidden}
	}
	return nil
}

// authorise checks the signature that a channel wants, and returns as whom the
// client joins, nil for a channel without presence.
func (c *pusherClient) authorise(s *settings, kind pusher.Kind, cmd *pusher.Command) (*hub.Join, error) {
	if !kind.Restricted() {
		return nil, nil
	}
	// Backends sign it for private channels, too, if they give any.
	data := cmd.ChannelData
	if err := s.keys.CheckChannelAuth(cmd.Auth, c.ID(), cmd.Channel, data); err != nil {
		return nil, err
	}
	if !kind.Has(pusher.Presence) {
		return nil, nil
	}
	m, err := pusher.ParseMember(data, s.PresenceInfoMax)
	switch {
	case err == pusher.ErrNoUser && c.signed != nil:
		m = pusher.Member{User: c.signed.ID, Info: c.signed.Info}
	case err != nil:
		return nil, err
	}
	return c.join(m.User, m.Info), nil
}

// acknowledge tells the client of its subscription.
func (c *pusherClient) acknowledge(channel string, done hub.Subscribed) {
	if !pusher.KindOf(channel).Has(pusher.Presence) {
		c.write(pusher.AppendSubscribed(nil, channel))
		return
	}
	list := make([]pusher.Member, len(done.Members))
	for i, m := range done.Members {
		list[i] = toPusher(m)
	}
	c.write(pusher.AppendSubscribedPresence(nil, channel, list))
}

// signIn makes the client one of a user's.
func (c *pusherClient) signIn(cmd *pusher.Command) error {
	a := c.as.app
	s := a.settings()
	refuse := func(err error) error {
		return &pusher.Error{Code: pusher.CodeUnauthorized, Message: "not signed in: " + err.Error()}
	}
	if err := s.keys.CheckUserAuth(cmd.Auth, c.ID(), cmd.UserData); err != nil {
		return refuse(err)
	}
	u, err := pusher.ParseUser(cmd.UserData, s.PresenceInfoMax)
	if err != nil {
		return refuse(err)
	}
	switch err := a.hub.SignIn(&c.Client, u.ID); err {
	case nil:
	case hub.ErrGone:
		return nil
	default:
		return refuse(errors.New("this connection has signed in as another user already: connect anew"))
	}
	c.proven.Store(true)
	watch := u.Watchlist
	u.Watchlist = nil
	first := c.signed == nil
	c.signed = &u
	c.write(pusher.AppendSignedIn(nil, cmd.UserData))
	if !s.Watchlist || !first {
		return nil
	}
	a.watch.enter(c, watch)
	if u.Cut {
		return &pusher.Error{Code: pusher.CodeWatchlist, Message: "the watchlist has more than 100 users: the first 100 are watched"}
	}
	return nil
}
