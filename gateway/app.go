package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/golang-jwt/jwt/v5"

	"stentor/hub"
	"stentor/protocol/pusher"
)

// app is a tenant at work: who it is, and its sockets. What can be set changes
// as a whole while it works: see settings.
type app struct {
	gateway  *Gateway
	id       string
	hub      *hub.Hub
	now      atomic.Pointer[settings]
	nobody   identity // of all its clients without a token
	places   atomic.Int64
	requests quota   // of its HTTP APIs
	foreign  foreign // origins that were turned away
	cache    cache
	watch    watchlists
	counts   counts

	clientEvents struct{ sent, refused atomic.Uint64 }
}

// settings is what an app is set to at a time. It does not change; whoever needs
// several values that fit each other asks for it once.
type settings struct {
	App
	secrets   []digest  // of the valid ones
	anonymous *identity // of all its clients without a token; nil if there may be none
	origins   []origin
	keys      pusher.Keys
	removed   bool // the app is no more
}

func newApp(g *Gateway, cfg App) *app {
	a := &app{gateway: g, id: cfg.ID}
	a.hub = hub.New(hub.Config{Shards: g.engine.Loops(), Pool: g.fanout, Events: presenceEvents{}, Observer: observer{a}})
	a.nobody.app, a.watch.app, a.counts.app = a, a, a
	a.set(cfg)
	return a
}

// settings returns what the app is set to now.
func (a *app) settings() *settings { return a.now.Load() }

// set changes what the app is set to. Its sockets stay.
func (a *app) set(cfg App) {
	s := &settings{App: cfg}
	s.keys = pusher.Keys{Key: cfg.Key, Secrets: cfg.validSecrets()}
	for _, secret := range s.keys.Secrets {
		s.secrets = append(s.secrets, digestOf(secret))
	}
	for _, o := range cfg.AllowedOrigins {
		s.origins = append(s.origins, newOrigin(o))
	}
	if cfg.Anonymous {
		s.anonymous = &a.nobody
	}
	a.now.Store(s)
}

// validSecrets returns the secrets that signatures may be made with: the one in
// use first, and during a rotation the one before.
func (a *App) validSecrets() []string {
	if a.PreviousSecret == "" {
		return []string{a.Secret}
	}
	return []string{a.Secret, a.PreviousSecret}
}

// verificationKeys returns the valid secrets for a token's check.
func (s *settings) verificationKeys() (set jwt.VerificationKeySet) {
	for _, secret := range s.keys.Secrets {
		set.Keys = append(set.Keys, []byte(secret))
	}
	return set
}

// refusal tells with which code, the same in all dialects, and why clients are
// turned away; 0 if they are let in.
func (s *settings) refusal() (code int, text string) {
	switch {
	case s.removed:
		return closeUnknownApp, "there is no app with that key"
	case s.Disabled:
		return closeDisabled, "this app is disabled"
	}
	return 0, ""
}

// takePlace counts a connection, and reports false if the app has as many as it
// may. A place that is taken is given back by leavePlace.
func (a *app) takePlace() bool {
	n := a.places.Add(1)
	if most := a.settings().MaxConnections; most > 0 && n > int64(most) {
		a.places.Add(-1)
		return false
	}
	return true
}

func (a *app) leavePlace() { a.places.Add(-1) }

// maxSubscriptions returns how many channels a client may be subscribed to, 0
// for any number, and the name of the key that says so.
func (a *app) maxSubscriptions() (most int, key string) {
	if most = a.settings().MaxSubscriptions; most > 0 {
		return most, "max_subscriptions"
	}
	return a.gateway.cfg.Limits.MaxSubscriptions, "limits.max_subscriptions"
}

// digest stands for a secret where apps are looked up by it: nobody outside
// this process can make two that begin alike, so the time of a search tells
// nothing of a secret.
type digest [sha256.Size]byte

// digestSalt is of this process only.
var digestSalt = []byte(rand.Text())

func digestOf(secret string) digest {
	return sha256.Sum256(append(digestSalt[:len(digestSalt):len(digestSalt)], secret...))
}

// origin is an entry of allowed_origins. A browser leaves the scheme's own port
// out, so it is left out here.
type origin struct {
	scheme, host string
	below        bool // any host that ends in "." + host
}

func newOrigin(s string) origin {
	scheme, host, _ := strings.Cut(strings.ToLower(s), "://")
	rest, below := strings.CutPrefix(host, "*.")
	return origin{scheme, strings.TrimSuffix(rest, defaultPort[scheme]), below}
}

var defaultPort = map[string]string{"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}

// allows reports whether a browser's page of this origin may connect. What is
// no browser sends none, and is not what the list is for.
func (s *settings) allows(o string) bool {
	if len(s.origins) == 0 || o == "" {
		return true
	}
	u, err := url.Parse(strings.ToLower(o))
	if err != nil {
		return false
	}
	for _, x := range s.origins {
		if u.Scheme != x.scheme {
			continue
		}
		if x.below && strings.HasSuffix(u.Host, "."+x.host) || !x.below && u.Host == x.host {
			return true
		}
	}
	return false
}
