package frame

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// TestAnswers reads what becomes of each kind of Answer.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer Answer
		status int
		body   string
		header map[string]string
		err    bool
	}{
		{"zero", Answer{}, 101, "", map[string]string{"Sec-WebSocket-Protocol": ""}, false},
		{"101", Answer{Status: 101}, 101, "", nil, false},
		{"subprotocol", Answer{Protocol: "chat"}, 101, "", map[string]string{"Sec-WebSocket-Protocol": "chat"}, false},
		{"header", Answer{Header: "X-One: 1\r\nX-Two: 2\r\n"}, 101, "", map[string]string{"X-One": "1", "X-Two": "2"}, false},
		{"header and subprotocol", Answer{Header: "X-One: 1\r\n", Protocol: "chat"}, 101, "",
			map[string]string{"X-One": "1", "Sec-WebSocket-Protocol": "chat"}, false},
		{"a header over ws's buffer", Answer{Header: "X-Long: " + strings.Repeat("x", 5000) + "\r\n"}, 101, "",
			map[string]string{"X-Long": strings.Repeat("x", 5000)}, false},
		{"401", Answer{Status: 401, Text: "token has expired"}, 401, "token has expired", nil, true},
		{"401 with a header", Answer{Status: 401, Text: "no", Header: "WWW-Authenticate: Bearer\r\n"}, 401, "no",
			map[string]string{"WWW-Authenticate": "Bearer"}, true},
		{"403 without a text", Answer{Status: 403}, 403, "", map[string]string{"Content-Length": "0"}, true},
		{"404", Answer{Status: 404, Text: "no app"}, 404, "no app", map[string]string{"Content-Type": "text/plain; charset=utf-8"}, true},
		{"429", Answer{Status: 429, Text: "later", Header: "Retry-After: 10\r\n"}, 429, "later", map[string]string{"Retry-After": "10"}, true},
		{"503", Answer{Status: 503, Text: strings.Repeat("long ", 1000)}, 503, strings.Repeat("long ", 1000), nil, true},
		{"a refusal selects no subprotocol", Answer{Status: 400, Text: "x", Protocol: "chat"}, 400, "x",
			map[string]string{"Sec-WebSocket-Protocol": ""}, true},
		{"a text beyond ASCII", Answer{Status: 400, Text: "\u00e9\u6c34"}, 400, "\u00e9\u6c34", nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var u Upgrader
			for range 2 { // the second time is no different
				reply, err := u.Upgrade(ask("+Sec-WebSocket-Protocol: superchat, chat"), func(Request) (Answer, error) {
					return test.answer, nil
				})
				if (err != nil) != test.err {
					t.Fatalf("error %v", err)
				}
				if test.err && err.Error() != test.answer.Text {
					t.Errorf("the error says %q", err)
				}
				resp, body := response(t, reply)
				if resp.StatusCode != test.status || body != test.body {
					t.Errorf("status %s, body %q", resp.Status, body)
				}
				if resp.Close != test.err {
					t.Errorf("the response says that the connection closes: %t", resp.Close)
				}
				if accept := resp.Header.Get("Sec-WebSocket-Accept"); (accept == sampleAccept) == test.err {
					t.Errorf("status %s with Sec-WebSocket-Accept %q", resp.Status, accept)
				}
				if text := http.StatusText(test.status); !strings.Contains(resp.Status, text) {
					t.Errorf("status line %q, want %q in it", resp.Status, text)
				}
				for name, want := range test.header {
					if got := resp.Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			}
		})
	}
}

// TestDecideError: an error other than ErrPending refuses, and comes back.
func TestDecideError(t *testing.T) {
	var u Upgrader
	broken := errors.New("the database is away")
	reply, err := u.Upgrade(ask(), func(Request) (Answer, error) { return Answer{}, broken })
	if err != broken {
		t.Errorf("error %v, want %v", err, broken)
	}
	if resp, body := response(t, reply); resp.StatusCode != 500 || body != broken.Error() {
		t.Errorf("status %s, body %q", resp.Status, body)
	}
	reply, err = u.Upgrade(ask(), func(Request) (Answer, error) {
		return Answer{}, ws.RejectConnectionError(ws.RejectionStatus(418), ws.RejectionReason("short and stout"))
	})
	if resp, body := response(t, reply); err == nil || resp.StatusCode != 418 || body != "short and stout" {
		t.Errorf("error %v, status %s, body %q", err, resp.Status, body)
	}
}

// TestPending defers the answer, serves another handshake meanwhile with the
// same Upgrader, and then gives it, with each kind of answer.
func TestPending(t *testing.T) {
	var u Upgrader
	head := ask("=GET /private HTTP/1.1")
	before := bytes.Clone(head)
	for _, answer := range []Answer{{}, {Protocol: "chat"}, {Status: 403, Text: "no"}} {
		for range 2 { // pending twice is as good as once
			reply, err := u.Upgrade(head, func(r Request) (Answer, error) {
				if string(r.Target()) != "/private" {
					t.Errorf("target %q", r.Target())
				}
				return Answer{}, ErrPending
			})
			if err != ErrPending || reply != nil {
				t.Fatalf("reply %q, error %v; want none, %v", reply, err, ErrPending)
			}
			if !bytes.Equal(head, before) {
				t.Fatal("the head was changed")
			}
		}
		if reply, err := u.Upgrade(ask(), accept); err != nil {
			t.Fatalf("meanwhile: %v", err)
		} else if resp, _ := response(t, reply); resp.StatusCode != 101 {
			t.Fatalf("meanwhile: status %s", resp.Status)
		}
		reply, err := u.Upgrade(head, func(Request) (Answer, error) { return answer, nil })
		resp, body := response(t, reply)
		want := max(answer.Status, 101)
		if resp.StatusCode != want || body != answer.Text || (err != nil) != (answer.Status != 0) {
			t.Errorf("%+v: status %s, body %q, error %v", answer, resp.Status, body, err)
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != answer.Protocol {
			t.Errorf("subprotocol %q, want %q", got, answer.Protocol)
		}
	}
	// A fault in the request counts before any decision.
	if _, err := u.Upgrade(ask("-Host"), func(Request) (Answer, error) { return Answer{}, ErrPending }); err != ws.ErrHandshakeBadHost {
		t.Errorf("pending, with a bad request: %v", err)
	}
}

// TestReplyLives sees that a reply lasts until the next call, whatever is done
// to the head, and that the decision's slices are the head's.
func TestReplyLives(t *testing.T) {
	var u Upgrader
	head := ask()
	var host []byte
	reply, err := u.Upgrade(head, func(r Request) (Answer, error) {
		host = r.Header("Host")
		return Answer{}, nil
	})
	if err != nil || string(host) != "server.example.com" {
		t.Fatalf("host %q, error %v", host, err)
	}
	scribble(head)
	if resp, _ := response(t, reply); resp.Header.Get("Sec-WebSocket-Accept") != sampleAccept {
		t.Errorf("the reply changed with the head: %q", reply)
	}
	if host[0] != 0xdb {
		t.Error("Header gave a copy")
	}
}

// TestUpgraderOrder answers handshakes of several kinds in turn with one
// Upgrader: nothing of one shows in the next.
func TestUpgraderOrder(t *testing.T) {
	var u Upgrader
	answers := []Answer{{}, {Protocol: "chat"}, {Status: 404, Text: "no"}, {Header: "X-A: b\r\n"}, {}}
	for _, first := range answers {
		for _, second := range answers {
			var fresh Upgrader
			decide := func(Request) (Answer, error) { return second, nil }
			want, wantErr := fresh.Upgrade(ask(), decide)
			u.Upgrade(ask(), func(Request) (Answer, error) { return first, nil })
			got, err := u.Upgrade(ask(), decide)
			if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
				t.Errorf("%+v after %+v: %q, want %q", second, first, got, want)
			}
		}
	}
}
