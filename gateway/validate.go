package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stentor/gateway/webhook"
	"stentor/protocol"
)

// Validate tells all that is wrong with a configuration, one error a fault,
// each naming its key. It reads the files of apps_dir.
func (c Config) Validate() error {
	var faults []error
	fault := func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	c.validateAddresses(fault)
	c.validateLimits(fault)
	if c.DrainWindow < 0 {
		fault("drain_window", "is negative (%v)", c.DrainWindow)
	}
	if c.TLS != (TLS{}) {
		fault("tls", "this version does not speak TLS itself, and would serve in the clear: leave tls out and put a proxy in front (docs/deployment.md)")
	}
	switch c.Compression {
	case "off":
	case "on":
		fault("compression", "this version does not compress: set it to off")
	default:
		fault("compression", "is %q: use off or on", c.Compression)
	}
	_, err := c.loadApps()
	return errors.Join(append(faults, err)...)
}

type faultFunc func(key, format string, args ...any)

func (c Config) validateAddresses(fault faultFunc) {
	if len(c.Listen) == 0 {
		fault("listen", "no address: give one, 127.0.0.1:8080 for example")
	}
	taken := map[string]string{} // what an address comes to: how it is written
	for _, a := range c.Listen {
		if checkAddress("listen", a, taken, fault) && c.development() && !loopback(a) {
			fault("listen", "%s is reachable from outside, and the development app, which lets everybody do everything, is for this machine only: configure an app under apps or in apps_dir, or listen on 127.0.0.1", a)
		}
	}
	if checkAddress("admin", c.Admin, taken, fault) && c.development() && !loopback(c.Admin) {
		fault("admin", "%s is reachable from outside, and so are the development app and the profiles: configure an app under apps or in apps_dir, or listen on 127.0.0.1", c.Admin)
	}
}

// checkAddress reports whether an address is in order. Those in taken are not
// free any more; it adds its own.
func checkAddress(key, address string, taken map[string]string, fault faultFunc) bool {
	same, wrong := plainAddress(address)
	if wrong != "" {
		fault(key, "%s", wrong)
		return false
	}
	if first, twice := taken[same]; twice {
		fault(key, "%s is the same as %s of listen: each needs an address of its own", address, first)
	}
	if same != "" {
		taken[same] = address
	}
	return true
}

// plainAddress returns one form for all ways to write an address, empty if the
// system chooses the port, or else what is wrong with it.
func plainAddress(address string) (plain, wrong string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		switch {
		case path == "":
			return "", "unix: without a path: give one, unix:/run/stentor.sock for example"
		case len(path) > 107:
			return "", fmt.Sprintf("the path of %s has %d bytes, the system allows 107", address, len(path))
		}
		return "unix " + filepath.Clean(path), ""
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Sprintf("%q is no address: use host:port, [::]:8080 for all, or unix:/path", address)
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil || service == "" {
		return "", fmt.Sprintf("%q has no valid port (0 to 65535)", address)
	}
	if strings.ContainsAny(host, "/ ") {
		return "", fmt.Sprintf("%q has no valid host", address)
	}
	if port == 0 {
		return "", ""
	}
	if host == "" {
		host = "::"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return fmt.Sprintf("%s:%d", strings.ToLower(host), port), ""
}

// loopback reports whether only this machine can reach an address.
func loopback(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // not an address at all: a fault of its own
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func (c Config) validateLimits(fault faultFunc) {
	l := c.Limits
	for _, n := range []struct {
		key      string
		v, least int
	}{
		{"max_connections", l.MaxConnections, 0},
		{"max_connections_per_ip", l.MaxConnectionsPerIP, 0},
		{"max_http_connections", l.MaxHTTPConnections, 1},
		{"max_subscriptions", l.MaxSubscriptions, 0},
		{"max_header_bytes", l.MaxHeaderBytes, 1024},
		{"max_message_bytes", l.MaxMessageBytes, 128},
		{"accept_rate", l.AcceptRate, 0},
		{"queue_bytes", l.QueueBytes, 1024},
	} {
		if n.v < n.least {
			fault("limits."+n.key, "is %d, must be at least %d", n.v, n.least)
		}
	}
	const most = 1 << 30
	for key, v := range map[string]int{"max_header_bytes": l.MaxHeaderBytes, "max_message_bytes": l.MaxMessageBytes} {
		if v > most {
			fault("limits."+key, "is %d, must be at most %d", v, most)
		}
	}
	for _, d := range []struct {
		key string
		v   time.Duration
	}{
		{"handshake_timeout", l.HandshakeTimeout},
		{"idle_timeout", l.IdleTimeout},
		{"pong_timeout", l.PongTimeout},
	} {
		if d.v < 100*time.Millisecond || d.v > 24*time.Hour {
			fault("limits."+d.key, "is %v, must be from 100ms to 24h", d.v)
		}
	}
}

// validate tells what is wrong with an app by itself.
func (a App) validate(fault faultFunc) {
	for _, f := range []struct {
		key, v           string
		secret, required bool
	}{
		{"id", a.ID, false, true},
		{"key", a.Key, false, true},
		{"secret", a.Secret, true, true},
		{"previous_secret", a.PreviousSecret, true, false},
	} {
		switch {
		case f.v == "":
			if f.required {
				fault(f.key, "is missing")
			}
		case !f.secret:
			if protocol.CheckChannel(f.v) != nil {
				fault(f.key, "%q: use letters, digits and _ - = @ , . ;", f.v)
			}
		case f.v == masked:
			fault(f.key, "is %s, which checkconfig prints in place of a secret: put the secret itself here", masked)
		case len(f.v) < 8:
			fault(f.key, "has %d characters: use 8 or more, random ones", len(f.v))
		}
	}
	if a.PreviousSecret != "" && a.PreviousSecret == a.Secret {
		fault("previous_secret", "is the same as secret: leave it out, or put the one before here")
	}
	for _, o := range a.AllowedOrigins {
		if err := checkOrigin(o); err != nil {
			fault("allowed_origins", "%v", err)
		}
	}
	for i, w := range a.Webhooks {
		w.validate(func(key, format string, args ...any) { fault(fmt.Sprintf("webhooks[%d].%s", i, key), format, args...) })
	}
	for _, n := range []struct {
		key string
		v   int
	}{
		{"max_connections", a.MaxConnections},
		{"max_subscriptions", a.MaxSubscriptions},
		{"client_event_rate", a.EventRate},
		{"max_event_bytes", a.MaxEventBytes},
		{"presence_max_members", a.PresenceMax},
		{"presence_max_info_bytes", a.PresenceInfoMax},
		{"api_rate", a.APIRate},
	} {
		if n.v < 0 {
			fault(n.key, "is negative (%d)", n.v)
		}
	}
	if n := a.MaxChannelName; n < 1 || n > protocol.MaxChannelName {
		fault("max_channel_name", "is %d, must be from 1 to %d", n, protocol.MaxChannelName)
	}
	if d := a.AuthorizationTimeout; d != 0 && (d < 100*time.Millisecond || d > 24*time.Hour) {
		fault("authorization_timeout", "is %v, must be from 100ms to 24h, or 0 for none", d)
	}
}

func (w Webhook) validate(fault faultFunc) {
	if u, err := url.Parse(w.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		fault("url", "%q is no http or https URL", w.URL)
	} else if strings.Contains(w.URL, masked) {
		fault("url", "has %s, which checkconfig prints in place of a secret: put the secret itself here", masked)
	}
	for _, name := range w.Events {
		if !slices.Contains(webhook.Names, name) {
			fault("events", "there is no event %q: use some of %s, or leave events out for all but subscription_count", name, strings.Join(webhook.Names, ", "))
		}
	}
}

// word is what tells an app apart.
type word struct{ kind, text string }

// words returns those of an app by their keys.
func (a *App) words() map[string]word {
	list := map[string]word{"id": {"id", a.ID}, "key": {"key", a.Key}, "secret": {"secret", a.Secret}, "previous_secret": {"secret", a.PreviousSecret}}
	for key, w := range list {
		if w.text == "" {
			delete(list, key)
		}
	}
	return list
}

// twin is an error: an app has a word of another.
type twin struct {
	word          word
	app, first    *placed
	key, firstKey string
}

func (t *twin) Error() string {
	return fmt.Sprintf("%s: is the same as %s: it must be unique, it tells the apps apart", t.app.key(t.key), t.first.where(t.firstKey))
}

// twins finds the words of apps that are of one before them, too.
func twins(list []*placed) (found []*twin) {
	type owner struct {
		app *placed
		key string
	}
	seen := map[word]owner{}
	for _, p := range list {
		words := p.words()
		for _, key := range []string{"id", "key", "secret", "previous_secret"} {
			w, ok := words[key]
			if !ok {
				continue
			}
			if first, twice := seen[w]; twice && first.app != p {
				found = append(found, &twin{w, p, first.app, key, first.key})
				continue
			}
			seen[w] = owner{p, key}
		}
	}
	return found
}

// checkOrigin tells what is wrong with an entry of allowed_origins: a scheme
// and a host, which may begin with "*." for all below it.
func checkOrigin(o string) error {
	u, err := url.Parse(strings.Replace(o, "://*.", "://", 1))
	if err != nil || u.Host == "" || u.Scheme == "" || u.Path != "" || u.RawQuery != "" || strings.Contains(u.Host, "*") {
		return fmt.Errorf("%q is no origin: use https://example.com, with a port if it has one, or https://*.example.com", o)
	}
	return nil
}
