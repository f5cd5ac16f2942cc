package engine

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/frame"
)

// The lock excludes, knows its generation and stays closed.
func TestLockWord(t *testing.T) {
	var w lockWord
	gen := w.issue()
	counter := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				if !w.lock(gen) {
					t.Error("a free lock was refused")
					return
				}
				counter++
				w.unlock()
			}
		})
	}
	wg.Wait()
	if counter != 16000 {
		t.Errorf("counted %d", counter)
	}
	if w.lock(gen+1) || w.lockAlways(gen+1) {
		t.Error("another generation was let in")
	}
	w.lock(gen)
	w.closeLocked()
	w.unlock()
	if w.lock(gen) {
		t.Error("a closed lock was taken")
	}
	if !w.lockAlways(gen) {
		t.Error("lockAlways minds that it is closed")
	}
	// A holder of the old generation must not disturb the next.
	retired := make(chan struct{})
	go func() { w.retire(); close(retired) }()
	select {
	case <-retired:
		t.Error("retired while it was held")
	case <-time.After(10 * time.Millisecond): // as long as this, it waits
	}
	w.unlock()
	<-retired
	if w.lockAlways(gen) {
		t.Error("a retired generation was let in")
	}
	if next := w.issue(); next != gen+1 || !w.lock(next) {
		t.Errorf("generation %d after %d", next, gen)
	}
}

// The generation may wrap: handles that old are not kept.
func TestLockWordWraps(t *testing.T) {
	var w lockWord
	w.v.Store(uint64(1<<32-1)*wordGen | wordClosed)
	last := w.issue()
	if last != 1<<32-1 || !w.lock(last) {
		t.Fatalf("generation %d", last)
	}
	w.closeLocked()
	w.unlock()
	w.retire()
	if next := w.issue(); next != 0 || !w.lock(next) {
		t.Errorf("generation %d after the last one cannot be locked: %x", next, w.v.Load())
	}
}

func TestOutbox(t *testing.T) {
	f := func(n int) []byte { return frame.Encode(ws.OpBinary, make([]byte, n)) }
	o := outboxes.Get().(*outbox)
	var total int
	for i := range 50 {
		o.push(f(i))
		total += len(f(i))
		if i%3 == 0 { // send one byte and a bit, across boundaries
			n := min(7, o.bytes)
			o.sent(n)
			total -= n
		}
		if o.bytes != total {
			t.Fatalf("after %d: %d bytes, want %d", i, o.bytes, total)
		}
	}
	for o.bytes > 0 {
		n := min(11, o.bytes)
		o.sent(n)
	}
	if len(o.q) != 0 || o.head != 0 || o.off != 0 {
		t.Errorf("an empty outbox is %+v", o)
	}
	o.free()
}

// What is left after a cut is the rest of the frame that is partly sent.
func TestOutboxCut(t *testing.T) {
	one := frame.Encode(ws.OpText, []byte("one"))
	joined := append(append([]byte{}, one...), frame.Encode(ws.OpText, []byte(strings.Repeat("2", 300)))...)
	third := len(joined)
	joined = append(joined, frame.Encode(ws.OpText, []byte("three"))...)
	for _, c := range []struct{ sent, rest int }{
		{0, 0},
		{1, len(one) - 1},
		{len(one), 0}, // at a boundary nothing has to follow
		{len(one) + 1, third - len(one) - 1},
		{third - 1, 1},
		{third, 0},
		{len(joined) - 1, 1},
	} {
		var o outbox
		o.push(joined)
		o.push(one)
		o.sent(c.sent)
		before := o.bytes
		if dropped := o.cut(); o.bytes != c.rest || dropped != before-c.rest {
			t.Errorf("after %d bytes: %d are left and %d dropped, want %d", c.sent, o.bytes, dropped, c.rest)
		}
		o.push(one)
		o.sent(c.rest)
		if o.bytes != len(one) || o.off != 0 {
			t.Errorf("after %d bytes and the rest: %+v", c.sent, o)
		}
	}
}

// All that is submitted runs, on no more goroutines than allowed, without
// blocking whoever submits.
func TestPool(t *testing.T) {
	p, err := NewPool(3)
	if err != nil {
		t.Fatal(err)
	}
	var running, most, done atomic.Int64
	release := make(chan struct{})
	const n = 500
	for range n {
		p.Submit(func() {
			r := running.Add(1)
			for {
				m := most.Load()
				if r <= m || most.CompareAndSwap(m, r) {
					break
				}
			}
			<-release
			running.Add(-1)
			done.Add(1)
		})
	}
	if w := p.Waiting(); w < n-3 {
		t.Errorf("%d wait", w)
	}
	close(release)
	if err := p.Close(patience); err != nil {
		t.Error(err)
	}
	if done.Load() != n || most.Load() > 3 {
		t.Errorf("%d ran, %d at a time", done.Load(), most.Load())
	}
	p.Submit(func() { t.Error("ran after Close") })
}

// While something always waits, the queue takes no more room than that.
func TestPoolQueue(t *testing.T) {
	p, err := NewPool(1)
	if err != nil {
		t.Fatal(err)
	}
	const n = 20000
	ran, done := 0, make(chan struct{}) // ran: the one goroutine
	var again func()
	again = func() {
		switch ran++; {
		case ran < n:
			p.Submit(again)
		case ran == n:
			close(done)
		}
	}
	hold := make(chan struct{})
	p.Submit(func() { <-hold })
	for range 3 {
		p.Submit(again)
	}
	close(hold)
	<-done
	p.mu.Lock()
	if c := cap(p.waiting); c > 100 {
		t.Errorf("room for %d, while 3 wait at most", c)
	}
	p.mu.Unlock()
	if err := p.Close(patience); err != nil {
		t.Error(err)
	}
}

// A function that panics does not take its goroutine's place away.
func TestPoolPanic(t *testing.T) {
	p, err := NewPool(1)
	if err != nil {
		t.Fatal(err)
	}
	p.Submit(func() { panic("the pool logs this: it is part of a test") })
	ran := make(chan struct{})
	p.Submit(func() { close(ran) })
	<-ran
	if err := p.Close(patience); err != nil {
		t.Error(err)
	}
}

// Slots are issued once each, reused, and found by their number.
func TestSlab(t *testing.T) {
	l := &loop{}
	var s slab
	seen := map[*conn]bool{}
	var list []*conn
	for range 3*chunkSize + 5 {
		c := s.get(l)
		if seen[c] {
			t.Fatal("a slot was issued twice")
		}
		seen[c] = true
		c.setPhase(phaseHandshake)
		list = append(list, c)
	}
	if len(s.chunks) != 4 || s.used != len(list) {
		t.Errorf("%d chunks, %d used", len(s.chunks), s.used)
	}
	for _, c := range list {
		s.put(c)
	}
	for range list {
		if c := s.get(l); !seen[c] {
			t.Fatal("a new slot, while there are free ones")
		}
	}
	if len(s.chunks) != 4 {
		t.Errorf("%d chunks", len(s.chunks))
	}
}

// Parser state that was given back is no longer the connection's to clear.
func TestDropInbound(t *testing.T) {
	in := new(inbound)
	in.parser.Max = 1000
	in.parser.Next([]byte(masked(false, ws.OpText, "the begin")))
	l := &loop{scratch: new(inbound)}
	l.dropIn(new(conn), in)
	if in.parser.Idle() {
		t.Error("what is another's was cleared")
	}
	l.scratch = in
	l.dropIn(new(conn), in)
	if !in.parser.Idle() {
		t.Error("the loop's own was not cleared")
	}
}

// Every cause has a name of its own: metrics rely on it.
func TestCauseNames(t *testing.T) {
	seen := map[string]bool{}
	for c, name := range causeNames {
		if seen[name] || name == "unknown" || int(c) >= causeLimit || c.String() != name {
			t.Errorf("cause %d: %q", c, name)
		}
		seen[name] = true
	}
	if Cause(99).String() != "unknown" {
		t.Error("an unknown cause has a name")
	}
}
