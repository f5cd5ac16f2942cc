package engine

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// ends collects Close events.
type ends chan Reason

func (e ends) handlers(h Handlers) Handlers {
	h.OnClose = func(_ Conn, r Reason) { e <- r }
	return h
}

func TestServerCloses(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		end := make(ends, 1)
		_, addr := newTest(t, Config{Inline: inline, Handler: end.handlers(Handlers{
			OnMessage: func(c Conn, m Message) {
				c.Write(Text, []byte("last words"))
				c.Close(4000, "that was all")
				c.Close(4001, "not heard")
				if err := c.Write(Text, []byte("too late")); err != ErrClosed {
					t.Errorf("Write after Close: %v", err)
				}
			},
		})})
		p := dial(t, addr, "/")
		p.text("close me")
		p.wantText("last words")
		if reason := p.wantClose(4000); reason != "that was all" {
			t.Errorf("reason %q", reason)
		}
		p.text("dropped")
		p.write(masked(true, ws.OpClose, "\x0f\xa0"))
		p.wantEOF()
		if r := <-end; r != (Reason{4000, "that was all", ByServer}) {
			t.Errorf("reason %+v", r)
		}
	})
}

// The peer does not answer our Close frame: the connection ends all the same.
func TestCloseWithoutAnswer(t *testing.T) {
	_, addr := newTest(t, Config{CloseTimeout: 50e6, Handler: Handlers{
		OnOpen: func(c Conn) { c.Close(1000, "") },
	}})
	p := dial(t, addr, "/")
	p.wantClose(1000)
	p.wantEOF()
}

func TestPeerCloses(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		answer   int
		reason   Reason
		finished bool
	}{
		"with code and reason": {body: "\x0f\xa0bye", answer: 4000, reason: Reason{4000, "bye", ByPeer}},
		"without a code":       {body: "", answer: statusNone, reason: Reason{statusNone, "", ByPeer}},
		"with a bad code":      {body: "\x03\xec", answer: 1002, reason: Reason{1002, "close status code must not be sent", ByViolation}},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, inline bool) {
				end := make(ends, 1)
				_, addr := newTest(t, Config{Inline: inline, Handler: end.handlers(echoes)})
				p := dial(t, addr, "/")
				// What follows the Close frame must not lead to a reset that
				// destroys the answer.
				p.write(masked(true, ws.OpClose, c.body) + masked(true, ws.OpText, "after the end") + masked(true, ws.OpPing, ""))
				p.wantClose(c.answer)
				p.wantEOF()
				if r := <-end; r != c.reason {
					t.Errorf("reason %+v, want %+v", r, c.reason)
				}
			})
		})
	}
}

// Data before a FIN is delivered, all of it, however much there is; then comes
// the Close event.
func TestDataBeforeFIN(t *testing.T) {
	const n, size = 40, 20000 // much more than a read buffer
	bothWays(t, func(t *testing.T, inline bool) {
		for name, end := range map[string]func(c *net.TCPConn){
			"half close": func(c *net.TCPConn) { c.CloseWrite() },
			"close":      func(c *net.TCPConn) { c.Close() },
		} {
			t.Run(name, func(t *testing.T) {
				var got atomic.Int64
				done := make(chan Reason, 1)
				_, addr := newTest(t, Config{Inline: inline, Handler: Handlers{
					OnMessage: func(_ Conn, m Message) { got.Add(int64(len(m.Data))) },
					OnClose:   func(_ Conn, r Reason) { done <- r },
				}})
				p := dial(t, addr, "/")
				p.write(strings.Repeat(masked(true, ws.OpBinary, strings.Repeat("d", size)), n))
				end(p.Conn.(*net.TCPConn))
				if r := <-done; r.Cause != ByLoss || r.Code != 1006 {
					t.Errorf("reason %+v", r)
				}
				if got.Load() != n*size {
					t.Errorf("%d of %d bytes were delivered", got.Load(), n*size)
				}
			})
		}
	})
}

func TestReset(t *testing.T) {
	end := make(ends, 1)
	_, addr := newTest(t, Config{Inline: true, Handler: end.handlers(echoes)})
	p := dial(t, addr, "/")
	p.text("hello")
	p.wantText("hello")
	p.Conn.(*net.TCPConn).SetLinger(0)
	p.Close()
	if r := <-end; r.Cause != ByReset && r.Cause != ByLoss {
		t.Errorf("reason %+v", r)
	}
}

// A violation while closing, in a message that is partly there: its parser
// state goes back, and is another's from then on.
func TestViolationWhileClosing(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, Loops: 1, CloseTimeout: patience, Handler: Handlers{
		OnMessage: func(c Conn, _ Message) { c.Close(1000, "") },
	}})
	var stop atomic.Bool
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for !stop.Load() {
				in := e.newInbound()
				in.parser.Reset(keepBuffer)
				inbounds.Put(in)
				time.Sleep(time.Microsecond)
			}
		})
	}
	for range 50 {
		p := dial(t, addr, "/")
		p.text("close")
		p.wantClose(1000)
		f := masked(false, ws.OpBinary, strings.Repeat("y", 1000))
		p.write(f[:500])
		soon(t, "it is kept", func() bool { return e.Stats().PartialBytes > 0 })
		p.write(f[500:] + "\xff\xff\xff\xff")
		p.wantEOF()
		p.Close()
	}
	stop.Store(true)
	others.Wait()
}

// Whoever closes, from however many goroutines at once: one Close event, one
// Close frame.
func TestCloseOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		var mu sync.Mutex
		events := map[Conn]int{}
		opened := make(chan Conn, 100)
		_, addr := newTest(t, Config{Inline: inline, Handler: Handlers{
			OnOpen: func(c Conn) { opened <- c },
			OnClose: func(c Conn, _ Reason) {
				mu.Lock()
				events[c]++
				mu.Unlock()
			},
		}})
		const n = 100
		var wg sync.WaitGroup
		for range n {
			p := dial(t, addr, "/")
			c := <-opened
			for range 4 {
				wg.Go(func() { c.Close(1000, "") })
				wg.Go(func() { c.Write(Text, []byte("x")) })
			}
			wg.Go(func() { p.Close() })
		}
		wg.Wait()
		soon(t, "every connection had its Close event", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(events) == n
		})
		for c, k := range events {
			if k != 1 {
				t.Errorf("%v had %d Close events", c, k)
			}
		}
	})
}

// A handle that is kept too long reaches nobody, least of all the connection
// that has got its slot.
func TestStaleHandle(t *testing.T) {
	opened := make(chan Conn, 1)
	e, addr := newTest(t, Config{Inline: true, Loops: 1, Handler: Handlers{
		OnOpen:    func(c Conn) { c.SetData("mine"); opened <- c },
		OnMessage: echoes.OnMessage,
	}})
	p := dial(t, addr, "/")
	old := <-opened
	if old.Data() != "mine" || !old.Remote().IsValid() {
		t.Errorf("data %v, remote %v", old.Data(), old.Remote())
	}
	p.bye()
	soon(t, "the slot is free", func() bool { return e.Stats().Sockets == 0 })
	q := dial(t, addr, "/")
	now := <-opened
	if now.c != old.c {
		t.Fatal("the slot was not reused: the test shows nothing")
	}
	if err := old.Write(Text, []byte("astray")); err != ErrClosed {
		t.Errorf("Write: %v", err)
	}
	if o := old.Send([]byte("\x81\x01x"), 1, Guard{}); o != Dropped {
		t.Errorf("Send: %v", o)
	}
	old.Close(4000, "astray")
	old.SetData("astray")
	old.Pause()
	old.Go(func() { t.Error("Go ran for a connection that is gone") })
	if old.Data() != nil || old.Remote().IsValid() || old.Backlog() != 0 {
		t.Error("a stale handle tells something")
	}
	if now.Data() != "mine" {
		t.Errorf("the new connection's data is %v", now.Data())
	}
	q.text("untouched")
	q.wantText("untouched")
	q.bye()
	var zero Conn
	zero.Close(1000, "")
	if zero.Write(Text, nil) != ErrClosed || zero.Data() != nil || zero.Send(nil, 0, Guard{}) != Dropped {
		t.Error("the zero Conn is not gone")
	}
}

func TestShutdown(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		end := make(ends, 10)
		e, addr := newTest(t, Config{Inline: inline, Handler: end.handlers(Handlers{})})
		var peers []*peer
		for range 5 {
			peers = append(peers, dial(t, addr, "/"))
		}
		silent := connect(t, addr) // a handshake that has not begun
		half := connect(t, addr)
		half.write("GET / HT")
		done := make(chan error, 1)
		go func() { done <- e.Shutdown(context.Background()) }()
		for _, p := range peers {
			p.wantClose(1001)
			p.write(masked(true, ws.OpClose, "\x03\xe9"))
			p.wantEOF()
			p.Close()
			if r := <-end; r.Cause != ByShutdown || r.Code != 1001 {
				t.Errorf("reason %+v", r)
			}
		}
		half.wantEOF() // what was no WebSocket yet is not waited for
		silent.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Error("the port is still open")
		}
	})
}

// What does not go in time is cut off, and still has its Close event.
func TestShutdownCutsOff(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		end := make(ends, 10)
		e, addr := newTest(t, Config{Inline: inline, Handler: end.handlers(Handlers{}), CloseTimeout: patience})
		for range 3 {
			dial(t, addr, "/") // does not answer the Close frame
		}
		half := connect(t, addr)
		half.write("GET / HT")
		soon(t, "the handshake is under way", func() bool { return e.Stats().Sockets == 4 })
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := e.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		for range 3 {
			if r := <-end; r.Cause != ByShutdown {
				t.Errorf("reason %+v", r)
			}
		}
		checkSettled(t, e)
	})
}
