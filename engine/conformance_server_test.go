package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stentor/engine"
	"stentor/test/kit"
)

// The conformance tests talk RFC 6455 to an engine over TCP, octet by octet.
// Case numbers are those of the Autobahn test suite, whose demands the tables
// restate; what the suite leaves out has names instead of numbers.
//
//	conformance_server_test.go     the echo server, and what its Handler saw
//	conformance_client_test.go     frames and a client, made by hand
//	conformance_case_test.go       what a case is, and how it is run
//	conformance_*_test.go          the cases
//
// Nothing here uses the frame package, so that a bug there cannot cancel
// itself out. Every server ends with a look for what it should have let go of.

// confPatience is the deadline for what must happen. It is long, because a
// busy machine is no fault of the server's.
const confPatience = 30 * time.Second

// confMode is a way in which an Engine calls its Handler.
type confMode struct {
	name   string
	inline bool
}

var confModes = []confMode{{"inline", true}, {"pool", false}}

// config returns a Config of this mode, with defaults except for the timeouts
// that would cut a slow test short.
func (m confMode) config() engine.Config {
	return engine.Config{
		Inline:           m.inline,
		HandshakeTimeout: confPatience,
		CloseTimeout:     confPatience,
		LingerTimeout:    confPatience,
	}
}

// eachConfMode runs f in both modes, in parallel.
func eachConfMode(t *testing.T, f func(t *testing.T, mode confMode)) {
	t.Parallel()
	for _, mode := range confModes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			f(t, mode)
		})
	}
}

// confServer is an Engine that listens on loopback.
type confServer struct {
	*engine.Engine
	addr    string
	records sync.Map // request target -> *confRecord
	issued  atomic.Int64
}

// newConfServer starts an Engine. The Handler, an echo if cfg has none, is
// watched for the order of its events. The end of the test shuts it down and
// checks that nothing is left behind.
func newConfServer(t *testing.T, cfg engine.Config) *confServer {
	t.Helper()
	s := new(confServer)
	s.start(t, cfg)
	return s
}

func (s *confServer) start(t *testing.T, cfg engine.Config) {
	t.Helper()
	if cfg.Handler == nil {
		cfg.Handler = engine.Handlers{OnMessage: confEcho}
	}
	cfg.Handler = confWatch{cfg.Handler}
	upgrade := cfg.Upgrade
	cfg.Upgrade = func(hs *engine.Handshake) (a engine.Answer) {
		if upgrade != nil {
			a = upgrade(hs)
		}
		if r, ok := s.records.Load(string(hs.Request.Target())); ok {
			a.Data = r
		}
		return a
	}
	log := new(kit.Buffer)
	cfg.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Engine = e
	t.Cleanup(func() { s.stop(t, log) })
	addr, err := e.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = addr.String()
}

// confEcho sends a message back as it came.
func confEcho(c engine.Conn, m engine.Message) { c.Write(m.Op, m.Data) }

// stop ends the server and checks what it leaves.
func (s *confServer) stop(t *testing.T, log *kit.Buffer) {
	ctx, cancel := context.WithTimeout(context.Background(), confPatience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	st := s.Stats()
	if st.Sockets != 0 || st.Connections != 0 || st.HTTP != 0 || st.QueuedBytes != 0 || st.PartialBytes != 0 {
		t.Errorf("left after shutdown: %d sockets, %d connections, %d at net/http, %d bytes queued, %d partial",
			st.Sockets, st.Connections, st.HTTP, st.QueuedBytes, st.PartialBytes)
	}
	s.records.Range(func(target, r any) bool {
		if err := r.(*confRecord).check(); err != nil {
			t.Errorf("connection %v: %v", target, err)
		}
		return true
	})
	if text := log.String(); text != "" {
		t.Errorf("the engine logged:\n%s", text)
	}
}

// record issues a record for a connection, and the request target by which the
// server finds it.
func (s *confServer) record() (target string, r *confRecord) {
	target = fmt.Sprintf("/conformance/%d", s.issued.Add(1))
	r = &confRecord{closed: make(chan struct{})}
	s.records.Store(target, r)
	return target, r
}

// confRecord is what the Handler saw of one connection.
type confRecord struct {
	mu       sync.Mutex
	opened   int
	messages int
	ended    int
	reason   engine.Reason
	faults   []string
	closed   chan struct{} // closed by the Close event
}

// awaitClose waits for the Close event and returns its Reason.
func (r *confRecord) awaitClose(t testing.TB) engine.Reason {
	t.Helper()
	select {
	case <-r.closed:
	case <-time.After(confPatience):
		t.Fatal("no Close event")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason
}

// over reports whether the Close event has come. A nil record has no events.
func (r *confRecord) over() bool {
	if r == nil {
		return false
	}
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}

// check tells whether the events were those that Handler promises: Open once,
// then messages, then Close once. A connection that was never opened has none.
func (r *confRecord) check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) > 0 || r.opened != r.ended {
		return fmt.Errorf("%d Open and %d Close events, %d messages: %s",
			r.opened, r.ended, r.messages, strings.Join(r.faults, "; "))
	}
	return nil
}

// note counts an event under r's lock and notes what is wrong with it.
func (r *confRecord) note(count *int, wrong func() string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*count++
	if fault := wrong(); fault != "" {
		r.faults = append(r.faults, fault)
	}
}

// confWatch passes events on, and notes them in the connection's record.
type confWatch struct{ inner engine.Handler }

func (w confWatch) Open(c engine.Conn) {
	if r, ok := c.Data().(*confRecord); ok {
		r.note(&r.opened, func() string {
			if r.opened > 1 || r.messages > 0 || r.ended > 0 {
				return "an Open that is not the first event"
			}
			return ""
		})
	}
	w.inner.Open(c)
}

func (w confWatch) Message(c engine.Conn, m engine.Message) {
	if r, ok := c.Data().(*confRecord); ok {
		r.note(&r.messages, func() string {
			if r.opened == 0 || r.ended > 0 {
				return "a message before Open or after Close"
			}
			return ""
		})
	}
	w.inner.Message(c, m)
}

func (w confWatch) Close(c engine.Conn, reason engine.Reason) {
	w.inner.Close(c, reason)
	if r, ok := c.Data().(*confRecord); ok {
		r.note(&r.ended, func() string {
			if r.opened == 0 || r.ended > 1 {
				return "a Close before Open, or a second one"
			}
			r.reason = reason
			close(r.closed)
			return ""
		})
	}
}

// confUntil waits for a condition that has no event to wait for.
func confUntil(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(confPatience)
	for try := 0; !ok(); try++ {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		if try < 10 {
			runtime.Gosched()
			continue
		}
		time.Sleep(100 * time.Microsecond)
	}
}
