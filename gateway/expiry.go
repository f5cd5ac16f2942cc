package gateway

import (
	"container/heap"
	"slices"
	"sync"
	"time"

	"stentor/engine"
	"stentor/protocol/pusher"
)

// expiry closes connections when their time is over: that of their token, or that
// to show who they are. One timer serves all.
type expiry struct {
	mu    sync.Mutex
	heap  expiries
	gone  int // connections in heap that have ended
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

// forget is called when a connection with an end has ended before. The heap
// never holds more of these than of others.
func (x *expiry) forget(c engine.Conn, at time.Time) {
	if at.IsZero() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	c.SetData(nil)
	if len(x.heap) == 0 || x.heap[0].at > at.Unix()+1 { // expire has taken it out
		return
	}
	if x.gone++; 2*x.gone <= len(x.heap) {
		return
	}
	x.heap = slices.DeleteFunc(x.heap, func(e expiring) bool { return over(e.conn) })
	if len(x.heap) < cap(x.heap)/4 {
		x.heap = slices.Clone(x.heap)
	}
	heap.Init(&x.heap)
	x.gone = 0
	x.schedule()
}

// over reports whether forget was called for a connection, or it is gone.
func over(c engine.Conn) bool { return c.Data() == nil }

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
		c := heap.Pop(&x.heap).(expiring).conn
		if over(c) {
			x.gone--
		} else {
			ended = append(ended, c)
		}
	}
	x.schedule()
	x.mu.Unlock()
	for _, c := range ended {
		if s, ok := c.Data().(mortal); ok { // or it has gone meanwhile
			s.expire()
		}
	}
}

// mortal is a session that may have an end.
type mortal interface{ expire() }

// expire ends a client with a token.
func (c *client) expire() {
	c.conn.Close(closeToken, "the token has expired: get a new one and reconnect")
}

// expire ends a client that has not shown who it is.
func (c *pusherClient) expire() {
	if !c.proven.Load() {
		c.conn.Close(pusher.CodeUnauthorized, "neither signed in nor subscribed with a signature in time (authorization_timeout)")
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
