package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"stentor/gateway/webhook"
)

// tenant returns an app whose words follow from its id.
func tenant(id string, change ...func(*App)) App {
	a := defaultApp()
	a.ID, a.Key, a.Secret = id, id+"-key", id+"-long-secret"
	a.Anonymous = true
	for _, f := range change {
		f(&a)
	}
	return a
}

// tenants serves apps.
func tenants(list ...App) func(*Config) { return func(c *Config) { c.Apps = list } }

// reaches publishes for an app, which a client must receive next.
func (s *server) reaches(p *peer, app App, text string) {
	s.t.Helper()
	if status, answer := s.call("POST", "/api/publish", app.Secret, `{"to":{"channels":["news"]},"data":"`+text+`"}`); status != 200 {
		s.t.Fatalf("%d %s", status, answer)
	}
	for {
		kind, got, err := p.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			s.t.Fatalf("%d %s %v", kind, got, err)
		}
		if string(got) == text {
			return
		}
		s.t.Fatalf("received %s, want %s", got, text)
	}
}

// listens connects a raw client of an app, which is subscribed to news when it
// returns.
func (s *server) listens(app App) *peer {
	s.t.Helper()
	h := s.apps.byID(app.ID).hub
	before, _ := h.Info("news")
	p := s.dial("/raw/news?app=" + app.Key)
	soon(s.t, "the client is subscribed", func() bool {
		now, _ := h.Info("news")
		return now.Subscriptions > before.Subscriptions
	})
	return p
}

// An app is changed, disabled, enabled and removed at run time, and sockets of
// another, and those of its own that need not go, stay.
func TestAppsChange(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	s := newTest(t, tenants(a, b))
	stays, one := s.listens(b), s.listens(a)
	same := s.apps.byID("a")

	a.Key, a.Secret, a.MaxSubscriptions = "a-new-key", "a-new-long-secret", 1
	s.serveApps([]App{a, b})
	s.reaches(one, a, "changed")
	s.reaches(stays, b, "1")
	if s.apps.byID("a") != same {
		t.Error("a changed app is another")
	}
	s.dial("/ws?app=a-key").wantClose(closeUnknownApp)
	if status, answer := s.call("GET", "/api/channels", "a-long-secret", ""); status != 401 {
		t.Errorf("with the old secret: %d %s", status, answer)
	}
	n, _ := s.native("?app=a-new-key")
	n.ask(`{"type":"subscribe","id":1,"channel":"x"}`, `{"type":"subscribed","id":1,"channel":"x"}`)
	n.send(`{"type":"subscribe","id":2,"channel":"y"}`)
	if m := n.json(); m["type"] != "error" || !strings.Contains(m["message"].(string), "already (max_subscriptions)") {
		t.Errorf("%v", m)
	}
	soon(t, "nothing waits", func() bool { return s.metric("stentor_publications_waiting", "app", "a") == 0 })
	written := s.metric("stentor_deliveries_total", "outcome", "written")

	a.Disabled = true
	s.serveApps([]App{a, b})
	one.wantClose(closeDisabled)
	n.wantClose(closeDisabled)
	s.dial("/raw/news?app=a-new-key").wantClose(closeDisabled)
	if status, answer := s.call("GET", "/api/channels", a.Secret, ""); status != 403 || codeOf(answer) != "disabled" {
		t.Errorf("%d %s", status, answer)
	}
	s.reaches(stays, b, "2")
	soon(t, "the last client has gone", func() bool { return s.apps.byID("a").hub.Clients() == 0 })

	a.Disabled = false
	s.serveApps([]App{a, b})
	one = s.listens(a)
	s.reaches(one, a, "enabled")

	s.serveApps([]App{b})
	one.wantClose(closeUnknownApp)
	s.dial("/ws?app=a-new-key").wantClose(closeUnknownApp)
	if status, answer := s.call("GET", "/api/channels", a.Secret, ""); status != 401 {
		t.Errorf("%d %s", status, answer)
	}
	s.reaches(stays, b, "3")
	soon(t, "three more deliveries are counted", func() bool { return s.metric("stentor_deliveries_total", "outcome", "written") >= written+3 })
	soon(t, "the removed app is let go", func() bool {
		s.apps.total()
		s.apps.mu.Lock()
		defer s.apps.mu.Unlock()
		return len(s.apps.leaving) == 0
	})

	s.serveApps([]App{b, a})
	if s.apps.byID("a") == same {
		t.Error("an app that comes back is the one that was removed")
	}
	s.reaches(s.listens(a), a, "back")
	s.serveApps(nil)
	stays.wantClose(closeUnknownApp)
	if text := s.dial("/ws").wantClose(closeUnknownApp); text != "there is no app here" {
		t.Error(text)
	}
}

// While a secret is changed, the new one and the one before are both valid.
func TestSecretRotation(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a, tenant("b")))
	before := "?app=a-key&token=" + sign(t, a.Secret, jwt.MapClaims{"sub": "ann"})
	p, _ := s.native(before)

	old := a.Secret
	a.PreviousSecret, a.Secret = old, "a-newer-long-secret"
	s.serveApps([]App{a, tenant("b")})
	after := "?app=a-key&token=" + sign(t, a.Secret, jwt.MapClaims{"sub": "ann"})
	for _, query := range []string{before, after} {
		s.native(query)
	}
	for _, secret := range []string{old, a.Secret} {
		if status, answer := s.call("GET", "/api/channels", secret, ""); status != 200 {
			t.Errorf("%s: %d %s", secret, status, answer)
		}
	}
	if a := s.apps.forSecret(old); a == nil || a.id != "a" {
		t.Errorf("found %v", a)
	}

	a.PreviousSecret = ""
	s.serveApps([]App{a, tenant("b")})
	s.dial("/ws" + before).wantClose(closeToken)
	s.native(after)
	if status, answer := s.call("GET", "/api/channels", old, ""); status != 401 {
		t.Errorf("with the old secret: %d %s", status, answer)
	}
	p.quiet()
}

// Clients that connect just when their app goes are closed, too.
func TestConnectWhileDisabled(t *testing.T) {
	a, off := tenant("a"), tenant("a", func(a *App) { a.Disabled = true })
	s := newTest(t, tenants(a))
	for range 20 {
		s.serveApps([]App{a})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				c.SetReadDeadline(time.Now().Add(patience))
				for err == nil {
					_, _, err = c.ReadMessage()
				}
				if !websocket.IsCloseError(err, closeDisabled) {
					t.Error(err)
				}
			})
		}
		s.serveApps([]App{off})
		all.Wait()
	}
}

// An app has as many connections as it may, in all dialects together, and a
// place that becomes free is another's.
func TestMaxConnections(t *testing.T) {
	const most = 5
	a := tenant("a", func(a *App) { a.MaxConnections = most })
	s := newTest(t, tenants(a, tenant("b")))
	var peers []*peer
	for range most - 1 {
		peers = append(peers, s.listens(a))
	}
	n, _ := s.native("?app=a-key")
	s.dial("/ws?app=a-key").wantClose(1013)
	s.dial("/raw/news?app=a-key").wantClose(1013)
	s.native("?app=b-key")
	n.Close()
	soon(t, "one has left", func() bool { return s.apps.byID("a").places.Load() == most-1 })
	s.listens(a)

	// Fewer are allowed: those there are stay.
	a.MaxConnections = 1
	s.serveApps([]App{a, tenant("b")})
	s.dial("/ws?app=a-key").wantClose(1013)
	s.reaches(peers[0], a, "still here")
}

// However many connect at once, no more get in than may.
func TestMaxConnectionsAtOnce(t *testing.T) {
	const most, tries = 7, 60
	s := newTest(t, tenants(tenant("a", func(a *App) { a.MaxConnections = most })))
	var all sync.WaitGroup
	results := make(chan int, tries)
	for range tries {
		all.Go(func() {
			c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", nil)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
			c.SetReadDeadline(time.Now().Add(patience))
			if _, _, err := c.ReadMessage(); err == nil {
				results <- 1
			} else if !websocket.IsCloseError(err, 1013) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(results); n != most {
		t.Errorf("%d got in, want %d", n, most)
	}
}

func TestLimitsOfNames(t *testing.T) {
	a := tenant("a", func(a *App) { a.MaxChannelName, a.PresenceInfoMax = 10, 20 })
	s := newTest(t, tenants(a))
	p, _ := s.native("")
	p.ask(`{"type":"subscribe","id":1,"channel":"0123456789"}`, `{"type":"subscribed","id":1,"channel":"0123456789"}`)
	p.send(`{"type":"subscribe","id":2,"channel":"0123456789a"}`)
	if m := p.json(); m["type"] != "error" || m["code"] != "forbidden" || !strings.Contains(m["message"].(string), "at most 10") {
		t.Errorf("%v", m)
	}
	if text := s.dial("/raw/0123456789a").wantClose(closeStayAway); !strings.Contains(text, "max_channel_name") {
		t.Error(text)
	}
	a.MaxChannelName = 164
	s.serveApps([]App{a})
	for info, fits := range map[string]bool{`"` + strings.Repeat("x", 18) + `"`: true, `"` + strings.Repeat("x", 19) + `"`: false} {
		token := sign(t, a.Secret, jwt.MapClaims{"sub": "ann", "info": strings.Trim(info, `"`), "channels": []string{"presence-x"}})
		p, _ := s.native("?token=" + token)
		p.send(`{"type":"subscribe","id":1,"channel":"presence-x"}`)
		if m := p.json(); (m["type"] == "subscribed") != fits {
			t.Errorf("%s: %v", info, m)
		}
	}
}

// A burst of requests may be as large as what a second brings.
func TestQuota(t *testing.T) {
	var q quota
	now := time.Now()
	takes := func(want int) {
		t.Helper()
		for i := range want {
			if _, ok := q.take(10, now); !ok {
				t.Fatalf("%d of %d", i, want)
			}
		}
		if wait, ok := q.take(10, now); ok || wait <= 0 || wait > 100*time.Millisecond {
			t.Fatalf("after %d: %v %v", want, wait, ok)
		}
	}
	takes(10)
	now = now.Add(300 * time.Millisecond)
	takes(3)
	now = now.Add(time.Hour)
	takes(10)
	for range 100 {
		if _, ok := q.take(0, now); !ok {
			t.Fatal("without a limit")
		}
	}
}

func TestAPIRate(t *testing.T) {
	a := tenant("a", func(a *App) { a.APIRate = 2 })
	s := newTest(t, tenants(a, tenant("b")))
	var refused *exchange
	soon(t, "the app has used up its requests", func() bool {
		refused = s.do(s.request("GET", s.addr, "/api/channels", a.Secret, ""))
		return refused.status == 429
	})
	if refused.header.Get("Retry-After") != "1" || codeOf(string(refused.answer)) != "too_many_requests" {
		t.Errorf("%v %s", refused.header, refused.answer)
	}
	if status, answer := s.call("GET", "/api/channels", tenant("b").Secret, ""); status != 200 {
		t.Errorf("another app: %d %s", status, answer)
	}
	soon(t, "it has some again", func() bool {
		status, _ := s.call("GET", "/api/channels", a.Secret, "")
		return status == 200
	})
}

// listeningBackend starts a backend, whose bodies come out of told.
func listeningBackend(t *testing.T) (url string, told chan string) {
	told = make(chan string, 100)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
	}))
	t.Cleanup(backend.Close)
	return backend.URL, told
}

// A backend hears nothing of the last clients of an app that was removed and has
// come back meanwhile: they are not the new one's.
func TestRemovedAppIsSilent(t *testing.T) {
	url, told := listeningBackend(t)
	a := tenant("a", func(a *App) { a.Webhooks = []Webhook{{URL: url}} })
	s := newTest(t, func(c *Config) {
		tenants(a)(c)
		c.DataDir = t.TempDir()
	})
	old := s.apps.byID("a")
	p := s.pusher(a)
	p.subscribe("x")
	if body := <-told; !strings.Contains(body, "channel_occupied") {
		t.Fatal(body)
	}
	s.serveApps(nil)
	s.serveApps([]App{a})
	soon(t, "the old client has gone", func() bool { return old.hub.Clients() == 0 })
	old.tell(webhook.Event{Name: webhook.CacheMiss, Channel: "cache-old"})
	s.apps.byID("a").tell(webhook.Event{Name: webhook.CacheMiss, Channel: "cache-new"})
	if body := <-told; !strings.Contains(body, "cache-new") {
		t.Errorf("the backend was told %s", body)
	}
}

// The first thing that happens in an app that is added is told, however soon it
// is.
func TestAddedAppIsTold(t *testing.T) {
	url, told := listeningBackend(t)
	s := newTest(t, func(c *Config) {
		tenants(tenant("b"))(c)
		c.DataDir = t.TempDir()
	})
	a := tenant("a", func(a *App) { a.Webhooks = []Webhook{{URL: url}} })
	go s.serveApps([]App{tenant("b"), a})
	soon(t, "the app is there", func() bool { return s.apps.byID("a") != nil })
	s.pusher(a).subscribe("x")
	if body := <-told; !strings.Contains(body, "channel_occupied") {
		t.Error(body)
	}
}
