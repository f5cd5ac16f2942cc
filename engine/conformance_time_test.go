package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stentor/engine"
)

// Timeouts that must pass in these tests are short; those that must not are
// confPatience, by confMode.config.
const (
	confShort = 100 * time.Millisecond
	// A peer that trickles pauses far less than this, also on a busy machine.
	confTrickled = time.Second
	confTrickle  = 5 * time.Millisecond
)

// expectPing reads one of the server's own pings (RFC 6455, 5.5.2).
func (c *confClient) expectPing() confFrame {
	c.t.Helper()
	f, err := c.next()
	if err != nil || f.op != opPing {
		c.t.Fatalf("got %v, %v, want a ping", f, err)
	}
	return f
}

// afterPings reads frames up to the first that is no ping.
func (c *confClient) afterPings() (f confFrame, pings int) {
	c.t.Helper()
	for {
		f, err := c.next()
		if err != nil {
			c.t.Fatalf("after %d pings: %v", pings, err)
		}
		if f.op != opPing {
			return f, pings
		}
		pings++
	}
}

// TestConformanceServerPings lets the connection fall silent for
// Config.IdleTimeout: the server pings. Whatever the client sends then is a
// sign of life, after which the server pings anew.
func TestConformanceServerPings(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := mode.config()
		cfg.IdleTimeout, cfg.PongTimeout = confShort, confPatience
		s := newConfServer(t, cfg)
		for name, sign := range map[string]func(ping confFrame) confFrame{
			"the pong":            func(ping confFrame) confFrame { return fPong(string(ping.payload)) },
			"an unsolicited pong": func(confFrame) confFrame { return fPong("something else") },
			"a ping":              func(confFrame) confFrame { return fPing("you too") },
			"a message":           func(confFrame) confFrame { return fText("alive") },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := s.dial(t)
				for pings := 0; pings < 4; {
					f, err := c.next()
					switch {
					case err != nil:
						t.Fatalf("after %d pings: %v", pings, err)
					case f.op == opPing:
						pings++
						c.send(sign(f))
					case f.op == opPong && string(f.payload) == "you too", f.op == opText && string(f.payload) == "alive":
					default:
						t.Fatalf("got %v", f)
					}
				}
				c.send(fClose(1000, ""))
				f, _ := c.afterPings()
				for f.op == opPong || f.op == opText {
					f, _ = c.afterPings()
				}
				if f.op != opClose || f.code() != 1000 {
					t.Fatalf("got %v, want the answer to the close frame", f)
				}
				c.expectEOF()
			})
		}
	})
}

// TestConformancePingInMessage sends a message so slowly that the server pings
// inside of it. Each octet is a sign of life, and the message arrives whole.
func TestConformancePingInMessage(t *testing.T) {
	want := fText(confPayload(1000))
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := mode.config()
		cfg.IdleTimeout, cfg.PongTimeout = confShort, confPatience
		c := newConfServer(t, cfg).dial(t)
		b := want.encode()
		for i := range 4 {
			c.expectPing()
			c.write(b[i : i+1])
		}
		c.expectPing()
		c.write(b[4:])
		if f, _ := c.afterPings(); f.op != opText || string(f.payload) != string(want.payload) {
			t.Fatalf("got %v, want %v", f, want)
		}
		c.send(fClose(1000, ""))
		if f, _ := c.afterPings(); f.op != opClose || f.code() != 1000 {
			t.Fatalf("got %v, want the answer to the close frame", f)
		}
		c.expectEOF()
	})
}

// TestConformancePongMissing does not answer the server's ping: after
// Config.PongTimeout the server ends the connection with the code that the
// handshake's Answer named, 4408 without one.
func TestConformancePongMissing(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		for code, want := range map[int]int{0: 4408, 1001: 1001, 4999: 4999} {
			cfg := mode.config()
			cfg.IdleTimeout, cfg.PongTimeout = confShort, confShort
			cfg.Upgrade = func(*engine.Handshake) engine.Answer { return engine.Answer{PongCode: code} }
			s := newConfServer(t, cfg)
			for name, sent := range map[string][]byte{
				"nothing": nil, "a message": fText("hello").encode(), "half a message": fText("hello").encode()[:9],
			} {
				t.Run(fmt.Sprintf("code %d after %s", code, name), func(t *testing.T) {
					t.Parallel()
					c := s.dial(t)
					c.write(sent)
					f, pings := c.afterPings()
					if name == "a message" {
						if f.op != opText || string(f.payload) != "hello" {
							t.Fatalf("got %v, want the echo", f)
						}
						f, pings = c.afterPings()
					}
					if pings == 0 || sent == nil && pings > 1 {
						t.Errorf("%d pings before the end", pings)
					}
					if f.op != opClose || f.code() != want {
						t.Fatalf("got %v, want a close frame with %d", f, want)
					}
					c.expectEOF()
					if got := c.reason(); got != fmt.Sprintf("%d pong_timeout", want) {
						t.Errorf("the Handler heard of an end by %q", got)
					}
				})
			}
		}
	})
}

// closeOnCommand is an echo that closes when a message asks for it: "close
// CODE TEXT". A second call must change nothing, and what is written after it
// must not be sent.
func closeOnCommand(c engine.Conn, m engine.Message) {
	var code int
	if n, _ := fmt.Sscanf(string(m.Data), "close %d", &code); n == 1 {
		_, text, _ := strings.Cut(string(m.Data[len("close "):]), " ")
		c.Write(m.Op, []byte("last"))
		c.Close(code, text)
		c.Close(4999, "a second close")
		c.Write(m.Op, []byte("too late"))
		return
	}
	confEcho(c, m)
}

// TestConformanceServerCloses begins the closing handshake at the server
// (RFC 6455, 7.1.2), which ends TCP when the client has answered.
func TestConformanceServerCloses(t *testing.T) {
	longest := strings.Repeat("*", 123)
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := mode.config()
		cfg.Handler = engine.Handlers{OnMessage: closeOnCommand}
		s := newConfServer(t, cfg)
		for _, tc := range []struct {
			command string
			frame   confFrame
			code    int
		}{
			{"close 1000 ", fClose(1000, ""), 1000},
			{"close 1000 bye", fClose(1000, "bye"), 1000},
			{"close 1012 " + kosme, fClose(1012, kosme), 1012},
			{"close 3000 ", fClose(3000, ""), 3000},
			{"close 4999 " + longest, fClose(4999, longest), 4999},
			{"close 4999 " + longest + "*", fClose(4999, longest), 4999},                   // cut to what fits
			{"close 4999 " + longest[1:] + kosme, fClose(4999, longest[1:]), 4999},         // not inside a character
			{"close 0 none", fCloseBody(""), 0}, {"close 1005 none", fCloseBody(""), 1005}, // never sent
		} {
			for _, answer := range []confFrame{tc.frame, fCloseBody(""), fClose(1000, "another")} {
				t.Run(fmt.Sprintf("%v answered by %v", tc.frame, answer), func(t *testing.T) {
					t.Parallel()
					c := s.dial(t)
					c.send(fText(tc.command))
					c.expect(fText("last"))
					c.expect(tc.frame)
					// Until the answer, messages and pings change nothing.
					c.send(fText("hello"), fPing("hello"), answer)
					c.expectEOF()
					if got, want := c.reason(), fmt.Sprintf("%d server", tc.code); got != want {
						t.Errorf("the Handler heard of an end by %q, want %q", got, want)
					}
				})
			}
		}
		t.Run("both at once", func(t *testing.T) {
			t.Parallel()
			c := s.dial(t)
			c.send(fText("close 4000 "), fClose(4001, ""))
			if head, err := c.r.Peek(1); err == nil && head[0]&0xf == opText { // lost if the client's was faster
				c.expect(fText("last"))
			}
			c.expectClose(4000, 4001)
		})
	})
}

// TestConformanceUnfinished does not do the client's part within the server's
// timeout, in silence or while it goes on sending something else. The timeouts
// are for the part as a whole; whoever trickles must not hold the server up.
func TestConformanceUnfinished(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		for _, trickles := range []bool{false, true} {
			timeout := confShort
			if trickles {
				timeout = confTrickled
			}
			name := map[bool]string{false: ", silent", true: ", trickling"}[trickles]
			trickle := func(c *confClient, b []byte) {
				c.conn.SetReadDeadline(time.Now().Add(confPatience))
				if trickles {
					c.trickle(b)
				}
			}
			t.Run("request"+name, func(t *testing.T) {
				t.Parallel()
				cfg := mode.config()
				cfg.HandshakeTimeout = timeout
				c := newConfServer(t, cfg).connect(t)
				c.write([]byte("GET /conformance HTTP/1.1\r\nX-Slow: "))
				trickle(c, []byte("x"))
				c.refused(408)
			})
			t.Run("closing handshake"+name, func(t *testing.T) {
				t.Parallel()
				cfg := mode.config()
				cfg.CloseTimeout = timeout
				cfg.Handler = engine.Handlers{OnMessage: closeOnCommand}
				c := newConfServer(t, cfg).dial(t)
				c.send(fText("close 4000 bye"))
				c.expect(fText("last"))
				c.expect(fClose(4000, "bye"))
				trickle(c, fText("I do not listen").encode())
				c.gone()
				if got := c.reason(); got != "4000 server" {
					t.Errorf("the Handler heard of an end by %q", got)
				}
			})
			t.Run("end of TCP"+name, func(t *testing.T) {
				t.Parallel()
				cfg := mode.config()
				cfg.LingerTimeout = timeout
				s := newConfServer(t, cfg)
				c := s.dial(t)
				c.send(fText("hello").unmasked())
				c.expectClose(1002)
				trickle(c, fText("I do not listen").encode())
				confUntil(t, "the server lets go of the socket", func() bool { return s.Stats().Sockets == 0 })
			})
		}
		t.Run("request, nothing of it", func(t *testing.T) {
			t.Parallel()
			cfg := mode.config()
			cfg.HandshakeTimeout = confShort
			newConfServer(t, cfg).connect(t).expectEOF()
		})
	})
}

// trickle writes octets again and again, in the background, until the test is
// over.
func (c *confClient) trickle(b []byte) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(confTrickle)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				c.conn.Write(b)
			}
		}
	}()
	c.t.Cleanup(func() { close(stop); <-done })
}
