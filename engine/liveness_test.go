package engine

import (
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A silent peer is pinged. While it answers it stays; when it does not it is
// closed, with the code of its handshake's Answer. Only what comes from the
// peer counts: being written to keeps nobody alive.
func TestLiveness(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		end := make(ends, 1)
		opened := make(chan Conn, 1)
		e, addr := newTest(t, Config{Inline: inline, IdleTimeout: 60 * time.Millisecond, PongTimeout: 500 * time.Millisecond,
			Upgrade: func(*Handshake) Answer { return Answer{PongCode: 4201} },
			Handler: end.handlers(Handlers{OnOpen: func(c Conn) { opened <- c }})})
		p := dial(t, addr, "/")
		c := <-opened
		for range 3 {
			if op, body := p.next(); op != ws.OpPing || body != "" {
				t.Fatalf("received %v %q, want a ping", op, body)
			}
			p.write(masked(true, ws.OpPong, ""))
		}
		for {
			c.Write(Text, []byte("are you alive?"))
			op, body := p.next()
			if op == ws.OpClose {
				if body[:2] != "\x10\x69" {
					t.Errorf("closed with %q, want 4201", body)
				}
				break
			}
		}
		p.wantEOF()
		if r := <-end; r.Cause != ByPongTimeout || r.Code != 4201 {
			t.Errorf("reason %+v", r)
		}
		if n := e.Stats().Pings; n < 4 {
			t.Errorf("%d pings were counted", n)
		}
	})
}

// Any byte is a sign of life, even of a message that is not complete.
func TestAnyByteIsLife(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, IdleTimeout: 150 * time.Millisecond, PongTimeout: 150 * time.Millisecond, Handler: echoes})
	p := dial(t, addr, "/")
	msg := masked(true, ws.OpText, "a message that takes its time, byte by byte, longer than both timeouts")
	for i := range len(msg) {
		p.write(msg[i : i+1])
		time.Sleep(10 * time.Millisecond) // the subject is time here
	}
	for {
		op, got := p.next()
		if op == ws.OpPing { // the machine was busy
			continue
		}
		if op != ws.OpText || len(got) != len(msg)-6 {
			t.Fatalf("received %v %q", op, got)
		}
		break
	}
	if n := e.Stats().Closes["pong_timeout"]; n != 0 {
		t.Errorf("%d connections were given up", n)
	}
}

// The clock wraps after 497 days: intervals must not notice.
func TestClockWraps(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, IdleTimeout: time.Second, Handler: echoes})
	e.stopClock()
	e.now.Store(^uint32(0) - 10)
	p := dial(t, addr, "/")
	p.text("hi")
	p.wantText("hi")
	e.now.Store(50) // 61 ticks later: no idle second yet
	e.sweepAll()
	p.write(masked(true, ws.OpPing, "no ping of the server came before this"))
	if op, _ := p.next(); op != ws.OpPong {
		t.Fatalf("received %v", op)
	}
	e.now.Store(50 + 100)
	e.sweepAll()
	if op, _ := p.next(); op != ws.OpPing {
		t.Fatalf("received %v, want a ping", op)
	}
	p.bye()
}

// Many that fall silent together are handled a bounded number at a time.
func TestSweepInTurns(t *testing.T) {
	const n = 3 * sweepActions
	e, addr := newTest(t, Config{Inline: true, Loops: 1, IdleTimeout: time.Second, PongTimeout: time.Hour, Handler: echoes})
	e.stopClock()
	var peers []*peer
	for range n {
		peers = append(peers, dial(t, addr, "/"))
	}
	e.now.Add(100)
	e.sweepAll()
	for i, p := range peers {
		if op, _ := p.next(); op != ws.OpPing {
			t.Fatalf("connection %d received %v, want a ping", i, op)
		}
	}
	if got := e.Stats().Pings; got != n {
		t.Errorf("%d pings, want %d", got, n)
	}
	for _, p := range peers {
		p.Conn.Close()
	}
}
