package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
)

const tokenSecret = "a-secret-for-tests"

func oneApp(change func(*App)) func(*Config) {
	return func(c *Config) {
		a := defaultApp()
		a.ID, a.Key, a.Secret = "shop", "shop-key", tokenSecret
		if change != nil {
			change(&a)
		}
		c.Apps = []App{a}
	}
}

// sign makes a token as a backend would.
func sign(t *testing.T, secret string, c jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestToken(t *testing.T) {
	s := newTest(t, oneApp(nil))
	token := sign(t, tokenSecret, jwt.MapClaims{
		"sub": "ann", "exp": time.Now().Add(time.Hour).Unix(), "info": map[string]any{"name": "Ann"},
		"channels": []string{"private-orders-*", "presence-lobby"}, "publish": []string{"chat-*", "private-orders-7"},
	})
	p, w := s.native("?token=" + token)
	if w["user"] != "ann" {
		t.Errorf("welcome %v", w)
	}
	p.ask(`{"type":"subscribe","channel":"news"}`, `{"type":"subscribed","channel":"news"}`)
	p.ask(`{"type":"subscribe","channel":"private-orders-7"}`, `{"type":"subscribed","channel":"private-orders-7"}`)
	p.ask(`{"type":"subscribe","channel":"presence-lobby"}`, `{"type":"subscribed","channel":"presence-lobby","members":[{"user":"ann","info":{"name":"Ann"}}]}`)
	p.ask(`{"type":"publish","id":1,"channel":"private-orders-7","echo":false}`, `{"type":"published","id":1,"matched":0}`)
	p.ask(`{"type":"publish","id":2,"channel":"chat-x"}`, `{"type":"published","id":2,"matched":0}`)
	for command, says := range map[string]string{
		`{"type":"subscribe","channel":"private-other"}`:      "do not name this channel: private-other",
		`{"type":"subscribe","channel":"private-orders"}`:     "do not name",
		`{"type":"subscribe","channel":"presence-other"}`:     "do not name",
		`{"type":"publish","channel":"news"}`:                 "does not name this channel: news",
		`{"type":"publish","channel":"private-orders-8"}`:     "does not name",
		`{"type":"publish","user":"bob"}`:                     "only the app's backend",
		`{"type":"publish","all":true}`:                       "only the app's backend",
		`{"type":"subscribe","channel":"xprivate-orders-7 "}`: "' '",
	} {
		p.send(command)
		if m := p.json(); m["type"] != "error" || !strings.Contains(m["message"].(string), says) {
			t.Errorf("%s: %v", command, m)
		}
	}
	r := s.dial("/raw/private-orders-7?app=shop-key&token=" + token)
	r.send("from raw")
	if _, text := r.next(); text != "from raw" {
		t.Errorf("received %q", text)
	}
	p.want(`{"type":"message","channel":"private-orders-7","event":"message","user":"ann","data":"from raw"}`)
	if reason := s.dial("/raw/private-other?token=" + token).wantClose(4403); !strings.Contains(reason, "do not name") {
		t.Errorf("reason %q", reason)
	}
}

// Forged, stale and foreign tokens are told apart from each other, and let
// nobody in.
func TestBadTokens(t *testing.T) {
	s := newTest(t, oneApp(nil))
	good := jwt.MapClaims{"sub": "ann"}
	none, _ := jwt.NewWithClaims(jwt.SigningMethodNone, good).SignedString(jwt.UnsafeAllowNoneSignatureType)
	hs512, _ := jwt.NewWithClaims(jwt.SigningMethodHS512, good).SignedString([]byte(tokenSecret))
	signed := sign(t, tokenSecret, good)
	for name, c := range map[string]struct{ token, says string }{
		"none at all":     {"", "wants a token"},
		"not a JWT":       {"nonsense", "no JWT"},
		"another secret":  {sign(t, "another-secret", good), "signature"},
		"altered":         {signed[:len(signed)-2] + "xx", "signature"},
		"alg none":        {none, ""},
		"alg HS512":       {hs512, "signature"},
		"expired":         {sign(t, tokenSecret, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(-time.Minute).Unix()}), "expired"},
		"not yet valid":   {sign(t, tokenSecret, jwt.MapClaims{"sub": "ann", "nbf": time.Now().Add(time.Hour).Unix()}), "not valid yet: its nbf"},
		"expired in 1970": {sign(t, tokenSecret, jwt.MapClaims{"exp": 0}), "expired"},
		"far beyond":      {sign(t, tokenSecret, jwt.MapClaims{"exp": int64(math.MaxInt64)}), "the token's exp is out of range"},
		"far before":      {sign(t, tokenSecret, jwt.MapClaims{"exp": -1e300}), "the token's exp is out of range"},
		"no float":        {sign(t, tokenSecret, jwt.MapClaims{"exp": json.Number("1e999")}), "the token's exp is out of range"},
		"milliseconds":    {sign(t, tokenSecret, jwt.MapClaims{"exp": time.Now().Add(time.Hour).UnixMilli()}), "exp is in seconds"},
		"late by one":     {sign(t, tokenSecret, jwt.MapClaims{"exp": 253402300800}), "exp is in seconds"},
		"nbf far beyond":  {sign(t, tokenSecret, jwt.MapClaims{"nbf": int64(math.MaxInt64)}), "the token's nbf is out of range"},
		"nbf in ms":       {sign(t, tokenSecret, jwt.MapClaims{"nbf": time.Now().UnixMilli()}), "nbf is in seconds"},
		"a text as nbf":   {sign(t, tokenSecret, jwt.MapClaims{"nbf": "soon"}), "the token's nbf must be a number"},
		"forged and over": {sign(t, "another-secret", jwt.MapClaims{"exp": int64(math.MaxInt64)}), "signature"},
		"a bad user":      {sign(t, tokenSecret, jwt.MapClaims{"sub": "a\nb"}), "control character"},
		"a number as sub": {sign(t, tokenSecret, jwt.MapClaims{"sub": 7}), "the token's sub must be a string"},
		"a text as exp":   {sign(t, tokenSecret, jwt.MapClaims{"sub": "ann", "exp": "soon"}), "the token's exp must be a number"},
		"one channel":     {sign(t, tokenSecret, jwt.MapClaims{"channels": "private-x"}), "the token's channels must be a list"},
		"almost a JWT":    {"a.b.c", "no JWT"},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/ws"
			if c.token != "" {
				path += "?token=" + url.QueryEscape(c.token)
			}
			if reason := s.dial(path).wantClose(4401); !strings.Contains(reason, c.says) {
				t.Errorf("reason %q, want %q in it", reason, c.says)
			}
		})
	}
	if n := s.apps.all()[0].hub.Stats().Clients; n != 0 {
		t.Errorf("%d clients are in", n)
	}
}

// Times are in seconds, with or without a fraction, and clocks may differ by ten.
func TestTokenTimes(t *testing.T) {
	s := newTest(t, oneApp(nil))
	now := time.Now()
	for name, c := range map[string]jwt.MapClaims{
		"none":             {},
		"nothing":          {"exp": nil, "nbf": nil},
		"a fraction":       {"exp": float64(now.Unix()) + 600.5, "nbf": float64(now.Unix()) - 0.5},
		"the last second":  {"exp": 253402300799},
		"before 1970":      {"nbf": -1},
		"just over":        {"exp": now.Add(-tokenLeeway / 2).Unix()},
		"about to begin":   {"nbf": now.Add(tokenLeeway / 2).Unix()},
		"issued in future": {"iat": now.Add(time.Hour).Unix()},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := s.native("?token=" + sign(t, tokenSecret, c))
			p.quiet()
		})
	}
}

// A connection ends when its token does.
func TestTokenExpires(t *testing.T) {
	s := newTest(t, oneApp(nil))
	later := sign(t, tokenSecret, jwt.MapClaims{"sub": "bob", "exp": time.Now().Add(time.Hour).Unix()})
	b, _ := s.native("?token=" + later)
	// Within the leeway, so that the test need not wait for it.
	soonOver := sign(t, tokenSecret, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(-tokenLeeway + 2*time.Second).Unix()})
	a, _ := s.native("?token=" + soonOver)
	if reason := a.wantClose(4401); !strings.Contains(reason, "expired") {
		t.Errorf("reason %q", reason)
	}
	b.quiet()
}

func TestAnonymous(t *testing.T) {
	s := newTest(t, oneApp(func(a *App) { a.Anonymous = true }))
	p, w := s.native("?app=shop-key&user=root") // user counts in development only
	if w["user"] != nil {
		t.Errorf("welcome %v", w)
	}
	p.ask(`{"type":"subscribe","channel":"news"}`, `{"type":"subscribed","channel":"news"}`)
	for command, says := range map[string]string{
		`{"type":"publish","channel":"news"}`:         "without a token may not publish",
		`{"type":"subscribe","channel":"private-x"}`:  "a token must name",
		`{"type":"subscribe","channel":"presence-x"}`: "with a user",
		`{"type":"publish","all":true}`:               "only the app's backend",
	} {
		p.send(command)
		if m := p.json(); m["code"] != "forbidden" || !strings.Contains(m["message"].(string), says) {
			t.Errorf("%s: %v", command, m)
		}
	}
	// Prefixes count at the start of a name only.
	p.ask(`{"type":"subscribe","channel":"my-private-x"}`, `{"type":"subscribed","channel":"my-private-x"}`)
}

func TestApps(t *testing.T) {
	s := newTest(t, func(c *Config) {
		for _, name := range []string{"one", "two"} {
			a := defaultApp()
			a.ID, a.Key, a.Secret, a.Anonymous = name, name+"-key", name+"-secret", true
			c.Apps = append(c.Apps, a)
		}
	})
	if reason := s.dial("/ws").wantClose(4001); !strings.Contains(reason, "?app=KEY") {
		t.Errorf("reason %q", reason)
	}
	if reason := s.dial("/raw/x?app=three-key").wantClose(4001); !strings.Contains(reason, "no app") {
		t.Errorf("reason %q", reason)
	}
	// The same channel of two apps is two channels.
	a, wa := s.native("?app=one-key")
	b, _ := s.native("?app=two-key")
	for _, p := range []*peer{a, b} {
		p.ask(`{"type":"subscribe","channel":"x"}`, `{"type":"subscribed","channel":"x"}`)
	}
	for i, app := range []string{"one", "two"} {
		status, body := s.call("POST", "/api/publish", app+"-secret", fmt.Sprintf(`{"to":{"channels":["x"],"all":true,"clients":["%s"]},"data":%d}`, wa["client"], i))
		if status != 200 || body != `{"matched":2}` {
			t.Errorf("%d %s", status, body)
		}
	}
	for i, p := range []*peer{a, b} {
		for range 2 {
			if m := p.json(); m["data"] != float64(i) {
				t.Errorf("app %d received %v", i, m)
			}
		}
		p.quiet()
	}
	if status, _ := s.call("POST", "/api/clients/"+wa["client"].(string)+"/disconnect", "two-secret", ""); status != 404 {
		t.Errorf("an app disconnected another's client: %d", status)
	}
}

func TestOrigins(t *testing.T) {
	s := newTest(t, oneApp(func(a *App) {
		a.Anonymous = true
		a.AllowedOrigins = []string{"https://shop.example", "http://localhost:3000", "https://*.shop.example",
			"https://full.example:443", "http://*.full.example:80", "http://other.example:443"}
	}))
	for origin, ok := range map[string]bool{
		"":                              true, // no browser
		"https://shop.example":          true,
		"HTTPS://SHOP.example":          true,
		"http://localhost:3000":         true,
		"https://a.b.shop.example":      true,
		"http://shop.example":           false,
		"https://shop.example:8443":     false,
		"https://shop.example.evil.com": false,
		"https://evilshop.example":      false,
		"http://localhost":              false,
		"null":                          false,
		"%":                             false,
		"https://full.example":          true,
		"http://a.full.example":         true,
		"http://full.example":           false,
		"http://other.example:443":      true,
		"http://other.example":          false,
	} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		c, resp, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", h)
		if ok != (err == nil) || !ok && resp.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q: %v", origin, err)
		}
		if c != nil {
			c.Close()
		}
	}
}

// Handshakes that make no sense are refused with an HTTP status.
func TestUpgradeRefused(t *testing.T) {
	s := newTest(t, nil)
	for path, status := range map[string]int{"/": 404, "/nothing": 404, "/raw": 404, "/ws/": 404, "/apple/dev-key": 404, "/ws?app=%zz": 400} {
		_, resp, err := websocket.DefaultDialer.Dial("ws://"+s.addr+path, nil)
		if err == nil || resp.StatusCode != status {
			t.Errorf("%s: %v", path, resp.Status)
		}
	}
	for _, path := range []string{"/ws", "/raw/x", "/app/dev-key", "/echo"} { // without asking for an upgrade
		if status, body := s.call("GET", path, "", ""); status != 426 || !strings.Contains(body, "WebSocket") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestHere(t *testing.T) {
	for secret, s := range map[string]*server{"dev-secret": newTest(t, nil), "": newTest(t, oneApp(nil))} {
		status, body := s.call("GET", "/assets/here.json", "", "")
		var here struct {
			Development, Anonymous bool
			Secret                 string
		}
		if err := json.Unmarshal([]byte(body), &here); err != nil || status != 200 || here.Secret != secret || here.Development != (secret != "") {
			t.Errorf("%d %s", status, body)
		}
		if strings.Contains(body, tokenSecret) {
			t.Error("a configured app's secret is told to everybody")
		}
	}
}
