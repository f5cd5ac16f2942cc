package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"stentor/protocol/pusher"
)

// refuses makes a request that must be refused with a status and a text.
func (s *server) refuses(c pusherCall, status int, says string) {
	s.t.Helper()
	got, answer, header := s.make(c)
	if got != status || !strings.Contains(answer, says) || says == "" || len(answer) > 1000 {
		s.t.Errorf("%s %s %.100s: %d %s, want %d and %q", c.method, c.path, c.body, got, answer, status, says)
	}
	if kind := header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		s.t.Errorf("%s %s: an error of the type %q: libraries show it as it is", c.method, c.path, kind)
	}
}

// An event goes to the channels that it names, once each.
func TestPusherTrigger(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	p.enter("presence-x", `{"user_id":"1"}`, "1", "null")
	for _, channel := range []string{"x", "private-y"} {
		p.subscribe(channel)
		other.subscribe(channel)
	}
	for _, data := range []string{`{"a": 1}`, "plain", "", "null", `"quoted"`, "é \U0001F600", "[1,2"} {
		s.trigger(a, "x", "e", data)
		p.want(eventText("x", "e", data))
		other.want(eventText("x", "e", data))
	}
	s.post(a, "/events", `{"name":"e","channel":"x","data":"1","unknown":{}}`, "{}")
	s.post(a, "/events", `{"name":"e","channels":["x","private-y","x","nobody"],"data":"2"}`, "{}")
	s.post(a, "/events", `{"name":"e","channels":["x"],"data":"3","socket_id":"`+p.id+`"}`, "{}")
	s.post(a, "/events", `{"name":"e","channels":["x"],"data":"4","socket_id":"1.1"}`, "{}")            // of nobody
	s.post(a, "/events", `{"name":"e","channels":["x"],"data":"5","socket_id":null,"info":null}`, "{}") // as some libraries do,
	s.post(a, "/events", `{"name":"e","channels":["x"],"data":"5b","socket_id":""}`, "{}")              // or some backends
	got := map[string]int{}
	for range 6 {
		_, text := p.next()
		got[text]++
	}
	for _, text := range []string{eventText("x", "e", "1"), eventText("x", "e", "2"), eventText("private-y", "e", "2"), eventText("x", "e", "4"), eventText("x", "e", "5"), eventText("x", "e", "5b")} {
		if got[text] != 1 {
			t.Errorf("%s came %d times", text, got[text])
		}
	}

	// What is asked of the channels.
	s.post(a, "/events", `{"name":"e","channels":["presence-x","x","nobody","presence-nobody"],"data":"6","info":"user_count,subscription_count"}`,
		`{"channels":{"nobody":{"subscription_count":0},"presence-nobody":{"user_count":0,"subscription_count":0},`+
			`"presence-x":{"user_count":1,"subscription_count":1},"x":{"subscription_count":2}}}`)
	s.post(a, "/events", `{"name":"e","channels":["x"],"data":"7","info":"user_count"}`, `{"channels":{"x":{}}}`)
	s.post(a, "/events", `{"name":"e","channels":["cache-x"],"data":"8","info":"cache"}`, `{"channels":{"cache-x":{"cache":{"data":"8","ttl":1799}}}}`)

	// On the other listener.
	third := s.pusher(a)
	third.subscribe("z")
	if status, answer, _ := s.make(pusherCall{app: a, method: "POST", path: "/events", body: `{"name":"e","channel":"z","data":"9"}`, admin: true}); status != 200 || answer != "{}" {
		t.Errorf("%d %s", status, answer)
	}
	third.want(eventText("z", "e", "9"))
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf(`"x%d"`, i)
	}
	s.post(a, "/events", `{"name":"e","channels":[`+strings.Join(many, ",")+`],"data":"1"}`, "{}")
}

func TestPusherTriggerErrors(t *testing.T) {
	a := tenant("a", func(a *App) { a.MaxEventBytes, a.MaxChannelName = 100, 40 })
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	p.subscribe("x")
	many := strings.TrimSuffix(strings.Repeat(`"x",`, 101), ",")
	long := strings.Repeat("x", 101)
	events := map[string]struct {
		status int
		says   string
	}{
		``:                                       {400, "not valid JSON"},
		`{`:                                      {400, "not valid JSON"},
		`[]`:                                     {400, "object"},
		`null`:                                   {400, "object"},
		"{\"name\":\"\xff\"}":                    {400, "not valid UTF-8"},
		`{}`:                                     {400, `"name" is missing`},
		`{"name":"e","channel":"x"}`:             {400, `"data" is missing`},
		`{"name":"e","data":"1"}`:                {400, "missing"},
		`{"name":"","data":"1","channel":"x"}`:   {400, "empty"},
		`{"name":7,"data":"1","channel":"x"}`:    {400, `"name" must be a string`},
		`{"name":"e","data":{},"channel":"x"}`:   {400, `"data" must be a string`},
		`{"name":"e","data":null,"channel":"x"}`: {400, `"data" must be a string`},
		`{"name":"e","data":1,"channel":"x"}`:    {400, `"data" must be a string`},
		`{"name":"` + long + long + `","data":"1","channel":"x"}`:                           {400, "at most 200"},
		`{"name":"e\u0000","data":"1","channel":"x"}`:                                       {400, "control"},
		`{"name":"pusher:e","data":"1","channel":"x"}`:                                      {400, "begins"},
		`{"name":"pusher_internal:e","data":"1","channel":"x"}`:                             {400, "begins"},
		`{"name":"e","name":"f","data":"1","channel":"x"}`:                                  {400, "twice"},
		`{"name":"e","data":"1","channel":""}`:                                              {400, "empty"},
		`{"name":"e","data":"1","channel":"a b"}`:                                           {400, "' '"},
		`{"name":"e","data":"1","channel":"#x"}`:                                            {400, "'#'"},
		`{"name":"e","data":"1","channel":"#server-to-user-"}`:                              {400, "empty"},
		`{"name":"e","data":"1","channel":"` + strings.Repeat("x", 41) + `"}`:               {400, "at most 40"},
		`{"name":"e","data":"1","channel":["x"]}`:                                           {400, "must be a string"},
		`{"name":"e","data":"1","channels":"x"}`:                                            {400, "must be a list"},
		`{"name":"e","data":"1","channels":[]}`:                                             {400, "1 to 100"},
		`{"name":"e","data":"1","channels":[` + many + `]}`:                                 {400, "1 to 100"},
		`{"name":"e","data":"1","channels":["x",7]}`:                                        {400, "channels[1]"},
		`{"name":"e","data":"1","channels":["x"],"channel":"x"}`:                            {400, "both"},
		`{"name":"e","data":"1","channels":["x","private-encrypted-y"]}`:                    {400, "encrypted"},
		`{"name":"e","data":"1","channel":"x","socket_id":"x"}`:                             {400, "socket id"},
		`{"name":"e","data":"1","channel":"x","socket_id":"1.2\n"}`:                         {400, "socket id"},
		`{"name":"e","data":"1","channel":"x","socket_id":1.2}`:                             {400, `"socket_id" must be a string`},
		`{"name":"e","data":"1","channel":"x","info":["user_count"]}`:                       {400, "info"},
		`{"name":"e","data":"` + long + `","channel":"x"}`:                                  {413, "101 bytes, at most 100"},
		`{"name":"e","data":"` + strings.Repeat("x", 80000) + `","channel":"x"}`:            {413, ""},
		`{"name":"e","data":"1","channel":"x","more":"` + strings.Repeat("x", 80000) + `"}`: {413, ""},
	}
	for body, want := range events {
		says := want.says
		if says == "" {
			says = "bytes"
		}
		if status := want.status; body != "" {
			s.refuses(pusherCall{app: a, method: "POST", path: "/events", body: body}, status, says)
		}
		// The same in a batch: nothing of it is published.
		if !strings.HasPrefix(body, `{"name"`) || strings.Contains(body, `"channels"`) || says == "bytes" || says == "not valid UTF-8" {
			continue
		}
		batch := `{"batch":[{"name":"e","data":"1","channel":"x"},` + body + `]}`
		s.refuses(pusherCall{app: a, method: "POST", path: "/batch_events", body: batch}, want.status, "batch[1]: ")
	}
	s.refuses(pusherCall{app: a, method: "POST", path: "/events"}, 400, "not valid JSON")
	for body, says := range map[string]string{
		`{}`:                          `"batch" is missing`,
		`[]`:                          "object",
		`{"batch":{}}`:                "list",
		`{"batch":[]}`:                "1 to 10",
		`{"batch":[1]}`:               "batch[0]",
		`{"batch":[null]}`:            "batch[0]",
		`{"batch":[{}],"batch":[{}]}`: "twice",
		`{"batch":[` + strings.TrimSuffix(strings.Repeat(`{"name":"e","data":"1","channel":"x"},`, 11), ",") + `]}`: "1 to 10",
		`{"batch":[{"name":"e","data":"1","channels":["x"]}]}`:                                                      "batch[0]",
	} {
		s.refuses(pusherCall{app: a, method: "POST", path: "/batch_events", body: body}, 400, says)
	}
	s.mark("x", p)
}

// A batch is published in its order, and answered in it.
func TestPusherBatch(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	p.subscribe("x")
	p.subscribe("private-encrypted-y")
	other.subscribe("x")
	p.enter("presence-z", `{"user_id":"1"}`, "1", "null")
	s.post(a, "/batch_events", `{"batch":[{"name":"a","data":"1","channel":"x"},{"name":"b","data":"2","channel":"x","socket_id":"`+p.id+`"},{"name":"c","data":"3","channel":"x"}]}`, "{}")
	p.want(eventText("x", "a", "1"))
	p.want(eventText("x", "c", "3"))
	for _, name := range []string{"a", "b", "c"} {
		if _, text := other.next(); !strings.Contains(text, `"event":"`+name+`"`) {
			t.Errorf("received %s, want %s", text, name)
		}
	}
	s.post(a, "/batch_events", `{"batch":[{"name":"a","data":"1","channel":"x","info":"subscription_count"},`+
		`{"name":"b","data":"2","channel":"private-encrypted-y"},{"name":"c","data":"3","channel":"presence-z","info":"user_count,subscription_count"}]}`,
		`{"batch":[{"subscription_count":2},{},{"user_count":1,"subscription_count":1}]}`)
	one := `{"name":"n","data":"1","channel":"x"}`
	s.post(a, "/batch_events", `{"batch":[`+strings.TrimSuffix(strings.Repeat(one+",", 10), ",")+`]}`, "{}")
	// As large as ten events may be, each byte of them escaped.
	huge := `{"name":"n","data":"` + strings.Repeat(`\u0061`, 10240) + `","channel":"x"}`
	s.post(a, "/batch_events", `{"batch":[`+strings.TrimSuffix(strings.Repeat(huge+",", 10), ",")+`]}`, "{}")
}

// Old libraries name the channel in the path; the body is the data.
func TestPusherLegacyTrigger(t *testing.T) {
	a := tenant("a", func(a *App) { a.MaxEventBytes = 20 })
	s := newTest(t, tenants(a))
	p, other := s.pusher(a), s.pusher(a)
	p.subscribe("private-x")
	other.subscribe("private-x")
	call := pusherCall{app: a, method: "POST", path: "/channels/private-x/events", query: url.Values{"name": {"old event"}}, body: `{"a":1}`}
	if status, answer, _ := s.make(call); status != 202 || answer != "{}" {
		t.Errorf("%d %s", status, answer)
	}
	p.want(eventText("private-x", "old event", `{"a":1}`))
	other.want(eventText("private-x", "old event", `{"a":1}`))
	call.query = url.Values{"name": {"e"}, "socket_id": {p.id}}
	if status, answer, _ := s.make(call); status != 202 {
		t.Errorf("%d %s", status, answer)
	}
	other.want(eventText("private-x", "e", `{"a":1}`))
	s.mark("private-x", p, other)
	for _, c := range []struct {
		channel, body, query string
		status               int
		says                 string
	}{
		{"private-x", "1", "", 400, "name"},
		{"private-x", "1", "name=pusher:x", 400, "begins"},
		{"private-x", "1", "name=x&socket_id=y", 400, "socket id"},
		{"private-x", strings.Repeat("x", 21), "name=x", 413, "21 bytes, at most 20"},
		{"a%20b", "1", "name=x", 400, "' '"},
		{"private-x", "\xff", "name=x", 400, "UTF-8"},
	} {
		q, _ := url.ParseQuery(c.query)
		s.refuses(pusherCall{app: a, method: "POST", path: "/channels/" + c.channel + "/events", query: q, body: c.body}, c.status, c.says)
	}
	s.mark("private-x", p, other)
}

// Channels, one of them, and its users.
func TestPusherQueries(t *testing.T) {
	a, b := tenant("a"), tenant("b")
	s := newTest(t, tenants(a, b))
	s.get(a, "/channels", "", `{"channels":{}}`)
	p, other := s.pusher(a), s.pusher(a)
	for _, peer := range []*pusherPeer{p, other} {
		peer.subscribe("x")
		peer.signIn("ann")
		peer.subscribe("#server-to-user-ann")
	}
	p.subscribe("private-=@,.;_")
	p.enter("presence-x", `{"user_id":1}`, "1", "null")
	other.enter("presence-x", `{"user_id":"1"}`, "1", "null")
	other.enter("presence-cache-y", `{"user_id":"2"}`, "2", "null")
	other.want(`{"event":"pusher:cache_miss","channel":"presence-cache-y","data":"{}"}`)
	s.trigger(a, "presence-cache-y", "kept", "k")
	other.want(eventText("presence-cache-y", "kept", "k"))

	s.get(a, "/channels", "", `{"channels":{"presence-cache-y":{},"presence-x":{},"private-=@,.;_":{},"x":{}}}`)
	s.get(a, "/channels", "filter_by_prefix=pre", `{"channels":{"presence-cache-y":{},"presence-x":{}}}`)
	s.get(a, "/channels", "filter_by_prefix=nobody", `{"channels":{}}`)
	s.get(a, "/channels", "filter_by_prefix=private-%3D%40%2C.%3B", `{"channels":{"private-=@,.;_":{}}}`)
	s.get(a, "/channels", "filter_by_prefix=presence-&info=user_count", `{"channels":{"presence-cache-y":{"user_count":1},"presence-x":{"user_count":1}}}`)
	s.get(a, "/channels", "filter_by_prefix=presence-x&info=user_count,subscription_count", `{"channels":{"presence-x":{"user_count":1,"subscription_count":2}}}`)
	s.get(a, "/channels", "info=subscription_count&filter_by_prefix=x", `{"channels":{"x":{"subscription_count":2}}}`)
	s.get(b, "/channels", "", `{"channels":{}}`)

	s.get(a, "/channels/x", "", `{"occupied":true}`)
	s.get(a, "/channels/nobody", "", `{"occupied":false}`)
	s.get(a, "/channels/nobody", "info=subscription_count", `{"occupied":false,"subscription_count":0}`)
	s.get(a, "/channels/presence-nobody", "info=user_count", `{"occupied":false,"user_count":0}`)
	s.get(a, "/channels/x", "info=subscription_count", `{"occupied":true,"subscription_count":2}`)
	s.get(a, "/channels/presence-x", "info=user_count", `{"occupied":true,"user_count":1}`)
	s.get(a, "/channels/presence-x", "info=subscription_count,user_count", `{"occupied":true,"user_count":1,"subscription_count":2}`)
	s.get(a, "/channels/cache-nobody", "info=cache", `{"occupied":false,"cache":null}`)
	for _, form := range []string{"private-=@,.;_", "private-%3D%40%2C.%3B_", "private%2d=@,.;_"} {
		s.get(a, "/channels/"+form, "info=subscription_count", `{"occupied":true,"subscription_count":1}`)
	}
	s.get(a, "/channels/presence-x/users", "", `{"users":[{"id":"1"}]}`)
	s.get(a, "/channels/presence-nobody/users", "", `{"users":[]}`)
	status, answer, _ := s.make(pusherCall{app: a, method: "GET", path: "/channels/presence-cache-y", query: url.Values{"info": {"cache,user_count,subscription_count"}}})
	if status != 200 || !strings.HasPrefix(answer, `{"occupied":true,"user_count":1,"subscription_count":1,"cache":{"data":"k","ttl":17`) {
		t.Errorf("%d %s", status, answer)
	}

	for _, c := range []struct{ path, query, says string }{
		{"/channels", "info=user_count", "filter_by_prefix=presence-"},
		{"/channels", "info=user_count&filter_by_prefix=private-", "filter_by_prefix=presence-"},
		{"/channels", "info=user_count&filter_by_prefix=pres", "filter_by_prefix=presence-"},
		{"/channels", "info=cache", "info=cache"},
		{"/channels", "info=nonsense", "nonsense"},
		{"/channels/x", "info=user_count", "user_count"},
		{"/channels/private-x", "info=subscription_count,user_count", "user_count"},
		{"/channels/x", "info=cache", "cache"},
		{"/channels/presence-x", "info=cache", "cache"},
		{"/channels/x", "info=x", "unknown"},
		{"/channels/x", "info=subscription_count,,", "unknown"},
		{"/channels/a%20b", "", "' '"},
		{"/channels/%23x", "", "'#'"},
		{"/channels/a%2Fb", "", "'/'"},
		{"/channels/" + strings.Repeat("x", 165), "", "at most 164"},
		{"/channels/x/users", "", "presence"},
		{"/channels/private-x/users", "", "presence"},
		{"/channels/cache-x/users", "", "presence"},
		{"/channels/%23server-to-user-ann/users", "", "presence"},
	} {
		q, _ := url.ParseQuery(c.query)
		s.refuses(pusherCall{app: a, method: "GET", path: c.path, query: q}, 400, c.says)
	}
	for _, user := range []string{"%2E%2e", strings.Repeat("x", 129), "a%00"} {
		s.refuses(pusherCall{app: a, method: "POST", path: "/users/" + user + "/terminate_connections", body: "{}"}, 400, "user id")
	}
}

// Who is not the app's backend gets nothing, and is told why.
func TestPusherRequestSignatures(t *testing.T) {
	const before = "an-older-long-secret"
	a, b := tenant("a"), tenant("b")
	a.PreviousSecret = before
	s := newTest(t, tenants(a, b))
	p := s.pusher(a)
	p.subscribe("x")
	const body = `{"name":"e","channel":"x","data":"1"}`
	good := pusherCall{app: a, method: "POST", path: "/events", body: body}
	set := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	del := func(name string) func(url.Values) { return func(q url.Values) { q.Del(name) } }
	for name, c := range map[string]struct {
		change func(c *pusherCall)
		status int
		says   string
	}{
		"another key":       {func(c *pusherCall) { c.change = set("auth_key", "b-key") }, 401, "auth_key"},
		"no key":            {func(c *pusherCall) { c.change = del("auth_key") }, 401, "auth_key"},
		"no version":        {func(c *pusherCall) { c.change = del("auth_version") }, 401, "auth_version"},
		"another version":   {func(c *pusherCall) { c.change = set("auth_version", "2.0") }, 401, "auth_version"},
		"no timestamp":      {func(c *pusherCall) { c.change = del("auth_timestamp") }, 401, "auth_timestamp"},
		"another timestamp": {func(c *pusherCall) { c.change = set("auth_timestamp", fmt.Sprint(time.Now().Unix()+1)) }, 401, "auth_signature does not match"},
		"no time":           {func(c *pusherCall) { c.change = set("auth_timestamp", "now") }, 401, "auth_timestamp"},
		"a huge time":       {func(c *pusherCall) { c.change = set("auth_timestamp", strings.Repeat("9", 30)) }, 401, "auth_timestamp"},
		"no signature":      {func(c *pusherCall) { c.change = del("auth_signature") }, 401, "auth_signature"},
		"forged":            {func(c *pusherCall) { c.change = set("auth_signature", strings.Repeat("0", 64)) }, 401, "auth_signature does not match"},
		"no md5":            {func(c *pusherCall) { c.change = del("body_md5") }, 401, "auth_signature does not match"},
		"a wrong md5":       {func(c *pusherCall) { c.change = set("body_md5", strings.Repeat("0", 32)) }, 401, "auth_signature does not match"},
		"one more":          {func(c *pusherCall) { c.change = set("more", "1") }, 401, "auth_signature does not match"},
		"twice":             {func(c *pusherCall) { c.change = func(q url.Values) { q.Add("auth_timestamp", "1") } }, 400, "more than once"},
		"twice by case":     {func(c *pusherCall) { c.change = set("AUTH_VERSION", "1.0") }, 400, "more than once"},
		"an ambiguous one":  {func(c *pusherCall) { c.change = set("info", "a&b=c") }, 400, "&"},
		"another secret":    {func(c *pusherCall) { c.secret = b.Secret }, 401, "auth_signature does not match"},
		"the key as secret": {func(c *pusherCall) { c.secret = a.Key }, 401, "auth_signature does not match"},
		"too old":           {func(c *pusherCall) { c.at = time.Now().Add(-602 * time.Second) }, 401, "600 s"},
		"too new":           {func(c *pusherCall) { c.at = time.Now().Add(610 * time.Second) }, 401, "600 s"},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			call := good
			c.change(&call)
			s.refuses(call, c.status, c.says)
			call.admin = true
			s.refuses(call, c.status, c.says)
			s.mark("x", p)
		})
	}
	// A signature is for a method, a path and a body.
	signed := good.signed()
	send := func(method, address, path, body string, status int, says string) {
		t.Helper()
		e := s.roundTrip(s.request(method, address, path, "", body))
		if e.status != status || !strings.Contains(string(e.answer), says) {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, e.status, e.answer, status, says)
		}
	}
	send("POST", s.addr, signed, strings.Replace(body, "1", "2", 1), 401, "body_md5")
	send("POST", s.addr, signed, "", 401, "body_md5")
	send("POST", s.addr, strings.Replace(signed, "/events", "/batch_events", 1), body, 401, "auth_signature")
	send("POST", s.addr, strings.Replace(signed, "/apps/a/", "/apps/b/", 1), body, 401, "auth_key")
	send("POST", s.addr, strings.Replace(signed, "/apps/a/", "/apps/nobody/", 1), body, 404, "nobody")
	send("POST", s.addr, strings.Replace(signed, "/events", "/channels/x/events", 1), body, 401, "auth_signature")
	get := pusherCall{app: a, method: "GET", path: "/channels"}
	send("POST", s.addr, get.signed(), "", 405, "GET")
	s.mark("x", p)

	// What is right: at both ends of the time, with the secret of before, again
	// within the time, on both listeners.
	for _, change := range []func(c *pusherCall){
		func(c *pusherCall) {},
		func(c *pusherCall) { c.at = time.Now().Add(-595 * time.Second) },
		func(c *pusherCall) { c.at = time.Now().Add(595 * time.Second) },
		func(c *pusherCall) { c.secret = before },
	} {
		call := good
		change(&call)
		path := call.signed()
		for _, address := range []string{s.addr, s.admin, s.addr} {
			send("POST", address, path, body, 200, "{}")
			p.want(eventText("x", "e", "1"))
		}
	}
	// A body is signed with whatever method.
	call := pusherCall{app: a, method: "GET", path: "/channels", body: "{}"}
	send("GET", s.addr, call.signed(), "{}", 200, `{"channels":{"x":{}}}`)
	send("GET", s.addr, call.signed(), "{ }", 401, "body_md5")
	send("GET", s.addr, get.signed(), "{}", 401, "body_md5")
	// Names of parameters count in lower case; an MD5 of nothing may be there.
	path := get.signed()
	send("GET", s.addr, strings.Replace(path, "auth_version", "Auth_Version", 1), "", 200, "channels")
	get.query = url.Values{"body_md5": {"d41d8cd98f00b204e9800998ecf8427e"}}
	send("GET", s.addr, get.signed(), "", 200, "channels")
	get.query = url.Values{"body_md5": {strings.Repeat("0", 32)}}
	send("GET", s.addr, get.signed(), "", 401, "body_md5")
	a.PreviousSecret = ""
	s.serveApps([]App{a, b})
	good.secret = before
	s.refuses(good, 401, "auth_signature does not match")
}

// The example of the protocol's documents. Its time is long past, so that it is
// checked by the app's keys.
func TestPusherRequestVector(t *testing.T) {
	a := tenant("3")
	a.Key, a.Secret = "278d425bdf160c739803", "7ad3773142a6692b25b8"
	s := newTest(t, tenants(a))
	body := `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	q := url.Values{"auth_key": {a.Key}, "auth_timestamp": {"1353088179"}, "auth_version": {"1.0"},
		"body_md5":       {"ec365a775a4cd0599faeb73354201b6f"},
		"auth_signature": {"da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"}}
	err := s.apps.byID("3").settings().keys.CheckRequest("POST", []string{"/apps/3/events"}, q, time.Unix(1353088179, 0))
	if err == nil {
		err = pusher.CheckBody(q, []byte(body))
	}
	if err != nil {
		t.Error(err)
	}
	if e := s.roundTrip(s.request("POST", s.addr, "/apps/3/events?"+q.Encode(), "", body)); e.status != 401 || !strings.Contains(string(e.answer), "600 s") {
		t.Errorf("%d %s", e.status, e.answer)
	}
}

// Paths and methods that there are not are told in text, with what there is.
func TestPusherAPIPaths(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	for _, address := range []string{s.addr, s.admin} {
		for path, status := range map[string]int{
			"/apps": 404, "/apps/": 404, "/apps/a": 404, "/apps/a/": 404, "/apps/a/nothing": 404, "/apps/a/events/": 404,
			"/apps/a/channels/": 404, "/apps/a/channels/x/nothing": 404, "/apps/a/channels/presence-x/users/": 404,
			"/apps/a/users/ann": 404, "/apps/nobody/channels": 404, "/apps//channels": 404,
			"/apps/a/channels": 401, "/apps/a/connections": 401,
			"/apps/a/events": 405, "/apps/a/batch_events": 405, "/apps/a/channels/x/events": 405, "/apps/a/users/ann/terminate_connections": 405,
		} {
			e := s.roundTrip(s.request("GET", address, path, "", ""))
			if e.status != status || !strings.HasPrefix(e.header.Get("Content-Type"), "text/plain") || len(e.answer) < 5 {
				t.Errorf("GET %s: %d %s", path, e.status, e.answer)
			}
		}
		for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"} {
			e := s.roundTrip(s.request(method, address, "/apps/a/events", "", ""))
			if e.status != 405 {
				t.Errorf("%s: %d %s", method, e.status, e.answer)
			}
		}
		for _, method := range []string{"PUT", "DELETE", "POST"} {
			e := s.roundTrip(s.request(method, address, "/apps/a/channels", "", "x"))
			if e.status != 405 || !strings.Contains(string(e.answer), "GET") {
				t.Errorf("%s: %d %s", method, e.status, e.answer)
			}
		}
	}
}

// A disabled app is told so, and one with too many requests to wait.
func TestPusherAPIRefusals(t *testing.T) {
	a, b := tenant("a", func(a *App) { a.Disabled = true }), tenant("b", func(a *App) { a.APIRate = 2 })
	s := newTest(t, tenants(a, b))
	call := pusherCall{app: a, method: "GET", path: "/channels"}
	s.refuses(call, 403, "disabled")
	call.secret = "wrong"
	s.refuses(call, 401, "auth_signature") // first
	call = pusherCall{app: b, method: "GET", path: "/channels"}
	var header http.Header
	soon(t, "the app has used up its requests", func() bool {
		status, answer, h := s.make(call)
		header = h
		return status == 429 && strings.Contains(answer, "api_rate")
	})
	if header.Get("Retry-After") != "1" {
		t.Errorf("%v", header)
	}
	wrong := call
	wrong.secret = "wrong"
	for range 10 { // takes nothing from the app
		s.refuses(wrong, 401, "auth_signature")
	}
	soon(t, "it has some again", func() bool {
		status, _, _ := s.make(call)
		return status == 200
	})
	// A removed app is unknown.
	s.serveApps([]App{b})
	s.refuses(pusherCall{app: a, method: "GET", path: "/channels"}, 404, "no app")
}

// A body that is too large is refused before it is read, whoever sends it.
func TestPusherBodies(t *testing.T) {
	a := tenant("a", func(a *App) { a.MaxEventBytes = 1000 })
	s := newTest(t, tenants(a))
	for _, length := range []string{"1000000000", "200000"} {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		call := pusherCall{app: a, method: "POST", path: "/events", body: "x"}
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n", call.signed(), length)
		go io.WriteString(c, strings.Repeat("x", 150000))
		answer := make([]byte, 12)
		if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 413" {
			t.Errorf("%s bytes: %q, error %v", length, answer, err)
		}
	}
	// Who has not even the key is answered before the body has come.
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "POST /apps/a/events?auth_key=wrong HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	answer := make([]byte, 12)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 401" {
		t.Errorf("%q, error %v", answer, err)
	}
}
