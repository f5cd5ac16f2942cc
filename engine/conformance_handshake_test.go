package engine_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"stentor/engine"
)

// handshakeCase is a request and the status of the answer to it.
type handshakeCase struct {
	id      string
	request string
	status  int
}

// altered returns confRequest with a line of its replaced, or taken out.
func altered(old, new string) string {
	r := confRequest("/conformance")
	if !strings.Contains(r, old) {
		panic("the request has no " + old)
	}
	return strings.Replace(r, old, new, 1)
}

const (
	lineKey     = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	lineVersion = "Sec-WebSocket-Version: 13\r\n"
	lineUpgrade = "Upgrade: websocket\r\n"
	lineConn    = "Connection: Upgrade\r\n"
	lineHost    = "Host: server.example.com\r\n"
)

// casesRefused is requests that are no correct handshake (RFC 6455, 4.2.1).
func casesRefused() []handshakeCase {
	key := func(value string) string { return altered(lineKey, "Sec-WebSocket-Key: "+value+"\r\n") }
	return []handshakeCase{
		{"no Host", altered(lineHost, ""), 400},
		{"no Connection", altered(lineConn, ""), 400},
		{"Connection without upgrade", altered(lineConn, "Connection: keep-alive\r\n"), 400},
		{"no key", altered(lineKey, ""), 400},
		{"empty key", key(""), 400},
		{"key of 15 octets", key("MTIzNDU2Nzg5MDEyMzQ1"), 400},
		{"key of 17 octets", key("MTIzNDU2Nzg5MDEyMzQ1Njc="), 400},
		{"key without padding", key("dGhlIHNhbXBsZSBub25jZQ"), 400},
		{"key that is not base64", key("dGhlIHNhbXBsZSBub25j!!=="), 400},
		{"key in the URL alphabet", key("dGhlIHNhbXBsZSBub2_-ZQ=="), 400},
		{"long key", key(strings.Repeat("A", 1000)), 400},
		{"no version", altered(lineVersion, ""), 400},
		{"version 8", altered(lineVersion, "Sec-WebSocket-Version: 8\r\n"), 426},
		{"version 14", altered(lineVersion, "Sec-WebSocket-Version: 14\r\n"), 426},
		{"HTTP/1.0", altered("HTTP/1.1", "HTTP/1.0"), 505},
		{"HTTP/2.0 in words", altered("HTTP/1.1", "HTTP/2.0"), 505},
		{"no HTTP version", altered(" HTTP/1.1", ""), 400},
		{"malformed version", altered("HTTP/1.1", "HTTP/x"), 400},
		{"a line without a colon", altered(lineHost, lineHost+"nonsense\r\n"), 400},
		{"a head that is too large", confRequest("/", "X-Large: "+strings.Repeat("x", 16<<10)+"\r\n"), 431},
		{"a head that is too large and goes on", strings.TrimSuffix(confRequest("/", "X-Large: "+strings.Repeat("x", 16<<10)), "\r\n\r\n"), 431},
		// These are not handshakes: net/http answers.
		{"no Upgrade", altered(lineUpgrade, ""), 426},
		{"Upgrade to something else", altered(lineUpgrade, "Upgrade: h2c\r\n"), 426},
		{"POST", altered("GET", "POST"), 426},
		{"not HTTP", "hello, is anybody there?\r\n\r\n", 400},
		{"a TLS client", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400},
	}
}

// TestConformanceRefused sends wrong handshakes. Each is answered by HTTP with
// a body of the length that the head tells, and then, unless net/http keeps the
// connection for more requests, by FIN.
func TestConformanceRefused(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		s := newConfServer(t, mode.config())
		for _, tc := range casesRefused() {
			t.Run(tc.id, func(t *testing.T) {
				t.Parallel()
				c := s.connect(t)
				c.write([]byte(tc.request))
				headers := c.refused(tc.status)
				version := headers["sec-websocket-version"]
				if strings.HasPrefix(tc.id, "version") && version != "13" {
					t.Errorf("Sec-WebSocket-Version of the answer is %q, want 13 (RFC 6455, 4.4)", version)
				}
			})
		}
	})
}

// refused reads an HTTP answer with its body, up to the server's FIN, and
// returns its header.
func (c *confClient) refused(status int) map[string]string {
	c.t.Helper()
	line, headers := c.response()
	if !strings.HasPrefix(line, fmt.Sprintf("HTTP/1.1 %d ", status)) {
		c.t.Fatalf("answer %q, want %d", line, status)
	}
	if length, ok := headers["content-length"]; ok {
		n, err := strconv.Atoi(length)
		if err != nil {
			c.t.Fatalf("Content-Length is %q", length)
		}
		if _, err := io.CopyN(io.Discard, c.r, int64(n)); err != nil {
			c.t.Fatalf("in a body of %d octets: %v", n, err)
		}
	}
	if headers["connection"] != "close" {
		c.conn.CloseWrite() // net/http waits for the next request
	}
	if _, ok := headers["content-length"]; !ok {
		c.gone() // the body is all there is
	}
	c.expectEOF()
	return headers
}

// otherCase changes the case of what has none (RFC 9110, 5.1; RFC 6455, 4.2.1).
var otherCase = strings.NewReplacer("Upgrade: websocket", "UPGRADE: WebSocket", "Sec-W", "sec-w",
	"Connection: Upgrade", "connection: uPGRADE", "Host", "HOST")

// TestConformanceAccepted sends handshakes that look unusual and are correct
// (RFC 6455, 4.2.1; RFC 9112, 2.2, 5).
func TestConformanceAccepted(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		s := newConfServer(t, mode.config())
		for id, request := range map[string]string{
			"other case":         otherCase.Replace(altered("", "")),
			"a Connection list":  altered(lineConn, "Connection: keep-alive, Upgrade\r\n"),
			"no spaces":          strings.ReplaceAll(altered("", ""), ": ", ":"),
			"spaces and tabs":    strings.ReplaceAll(altered("", ""), ": ", ": \t "),
			"spaces at line end": altered(lineHost, "Host: server.example.com \t\r\n"),
			"other headers":      confRequest("/", "Origin: http://example.com\r\nCookie: a=b; c=d\r\nX-Empty:\r\nX: "+strings.Repeat("y", 8<<10)+"\r\n"),
			"extensions":         confRequest("/", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-unknown\r\n"),
			"a subprotocol":      confRequest("/", "Sec-WebSocket-Protocol: chat\r\n"),
			"empty Host":         altered(lineHost, "Host:\r\n"),
			"an absolute target": altered("GET /conformance", "GET http://server.example.com/conformance"),
			"a query":            altered("/conformance", "/conformance?x=%20&y=/"),
			"lines end in LF":    strings.ReplaceAll(altered("", ""), "\r\n", "\n"),
		} {
			t.Run(id, func(t *testing.T) {
				t.Parallel()
				c := s.connect(t)
				c.write([]byte(request))
				if protocol, ok := c.accepted()["sec-websocket-protocol"]; ok {
					t.Errorf("the server selected subprotocol %q", protocol)
				}
				c.send(fText("hello"))
				c.expect(fText("hello"))
				c.send(fClose(1000, ""))
				c.expectClose(1000)
			})
		}
	})
}

// TestConformanceRequestChopped sends a request octet by octet, each when the
// server has read the one before, and in two parts cut at every place.
func TestConformanceRequestChopped(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		s := newConfServer(t, mode.config())
		alone := func(t *testing.T) (c *confClient, request []byte) {
			confUntil(t, "the connection before is gone", func() bool { return s.Stats().Sockets == 0 })
			c = s.connect(t)
			var target string
			target, c.record = s.record()
			return c, []byte(confRequest(target))
		}
		works := func(c *confClient) {
			c.accepted()
			c.send(fText("hello"))
			c.expect(fText("hello"))
			c.send(fClose(1000, ""))
			c.expectClose(1000)
		}
		t.Run("octet by octet", func(t *testing.T) {
			c, request := alone(t)
			for i := range request {
				c.write(request[i : i+1])
				c.settle()
			}
			works(c)
		})
		for cut := 1; cut < len(confRequest("/conformance/00")); cut++ {
			t.Run(fmt.Sprintf("cut at %d", cut), func(t *testing.T) {
				c, request := alone(t)
				c.write(request[:cut])
				c.settle()
				c.write(request[cut:])
				works(c)
			})
		}
	})
}

// upgradeAnswers are decisions of Config.Upgrade.
var upgradeAnswers = map[string]engine.Answer{
	"/refused":     {Status: 403, Text: "not you", Header: "X-Reason: none\r\n"},
	"/turned-away": {CloseCode: 4403, CloseText: "not you"},
	"/protocol":    {Protocol: "chat.v2", Header: "X-Node: 7\r\n"},
	"/plain":       {},
}

// TestConformanceUpgrade decides on handshakes: a refusal by HTTP, a refusal by
// Close frame, a subprotocol (RFC 6455, 4.2.2), further header lines; at once
// and later.
func TestConformanceUpgrade(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := mode.config()
		cfg.Upgrade = func(hs *engine.Handshake) engine.Answer {
			target, later := strings.CutPrefix(string(hs.Request.Target()), "/later")
			a := upgradeAnswers[target]
			if a.Protocol != "" && !hs.Request.HasToken("Sec-WebSocket-Protocol", a.Protocol) {
				a.Protocol = ""
			}
			if later {
				p := hs.Later()
				go p.Answer(a)
			}
			return a
		}
		s := newConfServer(t, cfg)
		for _, prefix := range []string{"", "/later"} {
			t.Run("refused"+prefix, func(t *testing.T) {
				c := s.connect(t)
				c.write([]byte(confRequest(prefix + "/refused")))
				if got := c.refused(http.StatusForbidden)["x-reason"]; got != "none" {
					t.Errorf("X-Reason is %q, want none", got)
				}
			})
			t.Run("turned away"+prefix, func(t *testing.T) {
				c := s.connect(t)
				c.write([]byte(confRequest(prefix + "/turned-away")))
				c.accepted()
				if got := c.expectClose(4403); string(got.payload[2:]) != "not you" {
					t.Errorf("got %v", got)
				}
			})
			for offer, want := range map[string]string{
				"":                                       "",
				"Sec-WebSocket-Protocol: chat.v1\r\n":    "",
				"Sec-WebSocket-Protocol: chat.v2\r\n":    "chat.v2",
				"Sec-WebSocket-Protocol: a, chat.v2\r\n": "chat.v2",
				"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: chat.v2,b\r\n": "chat.v2",
			} {
				t.Run("protocol"+prefix+" "+strings.ReplaceAll(offer, "\r\n", ";"), func(t *testing.T) {
					c := s.connect(t)
					c.write([]byte(confRequest(prefix+"/protocol", offer)))
					headers := c.accepted()
					if got, ok := headers["sec-websocket-protocol"]; got != want || ok != (want != "") {
						t.Errorf("subprotocol %q, want %q", got, want)
					}
					if headers["x-node"] != "7" {
						t.Errorf("X-Node is %q, want 7", headers["x-node"])
					}
					c.send(fText("hello"))
					c.expect(fText("hello"))
					c.send(fClose(1000, ""))
					c.expectClose(1000)
				})
			}
		}
	})
}

// TestConformanceAfterHTTP upgrades a connection that has served HTTP requests
// before, as a proxy may do, with a frame in the segment of the handshake.
func TestConformanceAfterHTTP(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := mode.config()
		cfg.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "page "+r.URL.Path)
		})
		s := newConfServer(t, cfg)
		c := s.connect(t)
		for _, path := range []string{"/1", "/2"} {
			c.write([]byte("GET " + path + " HTTP/1.1\r\nHost: server.example.com\r\n\r\n"))
			status, headers := c.response()
			body := make([]byte, len("page /1"))
			if _, err := io.ReadFull(c.r, body); err != nil || string(body) != "page "+path {
				t.Fatalf("%s %v: body %q, %v", status, headers, body, err)
			}
		}
		var target string
		target, c.record = s.record()
		c.write(append([]byte(confRequest(target)), fText("early").encode()...))
		c.accepted()
		c.expect(fText("early"))
		c.send(fClose(1000, ""))
		c.expectClose(1000)
		if got := c.reason(); got != "1000 client" {
			t.Errorf("the Handler heard of an end by %q", got)
		}
	})
}
