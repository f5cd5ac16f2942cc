package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
)

const (
	urlHelp    = "the gateway's address, http://host:port or unix:/path (environment: STENTOR_URL; default " + defaultURL + ")"
	defaultURL = "http://127.0.0.1:8080"
)

// target is where a gateway listens.
type target struct {
	url    string // http or https, without a / at the end
	socket string // path of the unix socket, empty for TCP
}

// parseTarget understands what --url may say.
func parseTarget(s string) (target, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" {
			return target{}, fmt.Errorf("--url %q has no path: use unix:/path", s)
		}
		return target{"http://localhost", path}, nil
	}
	full := s
	if !strings.Contains(s, "://") {
		full = "http://" + s
	}
	u, err := url.Parse(full)
	if err != nil {
		return target{}, fmt.Errorf("--url %q: use http://host:port or unix:/path", s)
	}
	switch u.Scheme {
	case "http", "https":
	case "ws", "wss":
		u.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	default:
		return target{}, fmt.Errorf("--url %q: use http://host:port or unix:/path", s)
	}
	if u.Host == "" {
		return target{}, fmt.Errorf("--url %q has no host: use http://host:port or unix:/path", s)
	}
	if _, err := net.LookupPort("tcp", u.Port()); err != nil {
		return target{}, fmt.Errorf("--url %q has no valid port (0 to 65535)", s)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return target{url: u.String()}, nil
}

// dial connects to the target. HTTP and WebSocket clients call it, with the
// address that they make of the URL.
func (t target) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if t.socket != "" {
		network, address = "unix", t.socket
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
