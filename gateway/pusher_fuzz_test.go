package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// FuzzPusherMessages gives messages to a client of a gateway: any, and those that
// its backend has signed. Nothing but a frame that is none ends the connection,
// all answers are of the protocol's form, and another client notices nothing.
func FuzzPusherMessages(f *testing.F) {
	const (
		anything = iota
		subscribe
		signIn
		event
		kinds
	)
	a := tenant("a", func(a *App) { a.Watchlist, a.SubCount, a.EventRate = true, true, 0 })
	s := newTest(f, func(c *Config) { c.Apps, c.Limits.MaxMessageBytes = []App{a}, 20000 })
	p, other := s.pusher(a), s.pusher(a)
	p.subscribe("private-fuzz")
	f.Cleanup(func() { p.Close() })
	anew := func(t *testing.T) {
		p.Close()
		var err error
		if p, err = dialPusher(s.addr, a); err != nil {
			t.Fatal(err)
		}
		p.t = t
		p.subscribe("private-fuzz")
	}

	for _, text := range []string{
		``, `{}`, `[]`, `null`, `{"event":"pusher:ping","data":{}}`, `{"event":"pusher:pong"}`, `{"event":"pusher:subscribe","data":{"channel":"x"}}`,
		`{"event":"pusher:subscribe","data":"{\"channel\":\"cache-x\"}"}`, `{"event":"pusher:unsubscribe","data":{"channel":"x"}}`,
		`{"event":"pusher:signin","data":{"auth":"a-key:0","user_data":"{}"}}`, `{"event":"client-x","channel":"private-fuzz","data":{"a":"\ud800"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"#server-to-user-ann","auth":""}}`, `{"event":"pusher_internal:x"}`, "\xff", "\x00",
		`{"event":"client-x","channel":"private-fuzz","data":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
		`{"event":"` + strings.Repeat("x", 21000) + `"}`,
	} {
		f.Add(uint8(anything), text, "")
	}
	for _, c := range [][2]string{
		{"private-x", ""}, {"presence-x", `{"user_id":1,"user_info":{"a":"<é>"}}`}, {"presence-cache-x", `{"user_id":"a\u0041\"\\"}`}, {"presence-x", "{}"},
		{"private-cache-x", "x"}, {"private-encrypted-x", ""}, {"cache-x", ""}, {"a b", ""}, {"#server-to-user-x", ""}, {"presence-x", `{"user_id":1e5}`},
	} {
		f.Add(uint8(subscribe), c[0], c[1])
	}
	for _, data := range []string{`{"id":"ann"}`, `{"id":"ann","watchlist":["ann","bob"],"user_info":{"x":"\u2028"}}`, `{"id":""}`, `x`, `{"id":"ann","watchlist":[[]]}`} {
		f.Add(uint8(signIn), data, "")
	}
	for _, c := range [][2]string{{"client-x", "1"}, {"client-", `"text"`}, {"client-\u0000", "{}"}, {"server", "1"}, {"client-x", "nonsense"}, {"pusher:x", `"\ud800"`}} {
		f.Add(uint8(event), c[0], c[1])
	}

	turn := 0
	f.Fuzz(func(t *testing.T, kind uint8, text, data string) {
		switch kind % kinds {
		case subscribe:
			text = subscribeText(text, p.auth(text, data), data)
		case signIn:
			text = p.signInText(text)
		case event:
			text = `{"event":` + quote(text) + `,"channel":"private-fuzz","data":` + data + `}`
		}
		for _, p := range []*pusherPeer{p, other} {
			p.t = t
			p.SetReadDeadline(time.Now().Add(patience))
		}
		turn++
		mark := fmt.Sprintf("end-%d", turn)
		if err := p.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		p.WriteMessage(websocket.TextMessage, []byte(`{"event":"`+mark+`"}`))
		for {
			_, b, err := p.ReadMessage()
			if err != nil {
				end := err
				anew(t)
				noText := !utf8.ValidString(text) && websocket.IsCloseError(end, websocket.CloseInvalidFramePayloadData)
				tooBig := len(text) > 20000 && websocket.IsCloseError(end, websocket.CloseMessageTooBig)
				if !noText && !tooBig {
					t.Fatalf("%q ended the connection: %v", text, end)
				}
				break
			}
			checkPusherMessage(t, b)
			if strings.Contains(string(b), mark) && strings.HasPrefix(string(b), `{"event":"pusher:error"`) {
				break
			}
		}
		other.quiet()
		if turn%100 == 0 { // so that a run does not get stuck as one user, in all channels
			anew(t)
		}
	})
}

// checkPusherMessage demands the form of the protocol's messages to clients.
func checkPusherMessage(t *testing.T, b []byte) {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil || !utf8.Valid(b) {
		t.Fatalf("%q: %v", b, err)
	}
	name, _ := m["event"].(string)
	objects := []string{"pusher:error", "pusher:subscription_error", "pusher:signin_success"}
	if slices.Contains(objects, name) {
		if _, ok := m["data"].(map[string]any); !ok {
			t.Fatalf("%s: data is no object", b)
		}
	} else if text, ok := m["data"].(string); !ok || strings.HasPrefix(name, "pusher") && !json.Valid([]byte(text)) {
		t.Fatalf("%s: data is no string, or no JSON in it", b)
	}
	for field, v := range m {
		if _, ok := v.(string); !ok && field != "data" || !slices.Contains([]string{"event", "channel", "data"}, field) {
			t.Fatalf("%s: %s", b, field)
		}
	}
}

// FuzzPusherRequest makes requests of the HTTP API without the app's secret, and
// with it. Without nothing is ever done; with it what is wrong is told in text.
func FuzzPusherRequest(f *testing.F) {
	a := tenant("a", func(a *App) { a.MaxEventBytes = 1000 })
	s := newTest(f, tenants(a))
	handler := s.publicHandler()
	for _, c := range []struct {
		method, path, query, body string
	}{
		{"POST", "/events", "", `{"name":"e","channels":["x","presence-y"],"data":"1","info":"user_count","socket_id":"1.2"}`},
		{"POST", "/events", "", `{"name":"e","channel":"x"}`},
		{"POST", "/batch_events", "", `{"batch":[{"name":"e","channel":"x","data":"1"},{"name":"e","channel":"#server-to-user-x","data":"1"}]}`},
		{"POST", "/channels/x/events", "name=e", `{"a":1}`},
		{"POST", "/channels/x/events", "name=pusher:e&socket_id=x", `{"a":1}`},
		{"GET", "/channels", "filter_by_prefix=presence-&info=user_count", ""},
		{"GET", "/channels/a;b=c", "info=subscription_count;x", ""},
		{"GET", "/channels/%23server-to-user-%41", "info=cache", ""},
		{"GET", "/channels/presence-x/users", "&&=&a", ""},
		{"POST", "/users/a%2fb/terminate_connections", "", "{}"},
		{"GET", "/connections", "a=%zz", ""},
		{"HEAD", "/channels/..%2f..", "", ""},
		{"PUT", "//events", "auth_key=b", "x"},
		{"POST", "/../a/events", "", "{}"},
		{"GET", "/\xb1", "", ""},
		{"GET", "/channels/%ff", "", ""},
		{"GET", "/%ff", "", ""},
	} {
		f.Add(c.method, c.path, c.query, c.body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		target := "/apps/a" + path
		u, err := url.ParseRequestURI(target)
		if err != nil || strings.Contains(target, "?") || strings.Contains(target, "#") {
			return
		}
		make := func(query string) *httptest.ResponseRecorder {
			r, err := http.NewRequest(method, "/", strings.NewReader(body))
			if err != nil {
				t.Skip()
			}
			at := *u
			at.RawQuery = query
			r.URL, r.RequestURI = &at, target+"?"+query
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w
		}
		if w := make(query); w.Code < 300 || w.Code >= 500 {
			t.Fatalf("unsigned: %d %s", w.Code, w.Body)
		}
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		call := pusherCall{app: a, method: method, path: path, query: q, body: body}
		_, signed, _ := strings.Cut(call.signed(), "?")
		w := make(signed)
		switch w.Code {
		case 200, 202:
			if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		case 400, 401, 404, 405, 413:
			if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Body.Len() < 5 || !utf8.Valid(w.Body.Bytes()) {
				t.Fatalf("%d %q %v", w.Code, w.Body, w.Header())
			}
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
