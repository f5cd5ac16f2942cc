// Package faulty is a WebSocket server that does wrong on purpose and keeps exact
// account of it: the known truth that a load test is tested against.
//
// It has none of the gateway's code, only net/http and gorilla/websocket, so that
// nothing can be wrong in both and go unnoticed. It speaks as much of the gateway's
// dialects as a load test needs:
//
//	/echo              sends each message back
//	/raw/{channel}     payloads and nothing else
//	/ws                the native dialect: subscribe, unsubscribe and ping
//	POST /api/publish  {"to": {"channels": [...]}, "event": "...", "data": ...}, with the secret
//
// Publications are delivered in the order in which they came. Who has several under
// way at once does not know that order, and neither does Truth.
//
// A client that breaks the WebSocket protocol, or does here what it cannot do,
// fails the test.
package faulty

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// Secret is what a publication has to come with, as Authorization: Bearer.
const Secret = "dev-secret"

// endLimit is how long Final waits.
const endLimit = 20 * time.Second

// Server is a running server. Its methods may be called from any goroutine, but for
// Final.
type Server struct {
	// Static after Start.
	t        testing.TB
	plan     Plan
	listener net.Listener
	handlers sync.WaitGroup // of WebSockets

	mu       sync.Mutex // taken before that of a conn
	stopping bool
	truth    Truth // without the counts of conns
	conns    map[*conn]struct{}
	sockets  map[net.Conn]struct{} // that net/http has handed over
	channels map[string]map[*conn]struct{}
	ids      int // of conns, the last one
	commands int // to subscribe
	requests int // to publish
}

// Start starts a server, on a port of the loopback interface. It ends with the test,
// and leaves no goroutine behind.
func Start(t testing.TB, plan Plan) *Server {
	t.Helper()
	if err := plan.check(); err != nil {
		t.Fatal("faulty: ", err)
	}
	if plan.HoldFor == 0 {
		plan.HoldFor = 200 * time.Millisecond
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal("faulty: ", err)
	}
	s := &Server{
		t:        t,
		plan:     plan,
		listener: listener,
		conns:    map[*conn]struct{}{},
		sockets:  map[net.Conn]struct{}{},
		channels: map[string]map[*conn]struct{}{},
	}
	web := &http.Server{Handler: s.routes()}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error("faulty: ", err)
		}
	}()
	t.Cleanup(func() {
		s.mu.Lock()
		s.stopping = true
		for socket := range s.sockets {
			socket.Close()
		}
		s.mu.Unlock()
		web.Close()
		<-served
		s.handlers.Wait()
	})
	return s
}

// Address returns the server's host and port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Truth returns what the server has done until now.
func (s *Server) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.truth
	for c := range s.conns {
		c.mu.Lock()
		t.add(c.counts)
		c.mu.Unlock()
	}
	return t
}

// Final returns what the server has done when all connections have ended, which it
// waits for: only then has all arrived that clients have sent, and nothing changes
// any more. It is for the test's own goroutine, which it ends if it waits in vain.
func (s *Server) Final() Truth {
	s.t.Helper()
	for deadline := time.Now().Add(endLimit); ; time.Sleep(2 * time.Millisecond) {
		t := s.Truth()
		if t.Open == 0 {
			return t
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("faulty: %d connections have not ended", t.Open)
		}
	}
}

// count changes what is counted for the server as a whole.
func (s *Server) count(change func(*Truth)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.truth)
}

// enter begins a WebSocket, unless the server ends; leave it by exit.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.handlers.Add(1)
	s.truth.Open++
	return true
}

func (s *Server) exit() {
	s.count(func(t *Truth) { t.Open-- })
	s.handlers.Done()
}

// adopt takes over a socket that net/http has handed over, until abandon.
func (s *Server) adopt(socket net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets[socket] = struct{}{}
	if s.stopping {
		socket.Close()
	}
}

func (s *Server) abandon(socket net.Conn) {
	socket.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, socket)
}

// open begins a connection, which close ends. Of a raw one channel is what it is
// subscribed to, from before the client can know that it is open.
func (s *Server) open(native bool, channel string) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.truth.Opened++
	s.ids++
	c := newConn(s, s.ids, native)
	s.conns[c] = struct{}{}
	if channel != "" {
		s.subscribeLocked(c, channel)
	}
	return c
}

// close ends a connection. Its counts go to the server's.
func (s *Server) close(c *conn) {
	s.leave(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	s.truth.add(c.counts)
}

// subscribe subscribes a connection, and answers it before anything of the channel,
// unless the plan is against it.
func (s *Server) subscribe(c *conn, channel string, answer *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands++
	if nth(s.commands, s.plan.UnansweredEvery) {
		s.truth.Unanswered++
		return
	}
	s.subscribeLocked(c, channel)
	c.enqueue(answer)
}

func (s *Server) subscribeLocked(c *conn, channel string) {
	if s.channels[channel] == nil {
		s.channels[channel] = map[*conn]struct{}{}
	}
	s.channels[channel][c] = struct{}{}
}

// unsubscribe ends a subscription, and answers it after everything of the channel.
func (s *Server) unsubscribe(c *conn, channel string, answer *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsubscribeLocked(c, channel)
	c.enqueue(answer)
}

func (s *Server) unsubscribeLocked(c *conn, channel string) {
	delete(s.channels[channel], c)
	if len(s.channels[channel]) == 0 {
		delete(s.channels, channel)
	}
}

// leave ends all subscriptions of a connection.
func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for channel := range s.channels {
		s.unsubscribeLocked(c, channel)
	}
}

// publish has a publication delivered, and returns how many copies that takes. It
// reports false if the plan is against it.
func (s *Server) publish(channels []string, event string, data []byte) (matched int, ok bool) {
	channels = slices.Compact(slices.Sorted(slices.Values(channels)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if nth(s.requests, s.plan.PublishErrorEvery) {
		s.truth.PublishErrors++
		return 0, false
	}
	s.truth.Published++
	for _, channel := range channels {
		forNative, forRaw := native(channel, event, data), raw(channel, data)
		for c := range s.channels[channel] {
			if c.native {
				c.enqueue(forNative)
			} else {
				c.enqueue(forRaw)
			}
			matched++
		}
	}
	return matched, true
}
