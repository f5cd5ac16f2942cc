package gateway

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"stentor/protocol/pusher"
)

// A client is greeted with an id of its own and the silence that it may keep.
func TestPusherGreeting(t *testing.T) {
	a := tenant("a")
	for idle, want := range map[time.Duration]string{
		100 * time.Millisecond:  "1",
		7900 * time.Millisecond: "7",
		2 * time.Minute:         "120",
	} {
		s := newTest(t, func(c *Config) { c.Apps, c.Limits.IdleTimeout = []App{a}, idle })
		ids := map[string]bool{}
		for _, query := range []string{pusherQuery, "?protocol=7", "?protocol=6&client=ios", "?protocol=5&flash=true", "?x=y&protocol=7"} {
			for _, path := range []string{"/app/a-key", "/app/%61-key"} {
				_, text := s.dial(path + query).next()
				m := greeting.FindStringSubmatch(text)
				if m == nil || m[2] != want || ids[m[1]] || pusher.CheckSocketID(m[1]) != nil {
					t.Fatalf("%s%s: %s", path, query, text)
				}
				ids[m[1]] = true
			}
		}
	}
}

// A browser that offers subprotocols gets the first.
func TestPusherSubprotocol(t *testing.T) {
	s := newTest(t, tenants(tenant("a")))
	d := websocket.Dialer{Subprotocols: []string{"mine", "other"}}
	c, resp, err := d.Dial("ws://"+s.addr+"/app/a-key"+pusherQuery, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "mine" {
		t.Errorf("selected %q", got)
	}
}

// Who is turned away learns by the code, and by nothing before it, whether to
// come back.
func TestPusherTurnsAway(t *testing.T) {
	s := newTest(t, tenants(tenant("a"), tenant("b", func(a *App) { a.Disabled = true })))
	for path, code := range map[string]int{
		"/app/nobody?protocol=7":          4001,
		"/app/A-KEY?protocol=7":           4001,
		"/app/a-key%20?protocol=7":        4001,
		"/app/a?protocol=7":               4001, // its id
		"/app/a-long-secret?protocol=7":   4001,
		"/app/b-key?protocol=7":           4003,
		"/app":                            4005,
		"/app?protocol=7":                 4005,
		"/app/":                           4005,
		"/app/?protocol=7":                4005,
		"/app/a-key/?protocol=7":          4005,
		"/app/a-key/b?protocol=7":         4005,
		"/app/a-key%2fb?protocol=7":       4005,
		"/app//a-key?protocol=7":          4005,
		"/app/a-key?protocol=%zz":         4005,
		"/app/a-key?protocol=x":           4006,
		"/app/a-key?protocol=":            4006,
		"/app/a-key?protocol=7.0":         4006,
		"/app/a-key?protocol=7x":          4006,
		"/app/a-key?protocol":             4006,
		"/app/a-key?protocol=4":           4007,
		"/app/a-key?protocol=8":           4007,
		"/app/a-key?protocol=0":           4007,
		"/app/a-key?protocol=-7":          4007,
		"/app/a-key?protocol=99999999999": 4007,
		"/app/a-key":                      4008,
		"/app/a-key?client=js&version=1":  4008,
		"/app/nobody":                     4008, // the version first
	} {
		if text := s.dial(path).wantClose(code); text == "" {
			t.Errorf("%s: no reason", path)
		}
	}
	if n := s.apps.byID("a").places.Load(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// A path that cannot be read is told by a code, too.
func TestPusherMalformedPath(t *testing.T) {
	s := newTest(t, tenants(tenant("a")))
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET /app/%zz?protocol=7 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	b := bufio.NewReader(c)
	for line := ""; line != "\r\n"; {
		if line, err = b.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	frame := make([]byte, 4)
	if _, err := io.ReadFull(b, frame); err != nil || frame[0] != 0x88 || binary.BigEndian.Uint16(frame[2:]) != 4005 {
		t.Errorf("received %x, error %v", frame, err)
	}
}

// Paths that only look alike are none of the dialect's.
func TestPusherPaths(t *testing.T) {
	s := newTest(t, tenants(tenant("a")))
	for _, path := range []string{"/apps/a", "/application/a-key", "/App/a-key", "/x/app/a-key"} {
		_, resp, err := websocket.DefaultDialer.Dial("ws://"+s.addr+path+pusherQuery, nil)
		if err == nil || resp == nil || resp.StatusCode != 404 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The server's own limit is a matter of time (4100), the app's is not (4004).
func TestPusherLimitsOfConnections(t *testing.T) {
	a, b := tenant("a", func(a *App) { a.MaxConnections = 2 }), tenant("b")
	t.Run("of the app", func(t *testing.T) {
		s := newTest(t, tenants(a, b))
		one, two := s.pusher(a), s.pusher(a)
		for range 20 {
			if text := s.dial("/app/a-key" + pusherQuery).wantClose(4004); !strings.Contains(text, "max_connections") {
				t.Error(text)
			}
		}
		s.dial("/ws?app=a-key").wantClose(1013) // all dialects together
		s.pusher(b).quiet()
		if n := s.apps.byID("a").places.Load(); n != 2 {
			t.Errorf("%d places are taken", n)
		}
		one.Close()
		soon(t, "one has left", func() bool { return s.apps.byID("a").places.Load() == 1 })
		s.pusher(a).quiet()
		two.quiet()
	})
	for _, change := range []func(*Limits){
		func(l *Limits) { l.MaxConnections = 1 },
		func(l *Limits) { l.MaxConnectionsPerIP = 1 },
	} {
		s := newTest(t, func(c *Config) {
			c.Apps = []App{a}
			change(&c.Limits)
		})
		p := s.pusher(a)
		if text := s.dial("/app/a-key" + pusherQuery).wantClose(4100); text == "" {
			t.Error("no reason")
		}
		s.dial("/ws?app=a-key").wantClose(1013)
		p.quiet()
		p.Close()
		soon(t, "its place is free", func() bool { return s.engine.Stats().Connections == 0 })
		s.pusher(a).quiet()
	}
}

// However many come and go at once, the places that are taken are those of who
// is there.
func TestPusherPlacesDoNotLeak(t *testing.T) {
	const most = 5
	a := tenant("a", func(a *App) { a.MaxConnections = most })
	s := newTest(t, tenants(a))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 40 {
				c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/app/a-key"+pusherQuery, nil)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetReadDeadline(time.Now().Add(patience))
				if i%3 != 0 { // some leave before they are greeted
					if _, _, err := c.ReadMessage(); err != nil && !websocket.IsCloseError(err, 4004) {
						t.Error(err)
					}
				}
				c.Close()
			}
		})
	}
	all.Wait()
	soon(t, "all places are free", func() bool { return s.apps.byID("a").places.Load() == 0 })
	var peers []*pusherPeer
	for range most {
		peers = append(peers, s.pusher(a))
	}
	s.dial("/app/a-key" + pusherQuery).wantClose(4004)
	for _, p := range peers {
		p.quiet()
	}
}

func TestPusherOrigins(t *testing.T) {
	a := tenant("a", func(a *App) { a.AllowedOrigins = []string{"https://shop.example", "https://*.shop.example"} })
	s := newTest(t, tenants(a))
	for origin, allowed := range map[string]bool{
		"":                           true, // no browser
		"https://shop.example":       true,
		"https://www.shop.example":   true,
		"http://shop.example":        false,
		"https://evil.example":       false,
		"https://evilshop.example":   false,
		"https://shop.example.evil":  false,
		"null":                       false,
		"https://shop.example:8443":  false,
		"https://shop.example.":      false,
		"https://evil@shop.example.": false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		p := s.dialWith("/app/a-key"+pusherQuery, header)
		if !allowed {
			if text := p.wantClose(4009); !strings.Contains(text, "allowed_origins") {
				t.Errorf("%s: %s", origin, text)
			}
		} else if _, text := p.next(); !greeting.MatchString(text) {
			t.Errorf("%s: %s", origin, text)
		}
	}
}

// An app that is disabled or removed sends its clients away, and nobody else's.
func TestPusherAppChanges(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	s := newTest(t, tenants(a, b))
	one, other := s.pusher(a), s.pusher(b)
	off := a
	off.Disabled = true
	s.serveApps([]App{off, b})
	one.wantClose(4003)
	s.dial("/app/a-key" + pusherQuery).wantClose(4003)
	s.serveApps([]App{a, b})
	one = s.pusher(a)
	s.serveApps([]App{b})
	one.wantClose(4001)
	s.dial("/app/a-key" + pusherQuery).wantClose(4001)
	other.quiet()
}

// The key of an app changes under its clients: they stay, and sign with the new.
func TestPusherKeyChanges(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	p.subscribe("private-x")
	a.Key, a.Secret = "a-new-key", "a-newer-long-secret"
	s.serveApps([]App{a})
	p.refused(p.subscribeText("private-y", ""), 401, "private-y", "the key of another app")
	p.app = a
	p.subscribe("private-y")
	s.mark("private-x", p)
}

// Who does not answer pings is told so by 4201, and may come back at once. Any
// answer will do.
func TestPusherPongMissing(t *testing.T) {
	t.Parallel()
	a := tenant("a")
	s := newTest(t, func(c *Config) {
		c.Apps = []App{a}
		c.Limits.IdleTimeout, c.Limits.PongTimeout = 200*time.Millisecond, 300*time.Millisecond
	})
	answers := s.pusher(a) // by what its library does while it reads
	answers.subscribe("x")
	heard := make(chan string, 1)
	go func() {
		_, b, err := answers.ReadMessage()
		heard <- fmt.Sprint(string(b), err)
	}()
	mute := s.pusher(a)
	mute.subscribe("x")
	mute.SetPingHandler(func(string) error { return nil })
	if text := mute.wantClose(4201); text == "" {
		t.Error("no reason")
	}
	// What is sent to a client does not count for it.
	mute = s.pusher(a)
	mute.subscribe("busy")
	mute.SetPingHandler(func(string) error { return nil })
	end := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
				s.trigger(a, "busy", "tick", "1")
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
	for {
		_, text, err := mute.ReadMessage()
		if websocket.IsCloseError(err, 4201) {
			break
		}
		if err != nil || string(text) != eventText("busy", "tick", "1") {
			t.Fatalf("%s %v", text, err)
		}
	}
	close(end)
	busy.Wait()
	s.trigger(a, "x", "hello", "1")
	if got := <-heard; got != eventText("x", "hello", "1")+"<nil>" {
		t.Errorf("the one that answers received %s", got)
	}
}

// A stop closes with 4200, and so does who comes after it has begun.
func TestPusherDrain(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	var peers []*pusherPeer
	for range 20 {
		peers = append(peers, s.pusher(a))
	}
	s.stopping.Store(true)
	late := s.dial("/app/a-key" + pusherQuery)
	late.wantClose(4200)
	late.Close()
	done := make(chan error, 1)
	go func() { done <- s.Drain(context.Background()) }()
	for _, p := range peers {
		if text := p.wantClose(4200); !strings.Contains(text, "reconnect") {
			t.Error(text)
		}
		p.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Who shows in time that it is somebody stays; a public channel shows nothing.
func TestPusherAuthorizationTimeout(t *testing.T) {
	t.Parallel()
	a := tenant("a", func(a *App) { a.AuthorizationTimeout = 3 * time.Second })
	s := newTest(t, tenants(a, tenant("b")))
	signed, private, present, brought := s.pusher(a), s.pusher(a), s.pusher(a), s.pusher(a)
	signed.signIn("ann")
	if status, answer := s.call("POST", "/api/clients/"+brought.id+"/subscribe", a.Secret, `{"channel":"private-y"}`); status != 200 {
		t.Errorf("%d %s", status, answer)
	}
	brought.want(subscribedText("private-y"))
	private.subscribe("private-x")
	present.enter("presence-x", `{"user_id":"1"}`, "1", "null")
	other := s.pusher(tenant("b"))
	silent, public, forged := s.pusher(a), s.pusher(a), s.pusher(a)
	public.subscribe("x")
	forged.refused(subscribeText("private-x", "a-key:"+strings.Repeat("0", 64), ""), 401, "private-x", "signature")
	forged.fault(`{"event":"pusher:signin","data":{"auth":"a-key:x","user_data":"{\"id\":\"1\"}"}}`, 4009, "", "signature")
	for _, p := range []*pusherPeer{silent, public, forged} {
		if text := p.wantClose(4009); !strings.Contains(text, "authorization_timeout") {
			t.Error(text)
		}
	}
	for _, p := range []*pusherPeer{signed, private, present, brought, other} {
		p.quiet()
	}
}

// Whatever a client sends, it is told what is wrong, stays, and others notice
// nothing.
func TestPusherNonsense(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	p.subscribe("private-x")
	other.subscribe("private-x")
	long := strings.Repeat("x", 20000)
	for message, says := range map[string]string{
		``:                                       "not valid JSON",
		` `:                                      "not valid JSON",
		`{`:                                      "not valid JSON",
		`nonsense`:                               "not valid JSON",
		`{} {}`:                                  "not valid JSON",
		`{"event":"pusher:ping",}`:               "not valid JSON",
		`"pusher:ping"`:                          "object",
		`[]`:                                     "object",
		`null`:                                   "object",
		`7`:                                      "object",
		`{}`:                                     `"event" is missing`,
		`{"event":null}`:                         `"event" must be a string`,
		`{"event":1}`:                            `"event" must be a string`,
		`{"event":{}}`:                           `"event" must be a string`,
		`{"Event":"pusher:ping"}`:                `"event" is missing`,
		`{"event":""}`:                           "unknown event",
		`{"event":"hello","data":"x"}`:           "unknown event",
		`{"event":"` + long + `"}`:               "unknown event",
		`{"event":"pusher:subscribe"}`:           `"data" is missing`,
		`{"event":"pusher:unsubscribe"}`:         `"data" is missing`,
		`{"event":"pusher:signin"}`:              `"data" is missing`,
		`{"event":"pusher:subscribe","data":[]}`: "object",
		`{"event":"pusher:subscribe","data":null}`:                                   "object",
		`{"event":"pusher:subscribe","data":"{"}`:                                    "not valid JSON",
		`{"event":"pusher:subscribe","data":{}}`:                                     `"channel" is missing`,
		`{"event":"pusher:subscribe","data":{"channel":null}}`:                       `"channel" must be a string`,
		`{"event":"pusher:subscribe","data":{"channel":5}}`:                          `"channel" must be a string`,
		`{"event":"pusher:subscribe","data":{"channel":["x"]}}`:                      `"channel" must be a string`,
		`{"event":"pusher:subscribe","data":{"channel":""}}`:                         "empty",
		`{"event":"pusher:subscribe","data":{"channel":"a b"}}`:                      "' '",
		`{"event":"pusher:subscribe","data":{"channel":"` + long + `"}}`:             "at most 164",
		`{"event":"pusher:subscribe","data":{"channel":"x","channel":"y"}}`:          "twice",
		`{"event":"pusher:unsubscribe","data":{"channel":5}}`:                        `"channel" must be a string`,
		`{"event":"pusher:signin","data":{"auth":1,"user_data":"{}"}}`:               `"auth" must be a string`,
		`{"event":"pusher:signin","data":{"auth":"x"}}`:                              `"user_data" is missing`,
		`{"event":"pusher:signin","data":{"auth":"x","user_data":{}}}`:               `"user_data" must be a string`,
		`{"event":"pusher:error","data":{}}`:                                         "unknown event",
		`{"event":"pusher:nonsense","data":{}}`:                                      "unknown event",
		`{"event":"pusher_internal:subscription_succeeded","channel":"private-x"}`:   "unknown event",
		`{"event":"pusher_internal:member_added","channel":"private-x","data":"{}"}`: "unknown event",
		`{"event":"client-x"}`:                                                       `"channel" is missing`,
		`{"event":"client-x","channel":7}`:                                           `"channel" must be a string`,
		`{"event":"client-` + long + `","channel":"x"}`:                              "at most 200",
		`{"event":"client-\u0000","channel":"x"}`:                                    "control",
		`{"event":"pusher:ping","event":"pusher:ping"}`:                              "twice",
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000):                        "object",
		strings.Repeat(`{"event":`, 5000):                                            "not valid JSON",
	} {
		p.send(message)
		_, text := p.next()
		if !strings.HasPrefix(text, `{"event":"pusher:error",`) || !strings.Contains(text, `"data":{"code":null,"message":`) ||
			!strings.Contains(strings.ReplaceAll(text, `\"`, `"`), says) || len(text) > 2000 {
			t.Errorf("%.100s: %.500s", message, text)
		}
	}
	for _, b := range []string{"", "\x00\xff", `{"event":"pusher:ping","data":{}}`} {
		if err := p.WriteMessage(websocket.BinaryMessage, []byte(b)); err != nil {
			t.Fatal(err)
		}
		p.wantFault(0, "", "binary")
	}
	s.mark("private-x", p, other)
	p.quiet()
	other.quiet()
}

// The forms of the protocol's own messages that clients use.
func TestPusherForms(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	for _, ping := range []string{
		`{"event":"pusher:ping"}`,
		`{"event":"pusher:ping","data":{}}`,
		`{"event":"pusher:ping","data":""}`,
		`{"event":"pusher:ping","data":null}`,
		`{"data":"{}","event":"pusher\u003aping"}`,
		` {"event" : "pusher:ping", "x": [1,{"event":"no"}] } `,
	} {
		p.ask(ping, `{"event":"pusher:pong","data":"{}"}`)
	}
	for _, pong := range []string{`{"event":"pusher:pong"}`, `{"event":"pusher:pong","data":"{}"}`} {
		p.send(pong)
		p.quiet()
	}
	for _, subscribe := range []string{
		`{"event":"pusher:subscribe","data":{"channel":"x"}}`,
		`{"event":"pusher:subscribe","data":{"auth":"","channel":"x"}}`,
		`{"event":"pusher:subscribe","data":{"auth":null,"channel_data":null,"channel":"x"}}`,
		`{"event":"pusher:subscribe","data":"{\"channel\":\"x\"}"}`,
		`{"event":"pusher:subscribe","data":{"auth":"nonsense","channel_data":"nonsense","channel":"x","more":{}}}`,
	} {
		p.ask(subscribe, subscribedText("x"))
		p.send(`{"event":"pusher:unsubscribe","data":"{\"channel\":\"x\"}"}`)
		p.quiet()
		if n := s.subscribers(a, "x"); n != 0 {
			t.Fatalf("%d are subscribed", n)
		}
	}
}

// Only what is no WebSocket any more ends the connection.
func TestPusherFraming(t *testing.T) {
	a := tenant("a")
	s := newTest(t, func(c *Config) { c.Apps, c.Limits.MaxMessageBytes = []App{a}, 20000 })
	p, other := s.pusher(a), s.pusher(a)
	other.subscribe("x")
	p.send(`{"event":"pusher:ping","data":"` + strings.Repeat("x", 20000) + `"}`)
	p.wantClose(1009)
	p = s.pusher(a)
	p.send("\xff")
	p.wantClose(1007)
	s.mark("x", other)
}

// An app's connections are told, in all dialects.
func TestPusherConnections(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	s := newTest(t, tenants(a, b))
	s.get(a, "/connections", "", `{"connections":0}`)
	p := s.pusher(a)
	s.pusher(a)
	s.native("?app=a-key")
	s.pusher(b)
	s.get(a, "/connections", "", `{"connections":3}`)
	p.Close()
	s.eventually(a, "/connections", "", `{"connections":2}`)
	names := sorted(s.metrics())
	if !slices.Contains(names, "stentor_clients") || s.metric("stentor_clients", "app", "a") != 2 || s.metric("stentor_clients", "app", "b") != 1 {
		t.Error("the metrics differ")
	}
}

// Who reads too slowly is closed, with a code after which it comes back, and holds
// up nobody.
func TestPusherOverflow(t *testing.T) {
	a := tenant("a")
	s := newTest(t, func(c *Config) { c.Apps, c.Limits.QueueBytes = []App{a}, 100000 })
	slow, other := s.pusher(a), s.pusher(a)
	slow.subscribe("x")
	other.subscribe("x")
	data := strings.Repeat("x", 10000)
	for i := 0; s.subscribers(a, "x") == 2; i++ {
		if i == 10000 {
			t.Fatal("the slow one is still there")
		}
		s.trigger(a, "x", "large", data)
		other.want(eventText("x", "large", data))
	}
	for {
		_, text, err := slow.ReadMessage()
		if websocket.IsCloseError(err, 1013) {
			break
		}
		if err != nil || string(text) != eventText("x", "large", data) {
			t.Fatalf("%.100s, error %v", text, err)
		}
	}
	s.mark("x", other)
}
