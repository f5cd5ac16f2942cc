package gateway

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
)

// What one dialect publishes the others receive in their own form.
func TestDialects(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	rights := jwt.MapClaims{"sub": "nat", "channels": []string{"private-x"}, "publish": []string{"private-x"}}
	token := "?token=" + sign(t, a.Secret, rights)
	p, other := s.pusher(a), s.pusher(a)
	p.subscribe("private-x")
	other.subscribe("private-x")
	n, _ := s.native(token)
	n.ask(`{"type":"subscribe","channel":"private-x"}`, `{"type":"subscribed","channel":"private-x"}`)
	r := s.raw("private-x", token)

	// Pusher to the others.
	p.send(clientEvent("private-x", "client-x", `{"a": "é"}`))
	other.want(eventText("private-x", "client-x", `{"a": "é"}`))
	n.want(`{"type":"message","channel":"private-x","event":"client-x","data":{"a": "é"}}`)
	r.want(`{"a": "é"}`)
	p.send(clientEvent("private-x", "client-x", `"plain text"`))
	other.want(eventText("private-x", "client-x", "plain text"))
	n.want(`{"type":"message","channel":"private-x","event":"client-x","data":"plain text"}`)
	r.want("plain text")

	// Native.
	n.send(`{"type":"publish","channel":"private-x","event":"said","data":{"b":[1]},"echo":false}`)
	for _, p := range []*pusherPeer{p, other} {
		p.want(eventText("private-x", "said", `{"b":[1]}`))
	}
	r.want(`{"b":[1]}`)
	n.send(`{"type":"publish","channel":"private-x","data":"text","echo":false}`)
	for _, p := range []*pusherPeer{p, other} {
		p.want(eventText("private-x", "message", `"text"`))
	}
	r.want("text")

	// Raw. Bytes have no form for Pusher clients.
	r.send(`not JSON`)
	for _, p := range []*pusherPeer{p, other} {
		p.want(eventText("private-x", "message", "not JSON"))
	}
	n.want(`{"type":"message","channel":"private-x","event":"message","user":"nat","data":"not JSON"}`)
	r.want("not JSON")
	if err := r.WriteMessage(websocket.BinaryMessage, []byte{0, 255}); err != nil {
		t.Fatal(err)
	}
	n.want(`{"type":"message","channel":"private-x","event":"message","user":"nat","encoding":"base64","data":"AP8="}`)
	if kind, text := r.next(); kind != websocket.BinaryMessage || text != "\x00\xff" {
		t.Errorf("%d %q", kind, text)
	}

	// Backends, by either API.
	s.trigger(a, "private-x", "told", `{"c":1}`)
	for _, p := range []*pusherPeer{p, other} {
		p.want(eventText("private-x", "told", `{"c":1}`))
	}
	n.want(`{"type":"message","channel":"private-x","event":"told","data":{"c":1}}`)
	r.want(`{"c":1}`)
	s.mark("private-x", p, other)
	n.want(`{"type":"message","channel":"private-x","event":"mark","data":1}`)
	r.want("1")
}

// What looks like the protocol's own word never comes from anybody but the
// server.
func TestPusherReservedEvents(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	p.subscribe("private-x")
	p.subscribe("cache-x")
	p.want(`{"event":"pusher:cache_miss","channel":"cache-x","data":"{}"}`)
	p.signIn("ann")
	n, _ := s.native("?token=" + sign(t, a.Secret, jwt.MapClaims{"channels": []string{"private-x"}, "publish": []string{"private-x"}}))
	n.ask(`{"type":"subscribe","channel":"private-x"}`, `{"type":"subscribed","channel":"private-x"}`)
	for _, name := range []string{"pusher:error", "pusher:ping", "pusher:", "pusher_internal:member_added", "pusher_internal:"} {
		n.send(`{"type":"publish","id":1,"channel":"private-x","event":"` + name + `","data":"{}","echo":false}`)
		if m := n.json(); m["code"] != "bad_message" {
			t.Errorf("%s: %v", name, m)
		}
		for _, to := range []string{`"channels":["private-x"]`, `"channels":["cache-x"]`, `"users":["ann"]`, `"clients":["` + p.id + `"]`, `"all":true`} {
			body := `{"to":{` + to + `},"event":"` + name + `","data":"{}"}`
			if status, answer := s.call("POST", "/api/publish", a.Secret, body); status != 400 || !strings.Contains(answer, "begin") {
				t.Errorf("%s: %d %s", body, status, answer)
			}
		}
		for _, channel := range []string{"private-x", "presence-x", "#server-to-user-ann"} {
			body := `{"name":"` + name + `","channel":"` + channel + `","data":"{}"}`
			for path, body := range map[string]string{"/events": body, "/batch_events": `{"batch":[` + body + `]}`} {
				if status, answer, _ := s.make(pusherCall{app: a, method: "POST", path: path, body: body}); status != 400 || !strings.Contains(answer, "begins") {
					t.Errorf("%s: %d %s", body, status, answer)
				}
			}
		}
	}
	s.mark("private-x", p)
	s.mark("cache-x", p)
	p.quiet()
	// A name that only looks alike is anybody's.
	s.trigger(a, "private-x", "pusher", "1")
	p.want(eventText("private-x", "pusher", "1"))
}

// Members are the same in all dialects.
func TestPresenceOverDialects(t *testing.T) {
	const room = "presence-room"
	a := tenant("a")
	s := newTest(t, tenants(a))
	rights := func(user string) string {
		return "?token=" + sign(t, a.Secret, jwt.MapClaims{"sub": user, "info": map[string]any{"by": "token"}, "channels": []string{room}, "publish": []string{room}})
	}
	p := s.pusher(a)
	p.enter(room, `{"user_id":"ann","user_info":{"by":"data"}}`, "ann", `{"by":"data"}`)
	n, _ := s.native(rights("bob"))
	n.ask(`{"type":"subscribe","channel":"presence-room"}`,
		`{"type":"subscribed","channel":"presence-room","members":[{"user":"ann","info":{"by":"data"}},{"user":"bob","info":{"by":"token"}}]}`)
	p.want(memberAdded(room, "bob", `{"by":"token"}`))

	// The same users in the other dialect are no news.
	ann, _ := s.native(rights("ann"))
	ann.ask(`{"type":"subscribe","channel":"presence-room"}`,
		`{"type":"subscribed","channel":"presence-room","members":[{"user":"ann","info":{"by":"data"}},{"user":"bob","info":{"by":"token"}}]}`)
	bob := s.pusher(a)
	bob.enter(room, `{"user_id":"bob"}`, "ann", `{"by":"data"}`, "bob", `{"by":"token"}`)
	r := s.raw(room, rights("carl"))
	p.want(memberAdded(room, "carl", `{"by":"token"}`))
	bob.want(memberAdded(room, "carl", `{"by":"token"}`))
	for _, n := range []*peer{n, ann} {
		n.want(`{"type":"join","channel":"presence-room","user":"carl","info":{"by":"token"}}`)
	}
	s.get(a, "/channels/"+room, "info=user_count,subscription_count", `{"occupied":true,"user_count":3,"subscription_count":5}`)
	s.get(a, "/channels/"+room+"/users", "", `{"users":[{"id":"ann"},{"id":"bob"},{"id":"carl"}]}`)

	// A native client's event has its user, as far as it is a client event.
	n.send(`{"type":"publish","channel":"presence-room","event":"client-hi","data":1,"echo":false}`)
	want := `{"event":"client-hi","channel":"presence-room","data":"1","user_id":"bob"}`
	p.want(want)
	bob.want(want)
	ann.want(`{"type":"message","channel":"presence-room","event":"client-hi","user":"bob","data":1}`)
	n.send(`{"type":"publish","channel":"presence-room","event":"hi","data":1,"echo":false}`)
	p.want(eventText(room, "hi", "1"))
	bob.want(eventText(room, "hi", "1"))
	p.send(clientEvent(room, "client-hi", `2`))
	ann.json()
	ann.want(`{"type":"message","channel":"presence-room","event":"client-hi","user":"ann","data":2}`)
	n.want(`{"type":"message","channel":"presence-room","event":"client-hi","user":"ann","data":2}`)
	bob.want(`{"event":"client-hi","channel":"presence-room","data":"2","user_id":"ann"}`)

	n.Close()
	r.Close()
	p.want(memberRemoved(room, "carl"))
	bob.want(memberRemoved(room, "carl"))
	bob.unsubscribe(room)
	bob.quiet()
	p.want(memberRemoved(room, "bob"))
	p.Close()
	ann.want(`{"type":"leave","channel":"presence-room","user":"carl","info":{"by":"token"}}`)
	ann.want(`{"type":"leave","channel":"presence-room","user":"bob","info":{"by":"token"}}`)
	s.eventually(a, "/channels/"+room, "info=user_count,subscription_count", `{"occupied":true,"user_count":1,"subscription_count":1}`)
}

// A backend subscribes Pusher clients, unsubscribes and disconnects them, as
// those of other dialects.
func TestPusherClientsOfBackends(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	p.signIn("ann")
	at := "/api/clients/" + p.id
	call := func(path, body, want string) {
		t.Helper()
		if status, answer := s.call("POST", path, a.Secret, body); status != 200 || answer != want {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
	}
	for _, channel := range []string{"x", "private-x", "private-encrypted-x"} {
		call(at+"/subscribe", `{"channel":"`+channel+`"}`, `{"subscribed":true}`)
		p.want(subscribedText(channel))
		call(at+"/subscribe", `{"channel":"`+channel+`"}`, `{"subscribed":true}`) // is not told again
		s.mark(channel, p)
	}
	call(at+"/subscribe", `{"channel":"presence-x"}`, `{"subscribed":true}`)
	p.want(enteredText("presence-x", "ann", "null"))
	call(at+"/subscribe", `{"channel":"cache-x"}`, `{"subscribed":true}`)
	p.want(subscribedText("cache-x"))
	p.want(`{"event":"pusher:cache_miss","channel":"cache-x","data":"{}"}`)
	p.send(clientEvent("private-x", "client-x", "1"))
	p.quiet()
	call(at+"/unsubscribe", `{"channel":"private-x"}`, `{"unsubscribed":true}`)
	call(at+"/unsubscribe", `{"channel":"private-x"}`, `{"unsubscribed":false}`)
	p.fault(clientEvent("private-x", "client-x", "1"), 0, "private-x", "subscribe")
	other.subscribe("private-x")
	s.mark("private-x", other)
	p.quiet()
	call(at+"/disconnect", "", `{"disconnected":1}`)
	p.wantClose(4009)
	other.quiet()
	if status, answer := s.call("POST", at+"/disconnect", a.Secret, ""); status != 404 {
		t.Errorf("%d %s", status, answer)
	}
}
