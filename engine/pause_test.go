package engine

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A connection can be paused before the poller knows it.
func TestPauseInOpen(t *testing.T) {
	opened := make(chan Conn, 1)
	got := make(chan string, 10)
	_, addr := newTest(t, Config{Inline: true, Handler: Handlers{
		OnOpen:    func(c Conn) { c.Pause(); opened <- c },
		OnMessage: func(_ Conn, m Message) { got <- string(m.Data) },
	}})
	p := dial(t, addr, "/")
	c := <-opened
	onLoop(c, func() {}) // the poller knows it now
	soon(t, "the poller was told", func() bool { return c.c.has(flagMuted) })
	want := []string{"one", "two", "three"}
	for _, s := range want {
		p.text(s)
	}
	onLoop(c, func() { c.c.onRead(nil) }) // as if it had been reported all the same
	select {
	case s := <-got:
		t.Errorf("%q was read while paused", s)
	default:
	}
	c.Resume()
	for _, s := range want {
		if s != <-got {
			t.Errorf("want %q", s)
		}
	}
	p.bye()
}

// A hint that a peer has hung up may come when its slot has been issued again.
// The connection that has it now must not suffer.
func TestStaleHangUp(t *testing.T) {
	opened := make(chan Conn, 1)
	_, addr := newTest(t, Config{Inline: true, Handler: Handlers{
		OnOpen:    func(c Conn) { opened <- c },
		OnMessage: echoes.OnMessage,
	}})
	t.Run("reading", func(t *testing.T) {
		p := dial(t, addr, "/")
		c := <-opened
		c.c.onHup(nil)
		onLoop(c, func() {}) // the hint has had its turn
		p.text("here")
		p.wantText("here")
		p.bye()
	})
	t.Run("paused", func(t *testing.T) {
		p := dial(t, addr, "/")
		c := <-opened
		c.Pause()
		soon(t, "the poller was told", func() bool { return c.c.has(flagMuted) })
		c.c.onHup(nil)
		onLoop(c, func() {})
		c.Resume()
		onLoop(c, func() {})
		p.text("here")
		p.wantText("here")
		p.bye()
	})
	t.Run("held up", func(t *testing.T) {
		p := dial(t, addr, "/")
		c := <-opened
		onLoop(c, func() { c.hold(true) })
		p.text("here")
		c.c.onHup(nil)
		onLoop(c, func() {})
		onLoop(c, func() {
			if !c.c.has(flagPauseOut) || c.c.has(flagUnheard) {
				t.Error("it is read without regard to what waits to be sent")
			}
			c.hold(false)
		})
		p.wantText("here")
		p.bye()
	})
}

// A hang-up while paused is not forgotten, whenever the pause ends.
func TestResumeAfterHangUp(t *testing.T) {
	opened := make(chan Conn, 1)
	end := make(ends, 1)
	_, addr := newTest(t, Config{Inline: true, Handler: end.handlers(Handlers{
		OnOpen: func(c Conn) { opened <- c },
	})})
	for i := range 300 {
		p := dial(t, addr, "/")
		c := <-opened
		c.Pause()
		soon(t, "the poller was told", func() bool { return c.c.has(flagMuted) })
		onLoop(c, func() { c.hold(true) })
		p.Close()
		soon(t, "the hang-up was noticed", func() bool { return c.c.has(flagHup) })
		var begin atomic.Bool
		go func() {
			for !begin.Load() {
				runtime.Gosched()
			}
			for range i {
				begin.Load()
			}
			c.Resume()
		}()
		onLoop(c, func() {
			begin.Store(true)
			c.c.loop().adjustReads(c.c) // as the end of another reason makes it
		})
		<-end
	}
}

// Whoever ends a connection: that the application has paused it does not keep
// it from seeing the peer's end.
func TestPauseThenEnd(t *testing.T) {
	for name, c := range map[string]struct {
		then string // from the peer
		code int
	}{
		"the peer closes":     {masked(true, ws.OpClose, "\x03\xe8"), 1000},
		"the peer is wrong":   {"\xff\xff", 1002},
		"the server closes":   {masked(true, ws.OpText, "close"), 4000},
		"the Handler panics":  {masked(true, ws.OpText, "panic"), 1011},
		"the message is huge": {"\x82\xff\x00\x00\x00\x00\x7f\xff\xff\xff", 1009},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, inline bool) {
				e, addr := newTest(t, Config{Inline: inline, CloseTimeout: time.Hour, LingerTimeout: time.Hour, Handler: Handlers{
					OnMessage: func(h Conn, m Message) {
						switch string(m.Data) {
						case "pause":
							h.Pause()
						case "close":
							h.Close(4000, "")
						case "panic":
							panic("as asked")
						}
					}}})
				p := dial(t, addr, "/")
				p.write(masked(true, ws.OpText, "pause") + c.then)
				p.wantClose(c.code)
				p.Close()
				soon(t, "the descriptor is closed", func() bool { return e.Stats().Sockets == 0 })
			})
		})
	}
}
