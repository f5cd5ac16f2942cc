package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"stentor/engine"
	"stentor/protocol/native"
	"stentor/protocol/pusher"
)

const (
	drainLeast = 100 // closes a second at least
	drainStep  = 10 * time.Millisecond
	retryLeast = 500 * time.Millisecond // hint to native clients when to come back,
	retryMost  = 3 * time.Second        // at random between the two
	drainGrace = 10 * time.Second       // for closing handshakes and HTTP requests, at the end
)

// Drain stops gently: it takes no new connections, closes those there are over
// Config.DrainWindow, so that they do not all come back at once elsewhere, and
// returns when the last is gone. If ctx ends before, the rest is cut off, and
// ctx's error returned.
func (g *Gateway) Drain(ctx context.Context) error {
	g.ready.Store(false)
	g.stopping.Store(true)
	g.engine.StopListening()
	g.log.Info("draining", "connections", g.engine.Stats().Connections, "window", g.cfg.DrainWindow.String())
	g.closeAll(ctx)
	left, cancel := context.WithTimeoutCause(ctx, g.grace, errGrace)
	defer cancel()
	return g.end(left)
}

// errGrace is why a drain's last part ends.
var errGrace = errors.New("the time for HTTP requests to end is over")

// pardonHTTP takes requests that were cut off out of what the engine's end has
// brought, if it was a drain that left them their time: they hold up nothing
// and are no failure.
func (g *Gateway) pardonHTTP(ctx context.Context, err error) error {
	list, ok := err.(interface{ Unwrap() []error })
	if !ok || context.Cause(ctx) != errGrace {
		return err
	}
	var rest []error
	for _, e := range list.Unwrap() {
		if errors.Is(e, engine.ErrHTTPCutOff) {
			g.log.Warn("HTTP requests were cut off: they had not ended in time", "waited", g.grace.String())
		} else {
			rest = append(rest, e)
		}
	}
	return errors.Join(rest...)
}

// closeAll closes every connection, evenly.
func (g *Gateway) closeAll(ctx context.Context) {
	for {
		var list []engine.Conn
		g.engine.Each(func(c engine.Conn) bool {
			list = append(list, c)
			return true
		})
		if len(list) == 0 || !evenly(list, g.cfg.DrainWindow, ctx.Done(), goodbye) {
			return
		}
	}
}

// evenly calls f for each of a list, last to first, over a time, but for so many
// a second at least: drainLeast. It reports false if stop was closed before the
// end.
func evenly[T any](list []T, window time.Duration, stop <-chan struct{}, f func(T)) bool {
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	for pace := newPace(len(list), window); len(list) > 0; {
		for range min(pace.next(), len(list)) {
			f(list[len(list)-1])
			list = list[:len(list)-1]
		}
		select {
		case <-tick.C:
		case <-stop:
			return false
		}
	}
	return true
}

// pace tells how many to close in each step. What a step has not closed in
// full is carried over.
type pace struct{ perStep, owed float64 }

func newPace(n int, window time.Duration) *pace {
	perSecond := float64(drainLeast)
	if window > 0 {
		perSecond = max(perSecond, float64(n)/window.Seconds())
	} else {
		perSecond = max(perSecond, float64(n)/drainStep.Seconds())
	}
	return &pace{perStep: perSecond * drainStep.Seconds()}
}

func (p *pace) next() int {
	p.owed += p.perStep
	n := int(p.owed + 1e-9)
	p.owed -= float64(n)
	return n
}

// goodbye closes a connection for a restart, with a hint where the dialect has
// one.
func goodbye(c engine.Conn) {
	const reason = "the server restarts: reconnect"
	code := engine.StatusRestart
	switch n := c.Data().(type) {
	case *nativeClient:
		retry := retryLeast + rand.N(retryMost-retryLeast)
		n.write(native.AppendBye(nil, engine.StatusRestart, reason, retry))
	case *pusherClient:
		code = pusher.CodeReconnect
	}
	c.Close(code, reason)
}
