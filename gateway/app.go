package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/url"
	"strings"

	"stentor/hub"
)

// app is a tenant at work. It does not change.
type app struct {
	gateway   *Gateway
	cfg       App
	hub       *hub.Hub
	secret    [sha256.Size]byte // digest of the secret, so that comparing tells nothing of its length
	anonymous *identity         // of all its clients without a token; nil if there may be none
	origins   []origin
	foreign   foreign // origins that were turned away
}

func newApp(g *Gateway, cfg App, h *hub.Hub) *app {
	a := &app{gateway: g, cfg: cfg, hub: h, secret: sha256.Sum256([]byte(cfg.Secret))}
	for _, o := range cfg.AllowedOrigins {
		a.origins = append(a.origins, newOrigin(o))
	}
	if cfg.Anonymous {
		a.anonymous = &identity{app: a}
	}
	return a
}

// apps finds apps by their public and their secret words.
type apps struct {
	list  []*app
	byKey map[string]*app
}

// forClient finds the app that a client names by key, or the only one if it
// names none.
func (s *apps) forClient(key string) *app {
	if key == "" && len(s.list) == 1 {
		return s.list[0]
	}
	return s.byKey[key]
}

// forSecret finds the app whose secret a backend knows. It takes the same time
// whichever matches.
func (s *apps) forSecret(secret string) (found *app) {
	sum := sha256.Sum256([]byte(secret))
	for _, a := range s.list {
		if subtle.ConstantTimeCompare(sum[:], a.secret[:]) == 1 {
			found = a
		}
	}
	return found
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
func (a *app) allows(o string) bool {
	if len(a.origins) == 0 || o == "" {
		return true
	}
	u, err := url.Parse(strings.ToLower(o))
	if err != nil {
		return false
	}
	for _, x := range a.origins {
		if u.Scheme != x.scheme {
			continue
		}
		if x.below && strings.HasSuffix(u.Host, "."+x.host) || !x.below && u.Host == x.host {
			return true
		}
	}
	return false
}
