package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"stentor/engine"
	"stentor/protocol/native"
)

const (
	drainLeast = 100 // closes a second at least
	drainStep  = 10 * time.Millisecond
	retryLeast = 500 * time.Millisecond // hint to native clients when to come back,
	retryMost  = 3 * time.Second        // at random between the two
)

// Drain stops gently: it takes no new connections, closes those there are over
// Config.DrainWindow, so that they do not all come back at once elsewhere, and
// returns when the last is gone. If ctx ends before, the rest is cut off, and
// ctx's error returned.
func (g *Gateway) Drain(ctx context.Context) error {
	g.ready.Store(false)
	g.engine.StopListening()
	g.log.Info("draining", "connections", g.engine.Stats().Connections, "window", g.cfg.DrainWindow.String())
	g.closeAll(ctx)
	left, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return g.end(left)
}

// closeAll closes every connection, evenly.
func (g *Gateway) closeAll(ctx context.Context) {
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	var list []engine.Conn
	for {
		if len(list) == 0 {
			g.engine.Each(func(c engine.Conn) bool {
				list = append(list, c)
				return true
			})
			if len(list) == 0 {
				return
			}
		}
		for pace := newPace(len(list), g.cfg.DrainWindow); len(list) > 0; {
			for range min(pace.next(), len(list)) {
				goodbye(list[len(list)-1])
				list = list[:len(list)-1]
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
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
	if n, ok := c.Data().(*nativeClient); ok {
		retry := retryLeast + rand.N(retryMost-retryLeast)
		n.write(native.AppendBye(nil, engine.StatusRestart, reason, retry))
	}
	c.Close(engine.StatusRestart, reason)
}
