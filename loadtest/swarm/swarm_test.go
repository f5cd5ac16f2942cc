package swarm

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// What the socket does not take at once comes later, whole and in order.
func TestSlowReader(t *testing.T) {
	const count, size = 8, 1 << 20
	payload := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i), byte(i)}, size/2) }
	read := make(chan struct{})
	at := serve(t, func(c *net.TCPConn, in *bufio.Reader, r *http.Request) {
		io.WriteString(c, greeting(key(r), ""))
		<-read // nothing is read until then
		for i := range count {
			f, err := readFrame(in)
			if err != nil || !f.Header.Masked || !f.Header.Fin || f.Header.OpCode != ws.OpBinary {
				t.Errorf("message %d: %+v, %v", i, f.Header, err)
				return
			}
			if ws.Cipher(f.Payload, f.Header.Mask, 0); !bytes.Equal(f.Payload, payload(i)) {
				t.Errorf("message %d was changed", i)
			}
			ws.WriteFrame(c, ws.NewBinaryFrame(f.Payload))
		}
		hold(c)
	})
	back := make(chan error, count)
	i := 0
	s := clients(t, Config{Target: at, Handler: &funcs{
		opened: func(c *Conn) {
			for i := range count {
				c.Write(ws.OpBinary, payload(i))
			}
			if c.Backlog() == 0 {
				t.Error("the socket takes all at once: this tests nothing")
			}
			close(read)
		},
		message: func(_ *Conn, binary bool, data []byte) {
			var err error
			if !binary || !bytes.Equal(data, payload(i)) {
				err = fmt.Errorf("message %d came back changed, or %d bytes of it", i, len(data))
			}
			i++
			back <- err
		},
		closed: func(_ *Conn, _ bool, why Cause) { back <- fmt.Errorf("closed: %s", why) },
	}})
	s.on(0, func(c *Conn) { c.Dial(0) })
	for range count {
		if err := <-back; err != nil {
			t.Fatal(err)
		}
	}
	s.on(0, func(c *Conn) {
		if c.Backlog() != 0 || c.aux != nil || c.loop.SentBytes != count*(size+14) {
			t.Errorf("%d bytes left, %d sent, something kept: %v", c.Backlog(), c.loop.SentBytes, c.aux != nil)
		}
	})
}

// Frames that are sent have the shortest length, and are masked.
func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 100_000} {
		payload := bytes.Repeat([]byte("x"), n)
		b := appendFrame([]byte("before"), ws.OpText, payload, 0x04030201)
		f, err := readFrame(bytes.NewReader(b[len("before"):]))
		if err != nil || f.Header.OpCode != ws.OpText || !f.Header.Fin || f.Header.Mask != [4]byte{1, 2, 3, 4} || len(b) != len("before")+ws.HeaderSize(f.Header)+n {
			t.Fatalf("%d bytes: %+v, %v", n, f.Header, err)
		}
		if ws.Cipher(f.Payload, f.Header.Mask, 0); !bytes.Equal(f.Payload, payload) {
			t.Errorf("%d bytes were changed", n)
		}
	}
}

// Clients come and go hundreds of times, by all means and from all callbacks,
// and each attempt has one end.
func TestComeAndGo(t *testing.T) {
	const n, attempts = 64, 40
	var turn atomic.Int64
	at := serve(t, func(c *net.TCPConn, in *bufio.Reader, r *http.Request) {
		switch turn.Add(1) % 8 {
		case 0:
			io.WriteString(c, "HTTP/1.1 503 No\r\n\r\n")
			return
		case 1:
			c.SetLinger(0)
			return
		case 2:
			io.WriteString(c, greeting(key(r), "")+frame(0x81, "x")+frame(0x88, "\x03\xe9"))
		case 3:
			io.WriteString(c, greeting(key(r), "")+frame(0x81, "x"))
			c.SetLinger(0)
			return
		default:
			io.WriteString(c, greeting(key(r), "")+frame(0x81, "x")+frame(0x89, "p")+frame(0x01, "unfinished"))
		}
		if f, err := readFrame(in); err == nil && f.Header.OpCode == ws.OpClose {
			io.WriteString(c, frame(0x88, "\x03\xe8"))
		}
	})
	// Of each client, and of its loop.
	var begun, ended, openings [n]int
	var over [n]bool
	var all sync.WaitGroup
	all.Add(n)
	var handler funcs
	dial := func(c *Conn) {
		if i := c.Number(); begun[i] < attempts && c.Idle() {
			begun[i]++
			c.Dial(0)
			if c.Idle() {
				t.Error("a client that is to be dialled is idle")
			}
			c.Dial(0) // does nothing
		}
	}
	handler.opened = func(c *Conn) {
		openings[c.Number()]++
		switch c.Loop().Random().IntN(6) {
		case 0:
			c.Abort()
			c.Abort()
			c.Write(ws.OpText, []byte("to nobody"))
		case 1:
			c.Close(1000)
			c.Close(1000)
		case 2:
			c.Write(ws.OpText, []byte("hello"))
		}
	}
	handler.message = func(c *Conn, _ bool, _ []byte) {
		if !c.Open() {
			t.Error("a message on what is not open")
		}
		switch c.Loop().Random().IntN(4) {
		case 0:
			c.Abort()
		case 1:
			c.Fail("enough")
		default:
			c.Close(1000)
		}
	}
	handler.closed = func(c *Conn, opened bool, why Cause) {
		i := c.Number()
		ended[i]++
		if opened {
			openings[i]--
		}
		if ended[i] != begun[i] || openings[i] != 0 || why == "" {
			t.Errorf("client %d: %d ends of %d attempts, %d are open, %q", i, ended[i], begun[i], openings[i], why)
		}
		if begun[i] == attempts && !over[i] {
			over[i] = true
			all.Done()
			return
		}
		dial(c)
	}
	s := clients(t, Config{Target: at, Clients: n, Loops: 4, InFlight: 32, Handler: &handler})
	s.Each(func(l *Loop) { l.Clients(dial) })
	all.Wait()
	soon(t, "all sockets are closed", func() bool {
		var busy atomic.Int64
		s.Each(func(l *Loop) {
			if waiting, inFlight := l.Waiting(); waiting+inFlight > 0 {
				busy.Add(1)
			}
			l.Clients(func(c *Conn) {
				if c.state != idle || c.aux != nil || c.again {
					busy.Add(1)
				}
			})
		})
		return busy.Load() == 0
	})
	for i := range n {
		if begun[i] != attempts || ended[i] != attempts {
			t.Errorf("client %d: %d attempts, %d ends", i, begun[i], ended[i])
		}
	}
}

// No more handshakes are under way at once than is said, and those that wait can
// be forgotten.
func TestInFlight(t *testing.T) {
	var asked atomic.Int64
	at := serve(t, func(c *net.TCPConn, _ *bufio.Reader, _ *http.Request) {
		asked.Add(1)
		hold(c)
	})
	s := clients(t, Config{Target: at, Clients: 100, Loops: 2, InFlight: 10, Handler: &funcs{}})
	s.Each(func(l *Loop) { l.Clients(func(c *Conn) { c.Dial(0) }) })
	soon(t, "ten handshakes", func() bool { return asked.Load() == 10 })
	s.Each(func(l *Loop) {
		if waiting, inFlight := l.Waiting(); waiting != 45 || inFlight != 5 {
			t.Errorf("%d wait, %d are under way", waiting, inFlight)
		}
		l.Forget()
		l.Clients((*Conn).Abort)
	})
	s.Each(func(l *Loop) {
		if waiting, inFlight := l.Waiting(); waiting+inFlight != 0 {
			t.Errorf("%d wait, %d are under way", waiting, inFlight)
		}
	})
	if asked.Load() != 10 {
		t.Errorf("%d handshakes", asked.Load())
	}
}

// A server whose backlog is full takes connections later.
func TestFullBacklog(t *testing.T) {
	fd, at := listen(t, 0)
	var opened atomic.Int64
	const n = 4
	s := clients(t, Config{
		Target: at, Clients: n,
		Handler: &funcs{opened: func(*Conn) { opened.Add(1) }, closed: func(_ *Conn, opened bool, why Cause) {
			if !opened {
				t.Error(why)
			}
		}},
	})
	s.Each(func(l *Loop) { l.Clients(func(c *Conn) { c.Dial(0) }) })
	soon(t, "a connection that has to wait", func() (ok bool) {
		s.on(n-1, func(c *Conn) { ok = c.state == dialing })
		return ok
	})
	for range n {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(c)
		answer(t, c)
	}
	soon(t, "all connections", func() bool { return opened.Load() == n })
}

// listen listens on a bare socket, which blocks.
func listen(t *testing.T, backlog int) (fd int, at netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*unix.SockaddrInet4).Port))
}

// answer does a server's part of the handshake on a bare socket.
func answer(t *testing.T, fd int) {
	var b []byte
	for !bytes.HasSuffix(b, headEnd) {
		buf := make([]byte, 1024)
		n, err := unix.Read(fd, buf)
		if n <= 0 || err != nil {
			t.Error("no request: ", err)
			return
		}
		b = append(b, buf[:n]...)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		t.Error(err)
		return
	}
	unix.Write(fd, []byte(greeting(key(r), "")))
}

// An idle client takes little memory.
func TestMemory(t *testing.T) {
	const n, most = 5000, 400
	fd, at := listen(t, 4096)
	sockets, done := make([]int, 0, n), make(chan struct{}) // bare ones: what the server takes must not count
	defer func() {
		unix.Shutdown(fd, unix.SHUT_RDWR)
		<-done
		for _, fd := range sockets {
			unix.Close(fd)
		}
	}()
	go func() {
		defer close(done)
		for len(sockets) < n {
			c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			if err != nil {
				t.Error(err)
				return
			}
			sockets = append(sockets, c)
			answer(t, c)
		}
	}()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var opened atomic.Int64
	s := clients(t, Config{Target: at, Clients: n, Loops: 2, Timeout: time.Minute, Handler: &funcs{
		opened: func(*Conn) { opened.Add(1) },
		closed: func(_ *Conn, opened bool, why Cause) {
			if !opened {
				t.Error(why)
			}
		},
	}})
	s.Each(func(l *Loop) { l.Clients(func(c *Conn) { c.Dial(0) }) })
	soon(t, "all connections", func() bool { return opened.Load() == n })
	if each := int64(heap()-before) / n; each > most && !raceEnabled {
		t.Errorf("%d bytes of heap a client, want %d at most", each, most)
	} else {
		t.Logf("%d bytes of heap a client", each)
	}
}

// A swarm without clients is none, and one that has ended does nothing.
func TestNewAndClose(t *testing.T) {
	if s, err := New(Config{}); err == nil {
		s.Close()
		t.Error("there is a swarm of nobody")
	}
	at := serve(t, func(c *net.TCPConn, _ *bufio.Reader, r *http.Request) {
		io.WriteString(c, greeting(key(r), ""))
		hold(c)
	})
	var opened, closed atomic.Int64
	s := clients(t, Config{Target: at, Clients: 20, Loops: 3, Handler: &funcs{
		opened: func(*Conn) { opened.Add(1) }, closed: func(*Conn, bool, Cause) { closed.Add(1) },
	}})
	s.Each(func(l *Loop) { l.Clients(func(c *Conn) { c.Dial(0) }) })
	soon(t, "connections", func() bool { return opened.Load() == 20 })
	s.Close()
	s.Close()
	s.Loops()[0].Do(func() { t.Error("a loop that has ended runs") })
	if closed.Load() != 0 {
		t.Errorf("%d ends were told after Close", closed.Load())
	}
}

// Ticks are on a grid, and those that were not in time are left out.
func TestFollowing(t *testing.T) {
	for _, c := range []struct{ at, now, period, want int64 }{
		{100, 90, 10, 110}, {100, 100, 10, 110}, {100, 109, 10, 110}, {100, 110, 10, 120}, {100, 1_605, 10, 1_610}, {100, 104, 3, 106},
	} {
		if got := following(c.at, c.now, c.period); got != c.want {
			t.Errorf("after %d, at %d: %d, want %d", c.at, c.now, got, c.want)
		}
	}
}

// A loop's own ticks come when they are due, and no others.
func TestOwnTicks(t *testing.T) {
	const every = 40 * time.Millisecond
	var n atomic.Int64
	s := clients(t, Config{Target: netip.MustParseAddrPort("127.0.0.1:9"), Handler: &ticking{&n}})
	s.SetTick(time.Hour)
	began := Now()
	s.loops[0].SetTicks(began, float64(every))
	soon(t, "a loop's own ticks", func() bool { return n.Load() >= 5 })
	if most := 3 + (Now()-began)/int64(every); n.Load() > most { // one or two of before
		t.Errorf("%d ticks, %d are due", n.Load(), most)
	}
	s.loops[0].SetTicks(0, 0)
	if s.loops[0].own.Load().after(began) != math.MaxInt64 {
		t.Error("they go on")
	}
}

type ticking struct{ n *atomic.Int64 }

func (*ticking) Opened(*Conn, int64)                {}
func (*ticking) Message(*Conn, bool, []byte, int64) {}
func (*ticking) Closed(*Conn, bool, Cause, int64)   {}
func (h *ticking) Tick(*Loop, int64)                { h.n.Add(1) }

func TestGrid(t *testing.T) {
	g := &grid{start: 1000, every: 33.4}
	for now, want := range map[int64]int64{0: 1000, 999: 1000, 1000: 1033, 1032: 1033, 1033: 1066, 1066: 1100, 4340: 4373} {
		if got := g.after(now); got != want {
			t.Errorf("after %d: %d, want %d", now, got, want)
		}
	}
}
