package gateway

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"stentor/engine"
)

// A stop takes no new connections, says goodbye to those there are, and ends
// with the last.
func TestDrain(t *testing.T) {
	s := newTest(t, nil)
	n, _ := s.native("?user=ann")
	r := s.raw("x", "")
	e := s.dial("/echo")
	done := make(chan error, 1)
	go func() { done <- s.Drain(context.Background()) }()
	m := n.json()
	retry, _ := m["retry_ms"].(float64)
	if m["type"] != "bye" || m["code"] != 1012.0 || retry < 500 || retry > 3000 {
		t.Errorf("received %v", m)
	}
	if reason := n.wantClose(1012); !strings.Contains(reason, "reconnect") {
		t.Errorf("reason %q", reason)
	}
	r.wantClose(1012)
	e.wantClose(1012)
	for _, p := range []*peer{n, r, e} {
		p.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("the public port is still open")
	}
}

// While connections are left the admin listener tells that it is not ready.
func TestDrainReadiness(t *testing.T) {
	s := newTest(t, nil)
	p := s.dial("/echo")
	done := make(chan error, 1)
	go func() { done <- s.Drain(context.Background()) }()
	soon(t, "not ready any more", func() bool { status, _ := s.fetch("/readyz"); return status == 503 })
	p.wantClose(1012)
	p.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A drain that is cut short says so.
func TestDrainCutShort(t *testing.T) {
	s := newTest(t, func(c *Config) { c.DrainWindow = time.Hour })
	for range 200 { // at 100 a second
		s.dial("/echo")
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Drain(ctx) }()
	soon(t, "some are closed", func() bool { return s.engine.Stats().Connections < 200 })
	cancel()
	if err := <-done; err == nil {
		t.Error("no error")
	}
}

// Closes are spread evenly over the window, never slower than 100 a second.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		n      int
		window time.Duration
		want   time.Duration
	}{
		{60000, 30 * time.Second, 30 * time.Second},
		{1000000, 30 * time.Second, 30 * time.Second},
		{7, 30 * time.Second, 70 * time.Millisecond},
		{1000, 30 * time.Second, 10 * time.Second},
		{100000, 0, 10 * time.Millisecond},
		{3000, time.Second, time.Second},
	} {
		p := newPace(c.n, c.window)
		steps, most := 0, 0
		for left := c.n; left > 0; steps++ {
			k := p.next()
			most = max(most, k)
			left -= k
		}
		took := time.Duration(steps) * drainStep
		if took < c.want-2*drainStep || took > c.want+2*drainStep {
			t.Errorf("%d over %v take %v, want %v", c.n, c.window, took, c.want)
		}
		if even := c.n/steps + 2; most > even {
			t.Errorf("%d over %v: %d in one step, %d on average", c.n, c.window, most, c.n/steps)
		}
	}
}

// A connection that opens through net/http while others are closed does not
// escape.
func TestDrainLateUpgrade(t *testing.T) {
	s := newTest(t, nil)
	p := s.dial("/echo")
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	buf := make([]byte, 4096)
	c.Read(buf)
	done := make(chan error, 1)
	go func() { done <- s.Drain(context.Background()) }()
	p.wantClose(1012)
	c.Write([]byte("GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"))
	p.Close()
	c.Read(buf) // a Close frame, a refusal, or the end
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The timer of the earliest token serves all.
func TestExpiry(t *testing.T) {
	s := newTest(t, nil)
	conns := make([]*peer, 3)
	for i := range conns {
		conns[i] = s.dial("/echo")
		conns[i].ask("x", "x")
	}
	var open []engine.Conn
	s.engine.Each(func(c engine.Conn) bool { open = append(open, c); return true })
	synctest.Test(t, func(t *testing.T) {
		var x expiry
		start := time.Now()
		c := open
		x.add(c[0], time.Time{}) // never
		x.add(c[1], start.Add(time.Hour))
		x.add(c[2], start.Add(time.Minute))
		x.add(c[0], start.Add(2*time.Hour))
		time.Sleep(59 * time.Second)
		waiting := func() int {
			x.mu.Lock()
			defer x.mu.Unlock()
			return len(x.heap)
		}
		if n := waiting(); n != 3 {
			t.Errorf("%d wait, want 3", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := waiting(); n != 2 {
			t.Errorf("%d wait after a minute, want 2", n)
		}
		x.stop()
		x.add(c[0], start)
		if len(x.heap) != 2 {
			t.Error("something was added after stop")
		}
	})
	closed := 0
	for _, p := range conns {
		p.SetReadDeadline(time.Now().Add(patience))
		p.WriteMessage(websocket.TextMessage, []byte("still here?"))
		if _, _, err := p.ReadMessage(); err != nil {
			closed++
		}
	}
	if closed != 1 {
		t.Errorf("%d connections were closed, want 1", closed)
	}
}
