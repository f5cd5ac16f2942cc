package engine

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestHandshakeAnswers(t *testing.T) {
	_, addr := newTest(t, Config{Inline: true, Handler: echoes, Upgrade: func(hs *Handshake) Answer {
		switch string(hs.Request.Target()) {
		case "/refuse":
			return Answer{Status: http.StatusForbidden, Text: "not you", Header: "X-Why: because\r\n"}
		case "/close":
			return Answer{CloseCode: 4401, CloseText: "token, please"}
		case "/protocol":
			return Answer{Protocol: "two", Header: "X-More: yes\r\n"}
		}
		if !hs.Remote().Addr().IsLoopback() {
			t.Errorf("remote %v", hs.Remote())
		}
		return Answer{}
	}})
	t.Run("accept", func(t *testing.T) {
		p := connect(t, addr)
		p.write(request("/"))
		resp := p.response()
		if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Errorf("%s %v", resp.Status, resp.Header)
		}
		p.text("hi")
		p.wantText("hi")
		p.bye()
	})
	t.Run("refuse", func(t *testing.T) {
		p := connect(t, addr)
		p.write(request("/refuse"))
		resp := p.response()
		if resp.StatusCode != 403 || resp.Header.Get("X-Why") != "because" {
			t.Errorf("%s %v", resp.Status, resp.Header)
		}
		b := make([]byte, 100)
		if n, _ := resp.Body.Read(b); string(b[:n]) != "not you" {
			t.Errorf("body %q", b[:n])
		}
		p.wantEOF()
	})
	t.Run("accept and close", func(t *testing.T) {
		p := dial(t, addr, "/close")
		if reason := p.wantClose(4401); reason != "token, please" {
			t.Errorf("reason %q", reason)
		}
		p.wantEOF()
	})
	t.Run("subprotocol and headers", func(t *testing.T) {
		p := connect(t, addr)
		p.write(request("/protocol", "Sec-WebSocket-Protocol: one, two"))
		resp := p.response()
		if resp.Header.Get("Sec-WebSocket-Protocol") != "two" || resp.Header.Get("X-More") != "yes" {
			t.Errorf("%s %v", resp.Status, resp.Header)
		}
		p.bye()
	})
}

// Requests that are not a correct handshake are refused in words, and cost
// nobody else anything.
func TestBadHandshakes(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, Handler: echoes, MaxHeaderBytes: 2000})
	good := request("/")
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"no key":         {strings.Replace(good, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1), 400},
		"bad key":        {strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=!", 1), 400},
		"version 8":      {strings.Replace(good, "Version: 13", "Version: 8", 1), 426},
		"no connection":  {strings.Replace(good, "Connection: Upgrade\r\n", "", 1), 400},
		"HTTP/1.0":       {strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), 505},
		"no host":        {strings.Replace(good, "Host: test\r\n", "", 1), 400},
		"no version":     {strings.Replace(good, " HTTP/1.1", "", 1), 400},
		"too large":      {strings.Replace(good, "Host: test", "X: "+strings.Repeat("x", 3000), 1), 431},
		"too large open": {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 3000), 431},
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, addr)
			p.write(c.head)
			if body := p.body(c.status); body == "" {
				t.Error("the response says nothing")
			}
			p.wantEOF()
		})
	}
	if n := e.Stats().Handshakes["malformed"]; n != 7 {
		t.Errorf("%d malformed handshakes were counted, want 7", n)
	}
}

// Frames in the same segment as the request are not lost.
func TestFramesWithHandshake(t *testing.T) {
	for name, later := range map[string]bool{"at once": false, "answered later": true} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, inline bool) {
				_, addr := newTest(t, Config{Inline: inline, Handler: echoes, Upgrade: func(hs *Handshake) Answer {
					if later {
						l := hs.Later()
						go l.Answer(Answer{})
					}
					return Answer{}
				}})
				p := connect(t, addr)
				big := strings.Repeat("b", 3000)
				p.write(request("/") + masked(true, ws.OpText, "early") + masked(true, ws.OpText, big)[:1000])
				if resp := p.response(); resp.StatusCode != 101 {
					t.Fatal(resp.Status)
				}
				p.wantText("early")
				p.write(masked(true, ws.OpText, big)[1000:])
				p.wantText(big)
				p.bye()
			})
		})
	}
}

// An answer may come later, from another goroutine; only the first counts, and
// meanwhile nothing is lost.
func TestAnswerLater(t *testing.T) {
	pending := make(chan *Later, 10)
	e, addr := newTest(t, Config{Inline: true, HandshakeTimeout: patience, Handler: Handlers{
		OnMessage: func(c Conn, m Message) { c.Write(Text, []byte(c.Data().(string)+string(m.Data))) },
	}, Upgrade: func(hs *Handshake) Answer {
		pending <- hs.Later()
		return Answer{Status: 500, Text: "is ignored"}
	}})
	t.Run("accept", func(t *testing.T) {
		p := connect(t, addr)
		p.write(request("/")[:30])
		p.write(request("/")[30:])
		l := <-pending
		p.text("early ")
		l.Answer(Answer{Data: "you said "})
		l.Answer(Answer{Status: 403})
		if resp := p.response(); resp.StatusCode != 101 {
			t.Fatal(resp.Status)
		}
		p.wantText("you said early ")
		p.bye()
	})
	t.Run("refuse", func(t *testing.T) {
		p := connect(t, addr)
		p.write(request("/"))
		(<-pending).Answer(Answer{Status: 401, Text: "no"})
		if body := p.body(401); body != "no" {
			t.Errorf("body %q", body)
		}
		p.wantEOF()
	})
	t.Run("the peer leaves", func(t *testing.T) {
		before := e.Stats().Handshakes["aborted"]
		p := connect(t, addr)
		p.write(request("/"))
		l := <-pending
		p.Close()
		soon(t, "it is gone", func() bool { return e.Stats().Handshakes["aborted"] == before+1 })
		soon(t, "its slot is free", func() bool { return e.Stats().Sockets == 0 })
		q := connect(t, addr) // takes the slot perhaps
		q.write(request("/"))
		mine := <-pending
		l.Answer(Answer{Data: "wrong"})
		mine.Answer(Answer{Data: "right"})
		if resp := q.response(); resp.StatusCode != 101 {
			t.Fatal(resp.Status)
		}
		q.text("")
		q.wantText("right")
		q.bye()
	})
	t.Run("too much before the answer", func(t *testing.T) {
		p := connect(t, addr)
		p.write(request("/"))
		l := <-pending
		go func() { // the server hangs up in the middle
			for range 100 {
				if _, err := p.Conn.Write(make([]byte, 10000)); err != nil {
					return
				}
			}
		}()
		if _, err := p.r.Read(make([]byte, 1)); err == nil {
			t.Error("something was answered")
		}
		l.Answer(Answer{})
	})
}

// A slow or silent handshake ends in time, and costs no goroutine.
func TestHandshakeTimeout(t *testing.T) {
	never := make(chan *Later, 1)
	e, addr := newTest(t, Config{Inline: true, HandshakeTimeout: 100 * time.Millisecond, Handler: echoes,
		Upgrade: func(hs *Handshake) Answer {
			if string(hs.Request.Target()) == "/never" {
				never <- hs.Later()
			}
			return Answer{}
		}})
	silent := connect(t, addr)
	slow := connect(t, addr)
	slow.write("GET / HTTP/1.1\r\nHost")
	undecided := connect(t, addr)
	undecided.write(request("/never"))
	if body := slow.body(408); !strings.Contains(body, "handshake_timeout") {
		t.Errorf("body %q", body)
	}
	slow.wantEOF()
	undecided.body(503)
	undecided.wantEOF()
	silent.wantEOF()
	(<-never).Answer(Answer{})
	if n := e.Stats().Handshakes["timeout"]; n != 3 {
		t.Errorf("%d timeouts were counted, want 3", n)
	}
}
