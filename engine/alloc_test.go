package engine

import (
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/frame"
)

// allocs counts the allocations of the whole process during n runs of f, which
// must not allocate itself, divided by n.
func allocs(n int, f func()) float64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	f()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}

// roundTrip sends a message and reads so many bytes, without allocating.
func roundTrip(t testing.TB, c net.Conn, out, in []byte) func() {
	return func() {
		if _, err := c.Write(out); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, in); err != nil {
			t.Fatal(err)
		}
	}
}

// Reading, unmasking, handing to an inline Handler and writing back allocate
// nothing; neither do control frames.
func TestDispatchAllocatesNothing(t *testing.T) {
	if raceBuild {
		t.Skip("the race detector allocates")
	}
	_, addr := newTest(t, Config{Inline: true, Handler: echoes})
	for name, c := range map[string]struct {
		out string
		in  int
	}{
		"small text":   {masked(true, ws.OpText, "hello"), 7},
		"4 KiB":        {masked(true, ws.OpBinary, strings.Repeat("x", 4096)), 4100},
		"ping":         {masked(true, ws.OpPing, "hello"), 7},
		"three a time": {strings.Repeat(masked(true, ws.OpText, "hello"), 3), 21},
	} {
		t.Run(name, func(t *testing.T) {
			p := dial(t, addr, "/")
			if n := allocs(2000, roundTrip(t, p.Conn, []byte(c.out), make([]byte, c.in))); n > 0.05 {
				t.Errorf("%.2f allocations a message", n)
			}
			p.bye()
		})
	}
}

// Sending a prepared frame allocates nothing.
func TestSendAllocatesNothing(t *testing.T) {
	if raceBuild {
		t.Skip("the race detector allocates")
	}
	opened := make(chan Conn, 1)
	_, addr := newTest(t, Config{Inline: true, Handler: Handlers{OnOpen: func(c Conn) { opened <- c }}})
	p := dial(t, addr, "/")
	c := <-opened
	f := frame.Encode(ws.OpText, []byte("to everybody"))
	in := make([]byte, len(f))
	n := allocs(2000, func() {
		if o := c.Send(f, 1, Guard{}); o != Written {
			t.Fatal(o)
		}
		io.ReadFull(p, in)
	})
	if n > 0.05 {
		t.Errorf("%.2f allocations a frame", n)
	}
	if n := allocs(2000, func() { c.Write(Text, in[2:]); io.ReadFull(p, in) }); n > 0.05 {
		t.Errorf("%.2f allocations a Write", n)
	}
	p.bye()
}

// BenchmarkEcho is the round trip of one message on one connection.
func BenchmarkEcho(b *testing.B) {
	for name, inline := range map[string]bool{"inline": true, "pool": false} {
		b.Run(name, func(b *testing.B) {
			_, addr := newTest(b, Config{Inline: inline, Handler: echoes})
			p := dial(b, addr, "/")
			f := roundTrip(b, p.Conn, []byte(masked(true, ws.OpText, strings.Repeat("x", 128))), make([]byte, 132))
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
			p.bye()
		})
	}
}
