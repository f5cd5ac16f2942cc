package engine

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/frame"
)

// Twenty of many connections never read. The others receive everything, in
// order; the twenty are bounded and end with 1013; what they miss is counted.
func TestStalledReaders(t *testing.T) {
	const (
		conns, stalled = 500, 20
		frames, size   = 400, 8 << 10
		queue          = 256 << 10
	)
	var mu sync.Mutex
	var all []Conn
	var overflows atomic.Int64
	e, addr := newTest(t, Config{Inline: true, QueueBytes: queue, CloseTimeout: 200e6, Handler: Handlers{
		OnOpen: func(c Conn) { mu.Lock(); all = append(all, c); mu.Unlock() },
		OnClose: func(_ Conn, r Reason) {
			if r.Cause == ByOverflow && r.Code == 1013 {
				overflows.Add(1)
			}
		},
	}})
	var readers sync.WaitGroup
	for i := range conns {
		p := dial(t, addr, "/")
		if i < stalled {
			continue
		}
		readers.Go(func() {
			for k := range frames {
				op, got := p.next()
				if op != ws.OpBinary || len(got) != size || !strings.HasPrefix(got, fmt.Sprintf("%06d", k)) {
					t.Errorf("frame %d: %v %.20q", k, op, got)
					return
				}
			}
		})
	}
	soon(t, "all are open", func() bool { mu.Lock(); defer mu.Unlock(); return len(all) == conns })
	outcomes := map[Outcome]int{}
	peak := int64(0)
	for k := range frames {
		f := frame.Encode(ws.OpBinary, []byte(fmt.Sprintf("%06d", k)+strings.Repeat("x", size-6)))
		for _, c := range all {
			// A fast reader may be behind for a moment on a busy machine: wait
			// for it, as a publisher with backpressure would.
			for c.Backlog() > queue/2 && outcomes[Overflowed] >= stalled {
				time.Sleep(time.Millisecond)
			}
			outcomes[c.Send(f, 1, Guard{})]++
		}
		peak = max(peak, e.Stats().QueuedBytes)
	}
	readers.Wait()
	soon(t, "the stalled were ended", func() bool { return e.Stats().Connections == conns-stalled })
	if overflows.Load() != stalled || outcomes[Overflowed] != stalled {
		t.Errorf("%d connections overflowed, %d sends; want %d", overflows.Load(), outcomes[Overflowed], stalled)
	}
	s := e.Stats()
	if s.Drops["overflow"] != stalled || s.Drops["closed"] != uint64(outcomes[Dropped]) {
		t.Errorf("drops %v, outcomes %v", s.Drops, outcomes)
	}
	// Each queue is bounded; those of the others are empty again at once.
	if bound := int64(conns * (queue + size)); peak > bound {
		t.Errorf("%d bytes were queued, more than %d", peak, bound)
	}
	soon(t, "nothing is queued any more", func() bool { return e.Stats().QueuedBytes == 0 })
}

// A reader that falls behind and then reads receives all of it, in order, and
// afterwards the connection is as before.
func TestBacklogDrains(t *testing.T) {
	opened := make(chan Conn, 1)
	e, addr := newTest(t, Config{Inline: true, QueueBytes: 64 << 20, Handler: Handlers{
		OnOpen:    func(c Conn) { opened <- c },
		OnMessage: echoes.OnMessage,
	}})
	p := dial(t, addr, "/")
	c := <-opened
	const frames, size = 400, 50000
	queued := 0
	for k := range frames {
		msg := fmt.Sprintf("%06d", k) + strings.Repeat("x", size-6)
		if k%2 == 0 {
			if o := c.Send(frame.Encode(ws.OpText, []byte(msg)), 1, Guard{}); o == Queued {
				queued++
			}
		} else if err := c.Write(Text, []byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	if queued == 0 || c.Backlog() == 0 {
		t.Fatal("nothing was queued: the test shows nothing")
	}
	for k := range frames {
		if op, got := p.next(); op != ws.OpText || len(got) != size || got[:6] != fmt.Sprintf("%06d", k) {
			t.Fatalf("frame %d: %v %.20q", k, op, got)
		}
	}
	soon(t, "the queue is empty", func() bool { return c.Backlog() == 0 && e.Stats().QueuedBytes == 0 })
	p.text("as before")
	p.wantText("as before")
	p.bye()
}

// When a queue overflows, what the peer has still to receive ends at a frame,
// and the Close frame follows.
func TestOverflowEndsAtFrame(t *testing.T) {
	opened := make(chan Conn, 1)
	_, addr := newTest(t, Config{Inline: true, QueueBytes: 100000, CloseTimeout: patience, Handler: Handlers{
		OnOpen: func(c Conn) { opened <- c },
	}})
	p := dial(t, addr, "/")
	c := <-opened
	// Joined frames, as a burst leaves: the cut is inside one.
	joined := []byte(strings.Repeat(string(frame.Encode(ws.OpBinary, make([]byte, 3000))), 20))
	sent := 0
	for c.Send(joined, 20, Guard{}) != Overflowed {
		sent++
	}
	for frames := 0; ; frames++ {
		op, body := p.next()
		if op == ws.OpClose {
			if !strings.HasPrefix(body, "\x03\xf5") {
				t.Errorf("close %q", body)
			}
			break
		}
		if op != ws.OpBinary || len(body) != 3000 {
			t.Fatalf("frame %d: %v, %d bytes", frames, op, len(body))
		}
	}
	p.write(masked(true, ws.OpClose, "\x03\xf5"))
	p.wantEOF()
}

// The same while part of what was said with the answer to the handshake waits:
// that answer is no frame.
func TestOverflowAfterHandshake(t *testing.T) {
	const size = 121
	opened := make(chan Conn, 1)
	e, _ := newTest(t, Config{Inline: true, QueueBytes: 100000, CloseTimeout: patience, Handler: Handlers{
		OnOpen: func(c Conn) {
			narrow(c, 4<<10)
			for range corkSize/(size+2) - 5 { // it fits with the answer
				c.Write(Binary, []byte(strings.Repeat("xy{z", 31)[:size]))
			}
			opened <- c
		},
	}})
	// A unix socket takes no more than it has room for.
	addr := "unix:" + filepath.Join(t.TempDir(), "s.sock")
	if _, err := e.Listen(addr, false); err != nil {
		t.Fatal(err)
	}
	p := connect(t, addr)
	p.write(request("/"))
	c := <-opened
	onLoop(c, func() {}) // the cork is off
	if c.Backlog() == 0 {
		t.Fatal("nothing was queued: the test shows nothing")
	}
	for c.Send(frame.Encode(ws.OpBinary, make([]byte, 60000)), 1, Guard{}) != Overflowed {
	}
	p.response()
	for frames := 0; ; frames++ {
		op, body := p.next()
		if op == ws.OpClose {
			if !strings.HasPrefix(body, "\x03\xf5") {
				t.Errorf("close %q", body)
			}
			break
		}
		if op != ws.OpBinary || len(body) != size {
			t.Fatalf("frame %d: %v, %d bytes", frames, op, len(body))
		}
	}
	p.write(masked(true, ws.OpClose, "\x03\xf5"))
	p.wantEOF()
}

// One frame of any size goes into an empty queue; the bound counts from the
// second on.
func TestQueueBound(t *testing.T) {
	opened := make(chan Conn, 1)
	_, addr := newTest(t, Config{Inline: true, QueueBytes: 1000, CloseTimeout: patience, Handler: Handlers{
		OnOpen: func(c Conn) { opened <- c },
	}})
	p := dial(t, addr, "/")
	c := <-opened
	big := frame.Encode(ws.OpBinary, make([]byte, 16<<20)) // no socket takes it at once
	if o := c.Send(big, 1, Guard{}); o != Queued {
		t.Fatalf("one big frame: %v", o)
	}
	if o := c.Send(frame.Encode(ws.OpText, []byte("x")), 1, Guard{}); o != Overflowed {
		t.Fatalf("the second: %v", o)
	}
	if n, err := io.CopyN(io.Discard, p.r, int64(len(big))); err != nil {
		t.Errorf("only %d bytes of a frame that was partly sent: %v", n, err)
	}
	p.wantClose(StatusTryLater)
}

// A client that sends faster than its messages are handled has its reads
// paused: what is held for it is bounded, nothing is lost, nobody else notices.
func TestFastSenderIsPaused(t *testing.T) {
	const messages, size = 2000, 10000
	release := make(chan struct{})
	opened := make(chan Conn, 2)
	var handled atomic.Int64
	e, addr := newTest(t, Config{Handler: Handlers{
		OnOpen: func(c Conn) { opened <- c },
		OnMessage: func(c Conn, m Message) {
			if string(m.Data) == "hello" {
				c.Write(m.Op, m.Data)
				return
			}
			<-release
			handled.Add(1)
		},
	}})
	p := dial(t, addr, "/")
	c := <-opened
	other := dial(t, addr, "/")
	written := make(chan struct{})
	go func() {
		defer close(written)
		p.write(strings.Repeat(masked(true, ws.OpBinary, strings.Repeat("d", size)), messages))
	}()
	soon(t, "reading stopped", func() bool { return c.c.has(flagMuted) })
	other.text("hello")
	other.wantText("hello")
	// What one read brings over the bound is taken still.
	if held := e.Stats().MessagesIn; held*size > pauseBytes+2*readSize {
		t.Errorf("%d messages of %d bytes are held", held, size)
	}
	select {
	case <-written:
		t.Error("everything was taken while nothing was handled")
	default:
	}
	close(release)
	<-written
	soon(t, "all were handled", func() bool { return handled.Load() == messages })
	p.bye()
	other.bye()
}

// The application pauses and resumes reading itself.
func TestPauseResume(t *testing.T) {
	conns := make(chan Conn, 1)
	got := make(chan string, 100)
	_, addr := newTest(t, Config{Inline: true, IdleTimeout: 100e6, PongTimeout: 100e6, QueueBytes: 8 << 20, Handler: Handlers{
		OnOpen: func(c Conn) { conns <- c },
		OnMessage: func(c Conn, m Message) {
			got <- string(m.Data)
			if string(m.Data) == "pause" {
				c.Pause()
			}
		},
		OnClose: func(Conn, Reason) { close(got) },
	}})
	p := dial(t, addr, "/")
	c := <-conns
	p.text("pause")
	if s := <-got; s != "pause" {
		t.Fatal(s)
	}
	soon(t, "the poller was told", func() bool { return c.c.has(flagMuted) })
	p.text("held up")
	// Silence that is ours must not end the connection, and while reading is
	// paused we can still write, much.
	for range 30 {
		if err := c.Write(Binary, make([]byte, 100000)); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 {
		if op, b := p.next(); op != ws.OpBinary || len(b) != 100000 {
			t.Fatalf("%v, %d bytes", op, len(b))
		}
	}
	select {
	case s := <-got:
		t.Fatalf("%q was read while paused", s)
	default:
	}
	c.Resume()
	if s := <-got; s != "held up" {
		t.Fatal(s)
	}
	// A peer that hangs up while reading is paused is noticed, and what it has
	// sent is delivered on resuming.
	c.Pause()
	soon(t, "the poller was told", func() bool { return c.c.has(flagMuted) })
	p.text("last")
	p.Close()
	soon(t, "the hang-up was noticed", func() bool { return c.c.has(flagHup) })
	c.Resume()
	if s := <-got; s != "last" {
		t.Fatal(s)
	}
	if s, open := <-got; open {
		t.Fatalf("%q instead of a Close event", s)
	}
}
