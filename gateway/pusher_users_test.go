package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"stentor/protocol"
)

func clientEvent(channel, name, data string) string {
	return `{"event":"` + name + `","channel":"` + channel + `","data":` + data + `}`
}

// What a client says reaches the others of a channel, as it was said.
func TestPusherClientEvents(t *testing.T) {
	a := tenant("a", func(a *App) { a.EventRate = 0 })
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	p.subscribe("private-x")
	other.subscribe("private-x")
	for data, want := range map[string]string{
		`{"b": [1, 2.0],"a":"é"}`: `{"b": [1, 2.0],"a":"é"}`,
		`"text"`:                  `text`,
		`"{\"a\": 1}"`:            `{"a": 1}`,
		`"\"quoted\""`:            `"quoted"`,
		`""`:                      ``,
		`null`:                    `null`,
		`[]`:                      `[]`,
		`12345678901234567890`:    `12345678901234567890`,
		`1.50`:                    `1.50`,
		`"a\u0000\n"`:             "a\u0000\n",
	} {
		p.send(clientEvent("private-x", "client-said", data))
		_, got := other.next()
		if got != eventText("private-x", "client-said", want) && got != strings.ReplaceAll(eventText("private-x", "client-said", want), `\n`, "\\u000a") {
			t.Errorf("%s: received %s", data, got)
		}
	}
	p.send(`{"event":"client-bare","channel":"private-x"}`)
	other.want(eventText("private-x", "client-bare", "null"))
	p.send(`{"event":"client-","channel":"private-x","data":1}`)
	other.want(eventText("private-x", "client-", "1"))
	s.mark("private-x", p, other) // nothing of it has come back
}

// Who has sent an event is told on presence channels, and is never what the
// sender says.
func TestPusherClientEventUser(t *testing.T) {
	const room = "presence-x"
	a := tenant("a")
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	p.signIn("signed-in")
	p.enter(room, `{"user_id":"member"}`, "member", "null")
	other.enter(room, `{"user_id":7}`, "7", "null", "member", "null")
	p.want(memberAdded(room, "7", "null"))
	p.subscribe("private-x")
	other.subscribe("private-x")

	p.send(`{"event":"client-x","channel":"presence-x","data":"{}","user_id":"forged"}`)
	other.want(`{"event":"client-x","channel":"presence-x","data":"{}","user_id":"member"}`)
	other.send(clientEvent(room, "client-y", `{"user_id":"forged"}`))
	p.want(`{"event":"client-y","channel":"presence-x","data":"{\"user_id\":\"forged\"}","user_id":"7"}`)
	p.send(`{"event":"client-x","channel":"private-x","data":"{}","user_id":"forged"}`)
	other.want(eventText("private-x", "client-x", "{}"))
	// A backend's events are nobody's.
	s.post(a, "/events", `{"name":"client-z","channels":["presence-x"],"data":"1","user_id":"forged"}`, "{}")
	other.want(eventText(room, "client-z", "1"))
	p.want(eventText(room, "client-z", "1"))
}

func TestPusherClientEventRules(t *testing.T) {
	a := tenant("a", func(a *App) { a.EventRate, a.MaxEventBytes = 0, 100 })
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	for _, channel := range []string{"news", "private-x", "private-encrypted-x", "private-encrypted-cache-x"} {
		p.subscribe(channel)
		other.subscribe(channel)
		if strings.Contains(channel, "cache") {
			for _, p := range []*pusherPeer{p, other} {
				p.want(`{"event":"pusher:cache_miss","channel":"` + channel + `","data":"{}"}`)
			}
		}
	}
	other.subscribe("private-y")
	p.signIn("ann")
	other.signIn("ann")
	p.subscribe("#server-to-user-ann")
	const only = "client events are for private and presence channels only"
	for _, c := range []struct{ message, channel, says string }{
		{clientEvent("news", "client-x", "1"), "news", only},
		{clientEvent("private-encrypted-x", "client-x", "1"), "private-encrypted-x", only},
		{clientEvent("private-encrypted-cache-x", "client-x", "1"), "private-encrypted-cache-x", only},
		{clientEvent("#server-to-user-ann", "client-x", "1"), "#server-to-user-ann", only},
		{clientEvent("#x", "client-x", "1"), "", "the channel name has the character"},
		{clientEvent("", "client-x", "1"), "", "the channel name is empty"},
		{clientEvent("a b", "client-x", "1"), "", "the channel name has the character"},
		{clientEvent("private-y", "client-x", "1"), "private-y", "subscribe to the channel before"},
		{clientEvent("presence-y", "client-x", "1"), "presence-y", "subscribe to the channel before"},
		{clientEvent("private-x", "client-x", `"`+strings.Repeat("x", 101)+`"`), "private-x", "101 bytes, at most 100"},
		{clientEvent("private-x", "client-"+strings.Repeat("x", 194), "1"), "private-x", "at most 200"},
		{clientEvent("private-x", `client-\u0001`, "1"), "private-x", "control"},
		{clientEvent("private-x", "server-event", "1"), "", "client-"},
		{clientEvent("private-x", "Client-x", "1"), "", "client-"},
		{clientEvent("private-x", " client-x", "1"), "", "client-"},
		{clientEvent("private-x", "pusher:client-x", "1"), "", "unknown event"},
		{clientEvent("private-x", "pusher_internal:member_added", `"{}"`), "", "unknown event"},
	} {
		p.fault(c.message, 0, c.channel, c.says)
	}
	p.send(clientEvent("private-x", "client-"+strings.Repeat("x", 193), `"`+strings.Repeat("x", 100)+`"`))
	other.want(eventText("private-x", "client-"+strings.Repeat("x", 193), strings.Repeat("x", 100)))
	for _, channel := range []string{"news", "private-x", "private-encrypted-x", "private-encrypted-cache-x", "private-y"} {
		s.mark(channel, other)
	}
	other.quiet()

	// After its subscription's end a client has nothing to say.
	p.unsubscribe("private-x")
	p.skipMarks()
	p.fault(clientEvent("private-x", "client-x", "1"), 0, "private-x", "subscribe to the channel before")
	a.ClientEvents = false
	s.serveApps([]App{a})
	p.subscribe("private-x")
	p.fault(clientEvent("private-x", "client-x", "1"), 0, "private-x", "client_events")
	s.mark("private-x", other)
	if sent, refused := s.apps.byID("a").clientEvents.sent.Load(), s.apps.byID("a").clientEvents.refused.Load(); sent != 1 || refused < 10 {
		t.Errorf("%d sent and %d refused are counted", sent, refused)
	}
}

// skipMarks reads what marks have left for p, and nothing else.
func (p *pusherPeer) skipMarks() {
	p.t.Helper()
	p.send(`{"event":"pusher:ping","data":{}}`)
	for {
		_, text := p.next()
		if text == `{"event":"pusher:pong","data":"{}"}` {
			return
		}
		if !strings.Contains(text, `"event":"mark"`) {
			p.t.Fatalf("received %s", text)
		}
	}
}

// More events in a second than allowed are refused with 4301, and the connection
// stays. Each connection has its own.
func TestPusherClientEventRate(t *testing.T) {
	a := tenant("a", func(a *App) { a.EventRate = 1 })
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	p.subscribe("private-x")
	other.subscribe("private-x")
	const burst = 50
	for range burst {
		p.send(clientEvent("private-x", "client-p", "1"))
	}
	p.send(`{"event":"pusher:ping"}`)
	refused := 0
	for {
		_, text := p.next()
		if strings.HasPrefix(text, `{"event":"pusher:pong"`) {
			break
		}
		if !strings.HasPrefix(text, `{"event":"pusher:error","channel":"private-x","data":{"code":4301,"message":`) || !strings.Contains(text, "client_event_rate") {
			t.Fatal(text)
		}
		refused++
	}
	if refused == 0 || refused == burst {
		t.Errorf("%d of %d refused", refused, burst)
	}
	for range burst - refused {
		other.want(eventText("private-x", "client-p", "1"))
	}
	other.send(clientEvent("private-x", "client-other", "1"))
	p.want(eventText("private-x", "client-other", "1"))
	s.mark("private-x", p, other)
	soon(t, "it may speak again", func() bool {
		p.send(clientEvent("private-x", "client-again", "1"))
		p.send(`{"event":"pusher:ping"}`)
		_, text := p.next()
		if again := strings.Contains(text, "4301"); again {
			p.next() // the pong
			return false
		}
		return true
	})
	other.want(eventText("private-x", "client-again", "1"))
}

// Each rule of signing in.
func TestPusherSignIn(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	a.PreviousSecret = "an-older-long-secret"
	s := newTest(t, tenants(a, b))
	p, other := s.pusher(a), s.pusher(a)
	const data = `{"id":"ann"}`
	command := func(auth, data string) string {
		return `{"event":"pusher:signin","data":{"auth":` + quote(auth) + `,"user_data":` + quote(data) + `}}`
	}
	signed := func(secret, text string) string { return "a-key:" + hmacHex(secret, text) }
	for _, c := range []struct{ auth, data, says string }{
		{"", data, "missing"},
		{"nonsense", data, "KEY:SIGNATURE"},
		{"b-key:" + hmacHex(a.Secret, p.id+"::user::"+data), data, "another app"},
		{"a-key:" + strings.Repeat("0", 64), data, "does not match"},
		{signed(b.Secret, p.id+"::user::"+data), data, "does not match"},
		{signed(a.Secret, other.id+"::user::"+data), data, "does not match"},
		{signed(a.Secret, p.id+"::user::"+data), `{"id":"bob"}`, "does not match"},
		{signed(a.Secret, p.id+"::user::"+data), `{"id": "ann"}`, "does not match"},
		{signed(a.Secret, p.id+":user:"+data), data, "does not match"},
		{p.auth("x", data), data, "does not match"},
	} {
		p.fault(command(c.auth, c.data), 4009, "", c.says)
	}
	for data, says := range map[string]string{
		``:                    "not valid JSON",
		`nonsense`:            "not valid JSON",
		`"ann"`:               "object",
		`{}`:                  `"id" is missing`,
		`{"id":""}`:           "empty",
		`{"id":7}`:            "a number",
		`{"id":null}`:         "null",
		`{"id":"a b"}`:        "letters",
		`{"id":"a","id":"b"}`: "twice",
		`{"id":"` + strings.Repeat("x", 129) + `"}`:                        "at most 128",
		`{"id":"a","user_info":"x"}`:                                       "object",
		`{"id":"a","user_info":{"x":"` + strings.Repeat("x", 1100) + `"}}`: "at most 1024",
		`{"id":"a","watchlist":"b"}`:                                       "list",
		`{"id":"a","watchlist":[1]}`:                                       "string",
		`{"id":"a","watchlist":[""]}`:                                      "empty",
	} {
		p.fault(p.signInText(data), 4009, "", says)
	}
	p.refused(subscribeText("#server-to-user-ann", "", ""), 401, "#server-to-user-ann", "sign in")
	if n := s.apps.byID("a").hub.Stats().Users; n != 0 {
		t.Fatalf("%d users", n)
	}
	// What is echoed is what was sent, byte for byte.
	for _, data := range []string{`{"id":"ann"}`, `{ "id" : "ann" , "user_info":{"a":"é<&>\u0001"}, "more":[1] }`} {
		p.ask(p.signInText(data), signedInText(data))
	}
	p.ask(command(signed(a.PreviousSecret, p.id+"::user::"+data), data), signedInText(data))
	p.fault(p.signInText(`{"id":"bob"}`), 4009, "", "another user")
	p.refused(subscribeText("#server-to-user-bob", "", ""), 401, "#server-to-user-bob", "sign in")
	p.subscribe("#server-to-user-ann")
	p.subscribe("#server-to-user-ann")
	other.refused(subscribeText("#server-to-user-ann", "", ""), 401, "#server-to-user-ann", "sign in")
	other.signIn("bob")
	other.refused(subscribeText("#server-to-user-ann", "", ""), 401, "#server-to-user-ann", "sign in")
	other.subscribe("#server-to-user-bob")
}

// What is sent to a user reaches all its connections, of every dialect, once, and
// nobody else.
func TestPusherSendToUser(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	one, two, bob, nobody := s.pusher(a), s.pusher(a), s.pusher(a), s.pusher(a)
	native, _ := s.native("?token=" + sign(t, a.Secret, map[string]any{"sub": "ann"}))
	raw := s.dial("/raw/x?token=" + sign(t, a.Secret, map[string]any{"sub": "ann"}))
	soon(t, "the raw client is there", func() bool { return s.subscribers(a, "x") == 1 })
	one.signIn("ann")
	one.subscribe("#server-to-user-ann")
	two.signIn("ann") // and does not subscribe
	bob.signIn("bob")

	const channel = "#server-to-user-ann"
	s.trigger(a, channel, "hello", `{"n":1}`)
	// By the native API, to several of whom some are the same.
	ids := quote(one.id) + "," + quote(two.id)
	s.event(a, `"users":["ann","carol","ann"],"clients":[`+ids+`]`, "again", `{"n":2}`)
	s.event(a, `"users":["bob"]`, "to-bob", "3")
	s.event(a, `"clients":[`+ids+`]`, "direct", "4")
	for _, p := range []*pusherPeer{one, two} {
		p.want(eventText(channel, "hello", `{"n":1}`))
		p.want(eventText(channel, "again", `{"n":2}`))
		p.want(`{"event":"direct","data":"4"}`)
		p.quiet()
	}
	native.want(`{"type":"message","event":"hello","data":{"n":1}}`)
	native.want(`{"type":"message","event":"again","data":{"n":2}}`)
	native.quiet()
	raw.want(`{"n":1}`)
	raw.want(`{"n":2}`)
	bob.want(eventText("#server-to-user-bob", "to-bob", "3"))
	bob.quiet()
	nobody.quiet()

	// To all, and to users but for some.
	s.event(a, `"all":true`, "all", "5")
	for _, p := range []*pusherPeer{one, two, bob, nobody} {
		p.want(`{"event":"all","data":"5"}`)
	}
	s.post(a, "/events", `{"name":"x","channels":["`+channel+`","#server-to-user-bob"],"data":"6","socket_id":"`+one.id+`"}`, "{}")
	two.want(eventText(channel, "x", "6"))
	bob.want(eventText("#server-to-user-bob", "x", "6"))
	one.quiet()
	s.get(a, "/channels/%23server-to-user-ann", "info=subscription_count", `{"occupied":true,"subscription_count":4}`)
	s.get(a, "/channels/%23server-to-user-nobody", "info=subscription_count", `{"occupied":false,"subscription_count":0}`)
	s.get(a, "/channels", "", `{"channels":{"x":{}}}`)
}

// Who has a user only as a member of a channel is not that user.
func TestPusherMembersAreNotSignedIn(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	p.enter("presence-x", `{"user_id":"ann"}`, "ann", "null")
	s.trigger(a, "#server-to-user-ann", "hello", "1")
	s.event(a, `"users":["ann"]`, "hello", "1")
	s.post(a, "/users/ann/terminate_connections", "", "{}")
	s.mark("presence-x", p)
	p.quiet()
}

// A backend ends the connections of a user, for good.
func TestPusherTerminate(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	one, two, bob := s.pusher(a), s.pusher(a), s.pusher(a)
	native, _ := s.native("?token=" + sign(t, a.Secret, map[string]any{"sub": "ann=@,.;"}))
	one.signIn("ann=@,.;")
	two.signIn("ann=@,.;")
	bob.signIn("bob")
	s.post(a, "/users/nobody/terminate_connections", "{}", "{}")
	s.post(a, "/users/ann=@,.;/terminate_connections", "{}", "{}")
	for _, p := range []*pusherPeer{one, two} {
		if text := p.wantClose(4009); text == "" {
			t.Error("no reason")
		}
	}
	native.wantClose(closeStayAway)
	bob.quiet()
	if status, answer := s.call("POST", "/api/users/bob/disconnect", a.Secret, ""); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	bob.wantClose(4009)
}

// What is published to a user while it signs in comes after the acknowledgement,
// without which pusher-js has no place for it.
func TestPusherSignInFirst(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	data := `{"id":"ann","user_info":{},"more":"` + strings.Repeat("x", 16000) + `"}` // which takes a while to write
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		h := s.apps.byID("a").hub
		for {
			select {
			case <-stop:
				return
			default:
				h.PublishClients(nil, []string{"ann"}, &message{protocol.Event{Name: "e", Data: []byte("1")}}, nil)
			}
		}
	}()
	for range 50 {
		p := s.pusher(a)
		p.ask(p.signInText(data), signedInText(data))
		p.Close()
	}
	close(stop)
	<-done
}

// Who asks for much at once is held up, and gets it all.
func TestPusherAsksMuch(t *testing.T) {
	const n = askBurst + askRate/2
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range n {
			if p.WriteMessage(websocket.TextMessage, []byte(subscribeText("x", "", ""))) != nil {
				return
			}
		}
	}()
	for range n {
		p.want(subscribedText("x"))
	}
	<-sent
	s.mark("x", p)
}

// Who asks for far too much at once is refused before it is done, and nobody else
// waits for it.
func TestPusherAsksTooMuch(t *testing.T) {
	const n, members = 1500, 60
	a := tenant("a", func(a *App) { a.PresenceInfoMax = 2048 })
	s := newTest(t, tenants(a))
	info := strings.Repeat("x", 2000)
	p, other := s.pusher(a), s.pusher(a)
	other.subscribe("x")
	for i := range members {
		q := s.pusher(a)
		data := fmt.Sprintf(`{"user_id":%d,"user_info":"%s"}`, i, info)
		q.send(q.subscribeText("presence-x", data))
		q.next()
	}
	go func() {
		text := p.subscribeText("presence-x", `{"user_id":1}`)
		for range n {
			if p.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
				return
			}
		}
	}()
	granted, refused := 0, 0
	for refused == 0 {
		switch _, text := p.next(); {
		case strings.Contains(text, "subscription_succeeded"):
			granted++
		case strings.Contains(text, `"LimitReached"`) && strings.Contains(text, "429"):
			refused++
		default:
			t.Fatal(text)
		}
	}
	if granted == 0 {
		t.Error("nothing was granted")
	}
	s.mark("x", other)
}
