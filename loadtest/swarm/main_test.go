package swarm

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/test/kit"
)

func TestMain(m *testing.M) { os.Exit(kit.Main(m)) }

// patience only decides how long a failing test takes.
const patience = 20 * time.Second

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// funcs is a Handler of functions, which may be nil.
type funcs struct {
	opened  func(c *Conn)
	message func(c *Conn, binary bool, data []byte)
	closed  func(c *Conn, opened bool, why Cause)
}

func (f *funcs) Opened(c *Conn, _ int64) {
	if f.opened != nil {
		f.opened(c)
	}
}

func (f *funcs) Message(c *Conn, binary bool, data []byte, _ int64) {
	if f.message != nil {
		f.message(c, binary, data)
	}
}

func (f *funcs) Closed(c *Conn, opened bool, why Cause, _ int64) {
	if f.closed != nil {
		f.closed(c, opened, why)
	}
}

func (f *funcs) Tick(*Loop, int64) {}

func request(dst []byte, number int, key []byte) []byte {
	return fmt.Appendf(dst, "GET /%d HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", number, key)
}

// greeting is the answer to a handshake, with more headers.
func greeting(key, more string) string {
	var a [28]byte
	accept([]byte(key), &a)
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + string(a[:]) + "\r\n" + more + "\r\n"
}

// serve runs a server. Its connections, whose requests are read, are handed to f,
// each on a goroutine of its own.
func serve(t *testing.T, f func(c *net.TCPConn, in *bufio.Reader, r *http.Request)) netip.AddrPort {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				in := bufio.NewReader(c)
				if r, err := http.ReadRequest(in); err == nil {
					f(c, in, r)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// clients makes a swarm, which ends with the test.
func clients(t *testing.T, cfg Config) *Swarm {
	t.Helper()
	cfg.Clients, cfg.Loops, cfg.Request = max(cfg.Clients, 1), max(cfg.Loops, 1), request
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// on calls f for a client, on its loop, and waits for it.
func (s *Swarm) on(number int, f func(c *Conn)) {
	done, c := make(chan struct{}), s.Conn(number)
	c.loop.Do(func() {
		f(c)
		close(done)
	})
	<-done
}

// readFrame reads a frame of at most 16 MiB.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err == nil && f.Header.Length <= 16<<20 {
		f.Payload = make([]byte, f.Header.Length)
		_, err = io.ReadFull(r, f.Payload)
	}
	return f, err
}

// detached makes a client with an open connection whose loop does not run: the
// test calls its methods itself. What it sends comes out at peer.
func detached(t testing.TB, cfg Config) (c *Conn, peer int) {
	t.Helper()
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = 1 << 20
	}
	cfg.Timeout = time.Minute
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &Swarm{cfg: cfg, conns: make([]Conn, 1)}
	l, err := newLoop(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.loops = []*Loop{l}
	c = s.Conn(0)
	c.loop, c.state, c.life = l, open, 1
	l.poll.Stamp(&c.op, fds[0])
	if err := l.poll.Add(&c.op); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.state > ended {
			c.end()
		}
		l.finish()
		unix.Close(fds[1])
		l.poll.Close()
		l.poll.Run() // frees the poller, now that it is to end
	})
	return c, fds[1]
}

// drain reads what there is.
func drain(fd int) (b []byte) {
	var buf [64 << 10]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if n <= 0 || err != nil {
			return b
		}
		b = append(b, buf[:n]...)
	}
}

// hold reads until the client goes.
func hold(c net.Conn) { io.Copy(io.Discard, c) }
