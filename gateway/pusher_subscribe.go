package gateway

import (
	"errors"
	"fmt"
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
		return &pusher.Error{Message: err.Error(), Channel: channel}
	}
	if err := c.charge(); err != nil {
		return &refusedChannel{channel, "LimitReached", err.Error(), http.StatusTooManyRequests}
	}
	kind := pusher.KindOf(channel)
	if user, ok := pusher.UserOf(channel); ok {
		if u := c.signed.Load(); u == nil || u.ID != user {
			return unauthorized(channel, errors.New("only the user itself receives this channel: sign in first"))
		}
		// What is sent to a user reaches all its clients, subscribed or not.
		c.answer(pusher.AppendSubscribed(nil, channel))
		return nil
	}
	join, err := c.authorise(s, kind, cmd)
	if err != nil {
		return unauthorized(channel, err)
	}
	if kind.Restricted() {
		c.proven.Store(true)
	}
	err = c.enter(channel, join, func(done hub.Subscribed) { c.answer(c.acknowledgement(channel, done)) })
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
	data := cmd.ChannelData
	err := s.keys.CheckChannelAuth(cmd.Auth, c.ID(), cmd.Channel, data)
	if !kind.Has(pusher.Presence) {
		if err != nil && data != "" { // which some backends sign here, too, and some do not
			err = s.keys.CheckChannelAuth(cmd.Auth, c.ID(), cmd.Channel, "")
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	m, err := pusher.ParseMember(data, s.PresenceInfoMax)
	if u := c.signed.Load(); err == pusher.ErrNoUser && u != nil {
		m.User, err = u.ID, nil
		if m.Info == nil {
			m.Info = u.Info
		}
	}
	if err != nil {
		return nil, err
	}
	return c.join(m.User, m.Info), nil
}

// acknowledgement tells the client of its subscription.
func (c *pusherClient) acknowledgement(channel string, done hub.Subscribed) []byte {
	if !pusher.KindOf(channel).Has(pusher.Presence) {
		return pusher.AppendSubscribed(nil, channel)
	}
	list := make([]pusher.Member, len(done.Members))
	for i, m := range done.Members {
		list[i] = toPusher(m)
	}
	return pusher.AppendSubscribedPresence(nil, channel, list)
}

// maxUserData bounds user_data, in bytes.
const maxUserData = 64 << 10

// signIn makes the client one of a user's.
func (c *pusherClient) signIn(cmd *pusher.Command) error {
	a := c.as.app
	s := a.settings()
	refuse := func(err error) error {
		return &pusher.Error{Code: pusher.CodeUnauthorized, Message: "not signed in: " + err.Error()}
	}
	if err := c.charge(); err != nil {
		return &pusher.Error{Message: "not signed in: " + err.Error()}
	}
	if n := len(cmd.UserData); n > maxUserData { // it is sent back while others wait
		return refuse(fmt.Errorf("user_data has %d bytes, at most %d are allowed", n, maxUserData))
	}
	if err := s.keys.CheckUserAuth(cmd.Auth, c.ID(), cmd.UserData); err != nil {
		return refuse(err)
	}
	u, err := pusher.ParseUser(cmd.UserData, s.PresenceInfoMax)
	if err != nil {
		return refuse(err)
	}
	before := c.signed.Load()
	if before != nil && before.ID != u.ID {
		return refuse(errors.New("this connection has signed in as another user already: connect anew"))
	}
	c.proven.Store(true)
	// pusher-js has no channel for what is published to the user until it has read
	// this.
	text := pusher.AppendSignedIn(nil, cmd.UserData)
	if a.hub.SignIn(&c.Client, u.ID, func() { c.answer(text) }) != nil {
		return nil // it has gone
	}
	watch := u.Watchlist
	u.Watchlist = nil
	c.signed.Store(&u)
	if !s.Watchlist || len(watch) == 0 || before != nil { // the first watchlist counts
		return nil
	}
	a.watch.enter(c, watch)
	if u.Cut {
		return &pusher.Error{Code: pusher.CodeWatchlist, Message: "the watchlist has more than 100 users: the first 100 are watched"}
	}
	return nil
}
