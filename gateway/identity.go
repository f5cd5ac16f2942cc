package gateway

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"stentor/protocol"
)

// identity is whom the gateway takes a client for, and what it may do. Clients
// without a token share one. It does not change.
type identity struct {
	app     *app
	info    json.RawMessage // for presence; nil if there is none
	token   bool
	channel patterns // restricted channels to subscribe to
	publish patterns // channels to publish to; "#user:" and "#all" in words below
	expires time.Time
}

// claims is what a token says: a JWT (RFC 7519) that the app's backend has
// signed with the app's secret, by HS256.
type claims struct {
	jwt.RegisteredClaims                 // sub is the user
	Expires              json.Number     `json:"exp"` // these two in place of jwt's, where
	Begins               json.Number     `json:"nbf"` // great numbers overflow
	Info                 json.RawMessage `json:"info,omitempty"`
	Channels             patterns        `json:"channels,omitempty"`
	Publish              patterns        `json:"publish,omitempty"`
}

// tokenLeeway forgives clocks that differ a little.
const tokenLeeway = 10 * time.Second

// verify checks a token and returns what it grants, and to which user.
func (a *app) verify(token string) (*identity, string, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return a.settings().verificationKeys(), nil },
		jwt.WithValidMethods([]string{"HS256"}))
	switch {
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, "", errors.New("the token's signature does not match the app's secret (HS256)")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, "", malformed(token)
	case err != nil:
		return nil, "", fmt.Errorf("the token is not valid: %w", err)
	}
	expires, err := c.inTime(time.Now())
	if err != nil {
		return nil, "", err
	}
	if c.Subject != "" {
		if err := protocol.CheckUser(c.Subject); err != nil {
			return nil, "", fmt.Errorf("the token's sub: %w", err)
		}
	}
	if !utf8.Valid(c.Info) { // it goes to others as it is
		return nil, "", errors.New("the token's info is not valid UTF-8")
	}
	return &identity{app: a, token: true, info: c.Info, channel: c.Channels, publish: c.Publish, expires: expires}, c.Subject, nil
}

// inTime checks that a token is valid now, and returns when it ends for good;
// zero is never.
func (c *claims) inTime(now time.Time) (end time.Time, err error) {
	if c.Expires != "" {
		exp, err := moment("exp", c.Expires)
		if err != nil {
			return end, err
		}
		if end = exp.Add(tokenLeeway); !now.Before(end) {
			return end, errors.New("the token has expired: get a new one")
		}
	}
	if c.Begins != "" {
		nbf, err := moment("nbf", c.Begins)
		if err != nil {
			return end, err
		}
		if now.Add(tokenLeeway).Before(nbf) {
			return end, errors.New("the token is not valid yet: its nbf is in the future")
		}
	}
	return end, nil
}

// lastSecond is the end of the year 9999.
const lastSecond = 253402300799

// moment reads the time of a claim, seconds since 1970.
func moment(claim string, n json.Number) (time.Time, error) {
	s, err := n.Float64()
	switch {
	case err != nil || s < -lastSecond || s > 1000*lastSecond:
		return time.Time{}, fmt.Errorf("the token's %s is out of range", claim)
	case s > lastSecond:
		return time.Time{}, fmt.Errorf("the token's %s is too late: %s is in seconds, not milliseconds", claim, claim)
	}
	return time.Unix(int64(s), 0), nil
}

// malformed tells why a token cannot be read: it is no JWT at all, or a claim is
// not what it should be.
func malformed(token string) error {
	var all map[string]json.RawMessage
	parts := strings.Split(token, ".")
	if len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || json.Unmarshal(text, &all) != nil {
			all = nil
		}
	}
	for _, c := range []struct {
		names []string
		fits  func(json.RawMessage) bool
		kind  string
	}{
		{[]string{"sub", "iss", "jti"}, fits[string], "a string"},
		{[]string{"exp", "nbf", "iat"}, fits[float64], "a number of seconds"},
		{[]string{"channels", "publish"}, fits[[]string], "a list of strings"},
		{[]string{"aud"}, fits[jwt.ClaimStrings], "a string or a list of strings"},
	} {
		for _, name := range c.names {
			if v, ok := all[name]; ok && !c.fits(v) {
				return fmt.Errorf("the token's %s must be %s", name, c.kind)
			}
		}
	}
	return errors.New("the token is no JWT")
}

func fits[T any](text json.RawMessage) bool {
	var v T
	return json.Unmarshal(text, &v) == nil
}

// patterns is channel names, of which one that ends in * stands for all that
// begin so.
type patterns []string

func (p patterns) match(name string) bool {
	for _, s := range p {
		if prefix, ok := strings.CutSuffix(s, "*"); ok && strings.HasPrefix(name, prefix) || s == name {
			return true
		}
	}
	return false
}

// maySubscribe tells why the client may not subscribe to a channel, or nil.
func (id *identity) maySubscribe(channel, user string) error {
	now := id.app.settings()
	if len(channel) > now.MaxChannelName {
		return fmt.Errorf("the channel name has %d bytes, at most %d are allowed (max_channel_name)", len(channel), now.MaxChannelName)
	}
	if protocol.IsPresence(channel) && user == "" {
		way := "connect with a token that has a sub"
		if now.Development {
			way += ", or ?user=ID"
		}
		return errors.New("a presence channel is for clients with a user: " + way)
	}
	if most := now.PresenceInfoMax; protocol.IsPresence(channel) && most > 0 && len(id.info) > most {
		return fmt.Errorf("the token's info has %d bytes, at most %d are allowed in presence channels (presence_max_info_bytes)", len(id.info), most)
	}
	switch {
	case now.Development:
		return nil
	case strings.HasPrefix(channel, "#"):
		return errors.New("channels that begin with # cannot be subscribed to")
	case !protocol.IsRestricted(channel):
		return nil
	case !id.token:
		return fmt.Errorf("a token must name this channel in its channels: %s", channel)
	case !id.channel.match(channel):
		return fmt.Errorf("the token's channels do not name this channel: %s", channel)
	}
	return nil
}

// mayPublish tells why the client may not publish to a channel, or nil.
func (id *identity) mayPublish(channel string) error {
	switch {
	case id.app.settings().Development:
		return nil
	case !id.token:
		return errors.New("clients without a token may not publish")
	case !id.publish.match(channel):
		return fmt.Errorf("the token's publish does not name this channel: %s", channel)
	}
	return nil
}

// mayAddress tells why the client may not publish to users or to all, or nil.
func (id *identity) mayAddress() error {
	if id.app.settings().Development {
		return nil
	}
	return errors.New("only the app's backend may publish to users or to all")
}
