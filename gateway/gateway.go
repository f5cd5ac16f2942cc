package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"stentor/engine"
	"stentor/gateway/webhook"
)

// Gateway is one server. It is made by New, started once and stopped once.
type Gateway struct {
	cfg         Config
	development bool // the development app is served
	log         *slog.Logger

	engine    *engine.Engine
	fanout    *engine.Pool
	verifiers *engine.Pool
	broker    broker
	apps      apps
	folder    *appsDir
	expiry    expiry
	turns     turns
	hooks     atomic.Pointer[webhook.Queue] // nil while no app has had webhooks

	admin     *http.Server
	adminDone chan error
	public    []net.Addr
	adminAddr net.Addr
	ready     atomic.Bool
	stopping  atomic.Bool   // a drain has begun: nobody is let in any more
	grace     time.Duration // for what is left at the end of a drain
	bodyTime  time.Duration // for the body of a request of the API
	ended     sync.Once

	halt       chan struct{}  // closed at the end: what works in the background ends
	background sync.WaitGroup // has what does
}

// New makes a Gateway. The errors are those of Config.Validate, or the
// system's. It listens nowhere yet.
func New(cfg Config, log *slog.Logger) (*Gateway, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	development := cfg.development()
	cfg = cfg.withDevelopment()
	apps, err := cfg.loadApps()
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, development: development, log: log, broker: local{}, grace: drainGrace, bodyTime: bodyTime, halt: make(chan struct{})}
	g.folder = newAppsDir(g, cfg.AppsDir, apps)
	for _, p := range apps {
		if err == nil {
			err = g.openHooks(p.App)
		}
	}
	if err == nil {
		err = g.start()
	}
	if err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// start makes the parts that work without a listener.
func (g *Gateway) start() (err error) {
	limits := &g.cfg.Limits
	if g.fanout, err = engine.NewPool(fanoutWorkers); err != nil {
		return err
	}
	if g.verifiers, err = engine.NewPool(verifyWorkers); err != nil {
		return err
	}
	g.engine, err = engine.New(engine.Config{
		Handler: sessions{}, Inline: true, Upgrade: g.upgrade, FullCode: fullCode, HTTP: g.publicHandler(), Log: g.log,
		MaxConnections:      limits.MaxConnections,
		MaxConnectionsPerIP: limits.MaxConnectionsPerIP,
		MaxHTTPConnections:  limits.MaxHTTPConnections,
		AcceptRate:          limits.AcceptRate,
		HandshakeTimeout:    limits.HandshakeTimeout,
		IdleTimeout:         limits.IdleTimeout,
		PongTimeout:         limits.PongTimeout,
		MaxHeaderBytes:      limits.MaxHeaderBytes,
		MaxMessageBytes:     limits.MaxMessageBytes,
		QueueBytes:          limits.QueueBytes,
	})
	if err != nil {
		return err
	}
	g.folder.serve()
	return nil
}

const (
	fanoutWorkers = 64 // shards that deliver at the same time, over all apps
	verifyWorkers = 64 // tokens that are checked at the same time
)

// Start opens the listeners: the gateway is ready when it returns.
func (g *Gateway) Start() error {
	ln, err := g.listenAdmin()
	if err != nil {
		return err
	}
	g.adminAddr = ln.Addr()
	g.admin = &http.Server{Handler: g.adminHandler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug)}
	g.adminDone = make(chan error, 1)
	go func() { g.adminDone <- g.admin.Serve(ln) }()
	for _, address := range g.cfg.Listen {
		addr, err := g.engine.Listen(address, g.cfg.ReusePort)
		if err != nil {
			return err
		}
		g.public = append(g.public, addr)
	}
	if g.cfg.AppsDir != "" {
		g.background.Go(g.folder.follow)
	}
	g.ready.Store(true)
	return nil
}

// Addresses returns the real addresses of the public listeners and of the
// admin listener, after Start.
func (g *Gateway) Addresses() (public []net.Addr, admin net.Addr) { return g.public, g.adminAddr }

// Development reports whether the development app is served.
func (g *Gateway) Development() bool { return g.development }

// Close ends the gateway at once, without a drain. After Drain, or after Close,
// it does nothing.
func (g *Gateway) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return g.end(ctx)
}

// end stops all parts, once. Connections get what time ctx leaves.
func (g *Gateway) end(ctx context.Context) (err error) {
	g.ended.Do(func() { err = g.stop(ctx) })
	return err
}

// await waits for what works in the background, unless that hangs, on a folder of
// another machine for example.
func (g *Gateway) await(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		g.background.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

func (g *Gateway) stop(ctx context.Context) error {
	g.ready.Store(false)
	g.expiry.stop()
	close(g.halt)
	g.await(ctx)
	var errs []error
	if g.engine != nil {
		errs = append(errs, g.pardonHTTP(ctx, g.engine.Shutdown(ctx)))
	}
	if g.admin != nil {
		if err := g.admin.Shutdown(ctx); err != nil {
			g.log.Warn("HTTP requests on the admin listener were cut off: they had not ended in time")
			g.admin.Close()
		}
		if err := <-g.adminDone; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("admin listener: %w", err))
		}
	}
	for _, p := range []*engine.Pool{g.fanout, g.verifiers} {
		if p != nil {
			errs = append(errs, p.Close(time.Second))
		}
	}
	if q := g.hooks.Load(); q != nil { // it has heard of the last client that has gone
		errs = append(errs, q.Close())
	}
	return errors.Join(errs...)
}
