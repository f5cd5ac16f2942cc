package engine

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/panjf2000/ants/v2"
)

// Pool runs functions on a bounded number of goroutines, which ants keeps and
// reuses, and never blocks whoever submits: what finds none free waits in a
// queue, in order. The queue has no bound of its own, so those who submit keep
// to one function each at a time: a connection's work, a shard's fan-out.
type Pool struct {
	ants *ants.Pool
	size int

	mu      sync.Mutex
	active  int // goroutines that run functions
	waiting []func()
	head    int // waiting[head:] waits
	closed  bool
}

// NewPool makes a pool of at most size goroutines. They are started when they
// are needed and end after a second or two without work.
func NewPool(size int) (*Pool, error) {
	// The bound is kept here, not by ants: a goroutine of its counts as busy
	// for a moment after it has looked for more work, and what is refused in
	// that moment would wait for the next submission.
	inner, err := ants.NewPool(-1, ants.WithNonblocking(true))
	if err != nil {
		return nil, err
	}
	return &Pool{ants: inner, size: size}, nil
}

// Submit runs f soon. Any goroutine may call it. After Close it does nothing.
func (p *Pool) Submit(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
	case p.active < p.size:
		p.active++
		p.ants.Submit(func() { p.run(f) })
	default:
		if p.head > 0 && len(p.waiting) == cap(p.waiting) {
			n := copy(p.waiting, p.waiting[p.head:])
			clear(p.waiting[n:])
			p.waiting, p.head = p.waiting[:n], 0
		}
		p.waiting = append(p.waiting, f)
	}
}

// run runs f and then what waits.
func (p *Pool) run(f func()) {
	for f != nil {
		call(f)
		f = p.next()
	}
}

// call calls f and survives its panic.
func call(f func()) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("a function on the pool panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	f()
}

// next takes what has waited longest, or ends a goroutine's activity.
func (p *Pool) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.head == len(p.waiting) {
		p.waiting, p.head = p.waiting[:0], 0
		p.active--
		return nil
	}
	f := p.waiting[p.head]
	p.waiting[p.head] = nil
	p.head++
	return f
}

// Waiting returns the number of functions that found no goroutine free.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting) - p.head
}

// Close waits up to timeout for all that was submitted, then drops what waits
// still. It must be called once.
func (p *Pool) Close(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for p.busy() && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	p.mu.Lock()
	p.closed = true
	p.waiting, p.head = nil, 0
	p.mu.Unlock()
	return p.ants.ReleaseTimeout(max(time.Until(deadline), 100*time.Millisecond))
}

func (p *Pool) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active > 0
}
