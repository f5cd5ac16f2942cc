package swarm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// key is the nonce of a request.
func key(r *http.Request) string { return r.Header.Get("Sec-WebSocket-Key") }

// The answer may come in any two pieces, with the first message behind it.
func TestHeadInPieces(t *testing.T) {
	const more = "Server: x\r\n"
	whole := len(greeting("", more) + frame(0x81, "hello"))
	received := make(chan int64)
	cuts := make(chan int, 1)
	at := serve(t, func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
		b, cut := greeting(key(r), more)+frame(0x81, "hello"), <-cuts
		io.WriteString(c, b[:cut])
		for n := range received {
			if n == int64(cut) {
				break
			}
		}
		io.WriteString(c, b[cut:])
		hold(c)
	})
	got := make(chan string, 10)
	s := clients(t, Config{Target: at, Handler: &funcs{
		opened:  func(*Conn) { got <- "opened" },
		message: func(_ *Conn, _ bool, data []byte) { got <- string(data) },
		closed:  func(_ *Conn, _ bool, why Cause) { got <- string(why) },
	}})
	for cut := range whole {
		cuts <- cut
		var before, now int64
		s.on(0, func(c *Conn) {
			before = c.loop.ReceivedBytes
			c.Dial(0)
		})
		for end := time.Now().Add(patience); now < int64(cut) && time.Now().Before(end); {
			s.on(0, func(c *Conn) { now = c.loop.ReceivedBytes - before })
		}
		received <- now
		for _, want := range []string{"opened", "hello"} {
			if x := <-got; x != want {
				t.Fatalf("cut at %d: %q, want %q", cut, x, want)
			}
		}
		s.on(0, (*Conn).Abort)
		if x := <-got; x != string(Done) {
			t.Fatalf("cut at %d: %q", cut, x)
		}
	}
}

// Each way in which an attempt or a connection can end has its cause.
func TestEnds(t *testing.T) {
	greet := func(c net.Conn, r *http.Request) { io.WriteString(c, greeting(key(r), "")) }
	reset := func(c *net.TCPConn) {
		c.SetLinger(0)
		c.Close()
	}
	closeFrame := func(code int) string {
		return frame(0x88, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+"why")
	}
	for name, c := range map[string]struct {
		server func(c *net.TCPConn, in *bufio.Reader, r *http.Request)
		client func(c *Conn) // when it is open
		opened bool
		want   Cause
	}{
		"HTTP 503": {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) { io.WriteString(c, "HTTP/1.1 503 No\r\n\r\n") }, nil, false, "HTTP status 503"},
		"HTTP 200": {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n<html>")
		}, nil, false, "HTTP status 200"},
		"no HTTP": {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) { io.WriteString(c, "220 smtp\r\n\r\n") }, nil, false, BadHandshake},
		"an endless head": {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) {
			io.WriteString(c, strings.Repeat("x", maxHead+1))
			hold(c)
		}, nil, false, BadHandshake},
		"FIN before an answer": {func(*net.TCPConn, *bufio.Reader, *http.Request) {}, nil, false, BadHandshake},
		"FIN in an answer":     {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) { io.WriteString(c, "HTTP/1.1 101 ") }, nil, false, BadHandshake},
		"RST before an answer": {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) { reset(c) }, nil, false, Reset},
		"no answer":            {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) { hold(c) }, nil, false, Timeout},
		"wrong accept": {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) {
			io.WriteString(c, greeting("other", ""))
			hold(c)
		}, nil, false, BadAccept},
		"extension": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, greeting(key(r), "Sec-WebSocket-Extensions: x\r\n"))
			hold(c)
		}, nil, false, BadHandshake},
		"subprotocol": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, greeting(key(r), "Sec-WebSocket-Protocol: x\r\n"))
			hold(c)
		}, nil, false, BadHandshake},
		"no upgrade": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, strings.Replace(greeting(key(r), ""), "Upgrade: websocket", "Upgrade: h2c", 1))
			hold(c)
		}, nil, false, BadHandshake},
		"no connection": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, strings.Replace(greeting(key(r), ""), "Connection: Upgrade", "Connection: close", 1))
			hold(c)
		}, nil, false, BadHandshake},
		"aborted before": {func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) { hold(c) }, nil, false, Done},

		"our subprotocol": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, greeting(key(r), "Sec-WebSocket-Protocol: mine\r\n"))
		}, nil, true, NoClose},
		"FIN": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) { greet(c, r) }, nil, true, NoClose},
		"FIN in a frame": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, greeting(key(r), "")+"\x81\x05he")
		}, nil, true, NoClose},
		"aborted": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) { greet(c, r); hold(c) }, (*Conn).Abort, true, Done},
		"failed":  {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) { greet(c, r); hold(c) }, func(c *Conn) { c.Fail("mine") }, true, "mine"},
		"Close with 1001": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, greeting(key(r), "")+closeFrame(1001))
		}, nil, true, "closed by the server with 1001"},
		"Close with 4321, then RST": {func(c *net.TCPConn, in *bufio.Reader, r *http.Request) {
			io.WriteString(c, greeting(key(r), "")+closeFrame(4321))
			readFrame(in) // the client's
			reset(c)
		}, nil, true, "closed by the server with 4321"},
		"Close without a code": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, greeting(key(r), "")+frame(0x88, ""))
		}, nil, true, "closed by the server with 1005"},
		"Close, and no end": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
			io.WriteString(c, greeting(key(r), "")+closeFrame(1000))
			hold(c)
		}, nil, true, "closed by the server with 1000"},
		"our Close, no answer": {func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) { greet(c, r); hold(c) }, func(c *Conn) { c.Close(1000) }, true, CloseTimeout},
		"our Close, then FIN":  {func(c *net.TCPConn, in *bufio.Reader, r *http.Request) { greet(c, r); readFrame(in) }, func(c *Conn) { c.Close(1000) }, true, Done},
		"our Close, then theirs": {func(c *net.TCPConn, in *bufio.Reader, r *http.Request) {
			greet(c, r)
			readFrame(in)
			io.WriteString(c, closeFrame(1000))
		}, func(c *Conn) { c.Close(1000) }, true, Done},
		"our Close, then a reset": {func(c *net.TCPConn, in *bufio.Reader, r *http.Request) { greet(c, r); readFrame(in); reset(c) }, func(c *Conn) { c.Close(1000) }, true, Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			end := make(chan string, 10)
			timeout := patience
			if c.want == Timeout || c.want == CloseTimeout || name == "Close, and no end" {
				timeout = 50 * time.Millisecond
			}
			s := clients(t, Config{Target: serve(t, c.server), Timeout: timeout, Subprotocols: []string{"mine"}, Handler: &funcs{
				opened: func(x *Conn) {
					if c.client != nil {
						c.client(x)
					}
				},
				message: func(*Conn, bool, []byte) { end <- "a message" },
				closed:  func(_ *Conn, opened bool, why Cause) { end <- fmt.Sprint(opened, " ", why) },
			}})
			s.on(0, func(c *Conn) { c.Dial(0) })
			if name == "aborted before" {
				soon(t, "the handshake", func() (ok bool) {
					s.on(0, func(c *Conn) { ok = c.state == handshaking })
					return ok
				})
				s.on(0, (*Conn).Abort)
			}
			want := fmt.Sprint(c.opened, " ", c.want)
			if c.opened && timeout < patience {
				// On a busy machine the handshake may be what takes too long.
				if got := <-end; got != want && got != fmt.Sprint(false, " ", Timeout) {
					t.Errorf("%q, want %q", got, want)
				}
			} else if got := <-end; got != want {
				t.Errorf("%q, want %q", got, want)
			}
			soon(t, "the socket is closed", func() (ok bool) {
				s.on(0, func(c *Conn) {
					ok = c.state == idle && c.Idle() && c.aux == nil && c.op.FD == -1 && c.loop.inFlight == 0
				})
				return ok
			})
			if len(end) > 0 {
				t.Errorf("and then %q", <-end)
			}
		})
	}
}

// A Close frame of the server's is answered with its code.
func TestCloseIsAnswered(t *testing.T) {
	var log []string
	c, peer := detached(t, Config{Handler: record(&log)})
	c.feed([]byte(frame(0x88, "\x03\xf3later")+frame(0x81, "too late")), 0)
	f, err := readFrame(bytes.NewReader(drain(peer)))
	if err != nil || f.Header.OpCode != ws.OpClose || !f.Header.Masked || len(log) > 0 {
		t.Fatalf("%+v, %v, %q", f.Header, err, log)
	}
	if ws.Cipher(f.Payload, f.Header.Mask, 0); string(f.Payload) != "\x03\xf3" {
		t.Errorf("answered with %q", f.Payload)
	}
}

// Nobody listens.
func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	end := make(chan Cause, 1000)
	s := clients(t, Config{Target: at, Clients: 200, Loops: 2, InFlight: 8, Sources: []netip.Addr{netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("127.0.0.4")},
		Handler: &funcs{closed: func(_ *Conn, opened bool, why Cause) {
			if opened {
				why += ", but it was open"
			}
			end <- why
		}}})
	s.Each(func(l *Loop) { l.Clients(func(c *Conn) { c.Dial(0) }) })
	for range 200 {
		if why := <-end; why != Refused {
			t.Fatal(why)
		}
	}
}

// A nonce is made of 16 bytes, and no two are the same.
func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	s := &Swarm{cfg: Config{Seed: 5}}
	for number := range int32(100) {
		for life := range uint32(20) {
			c := Conn{loop: &Loop{swarm: s}, number: number, life: life}
			var k [24]byte
			c.key(&k)
			if seen[string(k[:])] || !strings.HasSuffix(string(k[:]), "==") {
				t.Fatalf("%s for life %d of client %d", k, life, number)
			}
			seen[string(k[:])] = true
		}
	}
	// The example of RFC 6455, 1.3.
	var a [28]byte
	accept([]byte("dGhlIHNhbXBsZSBub25jZQ=="), &a)
	if string(a[:]) != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("accept %s", a)
	}
}

// A head passes only if it switches protocols and knows the key.
func FuzzHead(f *testing.F) {
	c := Conn{loop: &Loop{swarm: &Swarm{cfg: Config{Seed: 5, Subprotocols: []string{"mine"}}}}, number: 1, life: 1}
	var k [24]byte
	var want [28]byte
	c.key(&k)
	accept(k[:], &want)
	f.Add([]byte(greeting(string(k[:]), "")))
	f.Add([]byte(greeting(string(k[:]), "Sec-WebSocket-Protocol: mine\r\nX: y\r\n z\r\n")))
	f.Add([]byte(greeting("x", "")))
	f.Add([]byte("HTTP/1.0 200\r\nContent-Length: -1\r\n\r\n"))
	if why := c.checkHead([]byte(greeting(string(k[:]), ""))); why != "" {
		f.Error(why)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		if why := c.checkHead(head); why == "" && (!bytes.Contains(head, want[:]) || !bytes.Contains(head, []byte("101"))) {
			t.Errorf("%q passes", head)
		}
	})
}
