package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stentor/test/kit"
)

// echoOnce checks that a listener leads to the engine.
func echoOnce(t *testing.T, addr string) {
	t.Helper()
	p := dial(t, addr, "/")
	p.text("hello")
	p.wantText("hello")
	p.bye()
}

func TestListen(t *testing.T) {
	e, _ := newTest(t, Config{Inline: true, Handler: echoes})
	socket := filepath.Join(t.TempDir(), "s.sock")
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0", "localhost:0", "unix:" + socket} {
		t.Run(address, func(t *testing.T) {
			a, err := e.Listen(address, false)
			if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
				t.Skip("this machine has no such address: ", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.Network() == "unix" {
				for range 2 * e.Loops() { // all loops take their turn
					echoOnce(t, address)
				}
				if _, err := e.Listen(address, false); !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("a socket that is in use: %v", err)
				}
				return
			}
			_, port, _ := net.SplitHostPort(a.String())
			if address == "[::]:0" { // all of IPv6 and IPv4
				echoOnce(t, "127.0.0.1:"+port)
				echoOnce(t, "[::1]:"+port)
				return
			}
			echoOnce(t, a.String())
		})
	}
	e.StopListening()
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket file is left: %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, Handler: echoes})
	for address, want := range map[string]string{
		addr:                          "another process has it",
		"192.0.2.1:0":                 "no interface",
		"no-such-host.invalid:80":     "cannot listen on no-such-host.invalid:80",
		"unix:/nonexistent/dir/s":     "cannot listen on",
		"127.0.0.1:not-a-port-at-all": "cannot listen on",
		"":                            "an address is missing",
		"unix:":                       "an address is missing",
	} {
		_, err := e.Listen(address, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", address, err, want)
		}
	}
}

// Listen succeeds for all loops or for none: wherever it runs out of
// descriptors, nothing is left that accepts.
func TestListenFailsWhole(t *testing.T) {
	e, addr := newTest(t, Config{Inline: true, Loops: 4, Handler: echoes})
	e.StopListening()
	soon(t, "the address is free", func() bool { return probe(addr) == nil })
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	next, err := os.Open(os.DevNull) // gets the lowest number that is free
	if err != nil {
		t.Fatal(err)
	}
	low := int(next.Fd())
	next.Close()
	before := kit.Descriptors()
	for room := 1; ; room++ {
		limit := old
		limit.Cur = uint64(low + room)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		_, err := e.Listen(addr, false)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			if room < e.Loops() {
				t.Errorf("room for %d was enough: the test shows nothing", room)
			}
			break
		}
		if !errors.Is(err, syscall.EMFILE) {
			t.Fatal(err)
		}
		if n := kit.Descriptors(); n != before {
			t.Errorf("room for %d: %d descriptors are left over", room, n-before)
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			t.Fatalf("room for %d: somebody accepts", room)
		}
	}
	echoOnce(t, addr)
}

func TestListenAfterShutdown(t *testing.T) {
	e, _ := newTest(t, Config{Inline: true, Handler: echoes})
	if err := e.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s.sock")
	for _, address := range []string{"127.0.0.1:0", "unix:" + socket} {
		if _, err := e.Listen(address, false); err == nil || !strings.Contains(err.Error(), "shut down") {
			t.Errorf("%s: error %v", address, err)
		}
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("there is a socket file: %v", err)
	}
}

// A call of Listen that meets Shutdown listens or fails, and leaves nothing.
func TestListenWhileShutdown(t *testing.T) {
	for i := range 200 {
		e, err := New(Config{Loops: 2, Handler: echoes, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		addr := make(chan net.Addr, 1)
		go func() {
			a, err := e.Listen("127.0.0.1:0", true)
			if err != nil {
				a = nil
			}
			addr <- a
		}()
		time.Sleep(time.Duration(i) * time.Microsecond)
		e.Shutdown(context.Background())
		a := <-addr
		if a == nil {
			continue
		}
		if c, err := net.Dial("tcp", a.String()); err == nil {
			c.Close()
			t.Fatal("somebody accepts after Shutdown")
		}
	}
}

// The name of an abstract socket is no file's.
func TestAbstractSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are none")
	}
	t.Chdir(t.TempDir())
	name := fmt.Sprintf("@stentor-test-%d", os.Getpid())
	if err := os.WriteFile(name, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, _ := newTest(t, Config{Inline: true, Handler: echoes})
	if _, err := e.Listen("unix:"+name, false); err != nil {
		t.Fatal(err)
	}
	echoOnce(t, "unix:"+name)
	e.StopListening()
	if _, err := os.Stat(name); err != nil {
		t.Error(err)
	}
}

// A socket file that a crash has left does not stand in the way.
func TestUnixLeftover(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s.sock")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	e, _ := newTest(t, Config{Inline: true, Handler: echoes})
	if _, err := e.Listen("unix:"+socket, false); err != nil {
		t.Fatal(err)
	}
	echoOnce(t, "unix:"+socket)
}

// Two servers share a port if both ask for it, and only then.
func TestReusePort(t *testing.T) {
	e, _ := newTest(t, Config{Inline: true, Handler: echoes})
	a, err := e.Listen("127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := newTest(t, Config{Inline: true, Handler: echoes})
	if _, err := f.Listen(a.String(), false); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("without reuse_port: %v", err)
	}
	if _, err := f.Listen(a.String(), true); err != nil {
		t.Fatal(err)
	}
	soon(t, "both get connections", func() bool {
		echoOnce(t, a.String())
		return e.Stats().Accepted > 0 && f.Stats().Accepted > 0
	})
}

// Connections are spread over the loops.
func TestLoopsShare(t *testing.T) {
	seen := make(chan int, 1000)
	e, addr := newTest(t, Config{Inline: true, Loops: 3, Handler: Handlers{OnOpen: func(c Conn) { seen <- c.Loop() }}})
	counts := map[int]int{}
	soon(t, "every loop has a connection", func() bool {
		dial(t, addr, "/").bye()
		counts[<-seen]++
		return len(counts) == e.Loops()
	})
}

func TestEach(t *testing.T) {
	e, addr := newTest(t, Config{Handler: echoes})
	const n = 20
	for range n {
		dial(t, addr, "/")
	}
	soon(t, "all are open", func() bool { return e.Stats().Connections == n })
	var mu sync.Mutex
	seen := map[Conn]bool{}
	e.Each(func(c Conn) bool {
		mu.Lock()
		defer mu.Unlock()
		seen[c] = true
		return true
	})
	if len(seen) != n {
		t.Errorf("%d connections were seen, want %d", len(seen), n)
	}
	stopped := 0
	e.Each(func(Conn) bool { stopped++; return false })
	if stopped != 1 {
		t.Errorf("the walk went on %d times after it was stopped", stopped-1)
	}
}

// An engine that never listened can be shut down, and only once.
func TestShutdownUnused(t *testing.T) {
	e, err := New(Config{Handler: echoes, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := e.Shutdown(context.Background()); err == nil {
		t.Error("a second Shutdown says nothing")
	}
}
