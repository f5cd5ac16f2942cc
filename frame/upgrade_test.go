package frame

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// sampleKey and sampleAccept are the key and the answer of RFC 6455, 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// ask draws the opening handshake of RFC 6455, 1.2 with changes: "Name: value"
// replaces a line, "-Name" removes it, "+Line" adds one, "GET / HTTP/1.1" with
// "=" before replaces the request line.
func ask(changes ...string) []byte {
	lines := []string{
		"GET /chat HTTP/1.1",
		"Host: server.example.com",
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Key: " + sampleKey,
		"Origin: http://example.com",
		"Sec-WebSocket-Version: 13",
	}
	find := func(name string) int {
		for i, line := range lines {
			if strings.HasPrefix(line, name+":") {
				return i
			}
		}
		panic("ask: no such line: " + name)
	}
	for _, c := range changes {
		switch c[0] {
		case '=':
			lines[0] = c[1:]
		case '+':
			lines = append(lines, c[1:])
		case '-':
			i := find(c[1:])
			lines = append(lines[:i], lines[i+1:]...)
		default:
			name, _, _ := strings.Cut(c, ":")
			lines[find(name)] = c
		}
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// accept is the decision of most tests.
func accept(Request) (Answer, error) { return Answer{}, nil }

// response reads a reply as an HTTP client does, and wants all of it used.
func response(t testing.TB, reply []byte) (*http.Response, string) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(reply))
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatalf("the reply is no HTTP response: %v\n%q", err, reply)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("the reply's body: %v\n%q", err, reply)
	}
	resp.Body.Close()
	if br.Buffered() > 0 {
		t.Fatalf("%d bytes behind the reply\n%q", br.Buffered(), reply)
	}
	return resp, string(body)
}

// goodHandshakes keep RFC 6455, 4.2.1, each in its own way.
var goodHandshakes = []struct {
	name string
	head []byte
}{
	{"as in RFC 6455, 1.2", ask()},
	{"without Origin", ask("-Origin")},
	{"lines ended by LF", bytes.ReplaceAll(ask(), []byte("\r\n"), []byte("\n"))},
	{"names in lower case", bytes.ReplaceAll(bytes.ToLower(ask("-Sec-WebSocket-Key", "=GET /chat HTTP/1.1")),
		[]byte("get /chat http/1.1\r\n"), []byte("GET /chat HTTP/1.1\r\nsec-websocket-key: "+sampleKey+"\r\n"))},
	{"names in upper case", ask("-Upgrade", "-Connection", "-Sec-WebSocket-Key", "-Sec-WebSocket-Version", "-Host",
		"+HOST: x", "+UPGRADE: websocket", "+CONNECTION: Upgrade", "+SEC-WEBSOCKET-KEY: "+sampleKey, "+SEC-WEBSOCKET-VERSION: 13")},
	{"Upgrade in any case", ask("Upgrade: WebSocket")},
	{"Upgrade in upper case", ask("Upgrade: WEBSOCKET")},
	{"Connection in any case", ask("Connection: uPGRADE")},
	{"Connection with several tokens", ask("Connection: keep-alive, Upgrade")},
	{"Connection with several tokens, no spaces", ask("Connection: keep-alive,upgrade,x")},
	{"Connection in two lines", ask("+Connection: keep-alive")},
	{"Connection in two lines, the other first", ask("Connection: keep-alive", "+connection: x, upgrade")},
	{"Upgrade as a list", ask("Upgrade: websocket, h2c")},
	{"Upgrade in two lines", ask("+Upgrade: h2c")},
	{"both as lists", ask("Upgrade: h2c", "+Upgrade: WebSocket", "Connection: x", "+Connection: Upgrade")},
	{"Content-Length of nothing", ask("+Content-Length: 0")},
	{"spaces and tabs", ask("Upgrade:  websocket\t", "Connection:\tUpgrade ", "Sec-WebSocket-Version:13", "Sec-WebSocket-Key:   "+sampleKey+"  ")},
	{"empty Host", ask("Host:")},
	{"HTTP/1.2", ask("=GET /chat HTTP/1.2")},
	{"target with a query", ask("=GET /ws?app=key&user=7 HTTP/1.1")},
	{"absolute target", ask("=GET http://server.example.com/chat HTTP/1.1")},
	{"subprotocols", ask("+Sec-WebSocket-Protocol: chat, superchat")},
	{"extensions", ask("+Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")},
	{"a header of 100,000 bytes", ask("+Cookie: " + strings.Repeat("c", 100_000))},
	{"a target of 10,000 bytes", ask("=GET /" + strings.Repeat("t", 10_000) + " HTTP/1.1")},
	{"1000 headers", ask("+" + strings.TrimSuffix(strings.Repeat("X-Many: 1\r\n", 1000), "\r\n"))},
	{"the required lines after a long one", ask("-Upgrade", "-Sec-WebSocket-Key",
		"+Cookie: "+strings.Repeat("c", 5000), "+Upgrade: websocket", "+Sec-WebSocket-Key: "+sampleKey)},
}

// TestUpgradeAccepts reads the answers: RFC 6455, 4.2.2, point 5. One Upgrader
// does for all, as for the connections of an event loop.
func TestUpgradeAccepts(t *testing.T) {
	var u Upgrader
	for _, test := range goodHandshakes {
		t.Run(test.name, func(t *testing.T) {
			before := bytes.Clone(test.head)
			calls := 0
			reply, err := u.Upgrade(test.head, func(r Request) (Answer, error) {
				calls++
				if !bytes.Equal(r.Head(), before) {
					t.Error("the decision sees another head")
				}
				return Answer{}, nil
			})
			if err != nil || calls != 1 {
				t.Fatalf("error %v after %d decisions\n%q", err, calls, reply)
			}
			resp, body := response(t, reply)
			if resp.StatusCode != 101 || resp.ProtoMajor != 1 || resp.ProtoMinor != 1 || body != "" {
				t.Errorf("status %s %s, body %q", resp.Proto, resp.Status, body)
			}
			for name, want := range map[string]string{
				"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Accept": sampleAccept,
				"Sec-Websocket-Protocol": "", "Sec-Websocket-Extensions": "",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if !bytes.Equal(test.head, before) {
				t.Error("the head was changed")
			}
		})
	}
}

// badHandshakes each miss one requirement of RFC 6455, 4.2.1.
var badHandshakes = []struct {
	name   string
	head   []byte
	status int
	err    error
}{
	{"POST", ask("=POST /chat HTTP/1.1"), 405, ws.ErrHandshakeBadMethod},
	{"method in lower case", ask("=get /chat HTTP/1.1"), 405, ws.ErrHandshakeBadMethod},
	{"HTTP/1.0", ask("=GET /chat HTTP/1.0"), 505, ws.ErrHandshakeBadProtocol},
	{"HTTP/0.9", ask("=GET /chat HTTP/0.9"), 505, ws.ErrHandshakeBadProtocol},
	{"HTTP/2.0", ask("=GET /chat HTTP/2.0"), 505, ws.ErrHandshakeBadProtocol},
	{"no version", ask("=GET /chat"), 400, ws.ErrMalformedRequest},
	{"other protocol", ask("=GET /chat ICY/1.1"), 400, ws.ErrMalformedRequest},
	{"version in words", ask("=GET /chat HTTP/one"), 400, ws.ErrMalformedRequest},
	{"version of letters", ask("=GET /chat HTTP/1.x"), 400, ws.ErrMalformedRequest},
	{"space in the target", ask("=GET /chat room HTTP/1.1"), 400, ws.ErrMalformedRequest},
	{"empty request line", ask("="), 400, ws.ErrMalformedRequest},
	{"line without colon", ask("+No colon here"), 400, ws.ErrMalformedRequest},
	{"Content-Length", ask("+Content-Length: 5"), 400, errBody},
	{"Transfer-Encoding", ask("+transfer-encoding: chunked"), 400, errBody},
	{"NUL in a value", ask("+X: a\x00b"), 400, ws.ErrMalformedRequest},
	{"CR in a value", ask("+X: a\rb"), 400, ws.ErrMalformedRequest},
	{"CR in the target", ask("=GET /a\rb HTTP/1.1"), 400, ws.ErrMalformedRequest},
	{"Upgrade and Connection as lists without us", ask("+Upgrade: h2c", "Upgrade: x", "+Connection: y"), 400, ws.ErrHandshakeBadUpgrade},
	{"no Host", ask("-Host"), 400, ws.ErrHandshakeBadHost},
	{"no Upgrade", ask("-Upgrade"), 400, ws.ErrHandshakeBadUpgrade},
	{"other Upgrade", ask("Upgrade: h2c"), 400, ws.ErrHandshakeBadUpgrade},
	{"empty Upgrade", ask("Upgrade:"), 400, ws.ErrHandshakeBadUpgrade},
	{"Upgrade with a version", ask("Upgrade: websocket/13"), 400, ws.ErrHandshakeBadUpgrade},
	{"no Connection", ask("-Connection"), 400, ws.ErrHandshakeBadConnection},
	{"other Connection", ask("Connection: keep-alive"), 400, ws.ErrHandshakeBadConnection},
	{"Connection with a longer token", ask("Connection: Upgrades"), 400, ws.ErrHandshakeBadConnection},
	{"empty Connection", ask("Connection:"), 400, ws.ErrHandshakeBadConnection},
	{"no key", ask("-Sec-WebSocket-Key"), 400, ws.ErrHandshakeBadSecKey},
	{"empty key", ask("Sec-WebSocket-Key:"), 400, ws.ErrHandshakeBadSecKey},
	{"key too short", ask("Sec-WebSocket-Key: " + sampleKey[:23]), 400, ws.ErrHandshakeBadSecKey},
	{"key of 15 bytes", ask("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"), 400, ws.ErrHandshakeBadSecKey},
	{"key of 17 bytes", ask("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE="), 400, ws.ErrHandshakeBadSecKey},
	{"key of 18 bytes", ask("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTEy"), 400, ws.ErrHandshakeBadSecKey},
	{"key of 1000 bytes", ask("Sec-WebSocket-Key: " + strings.Repeat("dGhl", 250)), 400, ws.ErrHandshakeBadSecKey},
	{"key is not base64", ask("Sec-WebSocket-Key: ????????????????????????"), 400, ws.ErrHandshakeBadSecKey},
	{"key of the URL alphabet", ask("Sec-WebSocket-Key: dGhlIHNh__BsZSBub25jZQ=="), 400, ws.ErrHandshakeBadSecKey},
	{"key with one padding less", ask("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=x"), 400, ws.ErrHandshakeBadSecKey},
	{"key with a space inside", ask("Sec-WebSocket-Key: dGhlIHNhbXBs SBub25jZQ=="), 400, ws.ErrHandshakeBadSecKey},
	{"a second key, too short", ask("+Sec-WebSocket-Key: short"), 400, ws.ErrHandshakeBadSecKey},
	{"no version of the protocol", ask("-Sec-WebSocket-Version"), 400, ws.ErrHandshakeBadSecVersion},
	{"version 8", ask("Sec-WebSocket-Version: 8"), 426, ws.ErrHandshakeUpgradeRequired},
	{"version 14", ask("Sec-WebSocket-Version: 14"), 426, ws.ErrHandshakeUpgradeRequired},
	{"version 013", ask("Sec-WebSocket-Version: 013"), 426, ws.ErrHandshakeUpgradeRequired},
	{"empty version", ask("Sec-WebSocket-Version:"), 426, ws.ErrHandshakeUpgradeRequired},
	{"two versions", ask("Sec-WebSocket-Version: 13, 8"), 426, ws.ErrHandshakeUpgradeRequired},
}

// TestUpgradeRefuses reads the refusals: the status, a body that says what is
// wrong, and no decision.
func TestUpgradeRefuses(t *testing.T) {
	var u Upgrader
	for _, test := range badHandshakes {
		t.Run(test.name, func(t *testing.T) {
			reply, err := u.Upgrade(test.head, func(Request) (Answer, error) {
				t.Error("a decision was asked for")
				return Answer{}, nil
			})
			if err != test.err {
				t.Errorf("error %v, want %v", err, test.err)
			}
			resp, body := response(t, reply)
			want := test.err.Error()
			if remedy := wanted[err]; remedy != "" {
				want += ": " + remedy
			} else if test.err != ws.ErrMalformedRequest && test.err != errBody {
				t.Error("the refusal does not say what is needed")
			}
			if resp.StatusCode != test.status || body != want {
				t.Errorf("status %s, body %q", resp.Status, body)
			}
			version := resp.Header.Get("Sec-WebSocket-Version")
			if want := map[int]string{426: "13"}[test.status]; version != want {
				t.Errorf("Sec-WebSocket-Version: %q, want %q", version, want)
			}
			if resp.Header.Get("Upgrade") != "" && test.status != 426 {
				t.Error("a refusal with an Upgrade field")
			}
			// The Upgrader is not worse for it.
			if _, err := u.Upgrade(ask(), accept); err != nil {
				t.Errorf("then a good handshake: %v", err)
			}
		})
	}
}

// TestUpgradeRefusalHeader wants what HTTP asks of a refusal: the connection
// does not stay, 405 says what is allowed, 426 what to upgrade to.
func TestUpgradeRefusalHeader(t *testing.T) {
	var u Upgrader
	for _, test := range badHandshakes {
		reply, _ := u.Upgrade(test.head, accept)
		resp, _ := response(t, reply)
		if !resp.Close {
			t.Errorf("%s: the response does not say that the connection closes", test.name)
		}
		if allow := resp.Header.Get("Allow"); allow != map[int]string{405: "GET"}[test.status] {
			t.Errorf("%s: Allow is %q", test.name, allow)
		}
		if up := resp.Header.Get("Upgrade"); up != map[int]string{426: "websocket"}[test.status] {
			t.Errorf("%s: Upgrade is %q", test.name, up)
		}
	}
}

// TestUpgradeFields sends twice what may be there once: Host (RFC 9112, 3.2) and
// the key (RFC 6455, 11.3.1); and names with white space, which RFC 9112, 5.1
// and 5.2 want refused. Else one reader takes one value, and one another.
func TestUpgradeFields(t *testing.T) {
	var u Upgrader
	for _, test := range []struct {
		name string
		head []byte
		err  error
	}{
		{"two keys", ask("+Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), ws.ErrHandshakeBadSecKey},
		{"the same key twice", ask("+Sec-WebSocket-Key: " + sampleKey), ws.ErrHandshakeBadSecKey},
		{"second key is not base64", ask("+Sec-WebSocket-Key: ????????????????????????"), ws.ErrHandshakeBadSecKey},
		{"two hosts", ask("+Host: other.example.com"), ws.ErrHandshakeBadHost},
		{"another key, with a space before the colon", ask("+Sec-WebSocket-Key : ????????????????????????"), ws.ErrMalformedRequest},
		{"space before a colon", ask("-Upgrade", "+Upgrade : websocket"), ws.ErrMalformedRequest},
		{"tab before a colon", ask("+Cookie\t: a"), ws.ErrMalformedRequest},
		{"space before a name", ask("-Upgrade", "+ Upgrade: websocket"), ws.ErrMalformedRequest},
		{"folded line", ask("+Cookie: a", "+\tb: c"), ws.ErrMalformedRequest},
		{"no name", ask("+: a"), ws.ErrMalformedRequest},
	} {
		reply, err := u.Upgrade(test.head, accept)
		if resp, _ := response(t, reply); err != test.err || resp.StatusCode != 400 {
			t.Errorf("%s: status %s, error %v; want 400, %v", test.name, resp.Status, err, test.err)
		}
	}
}

// TestUpgradeIncomplete gives heads that break off, against what Upgrade asks
// for: an error and a 400, never a 101.
func TestUpgradeIncomplete(t *testing.T) {
	var u Upgrader
	whole := ask()
	for n := range whole {
		reply, err := u.Upgrade(whole[:n], accept)
		if err == nil {
			t.Fatalf("%q was accepted", whole[:n])
		}
		if resp, body := response(t, reply); resp.StatusCode != 400 || body != "malformed HTTP request" || !resp.Close {
			t.Fatalf("%q: status %s, body %q", whole[:n], resp.Status, body)
		}
	}
}

// TestUpgradeMalformedReply sees that the reply made here, not by ws, is the
// same in status and body as ws makes for other malformed requests.
func TestUpgradeMalformedReply(t *testing.T) {
	var u Upgrader
	reply, err := u.Upgrade([]byte("GET\r\n\r\n"), accept)
	if !errors.Is(err, ws.ErrMalformedRequest) {
		t.Errorf("error %v", err)
	}
	resp, body := response(t, reply)
	if resp.StatusCode != 400 || body != ws.ErrMalformedRequest.Error() || !resp.Close {
		t.Errorf("status %s, body %q, close %t", resp.Status, body, resp.Close)
	}
}
