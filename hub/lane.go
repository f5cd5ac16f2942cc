package hub

import "sync"

// chunk is the number of subscribers that a worker serves between two looks at
// what else there is to do.
const chunk = 64

// lane is the publications that wait for one audience in one shard, and the
// walk over it that is under way. The shard's lock guards it. It exists only
// while there is something to do, but for a shard's own.
type lane struct {
	shard  *shard  // fixed
	roster *roster // the audience: a channel's subscribers,
	client *Client // or one client, or, with neither, all clients

	waiting []*post
	bytes   int      // about, of waiting
	room    []func() // to call when waiting has been taken
	seq     uint32   // of the last of waiting
	queued  bool     // in shard.ready, or with the worker

	batch  *batch // under way
	cursor int    // place that the walk comes to next, going down
}

var lanes = sync.Pool{New: func() any { return new(lane) }}

func newLane(s *shard) *lane {
	ln := lanes.Get().(*lane)
	ln.shard = s
	return ln
}

// put adds a post, and reports whether the lane is full and o.Room is noted. It
// is noted once for a publication: not if it is already.
func (ln *lane) put(p *post, seq uint32, o *Options, noted bool, wake *wakeups) (full bool) {
	s, size := ln.shard, p.msg.Size()
	ln.waiting = append(ln.waiting, p)
	ln.bytes += size
	ln.seq = seq
	s.stats.waiting.Add(1)
	s.posts++
	s.bytes += size
	if p.track != nil {
		p.track.begin()
	}
	if o != nil && o.Room != nil && !noted {
		full = true
		switch {
		case s.posts >= fullShardPosts || s.bytes >= fullShardBytes:
			s.room = append(s.room, o.Room)
		case len(ln.waiting) >= fullPosts || ln.bytes >= fullBytes:
			ln.room = append(ln.room, o.Room)
		default:
			full = false
		}
	}
	if !ln.queued {
		ln.queued = true
		s.ready.push(ln)
		if s.wake() {
			wake.add(s)
		}
	}
	return full
}

// A batch takes no more than this at once; the rest waits for the next.
const (
	batchPosts = 512
	batchBytes = 64 << 10
)

// begin takes what waits into a batch, and puts the cursor at the end of the
// audience. It goes down: an entry that takes the place of one that left comes
// from the end, so nothing is missed; one that was served already is known by
// its since.
func (ln *lane) begin() {
	n, bytes := 0, 0
	for n < len(ln.waiting) && n < batchPosts {
		bytes += ln.waiting[n].msg.Size()
		if n > 0 && bytes > batchBytes {
			break
		}
		n++
	}
	b := newBatch()
	b.posts = append(b.posts, ln.waiting[:n]...)
	b.last = ln.seq - uint32(len(ln.waiting)-n)
	for _, p := range b.posts {
		b.bytes += p.msg.Size()
		b.excepts = b.excepts || p.except != nil
		b.tracked = b.tracked || p.track != nil
	}
	ln.bytes -= b.bytes
	ln.batch = b
	ln.shard.stats.waiting.Add(-int64(n))
	left := copy(ln.waiting, ln.waiting[n:])
	clear(ln.waiting[left:])
	ln.waiting = ln.waiting[:left]
	switch {
	case ln.roster != nil:
		ln.cursor = len(ln.roster.entries) - 1
	case ln.client != nil:
		ln.cursor = 0
	default:
		ln.cursor = len(ln.shard.slots) - 1
	}
}

// hit is a client to be served, with what was true when it was found.
type hit struct {
	client *Client
	want   uint64 // its guard word
	from   int    // first post of the batch that is for it
}

// collect moves the cursor over the next chunk of the audience and returns
// whom to serve, and whether there is more. What it reads of a client is what
// the delivery needs next, so that its memory is fetched ahead for the whole
// chunk at once.
func (ln *lane) collect(hits []hit) (_ []hit, more bool) {
	switch {
	case ln.roster != nil:
		hits = ln.collectRoster(hits)
	case ln.client != nil:
		if !ln.client.gone {
			hits = append(hits, hit{client: ln.client, want: ln.client.guard.Load()})
		}
		ln.cursor = -1
	default:
		hits = ln.collectAll(hits)
	}
	return hits, ln.cursor >= 0
}

func (ln *lane) collectRoster(hits []hit) []hit {
	entries, b := ln.roster.entries, ln.batch
	// Entries may have left since the last chunk; what is beyond the end now
	// was served or has moved down.
	i := min(ln.cursor, len(entries)-1)
	for ; i >= 0 && len(hits) < chunk; i-- {
		e := &entries[i]
		from := b.from(e.since)
		if from == len(b.posts) {
			continue
		}
		e.since = b.last
		e.sub |= entryServed
		hits = append(hits, hit{e.client, e.client.guard.Load(), from})
	}
	ln.cursor = i
	return hits
}

func (ln *lane) collectAll(hits []hit) []hit {
	slots, b := ln.shard.slots, ln.batch
	i := min(ln.cursor, len(slots)-1)
	for n := 0; i >= 0 && len(hits) < chunk && n < 16*chunk; i, n = i-1, n+1 {
		c := slots[i]
		if c == nil {
			continue
		}
		from := b.from(c.since)
		if from == len(b.posts) {
			continue
		}
		c.since = b.last
		hits = append(hits, hit{c, c.guard.Load(), from})
	}
	ln.cursor = i
	return hits
}

// end is called when the audience has been served. It returns what is to be
// called now that there is room.
func (ln *lane) end() (room []func()) {
	ln.batch = nil
	if len(ln.waiting) < fullPosts/2 && ln.bytes < fullBytes/2 {
		room, ln.room = ln.room, nil
	}
	return room
}

// retire lets go of a lane that has nothing to do.
func (ln *lane) retire() {
	ln.queued = false
	if cap(ln.waiting) > 64 {
		ln.waiting = nil
	}
	switch {
	case ln.roster != nil:
		ln.roster.lane = nil
	case ln.client != nil:
		ln.client.extra.direct = nil
		ln.client.dropExtra()
	default:
		return // a shard's own
	}
	*ln = lane{waiting: ln.waiting[:0]}
	lanes.Put(ln)
}

// batch is the posts of one walk, joined for each class that it meets. It
// belongs to the shard's worker once it has begun.
type batch struct {
	posts   []*post
	bytes   int    // about
	last    uint32 // sequence number of the last post
	excepts bool   // some post is not for everybody
	tracked bool   // some post is tracked
	joined  [MaxClasses]joined
}

// joined is the frames of a batch for one class.
type joined struct {
	done   bool
	frames []byte // never changes once done
	ends   []int  // of each post's frame
	counts []int  // of frames up to and with each post: some have none
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch { return batches.Get().(*batch) }

// end is called when all are served. It adds to calls what is to be called.
func (b *batch) end(calls []func()) []func() {
	if b.tracked {
		for _, p := range b.posts {
			if p.track == nil || !p.track.end() {
				continue
			}
			if p.track.then != nil {
				calls = append(calls, p.track.then)
			} else {
				close(p.track.done)
			}
		}
	}
	clear(b.posts)
	for i := range b.joined {
		j := &b.joined[i]
		j.done, j.frames, j.ends, j.counts = false, nil, j.ends[:0], j.counts[:0]
	}
	b.posts, b.bytes, b.excepts, b.tracked = b.posts[:0], 0, false, false
	batches.Put(b)
	return calls
}

// from returns the first post for an entry that has had all up to since.
// Differences of sequence numbers stay right when they wrap.
func (b *batch) from(since uint32) int {
	behind := int32(b.last - since)
	if behind <= 0 {
		return len(b.posts)
	}
	return max(0, len(b.posts)-int(behind))
}

// join returns the frames for a class. The frames of a batch of one are the
// post's own. If an encoding panics, the next call leaves that post out.
func (b *batch) join(class uint8) *joined {
	j := &b.joined[class%MaxClasses]
	if j.done {
		return j
	}
	n, size := 0, 0
	for _, p := range b.posts { // nothing panics after this
		size += len(p.frame(class))
	}
	if len(b.posts) > 1 {
		j.frames = make([]byte, 0, size)
	}
	for _, p := range b.posts {
		f := p.frame(class)
		if len(b.posts) > 1 {
			j.frames = append(j.frames, f...)
		} else {
			j.frames = f
		}
		if len(f) > 0 {
			n++
		}
		j.ends = append(j.ends, len(j.frames))
		j.counts = append(j.counts, n)
	}
	j.done = true
	return j
}
