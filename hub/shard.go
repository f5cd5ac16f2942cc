package hub

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// shard is a part of the clients, what they are subscribed to, and the lanes
// to them. mu guards all of it but what comments except.
type shard struct {
	hub   *Hub   // fixed
	index int    // fixed
	work  func() // fixed; s.deliverAll

	// mu is taken after a channel's lock, and before that of a table of users.
	mu    sync.Mutex
	slots []*Client // by Client.slot; nil is free
	free  []uint32  // free slots
	all   lane      // to every client of the shard

	ready   laneQueue // lanes with something to do, in turn
	working bool      // a worker runs, or is about to
	posts   int       // that wait or are under way, over all lanes
	bytes   int       // about, of those
	room    []func()  // to call when there are few

	hits  [chunk]hit // the worker's
	stats shardStats
}

type shardStats struct {
	_             [64]byte
	clients       atomic.Int64
	subscriptions atomic.Int64
	waiting       atomic.Int64
	written       atomic.Uint64
	queued        atomic.Uint64
	dropped       atomic.Uint64
	latency       latency
	_             [64]byte
}

func newShard(h *Hub, index int) *shard {
	s := &shard{hub: h, index: index}
	s.work = s.deliverAll
	s.all.shard = s
	return s
}

// reserve gives c a slot, where nobody finds it yet.
func (s *shard) reserve(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		c.slot = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		c.slot = uint32(len(s.slots))
		s.slots = append(s.slots, nil)
	}
}

// add puts c into its slot, unless it is gone: it can be found by its user
// before.
func (s *shard) add(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.gone {
		return
	}
	s.slots[c.slot] = c
	c.since = s.all.seq
	s.stats.clients.Add(1)
}

// retire begins c's removal: it cannot be found or subscribed any more. It
// reports false if that has happened before.
func (s *shard) retire(c *Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.gone {
		return false
	}
	c.gone = true
	if s.slots[c.slot] == c {
		s.slots[c.slot] = nil
		s.stats.clients.Add(-1)
	}
	return true
}

// release ends c's removal: its slot may be another's.
func (s *shard) release(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, c.slot)
}

// at returns the client in a slot, nil if there is none.
func (s *shard) at(slot int) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot >= len(s.slots) {
		return nil
	}
	return s.slots[slot]
}

// part returns a chunk of the slots, and whether there are more behind it.
func (s *shard) part(from int) (list []*Client, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from >= len(s.slots) {
		return nil, false
	}
	to := min(from+chunk, len(s.slots))
	return append(list, s.slots[from:to]...), to < len(s.slots)
}

// wake reports whether a worker must be submitted, which the caller does after
// it has unlocked mu. mu is held.
func (s *shard) wake() bool {
	if s.working {
		return false
	}
	s.working = true
	return true
}

// turn is the number of chunks after which a worker lets others of the pool
// have its goroutine.
const turn = 256

// deliverAll is the worker: it takes lanes in turn, a chunk of subscribers of
// each, until none has anything to do.
func (s *shard) deliverAll() {
	idle := false
	defer func() {
		if !idle { // also when a callback panics, which is for the pool to tell
			s.hub.pool.Submit(s.work)
		}
	}()
	for range turn {
		if idle = !s.step(); idle {
			return
		}
		// The system calls of a chunk are made without the scheduler's
		// knowledge: let others have the processor.
		runtime.Gosched()
	}
}

// step serves a chunk of the lane whose turn it is. It reports false, and that
// the worker ends, if there is none.
func (s *shard) step() bool {
	s.mu.Lock()
	ln := s.ready.pop()
	if ln == nil {
		s.working = false
		s.mu.Unlock()
		return false
	}
	if ln.batch == nil {
		ln.begin()
	}
	b := ln.batch
	hits, more := ln.collect(s.hits[:0])
	s.mu.Unlock()

	defer func() {
		clear(hits)
		s.putBack(ln, more)
	}()
	s.deliver(b, ln, hits)
	return true
}

// putBack ends a lane's turn.
func (s *shard) putBack(ln *lane, more bool) {
	var calls []func()
	s.mu.Lock()
	b := ln.batch
	if !more {
		calls = ln.end()
		s.posts -= len(b.posts)
		s.bytes -= b.bytes
		if len(s.room) > 0 && s.posts < fullShardPosts/2 && s.bytes < fullShardBytes/2 {
			calls = append(calls, s.room...)
			s.room = nil
		}
	}
	if more || len(ln.waiting) > 0 {
		s.ready.push(ln)
	} else {
		ln.retire()
	}
	s.mu.Unlock()
	if !more {
		calls = b.end(calls)
	}
	for i := len(calls) - 1; i >= 0; i-- {
		defer calls[i]() // so that all are called if one panics
	}
}

// laneQueue is a queue of lanes, first in, first out.
type laneQueue struct {
	q    []*lane
	head int
}

func (q *laneQueue) push(ln *lane) {
	if q.head > 32 && q.head > len(q.q)/2 {
		n := copy(q.q, q.q[q.head:])
		clear(q.q[n:])
		q.q, q.head = q.q[:n], 0
	}
	q.q = append(q.q, ln)
}

func (q *laneQueue) pop() *lane {
	if q.head == len(q.q) {
		q.q, q.head = q.q[:0], 0
		return nil
	}
	ln := q.q[q.head]
	q.q[q.head] = nil
	q.head++
	return ln
}
