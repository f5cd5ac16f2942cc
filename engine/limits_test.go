package engine

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"stentor/frame"
	"stentor/test/kit"
)

// Above the limit a client is told to come back later, and it may when others
// have gone.
func TestMaxConnections(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, MaxConnections: 3, Handler: echoes})
	var peers []*peer
	for range 3 {
		peers = append(peers, dial(t, addr, "/"))
	}
	p := dial(t, addr, "/")
	if reason := p.wantClose(1013); !strings.Contains(reason, "later") {
		t.Errorf("reason %q", reason)
	}
	p.wantEOF()
	peers[0].bye()
	soon(t, "a place is free", func() bool { return e.Stats().Connections == 2 })
	q := dial(t, addr, "/")
	q.text("in")
	q.wantText("in")
	for _, p := range append(peers[1:], q) {
		p.bye()
	}
	if n := e.Stats().Handshakes["turned_away"]; n != 1 {
		t.Errorf("%d were turned away, want 1", n)
	}
}

// However many come at once, the limit holds exactly.
func TestMaxConnectionsExactly(t *testing.T) {
	const limit, n = 50, 200
	e, addr := newTest(t, Config{Inline: true, MaxConnections: limit, Handler: echoes})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { dial(t, addr, "/") })
	}
	wg.Wait()
	soon(t, "all were decided on", func() bool {
		h := e.Stats().Handshakes
		return h["accepted"]+h["turned_away"] == n
	})
	if h := e.Stats().Handshakes; h["accepted"] != limit {
		t.Errorf("%d were accepted, want %d", h["accepted"], limit)
	}
}

func TestMaxConnectionsPerIP(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, MaxConnectionsPerIP: 2, Handler: echoes})
	a, b := dial(t, addr, "/"), dial(t, addr, "/")
	if op, body := dial(t, addr, "/").next(); op != ws.OpClose || !strings.HasPrefix(body, "\x03\xf52 connections of this address") {
		t.Errorf("%v %q", op, body)
	}
	// Another address has its own count.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte(request("/")))
	buf := make([]byte, 12)
	c.Read(buf)
	if string(buf) != "HTTP/1.1 101" {
		t.Errorf("%q", buf)
	}
	a.bye()
	soon(t, "a place is free", func() bool { return e.Stats().Connections == 2 })
	again := dial(t, addr, "/")
	again.text("in")
	again.wantText("in")
	again.bye()
	b.bye()
}

// What turns a connection away for want of room may depend on the request.
func TestFullCode(t *testing.T) {
	byPath := func(req frame.Request) int {
		if string(req.Target()) == "/special" {
			return 4100
		}
		return 0
	}
	for name, limits := range map[string]Config{
		"in all":     {MaxConnections: 1},
		"an address": {MaxConnectionsPerIP: 1},
	} {
		t.Run(name, func(t *testing.T) {
			limits.Inline, limits.Handler, limits.FullCode = true, echoes, byPath
			_, addr := newTest(t, limits)
			first := dial(t, addr, "/")
			dial(t, addr, "/special").wantClose(4100)
			dial(t, addr, "/").wantClose(1013)
			first.bye()
		})
	}
}

func TestAcceptRate(t *testing.T) {
	const n = 10
	_, addr := newTest(t, Config{Inline: true, Loops: 1, AcceptRate: 100, Handler: echoes})
	// All are served in the end: what waits in the backlog is not lost.
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			p := dial(t, addr, "/")
			p.text("x")
			p.wantText("x")
			p.bye()
		})
	}
	wg.Wait()
}

// The bucket itself, in fake time.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRate(20) // a tenth of a second's tokens: 2
		took := 0
		for start := time.Now(); time.Since(start) < 10*time.Second; {
			if wait := r.take(); wait > 0 {
				time.Sleep(wait)
				continue
			}
			took++
		}
		if took < 199 || took > 203 {
			t.Errorf("%d tokens in 10 s, want 200", took)
		}
		time.Sleep(time.Minute)
		burst := 0
		for r.take() == 0 {
			burst++
		}
		if burst != 2 {
			t.Errorf("%d tokens after a minute's rest, want 2", burst)
		}
		r.giveBack()
		if r.take() != 0 {
			t.Error("a token that was given back cannot be taken")
		}
	})
	if r := newRate(0); r.take() != 0 {
		t.Error("no limit limits")
	}
}

// When descriptors run out the server waits and says so, instead of spinning;
// connections that are open are served on, and new ones when there is room.
// The test runs in a process of its own, whose limit it lowers.
func TestDescriptorsRunOut(t *testing.T) {
	if os.Getenv("STENTOR_TEST_DESCRIPTORS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDescriptorsRunOut$", "-test.v")
		cmd.Env = append(os.Environ(), "STENTOR_TEST_DESCRIPTORS=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	var log kit.Buffer
	e, addr := newTest(t, Config{Inline: true, Handler: echoes, Log: slog.New(slog.NewTextHandler(&log, nil))})
	first := dial(t, addr, "/")
	limit := syscall.Rlimit{Cur: uint64(kit.Descriptors() + 20), Max: uint64(kit.Descriptors() + 20)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	// A connection costs this process two descriptors, the client's and the
	// server's: the clients get the last ones, the server finds none.
	var clients []net.Conn
	for {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		c.Write([]byte(request("/")))
		clients = append(clients, c)
	}
	soon(t, "the server noticed", func() bool { return e.Stats().AcceptErrors > 0 })
	soon(t, "the server said so", func() bool {
		return strings.Contains(log.String(), "too many open files") && strings.Contains(log.String(), "ulimit -n")
	})
	// It does not spin: between two looks there is a pause, so the count of
	// failures stays far below that of a loop without one.
	before := e.Stats().AcceptErrors
	time.Sleep(3 * acceptBackOff)
	if n := e.Stats().AcceptErrors - before; n > 40 {
		t.Errorf("%d failures to accept in %v", n, 3*acceptBackOff)
	}
	first.text("still served")
	first.wantText("still served")
	for _, c := range clients {
		c.Close()
	}
	soon(t, "a new connection is served", func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		c.Write([]byte(request("/")))
		buf := make([]byte, 12)
		n, _ := c.Read(buf)
		return string(buf[:n]) == "HTTP/1.1 101"
	})
	first.bye()
}

// A message over the limit ends its connection with 1009, as soon as its header
// has come, and by fragments too.
func TestMaxMessageBytes(t *testing.T) {
	end := make(ends, 2)
	_, addr := newTest(t, Config{Inline: true, MaxMessageBytes: 1000, Handler: end.handlers(echoes)})
	p := dial(t, addr, "/")
	p.text(strings.Repeat("x", 1000))
	p.wantText(strings.Repeat("x", 1000))
	p.write(masked(true, ws.OpText, strings.Repeat("x", 1001))[:8])
	if reason := p.wantClose(1009); !strings.Contains(reason, "1000 bytes") {
		t.Errorf("reason %q", reason)
	}
	p.wantEOF()
	if r := <-end; r.Cause != ByTooBig {
		t.Errorf("reason %+v", r)
	}
	q := dial(t, addr, "/")
	q.write(masked(false, ws.OpText, strings.Repeat("x", 600)) + masked(true, ws.OpContinuation, strings.Repeat("x", 401)))
	q.wantClose(1009)
	q.wantEOF()
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"Handler":     {},
		"QueueBytes":  {Handler: echoes, QueueBytes: -1},
		"IdleTimeout": {Handler: echoes, IdleTimeout: -1},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// The last descriptors are not for connections: whoever looks after the process
// still gets one. Nobody who waits for one is turned away.
func TestReserveOfDescriptors(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			var log kit.Buffer
			e, addr := newTest(t, Config{Inline: true, Loops: 1, Handler: echoes, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if network == "unix" {
				addr = "unix:" + filepath.Join(t.TempDir(), "s.sock")
				if _, err := e.Listen(addr, false); err != nil {
					t.Fatal(err)
				}
			}
			set := make(chan struct{})
			e.loops[0].post(task{kind: taskCall, arg: func() { e.descriptors = kit.Descriptors() + 20; close(set) }})
			<-set
			var clients []*peer
			for e.Stats().AcceptErrors == 0 {
				p := connect(t, addr)
				p.write(request("/"))
				clients = append(clients, p)
				soon(t, "it is served, or waits", func() bool {
					s := e.Stats()
					return s.Connections == int64(len(clients)) || s.AcceptErrors > 0
				})
			}
			soon(t, "the server said so", func() bool { return strings.Contains(log.String(), "ulimit -n") })
			if n := e.Stats().Connections; n < 5 || n != int64(len(clients)-1) {
				t.Fatalf("%d of %d are served", n, len(clients))
			}
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			clients[0].Close()
			clients = clients[1:]
			for _, p := range clients {
				p.response()
				p.text("served")
				p.wantText("served")
				p.Close()
			}
		})
	}
}
