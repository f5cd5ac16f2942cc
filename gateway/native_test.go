package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestNativeWelcome(t *testing.T) {
	s := newTest(t, nil)
	_, m := s.native("?user=alice")
	if m["user"] != "alice" || m["idle_ms"] != 120000.0 || m["pong_ms"] != 30000.0 || m["max_bytes"] != 65536.0 {
		t.Errorf("welcome %v", m)
	}
	if c := s.apps.all()[0].hub.Client(m["client"].(string)); c == nil || c.User() != "alice" {
		t.Errorf("the client id %v leads to %v", m["client"], c)
	}
	if _, m := s.native(""); m["user"] != nil {
		t.Errorf("welcome without a user: %v", m)
	}
}

func TestNativeCommands(t *testing.T) {
	s := newTest(t, nil)
	a, _ := s.native("?user=ann")
	b, _ := s.native("?user=bob")
	a.ask(`{"type":"subscribe","id":1,"channel":"news"}`, `{"type":"subscribed","id":1,"channel":"news"}`)
	a.ask(`{"type":"subscribe","channel":"news"}`, `{"type":"subscribed","channel":"news"}`) // twice, and without an id
	b.ask(`{"type":"subscribe","id":"two","channel":"news"}`, `{"type":"subscribed","id":"two","channel":"news"}`)

	// The data goes through byte for byte.
	data := `{ "z" : [1.50, "\u00e9 <&>"],  "a":null}`
	b.send(`{"type":"publish","id":3,"channel":"news","event":"said","data":` + data + `}`)
	message := `{"type":"message","channel":"news","event":"said","user":"bob","data":` + data + `}`
	a.want(message)
	for range 2 { // the acknowledgement and the message, in either order
		if _, got := b.next(); got != message && got != `{"type":"published","id":3,"matched":2}` {
			t.Errorf("the sender received %s", got)
		}
	}
	// Without an id there is no acknowledgement; without echo, no copy.
	b.send(`{"type":"publish","channel":"news","echo":false,"data":1}`)
	a.want(`{"type":"message","channel":"news","event":"message","user":"bob","data":1}`)
	b.quiet()
	b.ask(`{"type":"publish","id":4,"user":"ann","data":"psst"}`, `{"type":"published","id":4,"matched":1}`)
	a.want(`{"type":"message","event":"message","user":"bob","data":"psst"}`)
	b.ask(`{"type":"publish","id":5,"all":true,"echo":false,"event":"e"}`, `{"type":"published","id":5,"matched":1}`)
	a.want(`{"type":"message","event":"e","user":"bob","data":null}`)
	b.ask(`{"type":"publish","id":6,"channel":"nobody","data":1}`, `{"type":"published","id":6,"matched":0}`)

	a.ask(`{"type":"unsubscribe","id":7,"channel":"news"}`, `{"type":"unsubscribed","id":7,"channel":"news"}`)
	a.ask(`{"type":"unsubscribe","id":8,"channel":"news"}`, `{"type":"unsubscribed","id":8,"channel":"news"}`)
	s.publish(`{"to":{"channels":["news"]},"data":1}`, `{"matched":1}`)
	b.want(`{"type":"message","channel":"news","event":"message","data":1}`)
	a.quiet()
	a.ask(`{"type":"ping"}`, `{"type":"pong"}`)
}

func TestNativePresence(t *testing.T) {
	s := newTest(t, nil)
	a, _ := s.native("?user=ann")
	b, _ := s.native("?user=bob")
	b2, _ := s.native("?user=bob")
	room := `"channel":"presence-room"`
	a.ask(`{"type":"presence",`+room+`}`, `{"type":"error","code":"not_member","message":"subscribe to presence-room to see who is present"}`)
	a.ask(`{"type":"subscribe",`+room+`}`, `{"type":"subscribed",`+room+`,"members":[{"user":"ann"}]}`)
	b.ask(`{"type":"subscribe",`+room+`}`, `{"type":"subscribed",`+room+`,"members":[{"user":"ann"},{"user":"bob"}]}`)
	a.want(`{"type":"join",` + room + `,"user":"bob"}`)
	b2.ask(`{"type":"subscribe",`+room+`}`, `{"type":"subscribed",`+room+`,"members":[{"user":"ann"},{"user":"bob"}]}`)
	a.ask(`{"type":"presence","id":9,`+room+`}`, `{"type":"presence","id":9,`+room+`,"members":[{"user":"ann"},{"user":"bob"}]}`)
	b.Close()
	soon(t, "one of bob's clients is gone", func() bool { return s.subscriptions("presence-room") == 2 })
	a.quiet()
	b2.ask(`{"type":"unsubscribe",`+room+`}`, `{"type":"unsubscribed",`+room+`}`)
	a.want(`{"type":"leave",` + room + `,"user":"bob"}`)
	nobody, _ := s.native("")
	nobody.ask(`{"type":"subscribe",`+room+`}`, `{"type":"error","code":"forbidden","message":"a presence channel is for clients with a user: connect with a token that has a sub, or ?user=ID"}`)
	a.ask(`{"type":"presence","channel":"news"}`, `{"type":"error","code":"bad_channel","message":"only channels that begin with presence- have members"}`)
}

// Whatever is wrong with a message is told, and the connection stays.
func TestNativeErrors(t *testing.T) {
	s := newTest(t, func(c *Config) { c.Limits.MaxSubscriptions = 2 })
	p, _ := s.native("?user=ann")
	for _, c := range []struct{ send, code, says string }{
		{`nonsense`, "bad_json", "not valid JSON"},
		{`{"type":"ping"`, "bad_json", "unexpected"},
		{`{"type":"ping"} {"type":"ping"}`, "bad_json", "nothing after it"},
		{`[1]`, "bad_json", "not an array"},
		{`null`, "bad_json", `not null`},
		{`{}`, "bad_message", `"type" is missing`},
		{`{"type":7}`, "bad_message", `"type" must be a string`},
		{`{"type":"fly","id":1}`, "unknown_type", `"fly"`},
		{`{"type":"subscribe","id":1}`, "bad_message", `"channel" is missing`},
		{`{"type":"subscribe","id":1,"channel":""}`, "bad_channel", "empty"},
		{`{"type":"subscribe","id":1,"channel":"a b"}`, "bad_channel", `' '`},
		{`{"type":"subscribe","id":1,"channel":"#x"}`, "bad_channel", `'#'`},
		{`{"type":"subscribe","id":1,"channel":"` + strings.Repeat("x", 165) + `"}`, "bad_channel", "at most 164"},
		{`{"type":"subscribe","id":1,"channel":"a","data":1}`, "bad_message", `no field "data"`},
		{`{"type":"subscribe","id":1,"channel":"a","colour":1}`, "bad_message", `unknown field "colour"`},
		{`{"type":"subscribe","id":1,"channel":5}`, "bad_message", `"channel" must be a string`},
		{`{"type":"ping","id":{"a":1}}`, "bad_message", `"id" must be`},
		{`{"type":"ping","id":"` + strings.Repeat("x", 100) + `"}`, "bad_message", `"id" must be`},
		{`{"type":"publish","id":1}`, "bad_message", "exactly one of"},
		{`{"type":"publish","id":1,"channel":"a","all":true}`, "bad_message", "exactly one of"},
		{`{"type":"publish","id":1,"all":"yes"}`, "bad_message", `"all" must be a boolean`},
		{`{"type":"publish","id":1,"user":""}`, "bad_message", "user id is empty"},
		{`{"type":"publish","id":1,"channel":"a","event":""}`, "bad_message", "event name is empty"},
		{`{"type":"publish","id":1,"channel":"a","event":"a\nb"}`, "bad_message", "control character"},
		{`{"type":"publish","id":1,"channel":"a","encoding":"hex","data":""}`, "bad_message", `"hex" is unknown`},
		{`{"type":"publish","id":1,"channel":"a","encoding":"base64","data":"!"}`, "bad_message", "not base64"},
		{`{"type":"publish","id":1,"channel":"a","encoding":"base64","data":1}`, "bad_message", "must be a string"},
	} {
		p.send(c.send)
		m := p.json()
		message, _ := m["message"].(string)
		if m["type"] != "error" || m["code"] != c.code || !strings.Contains(message, c.says) {
			t.Errorf("%.80s: %v, want %s with %q", c.send, m, c.code, c.says)
		}
		if hasID := strings.Contains(c.send, `"id":1`); hasID != (m["id"] != nil) {
			t.Errorf("%.80s: the id in %v", c.send, m)
		}
	}
	if err := p.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatal(err)
	}
	if m := p.json(); m["code"] != "bad_message" || !strings.Contains(m["message"].(string), "base64") {
		t.Errorf("binary: %v", m)
	}
	for i := range 2 {
		p.ask(fmt.Sprintf(`{"type":"subscribe","channel":"c%d"}`, i), fmt.Sprintf(`{"type":"subscribed","channel":"c%d"}`, i))
	}
	p.ask(`{"type":"subscribe","channel":"c0"}`, `{"type":"subscribed","channel":"c0"}`)
	p.send(`{"type":"subscribe","channel":"c2"}`)
	if m := p.json(); m["code"] != "too_many" {
		t.Errorf("a subscription too many: %v", m)
	}
	p.quiet()
}

func TestNativeTooBig(t *testing.T) {
	s := newTest(t, func(c *Config) { c.Limits.MaxMessageBytes = 1000 })
	p, m := s.native("")
	if m["max_bytes"] != 1000.0 {
		t.Errorf("welcome %v", m)
	}
	p.send(`{"type":"publish","channel":"a","data":"` + strings.Repeat("x", 1000) + `"}`)
	if reason := p.wantClose(1009); !strings.Contains(reason, "1000 bytes") {
		t.Errorf("reason %q", reason)
	}
}

func TestNativeSubprotocol(t *testing.T) {
	s := newTest(t, nil)
	for offer, want := range map[string]string{"stentor.v1": "stentor.v1", "STENTOR.V1": "", "Stentor.v1,stentor.v1": "stentor.v1", "stentor.v10": ""} {
		d := websocket.Dialer{Subprotocols: append([]string{"other"}, strings.Split(offer, ",")...)}
		c, resp, err := d.Dial("ws://"+s.addr+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != want {
			t.Errorf("offered %s, selected %q, want %q", offer, got, want)
		}
	}
}

// A client's own commands and those of its backend come in any order. The last
// acknowledgement is the truth.
func TestSubscriptionRace(t *testing.T) {
	s := newTest(t, nil)
	p, w := s.native("")
	at := "/api/clients/" + w["client"].(string)
	for i := range 300 {
		path, own := "/unsubscribe", "subscribe"
		if i%2 == 1 {
			path, own = "/subscribe", "unsubscribe"
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.call("POST", at+path, "dev-secret", `{"channel":"x"}`)
		}()
		p.send(`{"type":"` + own + `","channel":"x"}`)
		<-done
		p.send(`{"type":"ping"}`)
		last := ""
		for m := p.json(); m["type"] != "pong"; m = p.json() {
			last = m["type"].(string)
		}
		if is := s.subscriptions("x") == 1; is != (last == "subscribed") {
			t.Fatalf("round %d: the last acknowledgement is %s, subscribed: %v", i, last, is)
		}
	}
}

// A presence channel holds as many as it may.
func TestPresenceLimit(t *testing.T) {
	s := newTest(t, func(c *Config) {
		a := developmentApp()
		a.PresenceMax = 1
		c.Apps = []App{a}
	})
	a, _ := s.native("?user=ann")
	b, _ := s.native("?user=bob")
	a.ask(`{"type":"subscribe","channel":"presence-x"}`, `{"type":"subscribed","channel":"presence-x","members":[{"user":"ann"}]}`)
	b.send(`{"type":"subscribe","id":1,"channel":"presence-x"}`)
	if m := b.json(); m["code"] != "too_many" || m["id"] != 1.0 {
		t.Errorf("%v", m)
	}
}
