package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"stentor/frame"
)

// Config is what an Engine is made of. A field left zero has the default that
// its comment names; a Handler is the only thing required.
type Config struct {
	// Handler receives the events of every connection.
	Handler Handler

	// Inline calls the Handler on the event loop itself: the fastest way, for a
	// Handler that never blocks and never takes long, because it holds up all
	// connections of its loop. Without it the Handler runs on a pool of
	// goroutines and may block. Either way the events of one connection come in
	// order and one at a time.
	Inline bool

	// Upgrade decides on each opening handshake, on the event loop: it must not
	// block. To decide later, return hs.Later(). nil accepts all.
	Upgrade func(hs *Handshake) Answer

	// FullCode chooses the status code to close with for want of room, by the
	// request, on the event loop; 0 is 1013, as is a nil FullCode.
	FullCode func(req frame.Request) int

	// HTTP serves the requests on the same port that are not WebSocket
	// handshakes. nil answers 426 Upgrade Required.
	HTTP http.Handler

	// Log takes what an operator should know. nil is slog.Default().
	Log *slog.Logger

	Loops   int // event loops; 0 is one a core (GOMAXPROCS)
	Workers int // goroutines at most for handlers that may block; 0 is 256 a core

	MaxConnections      int // WebSocket connections; above, 1013; 0 is no limit
	MaxConnectionsPerIP int // those and HTTP connections of one IPv4 address or IPv6 /64 network; 0 is no limit
	MaxHTTPConnections  int // connections handed to net/http; above, 503; 0 is 1024
	AcceptRate          int // connections accepted a second; 0 is no limit

	HandshakeTimeout time.Duration // from accept to a whole request head; 0 is 5s
	IdleTimeout      time.Duration // silence after which the server pings; 0 is 120s
	PongTimeout      time.Duration // silence after that ping that ends it; 0 is 30s
	CloseTimeout     time.Duration // for the peer's part of a closing handshake; 0 is 5s
	LingerTimeout    time.Duration // for the peer's FIN after ours; 0 is 2s

	MaxHeaderBytes  int // request head; 0 is 16,384
	MaxMessageBytes int // incoming message, over all its fragments; 0 is 65,536
	// QueueBytes bounds what waits for a peer that does not read. An empty
	// queue takes one frame of any size; from the second on, a frame that would
	// lead over the bound closes the connection with 1013. Each frame counts 64
	// bytes more than it has. Of a peer for which half of it waits nothing is read
	// until a quarter does. 0 is 1 MiB.
	QueueBytes int
}

// withDefaults returns c with the zero fields filled in, or what is wrong.
func (c Config) withDefaults() (Config, error) {
	if c.Handler == nil {
		return c, errors.New("engine: Config.Handler is nil: nothing would receive messages")
	}
	if c.HTTP == nil {
		c.HTTP = http.HandlerFunc(upgradeRequired)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	cores := runtime.GOMAXPROCS(0)
	for _, f := range []struct {
		name string
		v    *int
		def  int
	}{
		{"Loops", &c.Loops, cores},
		{"Workers", &c.Workers, 256 * cores},
		{"MaxConnections", &c.MaxConnections, 0},
		{"MaxConnectionsPerIP", &c.MaxConnectionsPerIP, 0},
		{"MaxHTTPConnections", &c.MaxHTTPConnections, 1024},
		{"AcceptRate", &c.AcceptRate, 0},
		{"MaxHeaderBytes", &c.MaxHeaderBytes, 16 << 10},
		{"MaxMessageBytes", &c.MaxMessageBytes, 64 << 10},
		{"QueueBytes", &c.QueueBytes, 1 << 20},
	} {
		if *f.v < 0 {
			return c, fmt.Errorf("engine: Config.%s is negative (%d)", f.name, *f.v)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	for _, f := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"HandshakeTimeout", &c.HandshakeTimeout, 5 * time.Second},
		{"IdleTimeout", &c.IdleTimeout, 120 * time.Second},
		{"PongTimeout", &c.PongTimeout, 30 * time.Second},
		{"CloseTimeout", &c.CloseTimeout, 5 * time.Second},
		{"LingerTimeout", &c.LingerTimeout, 2 * time.Second},
	} {
		if *f.v < 0 {
			return c, fmt.Errorf("engine: Config.%s is negative (%v)", f.name, *f.v)
		}
		if *f.v > maxTimeout {
			return c, fmt.Errorf("engine: Config.%s is %v, at most %v can be kept", f.name, *f.v, maxTimeout)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	return c, nil
}

// maxTimeout is within what ticks in 32 bits can tell apart, see sweep.go.
const maxTimeout = 400 * 24 * time.Hour

func upgradeRequired(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	http.Error(w, "this address speaks WebSocket: send an opening handshake (RFC 6455)", http.StatusUpgradeRequired)
}
