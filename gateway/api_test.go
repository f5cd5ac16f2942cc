package gateway

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stentor/engine"
	"stentor/hub"
	"stentor/protocol"
)

func TestAPIPublish(t *testing.T) {
	s := newTest(t, nil)
	ann, w := s.native("?user=ann")
	bob, _ := s.native("?user=bob")
	ann.ask(`{"type":"subscribe","channel":"a"}`, `{"type":"subscribed","channel":"a"}`)
	ann.ask(`{"type":"subscribe","channel":"b"}`, `{"type":"subscribed","channel":"b"}`)
	bob.ask(`{"type":"subscribe","channel":"a"}`, `{"type":"subscribed","channel":"a"}`)
	annID := w["client"].(string)
	message := func(channel, event, data string) string {
		if channel != "" {
			channel = `"channel":"` + channel + `",`
		}
		return `{"type":"message",` + channel + `"event":"` + event + `","data":` + data + `}`
	}
	for _, c := range []struct {
		name, body, answer string
		ann, bob           []string
	}{
		{"channels", `{"to":{"channels":["a","b","nobody"]},"event":"e","data":[1, 2]}`, `{"matched":3}`,
			[]string{message("a", "e", "[1, 2]"), message("b", "e", "[1, 2]")}, []string{message("a", "e", "[1, 2]")}},
		{"user", `{"to":{"users":["bob","nobody"]},"data":1}`, `{"matched":1}`, nil, []string{message("", "message", "1")}},
		{"client", `{"to":{"clients":["` + annID + `","1.2"]},"data":2}`, `{"matched":1}`, []string{message("", "message", "2")}, nil},
		{"one channel twice", `{"to":{"channels":["a","b","a","a"]},"except":{"users":["bob"]},"data":0}`, `{"matched":2}`,
			[]string{message("a", "message", "0"), message("b", "message", "0")}, nil},
		{"one copy", `{"to":{"clients":["` + annID + `"],"users":["ann","bob"]},"data":3}`, `{"matched":2}`,
			[]string{message("", "message", "3")}, []string{message("", "message", "3")}},
		{"all", `{"to":{"all":true,"users":["ann"]},"data":4}`, `{"matched":2}`,
			[]string{message("", "message", "4")}, []string{message("", "message", "4")}},
		{"but a copy for each channel", `{"to":{"all":true,"channels":["b"]},"data":5}`, `{"matched":3}`,
			[]string{"*", "*"}, []string{message("", "message", "5")}},
		{"except a client", `{"to":{"channels":["a"],"all":true},"except":{"clients":["` + annID + `"]},"data":6}`, `{"matched":2}`,
			nil, []string{"*", "*"}},
		{"except a user", `{"to":{"channels":["a"]},"except":{"users":["bob"]},"data":7}`, `{"matched":1}`,
			[]string{message("a", "message", "7")}, nil},
		{"no data", `{"to":{"users":["ann"]}}`, `{"matched":1}`, []string{message("", "message", "null")}, nil},
		{"wait", `{"to":{"channels":["a"]},"data":8,"wait":true}`, `{"matched":2,"written":2,"queued":0,"dropped":0}`,
			[]string{message("a", "message", "8")}, []string{message("a", "message", "8")}},
		{"wait for nobody", `{"to":{"channels":["nobody"]},"data":9,"wait":true}`, `{"matched":0,"written":0,"queued":0,"dropped":0}`, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.publish(c.body, c.answer)
			for p, list := range map[*peer][]string{ann: c.ann, bob: c.bob} {
				for _, want := range list {
					if want == "*" {
						p.next()
					} else {
						p.want(want)
					}
				}
				p.quiet()
			}
		})
	}
}

// As many users as a publication may have fit into its body, however they are
// written.
func TestAPIPublishToMany(t *testing.T) {
	s := newTest(t, nil)
	user := `"` + strings.Repeat(`\u0061`, protocol.MaxUserID) + `"`
	users := user + strings.Repeat(","+user, maxTargets-1)
	data := `"` + strings.Repeat("x", s.cfg.Limits.MaxMessageBytes-2) + `"`
	s.publish(`{"to":{"users":[`+users+`]},"data":`+data+`}`, `{"matched":0}`)
	s.api("POST", "/api/publish/batch", `{"batch":[{"to":{"users":[`+users+`]},"data":`+data+`}]}`, `{"results":[{"matched":0}]}`)
}

// Null is as good as nothing.
func TestAPINull(t *testing.T) {
	s := newTest(t, nil)
	for _, body := range []string{
		`{"to":{"all":true,"channels":null,"users":null,"clients":null},"except":null,"event":null,"data":null,"encoding":null,"wait":null}`,
		`{"to":{"all":true},"except":{"users":null,"clients":null}}`,
	} {
		if e := s.roundTrip(s.request("POST", s.addr, "/api/publish", "dev-secret", body)); e.status != 200 {
			t.Errorf("%s: %d %s", body, e.status, e.answer)
		}
	}
	for _, body := range []string{`null`, `{"reason":null}`} {
		if e := s.roundTrip(s.request("POST", s.addr, "/api/users/ann/disconnect", "dev-secret", body)); e.status != 200 {
			t.Errorf("%s: %d %s", body, e.status, e.answer)
		}
	}
	for _, body := range []string{`null`, `{"to":null}`, `{"to":{"all":null}}`, `{"to":{"users":[null]}}`} {
		if status, answer := s.call("POST", "/api/publish", "dev-secret", body); status != 400 {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

func TestAPIBatch(t *testing.T) {
	s := newTest(t, nil)
	p, _ := s.native("")
	p.ask(`{"type":"subscribe","channel":"a"}`, `{"type":"subscribed","channel":"a"}`)
	s.api("POST", "/api/publish/batch", `{"batch":[{"to":{"channels":["a"]},"data":1},{"to":{"all":true},"data":2,"wait":true},{"to":{"channels":["b"]},"data":3}]}`,
		`{"results":[{"matched":1},{"matched":1,"written":1,"queued":0,"dropped":0},{"matched":0}]}`)
	p.next()
	p.next()
	// One that is wrong spoils the whole batch, before anything is published.
	status, body := s.call("POST", "/api/publish/batch", "dev-secret", `{"batch":[{"to":{"channels":["a"]}},{"to":{"channels":["a b"]}}]}`)
	if status != 400 || !strings.Contains(body, "batch[1]: to.channels[0]") {
		t.Errorf("%d %s", status, body)
	}
	p.quiet()
	many := strings.Repeat(`{"to":{"all":true}},`, maxBatch+1)
	for body, want := range map[string]int{
		`{"batch":[]}`: 400,
		`{}`:           400,
		`{"batch":[` + strings.TrimSuffix(many, ",") + `]}`: 413,
	} {
		if status, got := s.call("POST", "/api/publish/batch", "dev-secret", body); status != want {
			t.Errorf("%.40s: %d %s", body, status, got)
		}
	}
}

// Every error has a status, a word for programs and a sentence that names the
// fault.
func TestAPIErrors(t *testing.T) {
	s := newTest(t, func(c *Config) { c.Limits.MaxMessageBytes = 2000 })
	for _, c := range []struct {
		method, path, secret, body string
		status                     int
		code, says                 string
	}{
		{"POST", "/api/publish", "", `{}`, 401, "unauthorized", "Bearer SECRET"},
		{"POST", "/api/publish", " ", `{}`, 401, "unauthorized", "Bearer SECRET"},
		{"POST", "/api/publish", "wrong", `{}`, 401, "unauthorized", "no app has this secret"},
		{"POST", "/api/publish", "dev-key", `{}`, 401, "unauthorized", "no app has this secret"},
		{"POST", "/api/publish", "dev-secret", ``, 400, "bad_request", "empty"},
		{"POST", "/api/publish", "dev-secret", `{`, 400, "bad_request", "ends in the middle"},
		{"POST", "/api/publish", "dev-secret", `to=demo`, 400, "bad_request", "the body is not JSON: invalid character 'o'"},
		{"POST", "/api/publish", "dev-secret", `{} {}`, 400, "bad_request", "after the JSON object"},
		{"POST", "/api/publish", "dev-secret", `{}`, 400, "bad_request", "names nobody"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":false}}`, 400, "bad_request", "names nobody"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":"yes"}}`, 400, "bad_request", `"to.all"`},
		{"POST", "/api/publish", "dev-secret", `{"to":{"channel":"x"}}`, 400, "bad_request", `unknown field "channel"`},
		{"POST", "/api/publish", "dev-secret", `{"to":{"channels":["a","b c"]}}`, 400, "bad_request", "to.channels[1]"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"users":[""]}}`, 400, "bad_request", "to.users[0]"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"clients":["1.2",""]}}`, 400, "bad_request", "to.clients[1]: a client id is two numbers"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"clients":["1.2.3"]}}`, 400, "bad_request", "to.clients[0]"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":true},"except":{"users":["bob",""]}}`, 400, "bad_request", "except.users[1]: the user id is empty"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":true},"except":{"users":["a\u0000"]}}`, 400, "bad_request", "except.users[0]"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":true},"except":{"clients":["3.4","bob"]}}`, 400, "bad_request", "except.clients[1]"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":true},"event":""}`, 400, "bad_request", `"event"`},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":true},"data":"` + "\xff" + `"}`, 400, "bad_request", "UTF-8"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":true},"data":"` + strings.Repeat("x", 2000) + `"}`, 413, "too_large", "2000"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"all":true},"data":"` + strings.Repeat("x", bodyRoom+4000) + `"}`, 413, "too_large", "larger than"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"users":[` + strings.Repeat(`"u",`, maxTargets) + `"u"]}}`, 413, "too_large", "10000"},
		{"GET", "/api/publish", "dev-secret", ``, 405, "method_not_allowed", "POST"},
		{"GET", "/api/nothing", "dev-secret", ``, 404, "not_found", "/api/nothing"},
		{"POST", "/api", "dev-secret", ``, 405, "method_not_allowed", "GET"},
		{"GET", "/api/", "dev-secret", ``, 404, "not_found", "nothing at /api/:"},
		{"POST", "//api/publish", "dev-secret", `{}`, 404, "not_found", "nothing at //api/publish:"},
		{"POST", "/api//publish", "dev-secret", `{}`, 404, "not_found", "nothing at /api//publish:"},
		{"POST", "/api/./publish", "dev-secret", `{}`, 404, "not_found", "nothing at /api/./publish:"},
		{"POST", "/x/../api/publish", "dev-secret", `{}`, 404, "not_found", "nothing at /x/../api/publish:"},
		{"POST", "/api/../api/publish", "dev-secret", `{}`, 404, "not_found", "nothing at /api/../api/publish:"},
		{"GET", "/api/users/ann/", "dev-secret", ``, 404, "not_found", "nothing at /api/users/ann/:"},
		{"GET", "/api/channels/news/presence", "dev-secret", ``, 400, "bad_request", "presence-"},
		{"GET", "/api/channels/presence-a%20b/presence", "dev-secret", ``, 400, "bad_request", "' '"},
		{"GET", "/api/channels/%2e%2e/presence", "dev-secret", ``, 400, "bad_request", "only dots"},
		{"GET", "/api/users/a%0Ab", "dev-secret", ``, 400, "bad_request", "U+000A"},
		{"GET", "/api/users/%2e", "dev-secret", ``, 400, "bad_request", "only dots"},
		{"POST", "/api/users/%2e%2e/disconnect", "dev-secret", ``, 400, "bad_request", "only dots"},
		{"POST", "/api/users/" + strings.Repeat("u", 129) + "/disconnect", "dev-secret", ``, 400, "bad_request", "at most 128"},
		{"POST", "/api/publish", "dev-secret", `{"to":{"users":["."]}}`, 400, "bad_request", "to.users[0]: the user id is only dots"},
		{"GET", "/api/channels?prefx=a", "dev-secret", ``, 400, "bad_request", `no parameter "prefx"`},
		{"GET", "/api/channels?prefix=a&Prefix=b", "dev-secret", ``, 400, "bad_request", `no parameter "Prefix"`},
		{"GET", "/api/channels?prefix=%zz", "dev-secret", ``, 400, "bad_request", "the query is malformed"},
		{"GET", "/api/channels/presence-a/presence?prefix=a", "dev-secret", ``, 400, "bad_request", `no parameter "prefix"`},
		{"GET", "/api/users/ann?x", "dev-secret", ``, 400, "bad_request", `no parameter "x"`},
		{"POST", "/api/publish?wait=true", "dev-secret", `{"to":{"all":true}}`, 400, "bad_request", `no parameter "wait"`},
		{"POST", "/api/publish/batch?x", "dev-secret", `{"batch":[{"to":{"all":true}}]}`, 400, "bad_request", `no parameter "x"`},
		{"POST", "/api/users/ann/disconnect?reason=x", "dev-secret", ``, 400, "bad_request", `no parameter "reason"`},
		{"POST", "/api/clients/1.2/disconnect?%zz", "dev-secret", ``, 400, "bad_request", "the query is malformed"},
		{"POST", "/api/clients/1.2/subscribe?channel=a", "dev-secret", `{"channel":"a"}`, 400, "bad_request", `no parameter "channel"`},
		{"POST", "/api/clients/1.2/unsubscribe?channel=a", "dev-secret", `{"channel":"a"}`, 400, "bad_request", `no parameter "channel"`},
		{"POST", "/api/publish?wait=true", "wrong", ``, 401, "unauthorized", "no app has this secret"},
		{"POST", "/api/clients/1.2/disconnect", "dev-secret", ``, 404, "not_found", `"1.2"`},
		{"POST", "/api/clients/nonsense/subscribe", "dev-secret", `{"channel":"a"}`, 404, "not_found", "nonsense"},
		{"POST", "/api/users/ann/disconnect", "dev-secret", `{"reasons":"x"}`, 400, "bad_request", "reasons"},
	} {
		status, body := s.call(c.method, c.path, c.secret, c.body)
		var e struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil || status != c.status || e.Error.Code != c.code || !strings.Contains(e.Error.Message, c.says) {
			t.Errorf("%s %s %.60s: %d %s, want %d %s with %q", c.method, c.path, c.body, status, body, c.status, c.code, c.says)
		}
	}
	// The scheme is Bearer, in any case of letters; Basic is not it.
	for header, want := range map[string]int{"bearer dev-secret": 200, "Bearer  dev-secret ": 200, "Basic dev-secret": 401, "dev-secret": 401} {
		req := s.request("GET", s.addr, "/api/channels", "", "")
		req.Header.Set("Authorization", header)
		if e := s.do(req); e.status != want {
			t.Errorf("Authorization %q: %d %s", header, e.status, e.answer)
		}
	}
}

func TestAPIQueries(t *testing.T) {
	s := newTest(t, nil)
	s.api("GET", "/api/channels", "", `{"channels":{}}`)
	ann, w := s.native("?user=ann")
	ann.ask(`{"type":"subscribe","channel":"news"}`, `{"type":"subscribed","channel":"news"}`)
	ann.ask(`{"type":"subscribe","channel":"presence-a"}`, `{"type":"subscribed","channel":"presence-a","members":[{"user":"ann"}]}`)
	s.api("GET", "/api/channels", "", `{"channels":{"news":{"subscriptions":1},"presence-a":{"subscriptions":1,"users":1}}}`)
	s.api("GET", "/api/channels?prefix=presence-", "", `{"channels":{"presence-a":{"subscriptions":1,"users":1}}}`)
	s.api("GET", "/api/channels/presence-a/presence", "", `{"members":[{"user":"ann"}]}`)
	s.api("GET", "/api/channels/presence-b/presence", "", `{"members":[]}`)
	s.api("GET", "/api/users/ann", "", fmt.Sprintf(`{"user":"ann","online":true,"clients":[{"id":"%s","channels":["news","presence-a"]}]}`, w["client"]))
	s.api("GET", "/api/users/b%C3%B6b", "", `{"user":"böb","online":false,"clients":[]}`)
	// The admin listener serves it too.
	e := s.do(s.request("GET", s.admin, "/api/channels?prefix=news", "dev-secret", ""))
	if string(e.answer) != `{"channels":{"news":{"subscriptions":1}}}`+"\n" {
		t.Errorf("admin: %s", e.answer)
	}
}

func TestAPIDisconnect(t *testing.T) {
	s := newTest(t, nil)
	a1, _ := s.native("?user=ann")
	a2 := s.raw("x", "?user=ann")
	b, w := s.native("?user=bob")
	s.api("POST", "/api/users/ann/disconnect", "", `{"disconnected":2}`)
	if reason := a1.wantClose(4403); !strings.Contains(reason, "application") {
		t.Errorf("reason %q", reason)
	}
	a2.wantClose(4403)
	s.api("POST", "/api/clients/"+w["client"].(string)+"/disconnect", `{"reason":"enough"}`, `{"disconnected":1}`)
	if reason := b.wantClose(4403); reason != "enough" {
		t.Errorf("reason %q", reason)
	}
	s.api("POST", "/api/users/nobody/disconnect", "", `{"disconnected":0}`)
	// An empty body may come in chunks too.
	req := s.request("POST", s.addr, "/api/users/nobody/disconnect", "dev-secret", "")
	req.Body, req.ContentLength = io.NopCloser(io.MultiReader()), -1
	if e := s.do(req); string(e.answer) != `{"disconnected":0}`+"\n" {
		t.Errorf("%d %s", e.status, e.answer)
	}
}

// A backend may subscribe a client to any channel; the client is told.
func TestAPISubscribe(t *testing.T) {
	s := newTest(t, func(c *Config) {
		oneApp(func(a *App) { a.Secret, a.Anonymous = "dev-secret", true })(c)
	})
	p, w := s.native("")
	at := "/api/clients/" + w["client"].(string)
	s.api("POST", at+"/subscribe", `{"channel":"private-x"}`, `{"subscribed":true}`)
	p.want(`{"type":"subscribed","channel":"private-x"}`)
	s.api("POST", at+"/subscribe", `{"channel":"private-x"}`, `{"subscribed":true}`)
	s.publish(`{"to":{"channels":["private-x"]},"data":1}`, `{"matched":1}`)
	p.want(`{"type":"message","channel":"private-x","event":"message","data":1}`)
	s.api("POST", at+"/unsubscribe", `{"channel":"private-x"}`, `{"unsubscribed":true}`)
	p.want(`{"type":"unsubscribed","channel":"private-x"}`)
	s.api("POST", at+"/unsubscribe", `{"channel":"private-x"}`, `{"unsubscribed":false}`)
	p.quiet()
	for body, says := range map[string]string{
		`{"channel":"presence-x"}`: "user",
		`{"channel":"a b"}`:        "' '",
		`{}`:                       "empty",
		``:                         "empty",
	} {
		if status, got := s.call("POST", at+"/subscribe", "dev-secret", body); status != 400 || !strings.Contains(got, says) {
			t.Errorf("%s: %d %s", body, status, got)
		}
	}
	// A raw client hears payloads of what it was subscribed to.
	r := s.raw("x", "")
	id := ""
	s.engine.Each(func(c engine.Conn) bool {
		if r, ok := c.Data().(*rawClient); ok {
			id = r.ID()
		}
		return true
	})
	s.api("POST", "/api/clients/"+id+"/subscribe", `{"channel":"private-y"}`, `{"subscribed":true}`)
	s.publish(`{"to":{"channels":["private-y"]},"data":"both"}`, `{"matched":1}`)
	if _, text := r.next(); text != "both" {
		t.Errorf("the raw client received %q", text)
	}
}

// stuck is a broker whose lanes are full for ever.
type stuck struct{ publications *int }

func (b stuck) publish(*app, publication) hub.Receipt {
	*b.publications++
	return hub.Receipt{Full: true}
}

// A batch waits no longer than one publication, and is published whole.
func TestAPIBatchWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		g := &Gateway{cfg: Default(), broker: stuck{&n}}
		batch := strings.TrimSuffix(strings.Repeat(`{"to":{"all":true},"wait":true},`, 100), ",")
		start := time.Now()
		answer, err := g.apiPublishBatch(nil, httptest.NewRequest("POST", "/", strings.NewReader(`{"batch":[`+batch+`]}`)))
		if took := time.Since(start); err != nil || n != 100 || took != waitLimit {
			t.Errorf("%d publications in %v: %v, %v", n, took, answer, err)
		}
	})
}

// A publisher that is faster than the clients' sockets is answered later, and
// others are not held up meanwhile.
func TestAPIBackpressure(t *testing.T) {
	s := newTest(t, nil)
	ann, _ := s.native("?user=ann")
	ann.ask(`{"type":"subscribe","channel":"busy"}`, `{"type":"subscribed","channel":"busy"}`)
	const n = 3000
	data := strings.Repeat("x", 2000)
	go func() {
		for range 30 {
			batch := strings.TrimSuffix(strings.Repeat(`{"to":{"channels":["busy"]},"data":"`+data+`"},`, n/30), ",")
			if status, body := s.call("POST", "/api/publish/batch", "dev-secret", `{"batch":[`+batch+`]}`); status != 200 {
				t.Errorf("%d %.200s", status, body)
			}
		}
	}()
	for range n {
		ann.want(`{"type":"message","channel":"busy","event":"message","data":"` + data + `"}`)
	}
}

// The admin listener is as strict with paths as the public one.
func TestAPIPathsOfAdmin(t *testing.T) {
	s := newTest(t, nil)
	for _, path := range []string{"/api/", "//api/channels", "/api//channels"} {
		if e := s.do(s.request("GET", s.admin, path, "", "")); e.status != 404 || !strings.Contains(string(e.answer), "nothing at "+path+":") {
			t.Errorf("%s: %d %s", path, e.status, e.answer)
		}
	}
}

// unfinished makes a request whose body does not come, and returns the answer.
// header is further lines, each ended by CRLF.
func (s *server) unfinished(address, request, header string) (status int, answer string) {
	s.t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience / 2))
	fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: 100\r\n\r\n{", request, header)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	method, path, _ := strings.Cut(request, " ")
	s.holds(&exchange{s.request(method, address, path, "", ""), nil, resp.StatusCode, resp.Header, b})
	return resp.StatusCode, string(b)
}

// What is refused whatever its body is refused before the body has come.
func TestAPIRefusesBeforeTheBody(t *testing.T) {
	s := newTest(t, nil)
	for request, want := range map[string]int{"POST /api/publish": 401, "POST /api/nothing": 404, "POST /api//publish": 404, "POST /api/channels": 405} {
		for _, address := range []string{s.addr, s.admin} {
			if status, body := s.unfinished(address, request, ""); status != want || !strings.HasPrefix(body, `{"error":`) {
				t.Errorf("%s: %d %s", request, status, body)
			}
		}
	}
}

// A body has its time to come.
func TestAPILateBody(t *testing.T) {
	s := newTest(t, nil, func(g *Gateway) {
		if g.bodyTime != 30*time.Second {
			t.Errorf("%v for a body, docs/http-api.md says 30 s", g.bodyTime)
		}
		g.bodyTime = 50 * time.Millisecond
	})
	const want = `{"error":{"code":"timeout","message":"the body did not come within 0.05 s"}}` + "\n"
	for _, address := range []string{s.addr, s.admin} {
		status, body := s.unfinished(address, "POST /api/publish", "Authorization: Bearer dev-secret\r\n")
		if status != 408 || body != want {
			t.Errorf("%d %s", status, body)
		}
	}
}

// A body that is announced and does not come holds its own connection only.
func TestAPISlowBody(t *testing.T) {
	s := newTest(t, nil)
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /api/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dev-secret\r\nContent-Length: 100\r\n\r\n{")
	s.publish(`{"to":{"all":true}}`, `{"matched":0}`)
	c.SetDeadline(time.Now().Add(patience))
	c.(*net.TCPConn).CloseWrite()
	b, _ := io.ReadAll(c)
	if !strings.Contains(string(b), " 400 ") {
		t.Errorf("%q", b)
	}
}
