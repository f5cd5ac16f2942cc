package gateway

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/gateway/webhook"
	"stentor/protocol/pusher"
)

// What info asks for decides on the answer only: the event is delivered, whatever
// the channel has of it.
func TestPusherInfoDelivers(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	channels := []string{"x", "private-x", "cache-x", "presence-x"}
	for _, channel := range channels {
		switch channel {
		case "presence-x":
			p.enter(channel, `{"user_id":"1"}`, "1", "null")
		case "cache-x":
			p.subscribe(channel)
			p.want(`{"event":"pusher:cache_miss","channel":"cache-x","data":"{}"}`)
		default:
			p.subscribe(channel)
		}
	}
	for _, info := range []string{"user_count", "subscription_count", "cache", "user_count,subscription_count,cache"} {
		for _, channel := range channels {
			event := `"name":"e","data":"1","info":"` + info + `"`
			for path, body := range map[string]string{
				"/events":       `{` + event + `,"channels":["` + channel + `"]}`,
				"/batch_events": `{"batch":[{` + event + `,"channel":"` + channel + `"}]}`,
			} {
				if status, answer, _ := s.make(pusherCall{app: a, method: "POST", path: path, body: body}); status != 200 || answer == "{}" {
					t.Errorf("%s %s: %d %s", path, body, status, answer)
				}
				p.want(eventText(channel, "e", "1"))
			}
		}
	}
	s.post(a, "/events", `{"name":"e","data":"1","channel":"x","info":"nonsense"}`, `{}`)
	s.post(a, "/batch_events", `{"batch":[{"name":"e","data":"1","channel":"x","info":"nonsense,subscription_count"}]}`, `{"batch":[{"subscription_count":1}]}`)
	p.want(eventText("x", "e", "1"))
	p.want(eventText("x", "e", "1"))
}

// Backends read answers as JSON, and refusals as text.
func TestPusherAnswersAreJSON(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	const event = `{"name":"e","channel":"x","data":"1"}`
	for _, c := range []struct {
		call   pusherCall
		status int
	}{
		{pusherCall{app: a, method: "POST", path: "/events", body: event}, 200},
		{pusherCall{app: a, method: "POST", path: "/batch_events", body: `{"batch":[` + event + `]}`}, 200},
		{pusherCall{app: a, method: "POST", path: "/channels/x/events", query: map[string][]string{"name": {"e"}}, body: "1"}, 202},
		{pusherCall{app: a, method: "GET", path: "/channels"}, 200},
		{pusherCall{app: a, method: "GET", path: "/channels/x"}, 200},
		{pusherCall{app: a, method: "GET", path: "/channels/presence-x/users"}, 200},
		{pusherCall{app: a, method: "POST", path: "/users/ann/terminate_connections"}, 200},
	} {
		status, answer, header := s.make(c.call)
		if kind := header.Get("Content-Type"); status != c.status || kind != "application/json" || !strings.HasPrefix(answer, "{") {
			t.Errorf("%s %s: %d, %s, %s", c.call.method, c.call.path, status, kind, answer)
		}
	}
}

// channel_data says who a member is, field by field; what it leaves out is of who
// has signed in, if it names nobody else.
func TestPusherMemberOfWhoHasSignedIn(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	user := `{"id":"ann","user_info":{"a":1}}`
	p.ask(p.signInText(user), signedInText(user))
	for i, c := range []struct{ data, id, info string }{
		{``, "ann", `{"a":1}`},
		{`{}`, "ann", `{"a":1}`},
		{`{"user_info":null}`, "ann", `{"a":1}`},
		{`{"user_info":{"b":2}}`, "ann", `{"b":2}`},
		{`{"user_id":"bob","user_info":{"c":3}}`, "bob", `{"c":3}`},
		{`{"user_id":"bob"}`, "bob", "null"}, // whose info that of ann is not
	} {
		p.enter("presence-"+string(rune('a'+i)), c.data, c.id, c.info)
	}
	// Who has not signed in has to say who it is.
	other := s.pusher(a)
	other.refused(other.subscribeText("presence-a", `{"user_info":{"b":2}}`), 401, "presence-a", "user_id")
}

// What a backend signs with data for a private channel is as good as for a presence
// channel, and for that data only.
func TestPusherPrivateChannelData(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	const data = `{"user_id":"ann"}`
	for _, channel := range []string{"private-x", "private-cache-x", "private-encrypted-x"} {
		p.refused(subscribeText(channel, p.auth(channel, data), `{"user_id":"bob"}`), 401, channel, "does not match")
		p.refused(subscribeText(channel, p.auth("private-y", ""), data), 401, channel, "does not match")
		for _, auth := range []string{p.auth(channel, data), p.auth(channel, "")} {
			p.ask(subscribeText(channel, auth, data), subscribedText(channel))
			if strings.Contains(channel, "cache") {
				p.want(`{"event":"pusher:cache_miss","channel":"` + channel + `","data":"{}"}`)
			}
			p.unsubscribe(channel)
		}
	}
	// It makes no member, nor a user.
	p.refused(subscribeText("#server-to-user-ann", "", ""), 401, "#server-to-user-ann", "sign in")
	s.get(a, "/channels", "filter_by_prefix=presence-", `{"channels":{}}`)
}

// The development app lets clients of other dialects in everywhere, but Pusher
// clients show signatures to it as to any other.
func TestPusherDevelopmentApp(t *testing.T) {
	dev := developmentApp()
	s := newTest(t, nil)
	p := s.pusher(dev)
	for _, channel := range []string{"private-x", "private-cache-y", "private-encrypted-x", "private-encrypted-cache-q", "presence-x", "presence-cache-x"} {
		p.refused(subscribeText(channel, "", ""), 401, channel, "missing")
		p.refused(subscribeText(channel, "dev-key:"+strings.Repeat("0", 64), `{"user_id":"1"}`), 401, channel, "does not match")
		if n := s.subscribers(dev, channel); n != 0 {
			t.Errorf("%s: %d are subscribed", channel, n)
		}
	}
	p.refused(subscribeText("#server-to-user-ann", "", ""), 401, "#server-to-user-ann", "sign in")
	p.fault(`{"event":"pusher:signin","data":{"auth":"dev-key:x","user_data":"{\"id\":\"ann\"}"}}`, 4009, "", "does not match")
	s.refuses(pusherCall{app: dev, method: "GET", path: "/channels", secret: "wrong"}, 401, "auth_signature")
	p.subscribe("private-x")
	p.quiet()
}

// A user's channel is the gateway's: no dialect reaches it by its name, whatever a
// token allows.
func TestUserChannelsAreOutOfReach(t *testing.T) {
	const channel = "#server-to-user-ann"
	a := tenant("a")
	s := newTest(t, tenants(a))
	ann := s.pusher(a)
	ann.signIn("ann")
	ann.subscribe(channel)
	rights := "token=" + sign(t, a.Secret, jwt.MapClaims{"sub": "bob", "channels": []string{"*", channel}, "publish": []string{"*", channel}})
	n, _ := s.native("?" + rights)
	for _, command := range []string{
		`{"type":"subscribe","channel":"` + channel + `"}`,
		`{"type":"publish","channel":"` + channel + `","event":"e","data":1}`,
		`{"type":"publish","channel":"` + channel + `","event":"client-e","data":1}`,
	} {
		n.send(command)
		if m := n.json(); m["type"] != "error" || m["code"] != "bad_channel" {
			t.Errorf("%s: %v", command, m)
		}
	}
	n.send(`{"type":"publish","user":"ann","event":"e","data":1}`)
	if m := n.json(); m["code"] != "forbidden" {
		t.Errorf("to the user: %v", m)
	}
	s.dial("/raw/%23server-to-user-ann?" + rights).wantClose(closeStayAway)
	for path, body := range map[string]string{
		"/api/publish":                            `{"to":{"channels":["` + channel + `"]},"data":1}`,
		"/api/clients/" + ann.id + "/subscribe":   `{"channel":"` + channel + `"}`,
		"/api/clients/" + ann.id + "/unsubscribe": `{"channel":"` + channel + `"}`,
	} {
		if status, answer := s.call("POST", path, a.Secret, body); status != 400 {
			t.Errorf("%s %s: %d %s", path, body, status, answer)
		}
	}
	// Not by the member of a channel of that name either, nor as a Pusher client.
	bob := s.pusher(a)
	bob.signIn("bob")
	bob.enter("presence-ann", `{"user_id":"ann"}`, "ann", "null")
	bob.refused(bob.subscribeText(channel, ""), 401, channel, "sign in")
	bob.refused(subscribeText(channel, bob.auth(channel, `{"user_id":"ann"}`), `{"user_id":"ann"}`), 401, channel, "sign in")
	bob.fault(clientEvent(channel, "client-e", "1"), 0, channel, "client events are for")
	s.trigger(a, channel, "e", "2")
	ann.want(eventText(channel, "e", "2"))
	ann.quiet()
	bob.quiet()
	n.quiet()
}

// Who has published is who the gateway knows, in whatever dialect it says otherwise.
func TestForgedUsers(t *testing.T) {
	const room = "presence-x"
	a := tenant("a", func(a *App) { a.EventRate = 0 })
	s := newTest(t, tenants(a))
	rights := jwt.MapClaims{"sub": "nat", "channels": []string{room}, "publish": []string{room}}
	p, other := s.pusher(a), s.pusher(a)
	p.enter(room, `{"user_id":"ann"}`, "ann", "null")
	other.enter(room, `{"user_id":"bob"}`, "ann", "null", "bob", "null")
	p.want(memberAdded(room, "bob", "null"))
	for _, forged := range []string{
		`{"event":"client-x","channel":"presence-x","data":"1","user_id":"root"}`,
		`{"user_id":"root","event":"client-x","channel":"presence-x","data":"1","user":"root","socket_id":"` + other.id + `"}`,
		`{"event":"client-x","channel":"presence-x","data":"1","channel_data":"{\"user_id\":\"root\"}"}`,
	} {
		p.send(forged)
		other.want(`{"event":"client-x","channel":"presence-x","data":"1","user_id":"ann"}`)
	}
	p.quiet()

	n, _ := s.native("?token=" + sign(t, a.Secret, rights))
	for _, forged := range []string{`"user_id":"root"`, `"user":"root"`} {
		n.send(`{"type":"publish","channel":"presence-x","event":"client-x","data":1,` + forged + `,"echo":false}`)
		if m := n.json(); m["code"] != "bad_message" {
			t.Errorf("%s: %v", forged, m)
		}
	}
	n.send(`{"type":"publish","channel":"presence-x","event":"client-x","data":{"user_id":"root"},"echo":false}`)
	for _, p := range []*pusherPeer{p, other} {
		p.want(`{"event":"client-x","channel":"presence-x","data":"{\"user_id\":\"root\"}","user_id":"nat"}`)
	}
	r := s.raw(room, "?token="+sign(t, a.Secret, rights)+"&user=root")
	for _, p := range []*pusherPeer{p, other} {
		p.want(memberAdded(room, "nat", "null"))
	}
	text := `{"event":"client-x","channel":"presence-x","data":"1","user_id":"root"}`
	r.send(text) // is data, all of it
	for _, p := range []*pusherPeer{p, other} {
		p.want(eventText(room, "message", text))
		p.quiet()
	}
	s.get(a, "/channels/"+room+"/users", "", `{"users":[{"id":"ann"},{"id":"bob"},{"id":"nat"}]}`)
}

// Only names that begin so keep an event, for clients of any dialect.
func TestNamesThatOnlyLookLikeCache(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	rights := "?token=" + sign(t, a.Secret, jwt.MapClaims{"sub": "ann", "channels": []string{"private-my-cache-x", "presence-my-cache-x"}})
	for _, channel := range []string{"my-cache-x", "cachex", "Cache-x", "private-my-cache-x", "presence-my-cache-x"} {
		s.trigger(a, channel, "early", "1")
		n, _ := s.native(rights)
		n.send(`{"type":"subscribe","channel":"` + channel + `"}`)
		if m := n.json(); m["type"] != "subscribed" {
			t.Fatalf("%s: %v", channel, m)
		}
		n.quiet()
		r := s.raw(channel, rights)
		s.trigger(a, channel, "late", "2")
		r.want("2")
		n.want(`{"type":"message","channel":"` + channel + `","event":"late","data":2}`)
		n.Close()
		r.Close()
	}
}

// What was signed for one connection is worth nothing on another: not later, not of
// the same user, and not in another app that has the same names.
func TestPusherReplays(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	s := newTest(t, tenants(a, b))
	p := s.pusher(a)
	const user, member = `{"id":"ann"}`, `{"user_id":"ann"}`
	commands := map[string]string{
		"private-x":           p.subscribeText("private-x", ""),
		"private-cache-x":     p.subscribeText("private-cache-x", ""),
		"private-encrypted-x": p.subscribeText("private-encrypted-x", ""),
		"presence-x":          p.subscribeText("presence-x", member),
	}
	signIn := p.signInText(user)
	p.ask(signIn, signedInText(user))
	p.ask(commands["private-x"], subscribedText("private-x"))
	p.ask(commands["presence-x"], enteredText("presence-x", "ann", "null"))
	// On its own connection it is, again.
	p.ask(signIn, signedInText(user))
	p.unsubscribe("private-x")
	p.ask(commands["private-x"], subscribedText("private-x"))
	p.Close()
	soon(t, "it has left", func() bool { return s.apps.byID("a").hub.Clients() == 0 })
	next, foreign := s.pusher(a), s.pusher(b)
	next.signIn("ann")
	for channel, command := range commands {
		next.refused(command, 401, channel, "does not match")
		foreign.refused(command, 401, channel, "another app")
	}
	last := s.pusher(a)
	last.fault(signIn, 4009, "", "does not match")
	foreign.fault(signIn, 4009, "", "another app")
	if st := s.apps.byID("a").hub.Stats(); st.Subscriptions != 0 || st.Users != 1 {
		t.Errorf("%+v", st)
	}
}

// Every connection of a user has its own watchlist, and is told how things are when
// it signs in.
func TestWatchlistOfEachConnection(t *testing.T) {
	a := tenant("a", func(a *App) { a.Watchlist = true })
	s := newTest(t, tenants(a))
	one, two := s.pusher(a), s.pusher(a)
	data := watchText("ann", "bob")
	one.ask(one.signInText(data), signedInText(data))
	one.wantNews("", "bob")
	data = watchText("ann", "carol", "ann")
	two.ask(two.signInText(data), signedInText(data))
	two.wantNews("ann", "carol")
	one.quiet()
	bob, carol := s.pusher(a), s.pusher(a)
	bob.signIn("bob")
	one.wantNews("bob", "")
	carol.signIn("carol")
	two.wantNews("carol", "")
	one.quiet()
	two.quiet()
}

// What other ways to connect Pusher clients know are not served, and are no
// WebSocket.
func TestPusherFallbacksAreNotServed(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	for _, path := range []string{"/pusher/app/a-key/1/x/xhr_streaming", "/pusher/app/a-key", "/pusher/info", "/sockjs/info"} {
		for _, method := range []string{"GET", "POST"} {
			if e := s.roundTrip(s.request(method, s.addr, path, "", "")); !slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed}, e.status) {
				t.Errorf("%s %s: %d", method, path, e.status)
			}
		}
	}
}

// A body that the query does not sign is refused before it has come, whoever has
// signed the rest.
func TestPusherBodyThatIsNotSigned(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	for _, head := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		call := pusherCall{app: a, method: "POST", path: "/events"}
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", call.signed(), head)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", head, err)
		}
		text, err := io.ReadAll(answer.Body)
		if answer.StatusCode != 401 || !strings.Contains(string(text), "body_md5") || err != nil {
			t.Errorf("%s: %d %s, error %v", head, answer.StatusCode, text, err)
		}
	}
}

// As many users as one may watch, with ids as long as they may be, and all that one
// may tell of oneself, are no more than signing in takes.
func TestLongestUserData(t *testing.T) {
	a := tenant("a", func(a *App) { a.Watchlist = true })
	s := newTest(t, tenants(a))
	long := func(i int) string { return fmt.Sprintf("%0128d", i) }
	var ids []string
	for i := range pusher.MaxWatchlist {
		ids = append(ids, long(i))
	}
	p, last := s.pusher(a), s.pusher(a)
	info := `{"name":"` + strings.Repeat("x", 1024-len(`{"name":""}`)) + `"}`
	data := strings.Replace(watchText(long(1000), ids...), `,"watchlist"`, `,"user_info":`+info+`,"watchlist"`, 1)
	p.ask(p.signInText(data), signedInText(data))
	p.wantNews("", strings.Join(ids, ","))
	last.signIn(ids[99])
	p.wantNews(ids[99], "")
	p.enter("presence-x", "", long(1000), info)
	s.trigger(a, "#server-to-user-"+long(1000), "e", "1")
	p.want(eventText("#server-to-user-"+long(1000), "e", "1"))
}

// receiver is a backend that is told one event a call.
type receiver struct {
	*httptest.Server
	t   *testing.T
	got chan string
}

func newReceiver(t *testing.T) *receiver {
	got := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Events []json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Events) != 1 {
			t.Errorf("%s, error %v", body.Events, err)
			return
		}
		got <- string(body.Events[0])
	}))
	t.Cleanup(server.Close)
	return &receiver{server, t, got}
}

// want demands the next event.
func (r *receiver) want(event string) {
	r.t.Helper()
	select {
	case text := <-r.got:
		if text != event {
			r.t.Fatalf("told %s\nwant %s", text, event)
		}
	case <-time.After(patience):
		r.t.Fatalf("not told %s", event)
	}
}

// A backend is told of a client event with the member that has sent it, and on a
// private channel with nobody, whoever has signed in.
func TestWebhookOfClientEvents(t *testing.T) {
	told := newReceiver(t)
	a := tenant("a", func(a *App) {
		a.Webhooks = []Webhook{{URL: told.URL, Events: []string{webhook.ClientEvent}}}
	})
	s := newTest(t, func(c *Config) { c.Apps, c.DataDir = []App{a}, t.TempDir() })
	p := s.pusher(a)
	p.signIn("ann")
	p.subscribe("private-x")
	p.enter("presence-x", `{"user_id":"member"}`, "member", "null")
	for _, c := range []struct{ channel, more string }{{"private-x", ""}, {"presence-x", `,"user_id":"member"`}} {
		p.send(`{"event":"client-x","channel":"` + c.channel + `","data":{"a":1},"user_id":"root"}`)
		told.want(`{"name":"client_event","channel":"` + c.channel + `","event":"client-x","data":"{\"a\":1}","socket_id":"` + p.id + `"` + c.more + `}`)
	}
	// Of what is refused it is told nothing.
	p.fault(clientEvent("private-y", "client-x", "1"), 0, "private-y", "subscribe")
	p.fault(clientEvent("private-x", "server-x", "1"), 0, "", "client-")
	p.send(clientEvent("private-x", "client-end", "1"))
	told.want(`{"name":"client_event","channel":"private-x","event":"client-end","data":"1","socket_id":"` + p.id + `"}`)
}

// A path is signed as it is sent, or as what it means: libraries differ.
func TestPusherSignedPaths(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	p.subscribe("private-=x;")
	for _, c := range []struct{ signed, sent string }{
		{"private-=x;", "private-=x;"},
		{"private-%3Dx%3B", "private-%3Dx%3B"},
		{"private-=x;", "private-%3Dx%3B"},
		{"private-=x;", "%70rivate-=x;"},
	} {
		call := pusherCall{app: a, method: "GET", path: "/channels/" + c.signed}
		path := strings.Replace(call.signed(), c.signed, c.sent, 1)
		if e := s.roundTrip(s.request("GET", s.addr, path, "", "")); e.status != 200 || string(e.answer) != `{"occupied":true}`+"\n" {
			t.Errorf("signed for %s, sent to %s: %d %s", c.signed, c.sent, e.status, e.answer)
		}
	}
	call := pusherCall{app: a, method: "GET", path: "/channels/private-=x;"}
	for _, other := range []string{"private-=y;", "private-%3Dy;", "private-=x;/users", "..%2Fchannels"} {
		path := strings.Replace(call.signed(), "private-=x;", other, 1)
		if e := s.roundTrip(s.request("GET", s.addr, path, "", "")); e.status != 401 {
			t.Errorf("sent to %s: %d %s", other, e.status, e.answer)
		}
	}
}

// That a cache channel keeps nothing is told to each client, but to the backend at
// intervals only.
func TestWebhookOfCacheMisses(t *testing.T) {
	const channel = "private-cache-x"
	told := newReceiver(t)
	a := tenant("a", func(a *App) {
		a.Webhooks = []Webhook{{URL: told.URL, Events: []string{webhook.CacheMiss, webhook.ClientEvent}}}
	})
	s := newTest(t, func(c *Config) { c.Apps, c.DataDir = []App{a}, t.TempDir() })
	missed := `{"name":"cache_miss","channel":"` + channel + `"}`
	said := func(p *pusherPeer) string {
		p.send(clientEvent(channel, "client-x", "1"))
		return `{"name":"client_event","channel":"` + channel + `","event":"client-x","data":"1","socket_id":"` + p.id + `"}`
	}
	enter := func() *pusherPeer {
		p := s.pusher(a)
		p.subscribe(channel)
		p.want(`{"event":"pusher:cache_miss","channel":"` + channel + `","data":"{}"}`)
		return p
	}
	enter()
	told.want(missed)
	part := s.apps.byID("a").cache.part(channel)
	part.mu.Lock()
	part.missed[channel] = time.Now().Add(time.Hour) // it has just been told, however slow this is
	part.mu.Unlock()
	told.want(said(enter()))
	part.mu.Lock()
	part.missed[channel] = time.Now().Add(-missEvery)
	part.mu.Unlock()
	p := enter()
	told.want(missed)
	told.want(said(p))
}

// What an app that says nothing of limits has is what clients and backends of the
// protocol count on.
func TestPusherDefaultLimits(t *testing.T) {
	const room = "presence-x"
	a := defaultApp()
	a.ID, a.Key, a.Secret = "a", "a-key", "a-long-secret"
	if a.EventRate != 10 || !a.ClientEvents {
		t.Errorf("client events: %t, %d a second", a.ClientEvents, a.EventRate)
	}
	if a.Watchlist || a.SubCount || a.AuthorizationTimeout != 0 || a.MaxConnections != 0 {
		t.Errorf("what has to be asked for is on: %+v", a)
	}
	if l := Default().Limits; l.IdleTimeout != 120*time.Second || l.PongTimeout != 30*time.Second {
		t.Errorf("pings after %v, and waits for %v", l.IdleTimeout, l.PongTimeout)
	}
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	p.subscribe(strings.Repeat("x", 164))
	p.fault(p.subscribeText(strings.Repeat("x", 165), ""), 0, "", "at most 164")
	data := strings.Repeat("x", 10240)
	s.trigger(a, strings.Repeat("x", 164), "e", data)
	p.want(eventText(strings.Repeat("x", 164), "e", data))
	s.refuses(pusherCall{app: a, method: "POST", path: "/events", body: `{"name":"e","channel":"x","data":"` + data + `x"}`}, 413, "at most 10240")
	p.subscribe("private-x")
	p.send(clientEvent("private-x", "client-e", `"`+data+`"`))
	p.fault(clientEvent("private-x", "client-e", `"`+data+`x"`), 0, "private-x", "at most 10240")

	info := `"` + strings.Repeat("x", 1022) + `"`
	member := func(id int) string { return fmt.Sprintf(`{"user_id":"%d","user_info":%s}`, id, info) }
	p.refused(p.subscribeText(room, `{"user_id":"0","user_info":"`+strings.Repeat("x", 1023)+`"}`), 401, room, "at most 1024")
	for i := range 100 {
		q := s.pusher(a)
		q.send(q.subscribeText(room, member(i)))
		if _, text := q.next(); !strings.Contains(text, fmt.Sprintf(`\"count\":%d}`, i+1)) {
			t.Fatalf("member %d: %.200s", i, text)
		}
	}
	p.refused(p.subscribeText(room, member(100)), 403, room, "100 members already")
	s.get(a, "/channels/"+room, "info=user_count", `{"occupied":true,"user_count":100}`)
}
