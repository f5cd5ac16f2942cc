package faulty

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"stentor/test/kit"
)

func TestMain(m *testing.M) { os.Exit(kit.Main(m)) }

// client is a plain client that keeps what it receives.
type client struct {
	t    *testing.T
	ws   *websocket.Conn
	done chan struct{} // closed when there is no more to read

	mu    sync.Mutex
	got   []string
	pings int64 // answered
	err   error // what it ended with
}

func dial(t *testing.T, s *Server, path string) *client {
	t.Helper()
	ws, response, err := websocket.DefaultDialer.Dial("ws://"+s.Address()+path, nil)
	if err != nil {
		t.Fatal(err, response)
	}
	c := &client{t: t, ws: ws, done: make(chan struct{})}
	ws.SetPingHandler(func(payload string) error {
		if ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Second)) == nil {
			c.mu.Lock()
			c.pings++
			c.mu.Unlock()
		}
		return nil // after a Close frame there is none
	})
	go func() {
		defer close(c.done)
		for {
			_, b, err := ws.ReadMessage()
			c.mu.Lock()
			if err != nil {
				c.err = err
				c.mu.Unlock()
				return
			}
			c.got = append(c.got, string(b))
			c.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		ws.Close()
		<-c.done
	})
	return c
}

// subscribe opens a native connection and subscribes it.
func subscribe(t *testing.T, s *Server, channel string) *client {
	t.Helper()
	c := dial(t, s, "/ws")
	c.send(`{"type":"subscribe","channel":"` + channel + `"}`)
	await(t, "the answer", func() bool { return len(c.received()) == 2 })
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) received() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

// leave ends the connection by the closing handshake, which comes after all else.
func (c *client) leave() {
	c.t.Helper()
	c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
	<-c.done
	if !websocket.IsCloseError(c.err, 1000) {
		c.t.Errorf("the closing handshake ended with %v", c.err)
	}
	c.ws.Close()
}

func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// idle waits until all that is due was sent.
func idle(t *testing.T, s *Server) {
	t.Helper()
	await(t, "the deliveries", func() bool { return s.Truth().Pending == 0 })
}

// publish posts a body and returns the answer's status and text.
func publish(t *testing.T, s *Server, secret, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest("POST", "http://"+s.Address()+"/api/publish", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(b))
}

// say publishes data to channel x.
func say(t *testing.T, s *Server, data string) {
	t.Helper()
	if status, answer := publish(t, s, Secret, `{"to":{"channels":["x"]},"data":`+data+`}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
}

func expect(t *testing.T, who string, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: received %q, want %q", who, got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: received %q, want %q", who, got[i], want[i])
		}
	}
}

// Without a plan it is a plain server of three dialects.
func TestNothingWrong(t *testing.T) {
	s := Start(t, Plan{})
	echo, raw, native := dial(t, s, "/echo"), dial(t, s, "/raw/x"), subscribe(t, s, "x")
	native.send(`{"type":"ping","id":7}`)
	native.send(`{"type":"subscribe","id":"b","channel":"y"}`)
	await(t, "the answers", func() bool { return len(native.received()) == 4 })
	for _, c := range []struct {
		body, want string
		status     int
	}{
		{`{"to":{"channels":["x"]},"data":"a \"text\""}`, `{"matched":2}`, 200},
		{`{"to":{"channels":["x","y","x"]},"event":"said","data":{"a": 1}}`, `{"matched":3}`, 200},
		{`{"to":{"channels":["x"]}}`, `{"matched":2}`, 200},
		{`{"to":{"channels":["nobody"]},"data":1}`, `{"matched":0}`, 200},
		{`{"to":{},"data":1}`, `{"error":{"code":"bad_request","message":"to whom?"}}`, 400},
		{`{"to":{"channels":["x"]},"datum":1}`, `{"error":{"code":"bad_request","message":"json: unknown field \"datum\""}}`, 400},
	} {
		if status, answer := publish(t, s, Secret, c.body); status != c.status || answer != c.want {
			t.Errorf("%s: %d %s, want %d %s", c.body, status, answer, c.status, c.want)
		}
	}
	if status, _ := publish(t, s, "guess", `{"to":{"channels":["x"]},"data":1}`); status != 401 {
		t.Errorf("without the secret: %d", status)
	}
	echo.send("hello")
	idle(t, s)
	native.send(`{"type":"unsubscribe","channel":"x"}`)
	await(t, "the answer", func() bool { return len(native.received()) == 9 })
	say(t, s, `"after"`)
	idle(t, s)
	for _, c := range []*client{echo, raw, native} {
		c.leave()
	}
	got := native.received()
	if !strings.HasPrefix(got[0], `{"type":"welcome","client":"1.3",`) {
		t.Errorf("the first message is %s", got[0])
	}
	expect(t, "native", got[1:],
		`{"type":"subscribed","channel":"x"}`, `{"type":"pong","id":7}`, `{"type":"subscribed","id":"b","channel":"y"}`,
		`{"type":"message","channel":"x","event":"message","data":"a \"text\""}`,
		`{"type":"message","channel":"x","event":"said","data":{"a": 1}}`,
		`{"type":"message","channel":"y","event":"said","data":{"a": 1}}`,
		`{"type":"message","channel":"x","event":"message","data":null}`,
		`{"type":"unsubscribed","channel":"x"}`)
	expect(t, "raw", raw.received(), `a "text"`, `{"a": 1}`, "null", "after")
	expect(t, "echo", echo.received(), "hello")
	want := Truth{
		Counts:     Counts{Due: 9, Delivered: 9},
		Max:        Counts{Due: 4, Delivered: 4},
		Handshakes: 3, Opened: 3, Published: 5,
	}
	if got := s.Final(); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// account is what a client can tell of the messages it received, if those that it
// was due are those of line, in that order.
func account(got []string, due int) (c Counts) {
	seen, last := make([]bool, due), -1
	for _, m := range got {
		var i int
		switch _, err := fmt.Sscanf(m, "line %d:", &i); {
		case err != nil || i < 0 || i >= due:
			c.Garbage++
		case m != line(i):
			c.Corrupted++
		case seen[i]:
			c.Duplicated++
		default:
			if i < last {
				c.Reordered++
			}
			seen[i], last = true, max(last, i)
			c.Delivered++
		}
	}
	c.Due = int64(due)
	c.Dropped = c.Due - c.Delivered - c.Corrupted // by the other counts
	return c
}

func line(i int) string { return fmt.Sprintf("line %06d: the %d bytes of it", i, i*37%301) }

// What clients of each dialect see is what Truth says, to the last message.
func TestFaults(t *testing.T) {
	const lines, clients = 200, 6
	plan := Plan{
		Seed: 3, Drop: 0.1, Duplicate: 0.1, Corrupt: 0.1, Reorder: 0.1, CorruptFrom: 13,
		GarbageEvery: 9, Fragment: 0.3, Delay: time.Millisecond, PingEvery: 5 * time.Millisecond,
	}
	for name, c := range map[string]struct {
		open func(*testing.T, *Server) *client
		text func(string) (string, bool) // what a message holds for the client, false for an answer
	}{
		"echo": {
			func(t *testing.T, s *Server) *client { return dial(t, s, "/echo") },
			func(m string) (string, bool) { return m, true },
		},
		"raw": {
			func(t *testing.T, s *Server) *client { return dial(t, s, "/raw/x") },
			func(m string) (string, bool) { return m, true },
		},
		"native": {
			func(t *testing.T, s *Server) *client { return subscribe(t, s, "x") },
			func(m string) (string, bool) {
				var v struct{ Type, Data string }
				if err := json.Unmarshal([]byte(m), &v); err != nil {
					t.Errorf("%q: %v", m, err)
				}
				return v.Data, v.Type == "message"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Start(t, plan)
			var all []*client
			for range clients {
				all = append(all, c.open(t, s))
			}
			for i := range lines {
				if name != "echo" {
					say(t, s, `"`+line(i)+`"`)
					continue
				}
				for _, c := range all {
					c.send(line(i))
				}
			}
			await(t, "the deliveries", func() bool {
				t := s.Truth()
				return t.Due == lines*clients && t.Pending == 0
			})
			var seen Truth
			for _, client := range all {
				client.leave()
				var texts []string
				for _, m := range client.received() {
					if s, ok := c.text(m); ok {
						texts = append(texts, s)
					}
				}
				one := account(texts, lines)
				one.Pongs = client.pings
				seen.add(one)
			}
			truth := s.Final()
			t.Logf("%+v", truth)
			for _, n := range []int64{truth.Dropped, truth.Corrupted, truth.Duplicated, truth.Reordered, truth.Garbage, truth.Fragmented, truth.Pongs} {
				if n == 0 {
					t.Errorf("something was never done: %+v", truth)
				}
			}
			if truth.Pings < truth.Pongs {
				t.Errorf("%d pings were sent, and %d answered", truth.Pings, truth.Pongs)
			}
			for _, c := range []*Counts{&truth.Counts, &truth.Max} {
				c.Fragmented, c.Pings = 0, 0 // gorilla's client does not tell of them, nor of what comes after its Close frame
			}
			if truth.Counts != seen.Counts {
				t.Errorf("the server says %+v\nclients say   %+v", truth.Counts, seen.Counts)
			}
			if truth.Max != seen.Max {
				t.Errorf("of one connection the server says %+v\nclients say %+v", truth.Max, seen.Max)
			}
		})
	}
}

// Of two that follow each other, the second one comes first, and that is one
// reordered message. One that nothing follows comes in order.
func TestReorder(t *testing.T) {
	t.Run("pairs", func(t *testing.T) {
		s := Start(t, Plan{Reorder: 1, HoldFor: time.Hour})
		c := dial(t, s, "/raw/x")
		for i := range 4 {
			say(t, s, fmt.Sprint(i))
		}
		idle(t, s)
		c.leave()
		expect(t, "raw", c.received(), "1", "0", "3", "2")
		if got := s.Final(); got.Reordered != 2 || got.Delivered != 4 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("alone", func(t *testing.T) {
		s := Start(t, Plan{Reorder: 1, HoldFor: time.Nanosecond})
		c := dial(t, s, "/raw/x")
		for i := range 3 {
			say(t, s, fmt.Sprint(i))
			idle(t, s)
		}
		c.leave()
		expect(t, "raw", c.received(), "0", "1", "2")
		if got := s.Final(); got.Reordered != 0 || got.Delivered != 3 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("another channel", func(t *testing.T) {
		s := Start(t, Plan{Reorder: 1, HoldFor: time.Hour})
		c := subscribe(t, s, "x")
		c.send(`{"type":"subscribe","channel":"y"}`)
		await(t, "the answer", func() bool { return len(c.received()) == 3 })
		say(t, s, "1")
		publish(t, s, Secret, `{"to":{"channels":["y"]},"data":2}`)
		await(t, "the first", func() bool { return len(c.received()) == 4 })
		c.leave()
		if got := c.received()[3]; !strings.HasSuffix(got, `"data":1}`) {
			t.Errorf("received %s", got)
		}
		if got := s.Final(); got.Reordered != 0 || got.Delivered != 1 || got.Lost != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	s := Start(t, Plan{Delay: delay})
	c := dial(t, s, "/echo")
	start := time.Now()
	c.send("a")
	c.send("b")
	await(t, "the echoes", func() bool { return len(c.received()) == 2 })
	if took := time.Since(start); took < delay {
		t.Errorf("they came after %v", took)
	}
	expect(t, "echo", c.received(), "a", "b")
}

// Messages of all lengths of the header, whole and in fragments.
func TestLengths(t *testing.T) {
	for _, fragment := range []float64{0, 1} {
		s := Start(t, Plan{Fragment: fragment})
		c := dial(t, s, "/echo")
		var want []string
		for _, n := range []int{0, 1, 2, 3, 125, 126, 377, 65535, 65536, 200_000} {
			want = append(want, strings.Repeat("é", n/2)+strings.Repeat("x", n%2))
			c.send(want[len(want)-1])
		}
		await(t, "the echoes", func() bool { return len(c.received()) == len(want) })
		c.leave()
		if got := c.received(); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("fragment %v: the echoes differ", fragment)
		}
		n := int64(fragment) * int64(len(want))
		if got := s.Final(); got.Fragmented != n || got.Pings != n || got.Pongs != n || c.pings != n {
			t.Errorf("fragment %v: %+v, the client saw %d pings", fragment, got, c.pings)
		}
	}
}

func TestHandshakes(t *testing.T) {
	s := Start(t, Plan{RefuseEvery: 2, BadAcceptEvery: 3, StallEvery: 5})
	for i, want := range []string{"", "503", "accept", "503", "stall", "503", "", "503", "accept", "503", "", "503", "", "503", "accept"} {
		socket, err := net.Dial("tcp", s.Address())
		if err != nil {
			t.Fatal(err)
		}
		dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return socket, nil }}
		answered := make(chan string, 1)
		go func() {
			_, response, err := dialer.Dial("ws://"+s.Address()+"/raw/x", nil)
			switch {
			case err == nil:
				answered <- ""
			case errors.Is(err, websocket.ErrBadHandshake) && response.StatusCode == 101:
				answered <- "accept"
			case errors.Is(err, websocket.ErrBadHandshake):
				answered <- fmt.Sprint(response.StatusCode)
			default:
				answered <- err.Error()
			}
		}()
		if want == "stall" {
			await(t, "the handshake", func() bool { return s.Truth().Stalled == 1 })
			select {
			case got := <-answered:
				t.Errorf("handshake %d was answered: %q", i+1, got)
			case <-time.After(20 * time.Millisecond): // an answer would be here by now, most often
			}
			socket.Close()
			<-answered
			continue
		}
		if got := <-answered; got != want {
			t.Errorf("handshake %d ended as %q, want %q", i+1, got, want)
		}
		socket.Close()
	}
	got := s.Final()
	if want := (Truth{Handshakes: 15, Opened: 4, Refused: 7, BadAccepts: 3, Stalled: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestCloses(t *testing.T) {
	for name, c := range map[string]struct {
		by   CloseBy
		ends func(error) bool
	}{
		"frame": {CloseFrame, func(err error) bool { return websocket.IsCloseError(err, 1011) }},
		"tcp":   {CloseTCP, func(err error) bool { return websocket.IsCloseError(err, 1006) }},
		"reset": {CloseReset, func(err error) bool {
			return err != nil && (strings.Contains(err.Error(), "reset by peer") || websocket.IsCloseError(err, 1006))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t, Plan{CloseEvery: 2, CloseAfter: 3, CloseBy: c.by, Reorder: 1, HoldFor: time.Hour})
			stays, goes := dial(t, s, "/raw/x"), dial(t, s, "/raw/x")
			for i := range 3 {
				say(t, s, fmt.Sprint(i))
			}
			<-goes.done
			if !c.ends(goes.err) {
				t.Errorf("the connection ended with %v", goes.err)
			}
			say(t, s, "3")
			idle(t, s)
			if c.by != CloseReset { // which may overtake
				expect(t, "the closed one", goes.received(), "1", "0", "2")
			}
			goes.ws.Close()
			stays.leave()
			expect(t, "the other one", stays.received(), "1", "0", "3", "2")
			want := Truth{
				Counts:     Counts{Due: 7, Delivered: 7, Reordered: 3},
				Max:        Counts{Due: 4, Delivered: 4, Reordered: 2},
				Handshakes: 2, Opened: 2, Closed: 1, Published: 4,
			}
			if got := s.Final(); got != want {
				t.Errorf("%+v\nwant %+v", got, want)
			}
		})
	}
}

// What is due to a client that goes is lost, and counted so.
func TestLost(t *testing.T) {
	s := Start(t, Plan{Delay: time.Hour})
	c := dial(t, s, "/raw/x")
	say(t, s, "1")
	say(t, s, "2")
	c.leave()
	want := Truth{
		Counts: Counts{Due: 2, Lost: 2}, Max: Counts{Due: 2, Lost: 2},
		Handshakes: 1, Opened: 1, Published: 2,
	}
	if got := s.Final(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Something that could not be sent is not counted as sent.
func TestTakenBack(t *testing.T) {
	for name, plan := range map[string]Plan{
		"plain": {}, "duplicate": {Duplicate: 1}, "corrupt": {Corrupt: 1}, "reorder": {Reorder: 1, HoldFor: time.Hour},
		"garbage": {GarbageEvery: 1}, "fragment": {Fragment: 1},
	} {
		here, there := net.Pipe()
		there.Close()
		c := newConn(Start(t, plan), 1, false)
		c.net = here
		for range 3 {
			c.enqueue(raw("x", []byte(`"a"`)))
		}
		c.run()
		c.enqueue(raw("x", []byte(`"too late"`)))
		c.ping()
		if want := (Counts{Due: 4, Lost: 4}); c.counts != want {
			t.Errorf("%s: %+v, want %+v", name, c.counts, want)
		}
		here.Close()
	}
}

func TestUnanswered(t *testing.T) {
	s := Start(t, Plan{UnansweredEvery: 2})
	c := subscribe(t, s, "x")
	c.send(`{"type":"subscribe","channel":"y"}`)
	c.send(`{"type":"subscribe","channel":"z"}`)
	await(t, "the answer", func() bool { return len(c.received()) == 3 })
	expect(t, "native", c.received()[1:], `{"type":"subscribed","channel":"x"}`, `{"type":"subscribed","channel":"z"}`)
	if _, answer := publish(t, s, Secret, `{"to":{"channels":["x","y","z"]},"data":1}`); answer != `{"matched":2}` {
		t.Error(answer)
	}
	if got := s.Truth(); got.Unanswered != 1 {
		t.Errorf("%+v", got)
	}
}

func TestPublishErrors(t *testing.T) {
	s := Start(t, Plan{PublishErrorEvery: 2})
	c := dial(t, s, "/raw/x")
	for i, want := range []int{200, 500, 200, 500} {
		if status, answer := publish(t, s, Secret, fmt.Sprintf(`{"to":{"channels":["x"]},"data":%d}`, i)); status != want {
			t.Errorf("publication %d: %d %s", i, status, answer)
		}
	}
	idle(t, s)
	c.leave()
	expect(t, "raw", c.received(), "0", "2")
	if got := s.Final(); got.Published != 2 || got.PublishErrors != 2 || got.Due != 2 {
		t.Errorf("%+v", got)
	}
}

// strict is a test that can be failed without failing this one.
type strict struct {
	testing.TB
	failures kit.Buffer
}

func (s *strict) Error(args ...any) { fmt.Fprintln(&s.failures, args...) }

// A client that does wrong itself fails the test.
func TestWrongClients(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		do   func(*websocket.Conn)
		want string
	}{
		"no mask":        {"/echo", func(ws *websocket.Conn) { ws.NetConn().Write([]byte{0x81, 0}) }, "bad MASK"},
		"raw publishes":  {"/raw/x", func(ws *websocket.Conn) { ws.WriteMessage(1, []byte("a")) }, "cannot publish"},
		"unknown":        {"/ws", func(ws *websocket.Conn) { ws.WriteMessage(1, []byte(`{"type":"presence","channel":"x"}`)) }, "unknown command"},
		"native binary":  {"/ws", func(ws *websocket.Conn) { ws.WriteMessage(2, []byte(`{"type":"ping"}`)) }, "binary"},
		"native no JSON": {"/ws", func(ws *websocket.Conn) { ws.WriteMessage(1, []byte(`{`)) }, "JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			fails := &strict{TB: t}
			s := Start(fails, Plan{})
			peer := dial(t, s, c.path)
			c.do(peer.ws)
			<-peer.done
			peer.ws.Close()
			s.Final()
			if got := fails.failures.String(); !strings.Contains(got, c.want) {
				t.Errorf("it failed with %q, want %q", got, c.want)
			}
		})
	}
}

// The end of a server takes with it whoever is there.
func TestEnd(t *testing.T) {
	var c *client
	t.Run("server", func(inner *testing.T) {
		s := Start(inner, Plan{StallEvery: 2, Delay: time.Hour, PingEvery: time.Hour})
		c = dial(t, s, "/echo")
		c.send("a")
		stalled, err := net.Dial("tcp", s.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stalled.Close() })
		io.WriteString(stalled, "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		await(t, "both", func() bool { return s.Truth().Stalled == 1 && s.Truth().Due == 1 })
	})
	<-c.done
	if len(c.received()) != 0 {
		t.Errorf("received %q", c.received())
	}
}
