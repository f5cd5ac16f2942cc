package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// What is no WebSocket reaches net/http whole, on the same port.
func TestHTTP(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, Handler: echoes, HandshakeTimeout: time.Second, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %v", r.Method, r.URL, len(body), err)
	})})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, c := range []struct {
		method, path string
		body         int
	}{
		{"GET", "/?a=b", 0},
		{"POST", "/small", 10},
		{"POST", "/large", 3 << 20}, // much more than a request head may have
		{"DELETE", "/", 0},
		{"HEAD", "/", 0},
	} {
		req, _ := http.NewRequest(c.method, "http://"+addr+c.path, bytes.NewReader(make([]byte, c.body)))
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprintf("%s %s %d <nil>", c.method, c.path, c.body); string(got) != want && c.method != "HEAD" {
			t.Errorf("%s %s: %s %.100q", c.method, c.path, resp.Status, got)
		}
	}
	p := connect(t, addr) // byte by byte, and not even HTTP
	for _, b := range []byte("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") {
		p.write(string(b))
	}
	if body := p.body(200); body != "GET /slow 0 <nil>" {
		t.Errorf("%q", body)
	}
	q := connect(t, addr)
	q.write("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") // a TLS hello
	q.write(strings.Repeat("\x00", 100))
	q.body(400)
	q.wantEOF()
	client.CloseIdleConnections()
	soon(t, "the connections are counted out", func() bool { return e.Stats().HTTP == 0 })
}

func TestHTTPTimeouts(t *testing.T) {
	_, addr := newTest(t, Config{Inline: true, Handler: echoes, HandshakeTimeout: 100 * time.Millisecond})
	p := connect(t, addr)
	p.write("POST / HTTP/1.1\r\nHost") // net/http's from the first letter on
	io.Copy(io.Discard, p.r)           // it ends
}

func TestMaxHTTPConnections(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, Handler: echoes, MaxHTTPConnections: 2})
	get := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	var held []*peer
	for range 2 {
		p := connect(t, addr)
		p.write(get)
		p.body(426)
		held = append(held, p)
	}
	p := connect(t, addr)
	p.write(get)
	if body := p.body(503); !strings.Contains(body, "max_http_connections") {
		t.Errorf("body %q", body)
	}
	p.wantEOF()
	w := dial(t, addr, "/") // WebSockets are not concerned
	w.bye()
	held[0].Close()
	soon(t, "a place is free", func() bool { return e.Stats().HTTP == 1 })
	q := connect(t, addr)
	q.write(get)
	q.body(426)
}

// A connection that was used for HTTP, as a proxy's kept alive ones are, can
// become a WebSocket later; frames behind the request are not lost.
func TestUpgradeAfterHTTP(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		_, addr := newTest(t, Config{Inline: inline, Handler: echoes, Upgrade: func(hs *Handshake) Answer {
			if string(hs.Request.Target()) != "/ws?x=%20y" || string(hs.Request.Header("X-Real")) != "yes" {
				return Answer{Status: 400, Text: string(hs.Request.Head())}
			}
			return Answer{}
		}})
		p := connect(t, addr)
		p.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		p.body(426)
		p.write("GET /again HTTP/1.1\r\nHost: x\r\n\r\n" + request("/ws?x=%20y", "X-Real: yes") + masked(true, Text, "early"))
		p.body(426)
		if resp := p.response(); resp.StatusCode != 101 {
			b, _ := io.ReadAll(resp.Body)
			t.Fatalf("%s %s", resp.Status, b)
		}
		p.wantText("early")
		p.text("later")
		p.wantText("later")
		p.bye()
	})
}

// Many that change over at once.
func TestUpgradeAfterHTTPMany(t *testing.T) {
	_, addr := newTest(t, Config{Inline: true, Handler: echoes})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			p := connect(t, addr)
			p.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			p.body(426)
			p.write(request("/"))
			if resp := p.response(); resp.StatusCode != 101 {
				t.Error(resp.Status)
				return
			}
			p.text("x")
			p.wantText("x")
			p.Conn.(*net.TCPConn).Close()
		})
	}
	wg.Wait()
}

// Requests that come while the engine shuts down leave nothing behind.
func TestShutdownUnderHTTP(t *testing.T) {
	for range 25 {
		e, err := New(Config{Inline: true, Handler: echoes, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		a, err := e.Listen("127.0.0.1:0", false)
		if err != nil {
			t.Fatal(err)
		}
		var clients sync.WaitGroup
		for range 6 {
			clients.Go(func() {
				for {
					c, err := net.Dial("tcp", a.String())
					if err != nil {
						return
					}
					c.SetDeadline(time.Now().Add(patience))
					io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
					io.Copy(io.Discard, c)
					c.Close()
				}
			})
		}
		soon(t, "requests are served", func() bool { return e.Stats().Handshakes["http"] > 20 })
		if err := e.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if n := e.Stats().HTTP; n != 0 || len(e.web.conns) != 0 {
			t.Fatalf("%d connections are left, %d of them unseen", n, len(e.web.conns))
		}
		clients.Wait()
		checkSettled(t, e)
	}
}

// A client that speaks TLS to a port that does not is told so, in a way that
// people can see with a tool at hand.
func TestTLSOnPlainPort(t *testing.T) {
	_, addr := newTest(t, Config{Inline: true, Handler: echoes})
	p := connect(t, addr)
	go tls.Client(p.Conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
	if text := p.body(http.StatusBadRequest); !strings.Contains(text, "does not speak TLS") {
		t.Errorf("answer %q", text)
	}
}
