package gateway

import (
	"container/heap"
	"sync"
	"time"

	"stentor/engine"
)

// expiry closes connections when their tokens end. One timer serves all.
type expiry struct {
	mu    sync.Mutex
	heap  expiries
	timer *time.Timer
	done  bool
}

type expiring struct {
	at   int64 // Unix seconds
	conn engine.Conn
}

// add has a connection closed at a time, unless that is zero.
func (x *expiry) add(c engine.Conn, at time.Time) {
	if at.IsZero() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done {
		return
	}
	heap.Push(&x.heap, expiring{at.Unix() + 1, c})
	if x.heap[0].conn == c {
		x.schedule()
	}
}

// schedule sets the timer for the earliest end. mu is held.
func (x *expiry) schedule() {
	if x.timer != nil {
		x.timer.Stop()
	}
	if len(x.heap) > 0 && !x.done {
		x.timer = time.AfterFunc(time.Until(time.Unix(x.heap[0].at, 0)), x.expire)
	}
}

// expire closes what has ended.
func (x *expiry) expire() {
	var ended []engine.Conn
	x.mu.Lock()
	for now := time.Now().Unix(); len(x.heap) > 0 && x.heap[0].at <= now; {
		ended = append(ended, heap.Pop(&x.heap).(expiring).conn)
	}
	x.schedule()
	x.mu.Unlock()
	for _, c := range ended { // those that are gone already do not mind
		c.Close(closeToken, "the token has expired: get a new one and reconnect")
	}
}

func (x *expiry) stop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done = true
	if x.timer != nil {
		x.timer.Stop()
	}
}

type expiries []expiring

func (h expiries) Len() int           { return len(h) }
func (h expiries) Less(i, j int) bool { return h[i].at < h[j].at }
func (h expiries) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiries) Push(v any)        { *h = append(*h, v.(expiring)) }
func (h *expiries) Pop() any {
	old := *h
	v := old[len(old)-1]
	*h = old[:len(old)-1]
	return v
}
