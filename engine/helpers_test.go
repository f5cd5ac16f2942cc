package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/test/kit"
)

// Generous: it only decides how long a failing test takes.
const patience = 30 * time.Second

func TestMain(m *testing.M) { os.Exit(kit.Main(m)) }

// newTest starts an engine on a free port of the loopback interface. When the
// test ends the engine is shut down, and its accounts must be settled.
func newTest(t testing.TB, cfg Config) (e *Engine, addr string) {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.Shutdown(ctx); err != nil && !strings.Contains(err.Error(), "before") {
			t.Errorf("Shutdown: %v", err)
		}
		checkSettled(t, e)
	})
	return e, a.String()
}

// checkSettled checks the accounts of an engine that holds no socket.
func checkSettled(t testing.TB, e *Engine) {
	t.Helper()
	s := e.Stats()
	if s.Connections != 0 || s.Sockets != 0 || s.QueuedBytes != 0 || s.PartialBytes != 0 {
		t.Errorf("left over: %d connections, %d sockets, %d queued bytes, %d partial bytes",
			s.Connections, s.Sockets, s.QueuedBytes, s.PartialBytes)
	}
	var closes uint64
	for _, n := range s.Closes {
		closes += n
	}
	if accepted := s.Handshakes["accepted"]; closes != accepted {
		t.Errorf("%d connections were opened, %d ends are accounted for: %v", accepted, closes, s.Closes)
	}
	for _, l := range e.loops {
		if l.slab.used != 0 {
			t.Errorf("loop %d: %d slots are in use", l.index, l.slab.used)
		}
	}
}

// soon waits for a condition.
func soon(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// peer is a WebSocket client that does as it is told.
type peer struct {
	net.Conn
	r *bufio.Reader
	t testing.TB
}

// request is a correct handshake.
func request(path string, headers ...string) string {
	extra := ""
	for _, h := range headers {
		extra += h + "\r\n"
	}
	return "GET " + path + " HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + extra + "\r\n"
}

// connect opens a TCP connection or one to a unix socket.
func connect(t testing.TB, addr string) *peer {
	t.Helper()
	network, addr := splitAddress(addr)
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return &peer{c, bufio.NewReader(c), t}
}

// dial connects and completes the handshake.
func dial(t testing.TB, addr, path string, headers ...string) *peer {
	t.Helper()
	p := connect(t, addr)
	p.write(request(path, headers...))
	if resp := p.response(); resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %s", resp.Status)
	}
	return p
}

func (p *peer) write(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) response() *http.Response {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp
}

// body reads a response to its end, and expects a status.
func (p *peer) body(status int) string {
	p.t.Helper()
	resp := p.response()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != status {
		p.t.Fatalf("%s: %s, want %d", resp.Status, b, status)
	}
	return string(b)
}

// masked returns a frame as a client sends it.
func masked(fin bool, op ws.OpCode, payload string) string {
	var b bytes.Buffer
	ws.WriteFrame(&b, ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(payload)), [4]byte{1, 2, 3, 4}))
	return b.String()
}

func (p *peer) text(s string) { p.t.Helper(); p.write(masked(true, ws.OpText, s)) }

// next reads a frame.
func (p *peer) next() (ws.OpCode, string) {
	p.t.Helper()
	h, err := ws.ReadHeader(p.r)
	if err != nil {
		p.t.Fatalf("reading a frame: %v", err)
	}
	if h.Masked || !h.Fin {
		p.t.Fatalf("a server's frame is %+v", h)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(p.r, payload); err != nil {
		p.t.Fatalf("reading a frame of %d bytes: %v", h.Length, err)
	}
	return h.OpCode, string(payload)
}

func (p *peer) wantText(want string) {
	p.t.Helper()
	if op, got := p.next(); op != ws.OpText || got != want {
		p.t.Fatalf("received %v %.60q, want text %.60q", op, got, want)
	}
}

// wantClose reads a Close frame, and the end of the stream behind it.
func (p *peer) wantClose(code int) (reason string) {
	p.t.Helper()
	op, body := p.next()
	if op != ws.OpClose {
		p.t.Fatalf("received %v %.60q, want a close", op, body)
	}
	got := statusNone
	if len(body) >= 2 {
		got, reason = int(binary.BigEndian.Uint16([]byte(body))), body[2:]
	}
	if got != code {
		p.t.Fatalf("closed with %d %q, want %d", got, reason, code)
	}
	return reason
}

func (p *peer) wantEOF() {
	p.t.Helper()
	if n, err := p.r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		p.t.Fatalf("read %d bytes, %v; want the end of the stream", n, err)
	}
}

// bye closes from the client's side, and awaits the server's part.
func (p *peer) bye() {
	p.t.Helper()
	p.write(masked(true, ws.OpClose, "\x03\xe8"))
	p.wantClose(1000)
	p.wantEOF()
	p.Close()
}

// echoes answers every message with itself.
var echoes = Handlers{OnMessage: func(c Conn, m Message) { c.Write(m.Op, m.Data) }}

// bothWays runs a test with the Handler on the loop and on the pool.
func bothWays(t *testing.T, f func(t *testing.T, inline bool)) {
	t.Run("inline", func(t *testing.T) { f(t, true) })
	t.Run("pool", func(t *testing.T) { f(t, false) })
}
