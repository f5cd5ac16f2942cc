package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"stentor/test/kit"
)

// Generous: it only decides how long a failing test takes.
const patience = 30 * time.Second

func TestMain(m *testing.M) { os.Exit(kit.Main(m)) }

// server is a gateway under test.
type server struct {
	*Gateway
	t     testing.TB
	addr  string // public
	admin string
}

// newTest starts a gateway on free ports. change may alter the configuration,
// and before the gateway, which has not been started then. When the test ends
// it must hold nothing any more.
func newTest(t testing.TB, change func(*Config), before ...func(*Gateway)) *server {
	t.Helper()
	cfg := Default()
	cfg.Listen, cfg.Admin = []string{"127.0.0.1:0"}, "127.0.0.1:0"
	cfg.DrainWindow = 0
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range before {
		f(g)
	}
	if err := g.Start(); err != nil {
		g.Close()
		t.Fatal(err)
	}
	public, admin := g.Addresses()
	s := &server{g, t, public[0].String(), admin.String()}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		g.Close()
		st := g.engine.Stats()
		if st.Connections != 0 || st.Sockets != 0 || st.QueuedBytes != 0 || st.PartialBytes != 0 {
			t.Errorf("left over: %d connections, %d sockets, %d queued and %d partial bytes", st.Connections, st.Sockets, st.QueuedBytes, st.PartialBytes)
		}
		for _, a := range g.apps.all() {
			if h := a.hub.Stats(); h.Clients != 0 || h.Users != 0 || h.Channels != 0 || h.Subscriptions != 0 {
				t.Errorf("left over in app %s: %+v", a.id, h)
			}
		}
	})
	return s
}

func soon(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// peer is a WebSocket client: gorilla's.
type peer struct {
	*websocket.Conn
	t testing.TB
}

// dial connects to a path of the public listener.
func (s *server) dial(path string) *peer {
	s.t.Helper()
	return s.dialWith(path, nil)
}

func (s *server) dialWith(path string, header http.Header) *peer {
	s.t.Helper()
	c, resp, err := websocket.DefaultDialer.Dial("ws://"+s.addr+path, header)
	if err != nil {
		text := ""
		if resp != nil {
			b, _ := io.ReadAll(resp.Body)
			text = resp.Status + " " + string(b)
		}
		s.t.Fatalf("%s: %v %s", path, err, text)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { c.Close() })
	return &peer{c, s.t}
}

// native connects a native client and reads its greeting.
func (s *server) native(query string) (*peer, map[string]any) {
	s.t.Helper()
	p := s.dial("/ws" + query)
	m := p.json()
	if m["type"] != "welcome" {
		s.t.Fatalf("the first message is %v", m)
	}
	return p, m
}

// raw connects a raw client that is subscribed when it returns.
func (s *server) raw(channel, query string) *peer {
	s.t.Helper()
	n := s.subscriptions(channel)
	p := s.dial("/raw/" + channel + query)
	soon(s.t, "the raw client is subscribed", func() bool { return s.subscriptions(channel) > n })
	return p
}

func (s *server) subscriptions(channel string) int {
	info, _ := s.apps.all()[0].hub.Info(channel)
	return info.Subscriptions
}

func (p *peer) send(text string) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// next reads a message.
func (p *peer) next() (kind int, text string) {
	p.t.Helper()
	kind, b, err := p.ReadMessage()
	if err != nil {
		p.t.Fatal(err)
	}
	return kind, string(b)
}

func (p *peer) json() map[string]any {
	p.t.Helper()
	_, text := p.next()
	m := map[string]any{}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		p.t.Fatalf("%q: %v", text, err)
	}
	return m
}

// want reads a message that must be exactly this text.
func (p *peer) want(text string) {
	p.t.Helper()
	if _, got := p.next(); got != text {
		p.t.Fatalf("received %s\nwant     %s", got, text)
	}
}

// ask sends a command and demands an answer.
func (p *peer) ask(command, answer string) {
	p.t.Helper()
	p.send(command)
	p.want(answer)
}

// quiet shows that nothing more has come: the answer to a ping is next.
func (p *peer) quiet() {
	p.t.Helper()
	p.ask(`{"type":"ping","id":"quiet"}`, `{"type":"pong","id":"quiet"}`)
}

// wantClose reads up to the end, which must come with this code.
func (p *peer) wantClose(code int) (reason string) {
	p.t.Helper()
	for {
		_, text, err := p.ReadMessage()
		if c, ok := err.(*websocket.CloseError); ok && c.Code == code {
			return c.Text
		}
		if err != nil {
			p.t.Fatalf("ended with %v, want %d", err, code)
		}
		if !strings.Contains(string(text), `"type":"bye"`) && !strings.Contains(string(text), `"type":"welcome"`) {
			p.t.Fatalf("received %q, want the end with %d", text, code)
		}
	}
}

// request makes a request to one of the listeners.
func (s *server) request(method, address, path, secret, body string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	return req
}

// roundTrip sends a request and reads the answer.
func (s *server) roundTrip(req *http.Request) *exchange {
	s.t.Helper()
	var sent []byte
	if req.Body != nil && req.Body != http.NoBody {
		sent, _ = io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return &exchange{req, sent, resp.StatusCode, resp.Header, b}
}

// do is roundTrip, for what the API's description must describe.
func (s *server) do(req *http.Request) *exchange {
	s.t.Helper()
	e := s.roundTrip(req)
	s.holds(e)
	return e
}

// call makes a request of the API.
func (s *server) call(method, path, secret, body string) (status int, answer string) {
	s.t.Helper()
	e := s.do(s.request(method, s.addr, path, secret, body))
	return e.status, strings.TrimSuffix(string(e.answer), "\n")
}

// api makes a request with the development app's secret that must succeed.
func (s *server) api(method, path, body, want string) {
	s.t.Helper()
	if status, got := s.call(method, path, "dev-secret", body); status != 200 || got != want {
		s.t.Fatalf("%s %s %s: %d %s\nwant %s", method, path, body, status, got, want)
	}
}

// publish publishes for the development app.
func (s *server) publish(body, want string) {
	s.t.Helper()
	s.api("POST", "/api/publish", body, want)
}
