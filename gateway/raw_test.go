package gateway

import (
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// What a raw client sends reaches its channel, itself included, unchanged.
func TestRaw(t *testing.T) {
	s := newTest(t, nil)
	a, b := s.raw("room", ""), s.raw("room", "")
	for _, c := range []struct {
		kind int
		text string
	}{
		{websocket.TextMessage, "plain text"},
		{websocket.TextMessage, ""},
		{websocket.TextMessage, `{"looks":"like JSON"} "quotes" \ and ` + "\u2028 \U0001F600 \x00 control"},
		{websocket.BinaryMessage, "\x00\xff\xfe"},
		{websocket.BinaryMessage, ""},
	} {
		if err := a.WriteMessage(c.kind, []byte(c.text)); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*peer{a, b} {
			if kind, text := p.next(); kind != c.kind || text != c.text {
				t.Errorf("received %d %q, want %d %q", kind, text, c.kind, c.text)
			}
		}
	}
}

// What one dialect sends, the other understands.
func TestAcrossDialects(t *testing.T) {
	s := newTest(t, nil)
	n, _ := s.native("?user=ann")
	n.ask(`{"type":"subscribe","channel":"x"}`, `{"type":"subscribed","channel":"x"}`)
	r := s.raw("x", "?user=bob")
	wantRaw := func(kind int, text string) {
		t.Helper()
		if k, got := r.next(); k != kind || got != text {
			t.Errorf("the raw client received %d %q, want %d %q", k, got, kind, text)
		}
	}
	// From raw: an event "message".
	r.send("line 1\nline \"2\" \\ \x01")
	wantRaw(websocket.TextMessage, "line 1\nline \"2\" \\ \x01")
	n.want(`{"type":"message","channel":"x","event":"message","user":"bob","data":"line 1\nline \"2\" \\ \u0001"}`)
	r.WriteMessage(websocket.BinaryMessage, []byte{0, 255, 16})
	wantRaw(websocket.BinaryMessage, "\x00\xff\x10")
	n.want(`{"type":"message","channel":"x","event":"message","user":"bob","encoding":"base64","data":"AP8Q"}`)
	// To raw: a string is its text, anything else is JSON.
	for data, want := range map[string]string{
		`"a \"string\" \u00e9"`: `a "string" é`,
		`{"a": [1, 2]}`:         `{"a": [1, 2]}`,
		`17`:                    `17`,
		`null`:                  `null`,
	} {
		s.publish(`{"to":{"channels":["x"]},"event":"e","data":`+data+`}`, `{"matched":2}`)
		wantRaw(websocket.TextMessage, want)
		n.want(`{"type":"message","channel":"x","event":"e","data":` + data + `}`)
	}
	s.publish(`{"to":{"channels":["x"]},"encoding":"base64","data":"AP8Q"}`, `{"matched":2}`)
	wantRaw(websocket.BinaryMessage, "\x00\xff\x10")
	n.want(`{"type":"message","channel":"x","event":"message","encoding":"base64","data":"AP8Q"}`)
}

// Raw clients in a presence channel are members, and hear nothing of joins.
func TestRawPresence(t *testing.T) {
	s := newTest(t, nil)
	n, _ := s.native("?user=ann")
	n.ask(`{"type":"subscribe","channel":"presence-x"}`, `{"type":"subscribed","channel":"presence-x","members":[{"user":"ann"}]}`)
	r := s.raw("presence-x", "?user=bob")
	n.want(`{"type":"join","channel":"presence-x","user":"bob"}`)
	other, _ := s.native("?user=cat")
	other.ask(`{"type":"subscribe","channel":"presence-x"}`, `{"type":"subscribed","channel":"presence-x","members":[{"user":"ann"},{"user":"bob"},{"user":"cat"}]}`)
	s.publish(`{"to":{"channels":["presence-x"]},"data":"first"}`, `{"matched":3}`)
	if _, text := r.next(); text != "first" {
		t.Errorf("the raw client received %q", text)
	}
}

func TestRawRefused(t *testing.T) {
	s := newTest(t, func(c *Config) {
		oneApp(func(a *App) { a.Secret, a.Anonymous, a.PresenceMax = "a-secret-word", true, 1 })(c)
	})
	for path, says := range map[string]string{
		"/raw/private-x":                   "token must name",
		"/raw/presence-x":                  "presence",
		"/raw/%23server":                   "'#'",
		"/raw/a%20b":                       "' '",
		"/raw/":                            "empty",
		"/raw/a/b":                         "'/'",
		"/raw/" + strings.Repeat("x", 165): "164",
	} {
		if reason := s.dial(path).wantClose(4403); !strings.Contains(reason, says) {
			t.Errorf("%s: reason %q, want %q in it", path, reason, says)
		}
	}
	// A listener that may not speak.
	p := s.raw("open", "")
	p.send("hello?")
	if reason := p.wantClose(4403); !strings.Contains(reason, "may not publish") {
		t.Errorf("reason %q", reason)
	}
}

// A presence channel that is full may have room again.
func TestRawPresenceFull(t *testing.T) {
	s := newTest(t, func(c *Config) {
		a := developmentApp()
		a.PresenceMax = 1
		c.Apps = []App{a}
	})
	ann := s.raw("presence-x", "?user=ann")
	if reason := s.dial("/raw/presence-x?user=bob").wantClose(1013); !strings.Contains(reason, "has 1 members already") {
		t.Errorf("reason %q", reason)
	}
	ann.Close()
	soon(t, "ann is gone", func() bool { return s.subscriptions("presence-x") == 0 })
	s.raw("presence-x", "?user=bob")
}

func TestEchoPath(t *testing.T) {
	s := newTest(t, nil)
	p := s.dial("/echo")
	p.ask("hello", "hello")
	off := newTest(t, oneApp(nil))
	if _, resp, err := websocket.DefaultDialer.Dial("ws://"+off.addr+"/echo", nil); err == nil || resp.StatusCode != 404 {
		t.Errorf("with an app configured, /echo answers %v", resp.Status)
	}
	on := newTest(t, func(c *Config) {
		c.Echo = true
		oneApp(nil)(c)
	})
	on.dial("/echo").ask("hello", "hello")
}
