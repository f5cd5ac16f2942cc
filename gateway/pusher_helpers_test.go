package gateway

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// pusherPeer is a client of the Pusher dialect. What it signs with is written
// here once more, as its backend would.
type pusherPeer struct {
	*peer
	app App
	id  string // its socket id
}

// pusherQuery is what pusher-js sends.
const pusherQuery = "?protocol=7&client=js&version=8.6.0&flash=false"

var greeting = regexp.MustCompile(`^\{"event":"pusher:connection_established","data":"\{\\"socket_id\\":\\"([0-9]+\.[0-9]+)\\",\\"activity_timeout\\":([0-9]+)\}"\}$`)

// pusher connects a client of an app and reads its greeting.
func (s *server) pusher(app App) *pusherPeer {
	s.t.Helper()
	p := s.dial("/app/" + app.Key + pusherQuery)
	_, text := p.next()
	m := greeting.FindStringSubmatch(text)
	if m == nil {
		s.t.Fatalf("the greeting is %s", text)
	}
	return &pusherPeer{p, app, m[1]}
}

// dialPusher is pusher for any goroutine, without a test.
func dialPusher(addr string, app App) (*pusherPeer, error) {
	d := websocket.Dialer{ReadBufferSize: 512, WriteBufferSize: 512}
	c, _, err := d.Dial("ws://"+addr+"/app/"+app.Key+pusherQuery, nil)
	if err != nil {
		return nil, err
	}
	c.SetReadDeadline(time.Now().Add(patience))
	_, text, err := c.ReadMessage()
	if err != nil {
		c.Close()
		return nil, err
	}
	m := greeting.FindSubmatch(text)
	if m == nil {
		c.Close()
		return nil, fmt.Errorf("the greeting is %s", text)
	}
	return &pusherPeer{&peer{c, nil}, app, string(m[1])}, nil
}

func hmacHex(secret, text string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// quote makes a JSON string.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s)
	return strings.TrimSpace(b.String())
}

// auth signs a subscription.
func (p *pusherPeer) auth(channel, data string) string {
	text := p.id + ":" + channel
	if data != "" {
		text += ":" + data
	}
	return p.app.Key + ":" + hmacHex(p.app.Secret, text)
}

// subscribeText is the command to subscribe, with the signature that it wants.
// data is of a presence channel.
func (p *pusherPeer) subscribeText(channel, data string) string {
	auth := ""
	if strings.HasPrefix(channel, "private-") || strings.HasPrefix(channel, "presence-") {
		auth = p.auth(channel, data)
	}
	return subscribeText(channel, auth, data)
}

func subscribeText(channel, auth, data string) string {
	more := ""
	if data != "" {
		more = `,"channel_data":` + quote(data)
	}
	return `{"event":"pusher:subscribe","data":{"auth":` + quote(auth) + `,"channel":` + quote(channel) + more + `}}`
}

func subscribedText(channel string) string {
	return `{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":"{}"}`
}

// subscribe subscribes to a channel without presence.
func (p *pusherPeer) subscribe(channel string) {
	p.t.Helper()
	p.ask(p.subscribeText(channel, ""), subscribedText(channel))
}

func (p *pusherPeer) unsubscribe(channel string) {
	p.t.Helper()
	p.send(`{"event":"pusher:unsubscribe","data":{"channel":"` + channel + `"}}`)
}

// enter subscribes to a presence channel, and demands its members: ids in order,
// each with its info.
func (p *pusherPeer) enter(channel, data string, members ...string) {
	p.t.Helper()
	p.ask(p.subscribeText(channel, data), enteredText(channel, members...))
}

// enteredText acknowledges a subscription to a presence channel. members is ids
// and infos in turn.
func enteredText(channel string, members ...string) string {
	var ids, hash []string
	for m := range slices.Chunk(members, 2) {
		ids, hash = append(ids, quote(m[0])), append(hash, quote(m[0])+":"+m[1])
	}
	data := fmt.Sprintf(`{"presence":{"ids":[%s],"hash":{%s},"count":%d}}`, strings.Join(ids, ","), strings.Join(hash, ","), len(ids))
	return `{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":` + quote(data) + `}`
}

func memberAdded(channel, user, info string) string {
	return `{"event":"pusher_internal:member_added","channel":"` + channel + `","data":` + quote(`{"user_id":"`+user+`","user_info":`+info+`}`) + `}`
}

func memberRemoved(channel, user string) string {
	return `{"event":"pusher_internal:member_removed","channel":"` + channel + `","data":` + quote(`{"user_id":"`+user+`"}`) + `}`
}

// signInText is the command to sign in with a user's data.
func (p *pusherPeer) signInText(data string) string {
	auth := p.app.Key + ":" + hmacHex(p.app.Secret, p.id+"::user::"+data)
	return `{"event":"pusher:signin","data":{"auth":"` + auth + `","user_data":` + quote(data) + `}}`
}

func signedInText(data string) string {
	return `{"event":"pusher:signin_success","data":{"user_data":` + quote(data) + `}}`
}

// signIn signs in as a user.
func (p *pusherPeer) signIn(user string) {
	p.t.Helper()
	data := `{"id":"` + user + `"}`
	p.ask(p.signInText(data), signedInText(data))
}

// eventText is an event as a Pusher client receives it.
func eventText(channel, name, data string) string {
	return `{"event":"` + name + `","channel":"` + channel + `","data":` + quote(data) + `}`
}

// quiet shows that nothing more has come: the answer to a ping is next.
func (p *pusherPeer) quiet() {
	p.t.Helper()
	p.ask(`{"event":"pusher:ping","data":{}}`, `{"event":"pusher:pong","data":"{}"}`)
}

// fault sends a message and demands an error of this code, 0 for none, and of
// this channel, which says something.
func (p *pusherPeer) fault(message string, code int, channel, says string) {
	p.t.Helper()
	p.send(message)
	p.wantFault(code, channel, says)
}

func (p *pusherPeer) wantFault(code int, channel, says string) {
	p.t.Helper()
	_, text := p.next()
	var e struct {
		Event, Channel string
		Data           struct {
			Code    *int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Event != "pusher:error" {
		p.t.Fatalf("received %s (%v), want an error that says %q", text, err, says)
	}
	got := 0
	if e.Data.Code != nil {
		got = *e.Data.Code
	}
	if got != code || e.Channel != channel || says == "" || !strings.Contains(e.Data.Message, says) || !strings.Contains(text, `"code":`) {
		p.t.Fatalf("received %s, want the code %d, the channel %q and %q", text, code, channel, says)
	}
}

// refused sends a command to subscribe, which must be refused with a status.
func (p *pusherPeer) refused(command string, status int, channel, says string) {
	p.t.Helper()
	p.send(command)
	_, text := p.next()
	var e struct {
		Event, Channel string
		Data           struct {
			Type, Error string
			Status      int
		}
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Event != "pusher:subscription_error" || e.Channel != channel ||
		e.Data.Status != status || e.Data.Type == "" || says == "" || !strings.Contains(e.Data.Error, says) {
		p.t.Fatalf("received %s (%v), want the status %d and %q", text, err, status, says)
	}
}

// event publishes by the native API, with wait, so that it has been written when
// event returns.
func (s *server) event(app App, to, name, data string) {
	s.t.Helper()
	if status, answer := s.call("POST", "/api/publish", app.Secret, `{"to":{`+to+`},"event":"`+name+`","data":`+data+`,"wait":true}`); status != 200 {
		s.t.Fatalf("%d %s", status, answer)
	}
}

// mark shows that nothing else has come of a channel: what is published to it
// now is next.
func (s *server) mark(channel string, peers ...*pusherPeer) {
	s.t.Helper()
	s.event(peers[0].app, `"channels":["`+channel+`"]`, "mark", "1")
	for _, p := range peers {
		p.want(eventText(channel, "mark", "1"))
	}
}

// subscribers is how many connections a channel of an app has.
func (s *server) subscribers(app App, channel string) int {
	info, _ := s.apps.byID(app.ID).hub.Info(channel)
	return info.Subscriptions
}

// pusherCall is a request to the Pusher HTTP API before it is signed.
type pusherCall struct {
	app    App
	method string
	path   string // behind /apps/ID
	query  url.Values
	body   string
	change func(q url.Values) // of what has been signed; nil: nothing
	at     time.Time          // of the signature; zero: now
	secret string             // empty: the app's
	admin  bool               // to the admin listener
}

// signed returns the path and the query that show that the request is the
// app's.
func (c *pusherCall) signed() string {
	q := url.Values{}
	maps.Copy(q, c.query)
	if c.at.IsZero() {
		c.at = time.Now()
	}
	if c.secret == "" {
		c.secret = c.app.Secret
	}
	q.Set("auth_key", c.app.Key)
	q.Set("auth_version", "1.0")
	q.Set("auth_timestamp", fmt.Sprint(c.at.Unix()))
	if c.body != "" {
		q.Set("body_md5", fmt.Sprintf("%x", md5.Sum([]byte(c.body))))
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(q)) {
		lines = append(lines, strings.ToLower(name)+"="+q.Get(name))
	}
	path := "/apps/" + c.app.ID + c.path
	q.Set("auth_signature", hmacHex(c.secret, c.method+"\n"+path+"\n"+strings.Join(lines, "&")))
	if c.change != nil {
		c.change(q)
	}
	return path + "?" + q.Encode()
}

// make sends the request.
func (s *server) make(c pusherCall) (status int, answer string, header http.Header) {
	s.t.Helper()
	address := s.addr
	if c.admin {
		address = s.admin
	}
	e := s.roundTrip(s.request(c.method, address, c.signed(), "", c.body))
	return e.status, strings.TrimSuffix(string(e.answer), "\n"), e.header
}

// get asks the Pusher API, and demands an answer.
func (s *server) get(app App, path, query, want string) {
	s.t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		s.t.Fatal(err)
	}
	if status, answer, _ := s.make(pusherCall{app: app, method: "GET", path: path, query: q}); status != 200 || answer != want {
		s.t.Fatalf("GET %s?%s: %d %s\nwant %s", path, query, status, answer, want)
	}
}

// post sends JSON to the Pusher API, and demands an answer.
func (s *server) post(app App, path, body, want string) {
	s.t.Helper()
	if status, answer, _ := s.make(pusherCall{app: app, method: "POST", path: path, body: body}); status != 200 || answer != want {
		s.t.Fatalf("POST %s %s: %d %s\nwant %s", path, body, status, answer, want)
	}
}

// trigger publishes an event by the Pusher API.
func (s *server) trigger(app App, channel, name, data string) {
	s.t.Helper()
	s.post(app, "/events", `{"name":"`+name+`","channels":["`+channel+`"],"data":`+quote(data)+`}`, "{}")
}

// eventually demands an answer of the Pusher API that may take a moment.
func (s *server) eventually(app App, path, query, want string) {
	s.t.Helper()
	q, _ := url.ParseQuery(query)
	soon(s.t, path+" answers "+want, func() bool {
		status, answer, _ := s.make(pusherCall{app: app, method: "GET", path: path, query: q})
		return status == 200 && answer == want
	})
}
