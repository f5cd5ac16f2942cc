package gateway

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// A subscription is acknowledged, as often as it is asked for, and made once. Its
// end is not acknowledged.
func TestPusherSubscribe(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	other.subscribe("x")
	for range 3 {
		p.subscribe("x")
	}
	if n := s.subscribers(a, "x"); n != 2 {
		t.Errorf("%d subscriptions, want 2", n)
	}
	s.mark("x", p, other)
	for range 2 {
		p.unsubscribe("x")
		p.unsubscribe("never")
	}
	p.quiet()
	s.mark("x", other)
	p.quiet()
	p.subscribe("x")
	s.mark("x", p, other)
	other.Close()
	p.Close()
	s.eventually(a, "/channels", "", `{"channels":{}}`)
}

// What a name means is decided by how it begins, and nothing else, in every
// dialect: who has no right to a restricted channel does not get in.
func TestChannelKinds(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	for _, c := range []struct {
		channel               string
		restricted, presence  bool
		cached, withoutEvents bool // the last event is kept; clients may not send events
	}{
		{channel: "news", withoutEvents: true},
		{channel: "my-cache-x", withoutEvents: true},
		{channel: "cached", withoutEvents: true},
		{channel: "Cache-x", withoutEvents: true},
		{channel: "xprivate-a", withoutEvents: true},
		{channel: "Private-a", withoutEvents: true},
		{channel: "x-presence-a", withoutEvents: true},
		{channel: "presence_a", withoutEvents: true},
		{channel: "private", withoutEvents: true},
		{channel: "encrypted-x", withoutEvents: true},
		{channel: "cache-x", cached: true, withoutEvents: true},
		{channel: "cache-", cached: true, withoutEvents: true},
		{channel: "cache-private-x", cached: true, withoutEvents: true},
		{channel: "cache-presence-x", cached: true, withoutEvents: true},
		{channel: "private-", restricted: true},
		{channel: "private-a", restricted: true},
		{channel: "private-my-cache-x", restricted: true},
		{channel: "private-presence-x", restricted: true},
		{channel: "private-Encrypted-x", restricted: true},
		{channel: "private-cache-y", restricted: true, cached: true},
		{channel: "private-cache-encrypted-y", restricted: true, cached: true},
		{channel: "private-encrypted-", restricted: true, withoutEvents: true},
		{channel: "private-encrypted-a", restricted: true, withoutEvents: true},
		{channel: "private-encrypted-x-cache-a", restricted: true, withoutEvents: true},
		{channel: "private-encrypted-cache-a", restricted: true, cached: true, withoutEvents: true},
		{channel: "presence-a", restricted: true, presence: true},
		{channel: "presence-private-cache-a", restricted: true, presence: true},
		{channel: "presence-my-cache-a", restricted: true, presence: true},
		{channel: "presence-encrypted-a", restricted: true, presence: true},
		{channel: "presence-cache-a", restricted: true, presence: true, cached: true},
	} {
		t.Run(c.channel, func(t *testing.T) {
			s := *s
			s.t = t
			data := ""
			if c.presence {
				data = `{"user_id":"ann"}`
			}
			p, nobody := s.pusher(a), s.pusher(a)
			native, _ := s.native("")
			command := `{"type":"subscribe","channel":"` + c.channel + `"}`
			if c.restricted {
				for auth, says := range map[string]string{"": "missing", "a-key:": "does not match", "x": "KEY:SIGNATURE", "a-key:00": "does not match"} {
					nobody.refused(subscribeText(c.channel, auth, data), 401, c.channel, says)
				}
				native.send(command)
				if m := native.json(); m["code"] != "forbidden" {
					t.Errorf("native: %v", m)
				}
				s.dial("/raw/" + c.channel).wantClose(closeStayAway)
				if n := s.subscribers(a, c.channel); n != 0 {
					t.Fatalf("%d are subscribed", n)
				}
			} else {
				nobody.ask(subscribeText(c.channel, "", ""), subscribedText(c.channel))
				if c.cached {
					nobody.want(`{"event":"pusher:cache_miss","channel":"` + c.channel + `","data":"{}"}`)
				}
				native.ask(command, `{"type":"subscribed","channel":"`+c.channel+`"}`)
			}

			s.trigger(a, c.channel, "kept", `{"n":1}`)
			if c.presence {
				p.enter(c.channel, data, "ann", "null")
			} else {
				p.ask(p.subscribeText(c.channel, ""), subscribedText(c.channel))
			}
			if c.cached {
				p.want(eventText(c.channel, "kept", `{"n":1}`))
			}
			p.quiet()

			event := `{"event":"client-x","channel":"` + c.channel + `","data":"hello"}`
			if c.withoutEvents {
				p.fault(event, 0, c.channel, "client events are for private and presence channels only")
			} else {
				p.send(event)
				p.quiet()
			}
			if c.presence {
				s.get(a, "/channels/"+c.channel+"/users", "", `{"users":[{"id":"ann"}]}`)
			} else if status, answer, _ := s.make(pusherCall{app: a, method: "GET", path: "/channels/" + c.channel + "/users"}); status != 400 {
				t.Errorf("users: %d %s", status, answer)
			}
		})
	}
}

// Names that break the rules are refused before anything else.
func TestPusherChannelNames(t *testing.T) {
	a := tenant("a", func(a *App) { a.MaxChannelName = 40 })
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	good := strings.Repeat("x", 40)
	p.subscribe(good)
	p.subscribe("private-_-=@,.;09AZ")
	for name, says := range map[string]string{
		good + "x":               "at most 40",
		"private-" + good:        "at most 40",
		strings.Repeat("x", 165): "at most 164",
		strings.Repeat("x", 201): "at most 164",
		"":                       "empty",
		".":                      "only dots",
		"..":                     "only dots",
		"a b":                    "' '",
		"a/b":                    "'/'",
		"a:b":                    "':'",
		"private-a:b":            "':'",
		"a+b":                    "'+'",
		"a*":                     "'*'",
		"#x":                     "'#'",
		"#private-x":             "'#'",
		"#server-to-user":        "'#'",
		"#server-to-user-":       "empty",
		"#server-to-user-..":     "only dots",
		"é":                      "é",
		"\x00":                   "character",
		"a\n":                    "character",
	} {
		p.send(p.subscribeText(name, ""))
		_, text := p.next()
		if !strings.HasPrefix(text, `{"event":"pusher:error",`) || !strings.Contains(text, says) || len(text) > 600 {
			t.Errorf("%q: %s", name, text)
		}
	}
	p.quiet()
	for name := range map[string]bool{good: true, "private-_-=@,.;09AZ": true} {
		s.mark(name, p)
	}
	if n := s.apps.byID("a").hub.Stats().Channels; n != 2 {
		t.Errorf("%d channels", n)
	}
}

// A signature is for one socket, one channel, one text of channel_data and one
// app.
func TestPusherSignatures(t *testing.T) {
	const before = "an-older-long-secret"
	a, b := tenant("a"), tenant("b")
	a.PreviousSecret = before
	s := newTest(t, tenants(a, b))
	p, other, foreign := s.pusher(a), s.pusher(a), s.pusher(b)
	signed := func(secret, text string) string { return "a-key:" + hmacHex(secret, text) }
	const data = `{"user_id":"1"}`
	good := p.auth("private-x", "")
	for name, c := range map[string]struct{ channel, auth, data, says string }{
		"none":                       {"private-x", "", "", "missing"},
		"no colon":                   {"private-x", strings.Replace(good, ":", "", 1), "", "KEY:SIGNATURE"},
		"no key":                     {"private-x", good[strings.Index(good, ":"):], "", "another app"},
		"another app's key":          {"private-x", strings.Replace(good, "a-key", "b-key", 1), "", "another app"},
		"its id":                     {"private-x", strings.Replace(good, "a-key", "a", 1), "", "another app"},
		"no signature":               {"private-x", "a-key:", "", "does not match"},
		"upper case":                 {"private-x", "a-key:" + strings.ToUpper(good[len("a-key:"):]), "", "does not match"},
		"cut":                        {"private-x", good[:len(good)-1], "", "does not match"},
		"longer":                     {"private-x", good + "0", "", "does not match"},
		"a space":                    {"private-x", good + " ", "", "does not match"},
		"nonsense":                   {"private-x", "a-key:" + strings.Repeat("z", 64), "", "does not match"},
		"huge":                       {"private-x", "a-key:" + strings.Repeat("0", 30000), "", "does not match"},
		"another secret":             {"private-x", signed(b.Secret, p.id+":private-x"), "", "does not match"},
		"the key as secret":          {"private-x", signed(a.Key, p.id+":private-x"), "", "does not match"},
		"no secret":                  {"private-x", signed("", p.id+":private-x"), "", "does not match"},
		"another socket":             {"private-x", other.auth("private-x", ""), "", "does not match"},
		"another app's client":       {"private-x", foreign.auth("private-x", ""), "", "another app"},
		"another channel":            {"private-x", p.auth("private-y", ""), "", "does not match"},
		"a prefix of the channel":    {"private-xy", p.auth("private-x", ""), "", "does not match"},
		"of the name only":           {"private-x", signed(a.Secret, "private-x"), "", "does not match"},
		"a sign-in":                  {"private-x", signed(a.Secret, p.id+"::user::private-x"), "", "does not match"},
		"presence: none":             {"presence-x", "", data, "missing"},
		"presence: without data":     {"presence-x", p.auth("presence-x", ""), data, "does not match"},
		"presence: unsent data":      {"presence-x", p.auth("presence-x", data), "", "does not match"},
		"presence: other data":       {"presence-x", p.auth("presence-x", data), `{"user_id":"2"}`, "does not match"},
		"presence: other blanks":     {"presence-x", p.auth("presence-x", data), `{"user_id": "1"}`, "does not match"},
		"presence: as private":       {"presence-x", p.auth("private-x", data), data, "does not match"},
		"presence: another socket":   {"presence-x", other.auth("presence-x", data), data, "does not match"},
		"presence: data by a colon":  {"presence-x", p.auth("presence-x:"+data, ""), data + " ", "does not match"},
		"private, signed with data":  {"private-x", p.auth("private-x", data), "", "does not match"},
		"encrypted":                  {"private-encrypted-x", p.auth("private-x", ""), "", "does not match"},
		"private cache":              {"private-cache-x", p.auth("cache-x", ""), "", "does not match"},
		"encrypted cache, unsigned":  {"private-encrypted-cache-x", "", "", "missing"},
		"presence cache, unsigned":   {"presence-cache-x", "", data, "missing"},
		"another's channel of users": {"#server-to-user-ann", p.auth("#server-to-user-ann", ""), "", "sign in"},
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			peer := *p.peer
			peer.t = t
			p.peer = &peer
			p.refused(subscribeText(c.channel, c.auth, c.data), 401, c.channel, c.says)
		})
	}
	if st := s.apps.byID("a").hub.Stats(); st.Subscriptions != 0 || st.Channels != 0 {
		t.Fatalf("%+v", st)
	}
	// The right ones; the secret of before is as good while it is configured.
	p.subscribe("private-x")
	p.ask(subscribeText("private-y", signed(before, p.id+":private-y"), ""), subscribedText("private-y"))
	p.ask(subscribeText("presence-x", signed(before, p.id+":presence-x:"+data), data), enteredText("presence-x", "1", "null"))
	a.PreviousSecret = ""
	s.serveApps([]App{a, b})
	p.refused(subscribeText("private-z", signed(before, p.id+":private-z"), ""), 401, "private-z", "does not match")
	s.mark("private-y", p)
	// What was signed for a connection is worth nothing on the next.
	again := s.pusher(a)
	again.refused(subscribeText("private-x", good, ""), 401, "private-x", "does not match")
}

// Two apps have channels of the same names, and nothing in common.
func TestPusherAppsAreApart(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	s := newTest(t, tenants(a, b))
	one, two := s.pusher(a), s.pusher(b)
	for _, p := range []*pusherPeer{one, two} {
		p.subscribe("private-x")
		p.enter("presence-x", `{"user_id":"`+p.app.ID+`"}`, p.app.ID, "null")
		p.signIn("ann")
	}
	s.trigger(a, "cache-x", "kept", "1")
	one.send(`{"event":"client-x","channel":"private-x","data":"1"}`)
	s.post(a, "/events", `{"name":"x","channels":["#server-to-user-ann"],"data":"1"}`, "{}")
	one.want(eventText("#server-to-user-ann", "x", "1"))
	s.mark("private-x", two)
	two.subscribe("cache-x")
	two.want(`{"event":"pusher:cache_miss","channel":"cache-x","data":"{}"}`)
	s.post(a, "/users/ann/terminate_connections", "{}", "{}")
	one.wantClose(4009)
	two.quiet()
	s.get(b, "/channels/presence-x/users", "", `{"users":[{"id":"b"}]}`)
}

// The vectors of the protocol's documents. Their socket ids are not ours to
// choose, so that they are checked by the app's keys.
func TestPusherVectors(t *testing.T) {
	a := tenant("a")
	a.Key, a.Secret = "278d425bdf160c739803", "7ad3773142a6692b25b8"
	s := newTest(t, tenants(a))
	keys := s.apps.byID("a").settings().keys
	member := `{"user_id":10,"user_info":{"name":"Mr. Channels"}}`
	user := `{"id":"12345"}`
	if err := keys.CheckChannelAuth(a.Key+":58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4", "1234.1234", "private-foobar", ""); err != nil {
		t.Error(err)
	}
	if err := keys.CheckChannelAuth(a.Key+":31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80", "1234.1234", "presence-foobar", member); err != nil {
		t.Error(err)
	}
	if err := keys.CheckUserAuth(a.Key+":4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba", "1234.1234", user); err != nil {
		t.Error(err)
	}
}

// Members are users, by id as text, however many connections each has.
func TestPusherPresence(t *testing.T) {
	const room = "presence-room"
	a := tenant("a")
	s := newTest(t, tenants(a))
	one, two, three, four := s.pusher(a), s.pusher(a), s.pusher(a), s.pusher(a)
	one.enter(room, `{"user_id":10,"user_info":{"name":"Mr. Channels"}}`, "10", `{"name":"Mr. Channels"}`)
	two.enter(room, `{"user_id":"9","user_info":"é \"x\""}`, "10", `{"name":"Mr. Channels"}`, "9", `"é \"x\""`)
	one.want(memberAdded(room, "9", `"é \"x\""`))
	// The same user once more, by a string, and with what it knows of itself now.
	three.enter(room, `{"user_id":"10","user_info":{"name":"other"}}`, "10", `{"name":"Mr. Channels"}`, "9", `"é \"x\""`)
	three.enter(room, `{"user_id":"10"}`, "10", `{"name":"Mr. Channels"}`, "9", `"é \"x\""`) // again
	s.mark(room, one, two, three)
	s.get(a, "/channels/"+room, "info=user_count,subscription_count", `{"occupied":true,"user_count":2,"subscription_count":3}`)
	s.get(a, "/channels/"+room+"/users", "", `{"users":[{"id":"10"},{"id":"9"}]}`)

	// A membership stays as it is, whatever a second subscription says.
	three.enter(room, `{"user_id":"8"}`, "10", `{"name":"Mr. Channels"}`, "9", `"é \"x\""`)
	s.mark(room, one, two, three)

	// Nobody is told of a connection of who is still there.
	one.unsubscribe(room)
	one.quiet()
	s.mark(room, two, three)
	s.get(a, "/channels/"+room+"/users", "", `{"users":[{"id":"10"},{"id":"9"}]}`)
	three.Close()
	two.want(memberRemoved(room, "10"))
	s.get(a, "/channels", "filter_by_prefix=presence-&info=user_count", `{"channels":{"presence-room":{"user_count":1}}}`)

	// Ids are texts: 1 and 01 are two users, and __proto__ is one.
	four.enter(room, `{"user_id":"__proto__"}`, "9", `"é \"x\""`, "__proto__", "null")
	two.want(memberAdded(room, "__proto__", "null"))
	four.unsubscribe(room)
	two.want(memberRemoved(room, "__proto__"))
	four.enter(room, `{"user_id":"01"}`, "01", "null", "9", `"é \"x\""`)
	two.want(memberAdded(room, "01", "null"))
	one.enter(room, `{"user_id":1}`, "01", "null", "1", "null", "9", `"é \"x\""`)
	two.want(memberAdded(room, "1", "null"))
	four.want(memberAdded(room, "1", "null"))
}

// channel_data that names nobody, or not as it should, lets nobody in.
func TestPusherChannelData(t *testing.T) {
	a := tenant("a", func(a *App) { a.PresenceInfoMax = 50 })
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	const room = "presence-room"
	long := strings.Repeat("x", 128)
	for data, says := range map[string]string{
		"":                            "user_id",
		"{}":                          "user_id",
		`{"user_info":{}}`:            "user_id",
		`{"User_id":"1"}`:             "user_id",
		"nonsense":                    "not valid JSON",
		`"1"`:                         "object",
		`[]`:                          "object",
		`{"user_id":null}`:            "user_id",
		`{"user_id":""}`:              "empty",
		`{"user_id":true}`:            "a boolean",
		`{"user_id":{}}`:              "an object",
		`{"user_id":["1"]}`:           "a list",
		`{"user_id":1.5}`:             "1.5",
		`{"user_id":1e3}`:             "1e3",
		`{"user_id":".."}`:            "only dots",
		`{"user_id":"a\u0000"}`:       "control",
		`{"user_id":"` + long + `x"}`: "at most 128",
		`{"user_id":"1","user_id":2}`: "twice",
		`{"user_id":"1","user_info":"` + strings.Repeat("x", 49) + `"}`: "at most 50",
	} {
		p.refused(subscribeText(room, p.auth(room, data), data), 401, room, says)
	}
	if n := s.subscribers(a, room); n != 0 {
		t.Fatalf("%d are subscribed", n)
	}
	info := `"` + strings.Repeat("x", 48) + `"`
	p.enter(room, `{"user_id":"`+long+`","user_info":`+info+`}`, long, info)
	p.unsubscribe(room)
	p.enter(room, `{"user_id":123456789012345678901234567890}`, "123456789012345678901234567890", "null")
	p.unsubscribe(room)
	p.enter(room, `{"user_id":-7,"user_info":null}`, "-7", "null")
	// Without a user_id it is who has signed in.
	p = s.pusher(a)
	p.ask(p.signInText(`{"id":"ann","user_info":{"a":1}}`), signedInText(`{"id":"ann","user_info":{"a":1}}`))
	p.enter("presence-2", "", "ann", `{"a":1}`)
	p.enter("presence-3", `{"user_id":"bob"}`, "bob", "null")
}

// A presence channel has so many members, and each of them as many connections as
// it likes.
func TestPusherPresenceLimit(t *testing.T) {
	a := tenant("a", func(a *App) { a.PresenceMax = 2 })
	s := newTest(t, tenants(a))
	const room = "presence-room"
	one, two, three, four := s.pusher(a), s.pusher(a), s.pusher(a), s.pusher(a)
	one.enter(room, `{"user_id":"1"}`, "1", "null")
	two.enter(room, `{"user_id":"2"}`, "1", "null", "2", "null")
	one.want(memberAdded(room, "2", "null"))
	three.refused(three.subscribeText(room, `{"user_id":"3"}`), 403, room, "presence_max_members")
	four.enter(room, `{"user_id":"2"}`, "1", "null", "2", "null")
	s.mark(room, one, two, four)
	three.enter("presence-2", `{"user_id":"3"}`, "3", "null")
	one.Close()
	two.want(memberRemoved(room, "1"))
	three.enter(room, `{"user_id":"3"}`, "2", "null", "3", "null")
}

func TestPusherSubscriptionLimit(t *testing.T) {
	a := tenant("a", func(a *App) { a.MaxSubscriptions = 2 })
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	p.subscribe("x")
	p.subscribe("private-y")
	p.refused(p.subscribeText("z", ""), 403, "z", "max_subscriptions")
	p.subscribe("x") // again
	p.signIn("ann")
	p.subscribe("#server-to-user-ann") // is none
	p.unsubscribe("x")
	p.subscribe("z")
	p.refused(p.subscribeText("presence-z", `{"user_id":"1"}`), 403, "presence-z", "max_subscriptions")
	if list := s.subscribers(a, "presence-z"); list != 0 {
		t.Errorf("%d are subscribed", list)
	}
}

// A cache channel gives its last event to who comes, of every dialect, once.
func TestPusherCacheChannels(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	const channel = "private-cache-x"
	missed := `{"event":"pusher:cache_miss","channel":"private-cache-x","data":"{}"}`
	p := s.pusher(a)
	p.subscribe(channel)
	p.want(missed)
	p.subscribe(channel) // nothing once more: it is subscribed
	p.quiet()
	s.get(a, "/channels/"+channel, "info=cache", `{"occupied":true,"cache":null}`)

	s.trigger(a, channel, "first", "1")
	s.trigger(a, channel, "second", `{"b":2}`)
	p.want(eventText(channel, "first", "1"))
	p.want(eventText(channel, "second", `{"b":2}`))
	p.subscribe(channel)
	p.quiet()
	late := s.pusher(a)
	late.subscribe(channel)
	late.want(eventText(channel, "second", `{"b":2}`))
	late.subscribe(channel)
	late.quiet()
	late.unsubscribe(channel)
	late.subscribe(channel)
	late.want(eventText(channel, "second", `{"b":2}`))

	// A client's event is not kept, and neither is the server's word on members.
	late.send(`{"event":"client-x","channel":"private-cache-x","data":"3"}`)
	p.want(eventText(channel, "client-x", "3"))
	again := s.pusher(a)
	again.subscribe(channel)
	again.want(eventText(channel, "second", `{"b":2}`))
	q := s.pusher(a)
	q.enter("presence-cache-x", `{"user_id":"1"}`, "1", "null")
	q.want(`{"event":"pusher:cache_miss","channel":"presence-cache-x","data":"{}"}`)
	r := s.pusher(a)
	r.enter("presence-cache-x", `{"user_id":"2"}`, "1", "null", "2", "null")
	r.want(`{"event":"pusher:cache_miss","channel":"presence-cache-x","data":"{}"}`)
	q.want(memberAdded("presence-cache-x", "2", "null"))

	// Kept when nobody listens, and whoever was left out of it.
	s.post(a, "/events", `{"name":"third","channel":"private-cache-x","data":"x y","socket_id":"`+p.id+`"}`, "{}")
	for _, peer := range []*pusherPeer{p, late, again} {
		peer.unsubscribe(channel)
	}
	p.quiet()
	p.subscribe(channel)
	p.want(eventText(channel, "third", "x y"))
	n, _ := s.native("?token=" + sign(t, a.Secret, jwt.MapClaims{"channels": []string{channel}}))
	n.ask(`{"type":"subscribe","channel":"private-cache-x"}`, `{"type":"subscribed","channel":"private-cache-x"}`)
	n.want(`{"type":"message","channel":"private-cache-x","event":"third","data":"x y"}`)
	raw := s.dial("/raw/private-cache-x?token=" + sign(t, a.Secret, jwt.MapClaims{"channels": []string{channel}}))
	raw.want("x y")
	// By the native API, too; what has no form for Pusher clients is kept for others.
	s.event(a, `"channels":["cache-y"]`, "fourth", "4")
	p.subscribe("cache-y")
	p.want(eventText("cache-y", "fourth", "4"))
	p.unsubscribe("cache-y")
	s.call("POST", "/api/publish", a.Secret, `{"to":{"channels":["cache-y"]},"data":"AAE=","encoding":"base64"}`)
	p.subscribe("cache-y")
	p.want(`{"event":"pusher:cache_miss","channel":"cache-y","data":"{}"}`)
	n.ask(`{"type":"subscribe","channel":"cache-y"}`, `{"type":"subscribed","channel":"cache-y"}`)
	if m := n.json(); m["data"] != "AAE=" || m["encoding"] != "base64" {
		t.Errorf("%v", m)
	}
}

// While events are published and clients come, each receives all events from the
// kept one on, in order, none twice.
func TestCacheOrder(t *testing.T) {
	const events, clients = 300, 24
	a := tenant("a")
	s := newTest(t, tenants(a))
	s.trigger(a, "cache-x", "n", "0")
	var all sync.WaitGroup
	all.Go(func() {
		for i := 1; i <= events; i++ {
			s.trigger(a, "cache-x", "n", fmt.Sprint(i))
		}
	})
	peers := make(chan *pusherPeer, clients)
	for range clients {
		peers <- s.pusher(a)
	}
	for range 4 {
		all.Go(func() {
			for range clients / 4 {
				p := <-peers
				p.subscribe("cache-x")
				first := -1
				for next := 0; next <= events; next++ {
					_, text := p.next()
					if first < 0 {
						for text != eventText("cache-x", "n", fmt.Sprint(next)) {
							if next++; next > events {
								t.Errorf("the first is %s", text)
								return
							}
						}
						first = next
					} else if text != eventText("cache-x", "n", fmt.Sprint(next)) {
						t.Errorf("received %s, want %d; it began with %d", text, next, first)
						return
					}
				}
				p.quiet()
			}
		})
	}
	all.Wait()
}
