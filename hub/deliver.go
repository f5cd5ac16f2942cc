package hub

import (
	"runtime"
	"time"
)

// deliver serves the clients of a chunk. It runs without any lock. If Encode or
// Deliver panics, the others are served before the panic goes on to the pool.
func (s *shard) deliver(b *batch, ln *lane, hits []hit) {
	var t tally
	next, late := 0, 0
	defer func() {
		s.count(b, &t)
		if n := late + copy(hits[late:], hits[next:]); n > 0 {
			s.deliver(b, ln, hits[:n])
		}
	}()
	for next < len(hits) {
		h := &hits[next]
		if settled(h.want) {
			j := b.join(h.client.class)
			next++
			s.serve(b, ln, h, j, &t)
			continue
		}
		next++
		hits[late] = *h // an acknowledgement comes first: after the others
		late++
	}
	hits, next, late = hits[:late], 0, 0
	for next < len(hits) {
		h := &hits[next]
		j := b.join(h.client.class)
		next++
		if s.renew(ln, h) {
			s.serve(b, ln, h, j, &t)
		}
	}
}

// count adds what became of the deliveries to the shard's counters.
func (s *shard) count(b *batch, t *tally) {
	s.stats.written.Add(t[Written])
	s.stats.queued.Add(t[Queued])
	s.stats.dropped.Add(t[Dropped])
	if n := t[Written] + t[Queued]; n > 0 {
		s.observe(b, n)
	}
}

// tally counts frames by outcome.
type tally [Stale + 1]uint64

// serve gives a client its part of the batch, in one piece unless it is
// excepted from something in the middle.
func (s *shard) serve(b *batch, ln *lane, h *hit, j *joined, t *tally) {
	from := h.from
	if b.excepts {
		for to := from; to < len(b.posts); to++ {
			if b.posts[to].except.has(h.client) {
				if !s.send(b, ln, h, j, from, to, t) {
					return
				}
				from = to + 1
			}
		}
	}
	s.send(b, ln, h, j, from, len(b.posts), t)
}

// send delivers the posts from <= i < to. It reports false if the client is
// not to get any more of them.
func (s *shard) send(b *batch, ln *lane, h *hit, j *joined, from, to int, t *tally) bool {
	if from >= to {
		return true
	}
	start, before := 0, 0
	if from > 0 {
		start, before = j.ends[from-1], j.counts[from-1]
	}
	n := j.counts[to-1] - before
	if n == 0 {
		return true // nothing for this class
	}
	frames := j.frames[start:j.ends[to-1]]
	var o Outcome
	if ln.roster == nil {
		o = h.client.sink.Deliver(frames, n, nil, 0)
	} else {
		o = h.client.sink.Deliver(frames, n, &h.client.guard, h.want)
		for o == Stale {
			if !s.renew(ln, h) {
				return false // unsubscribed meanwhile
			}
			o = h.client.sink.Deliver(frames, n, &h.client.guard, h.want)
		}
	}
	t[o] += uint64(n)
	if b.tracked {
		for _, p := range b.posts[from:to] {
			if p.track != nil {
				p.track.count(o)
			}
		}
	}
	return o != Dropped
}

// renew looks again whether a client is to be served, and waits for
// acknowledgements to it, which is as long as one takes to be written.
func (s *shard) renew(ln *lane, h *hit) bool {
	for {
		s.mu.Lock()
		h.want = h.client.guard.Load()
		there := !h.client.gone
		if there && ln.roster != nil {
			// A subscription made since is not the one that is served.
			i := h.client.find(ln.roster.channel)
			there = i >= 0 && ln.roster.entries[h.client.sub(i).pos].sub&entryServed != 0
		}
		s.mu.Unlock()
		if !there || settled(h.want) {
			return there
		}
		runtime.Gosched()
	}
}

// observe notes how long the posts of a batch took until now, for n frames.
func (s *shard) observe(b *batch, n uint64) {
	now := time.Now()
	each := n / uint64(len(b.posts))
	for i, p := range b.posts {
		k := each
		if i == 0 {
			k = n - each*uint64(len(b.posts)-1)
		}
		s.stats.latency.observe(now.Sub(p.at), k)
	}
}
