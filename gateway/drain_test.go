package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
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

// keptAlive is a connection that has had an HTTP request answered.
type keptAlive struct {
	net.Conn
	r *bufio.Reader
}

func (s *server) keepAlive() *keptAlive {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	k := &keptAlive{c, bufio.NewReader(c)}
	if status := k.ask(s.t, "GET /assets/here.json HTTP/1.1\r\nHost: x\r\n\r\n"); status != 200 {
		s.t.Fatalf("the first request: %d", status)
	}
	return k
}

// ask sends a request and returns the status of the answer.
func (k *keptAlive) ask(t testing.TB, request string) int {
	t.Helper()
	io.WriteString(k, request)
	resp, err := http.ReadResponse(k.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 101 {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp.StatusCode
}

// upgrade is a handshake with further header lines.
func upgrade(version, lines string) string {
	return "GET /echo HTTP/" + version + "\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + lines + "\r\n"
}

// A handshake on a connection that was used for HTTP is refused for what a first
// one is.
func TestUpgradeKeptAlive(t *testing.T) {
	s := newTest(t, nil)
	for request, want := range map[string]int{
		upgrade("1.1", ""): 101,
		upgrade("1.1", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n":                  400,
		upgrade("1.1", "Transfer-Encoding: chunked\r\n") + "2\r\n\x81\x80\r\n0\r\n\r\n": 400,
		upgrade("1.1", "Content-Length: 2\r\n") + "\x81\x80":                            400,
		upgrade("1.0", "Connection: keep-alive\r\n"):                                    505,
	} {
		k := s.keepAlive()
		if status := k.ask(t, request); status != want {
			t.Errorf("%q: %d, want %d", request, status, want)
		}
		if want == 101 {
			continue
		}
		if rest, err := io.ReadAll(k.r); err != nil || len(rest) > 0 {
			t.Errorf("%q: %q and %v after the refusal", request, rest, err)
		}
		first, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		first.SetDeadline(time.Now().Add(patience))
		if status := (&keptAlive{first, bufio.NewReader(first)}).ask(t, request); status != want {
			t.Errorf("%q as the first request: %d, want %d", request, status, want)
		}
	}
}

// Where connections of one address are limited, those of HTTP are too.
func TestHTTPPerIP(t *testing.T) {
	s := newTest(t, func(c *Config) { c.Limits.MaxConnectionsPerIP = 2 })
	one, two := s.keepAlive(), s.keepAlive()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if status := (&keptAlive{c, bufio.NewReader(c)}).ask(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); status != 503 {
		t.Errorf("a third connection: %d", status)
	}
	// One that becomes a WebSocket counts once, and makes room when it ends.
	if status := one.ask(t, upgrade("1.1", "")); status != 101 {
		t.Errorf("an upgrade: %d", status)
	}
	soon(t, "it is open", func() bool { return s.engine.Stats().Connections == 1 })
	one.Close()
	two.Close()
	soon(t, "both are gone", func() bool { st := s.engine.Stats(); return st.Connections == 0 && st.HTTP == 0 })
	s.keepAlive()
	s.keepAlive()
}

// While a server drains, nobody comes in by a connection that was used for
// HTTP.
func TestDrainLateUpgrade(t *testing.T) {
	s := newTest(t, nil)
	p := s.dial("/echo")
	k := s.keepAlive()
	done := make(chan error, 1)
	go func() { done <- s.Drain(context.Background()) }()
	p.wantClose(1012) // and p does not close yet
	io.WriteString(k, upgrade("1.1", ""))
	if resp, err := http.ReadResponse(k.r, nil); err == nil && resp.StatusCode != 503 { // or it is closed already, as one that is idle
		t.Errorf("status %d", resp.StatusCode)
	}
	p.Close()
	k.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A request that does not end is cut off at the end of a drain, which is no
// failure. A drain that is cut short is one.
func TestDrainUnfinishedRequest(t *testing.T) {
	for _, short := range []bool{false, true} {
		s := newTest(t, nil)
		s.grace = 50 * time.Millisecond
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if short {
			s.grace = time.Hour
		}
		k := s.keepAlive()
		io.WriteString(k, "POST /api/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dev-secret\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n{")
		if line, err := k.r.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") { // its handler reads
			t.Fatalf("%q, %v", line, err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Drain(ctx) }()
		soon(t, "it drains", func() bool { return s.stopping.Load() })
		if short {
			cancel()
		}
		if err := <-done; (err != nil) != short {
			t.Errorf("cut short: %v, error %v", short, err)
		}
		io.Copy(io.Discard, k.r) // it ends
	}
}

// Connections that end before their tokens do not pile up.
func TestExpiryForgets(t *testing.T) {
	s := newTest(t, oneApp(nil))
	token := sign(t, tokenSecret, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})
	waiting := func() int {
		s.expiry.mu.Lock()
		defer s.expiry.mu.Unlock()
		return len(s.expiry.heap)
	}
	stays, _ := s.native("?token=" + token)
	for range 10 {
		var list []*peer
		for range 20 {
			p, _ := s.native("?token=" + token)
			list = append(list, p)
		}
		for _, p := range list {
			p.Close()
		}
		soon(t, "they are gone", func() bool { return s.apps.all()[0].hub.Stats().Clients == 1 })
		soon(t, "the list is short", func() bool { return waiting() <= 2 })
	}
	stays.quiet()
}

// The timer of the earliest token serves all.
func TestExpiry(t *testing.T) {
	s := newTest(t, nil)
	conns := make([]*peer, 3)
	for i := range conns {
		conns[i], _ = s.native("")
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
