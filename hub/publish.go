package hub

import (
	"sync/atomic"
	"time"
)

// Message is what is published.
type Message interface {
	// Encode returns the frame that clients of a class receive, nil if they
	// receive none. It is called once for each class, from a worker or several
	// at a time; the frame never changes again.
	Encode(class uint8, to Target) []byte
	// Size returns about how many bytes the message takes.
	Size() int
}

// Target is what a message was addressed to, for its encoding.
type Target struct {
	Channel string // empty for users, clients and all
	Offset  uint64 // sequence number in the channel, from 1
}

// Options are the choices of a publication. nil is none. The slices must not
// be changed afterwards.
type Options struct {
	ExceptClients []*Client
	ExceptUsers   []string
	// Track counts what becomes of the deliveries.
	Track *Tracker
	// Room, if a lane that the publication was put into is full, or a shard as
	// a whole, is called once when there is room again: until then the publisher
	// should publish nothing more. It must not block.
	Room func()
}

// Receipt tells at once what a publication has met.
type Receipt struct {
	Matched int  // clients that it is for
	Full    bool // Options.Room is going to be called
}

// A lane is full from here on. It still takes what comes.
const (
	fullPosts = 1024
	fullBytes = 1 << 20
)

// So is a shard, for all its lanes, of what waits or is under way: a publisher
// to many channels fills none of them.
const (
	fullShardPosts = 64 << 10
	fullShardBytes = 64 << 20
)

// post is a publication on its way to its audience. It is shared by all lanes
// that it was put into, and fixed but for encoded.
type post struct {
	msg     Message
	to      Target
	at      time.Time
	except  *except
	track   *Tracker
	encoded [MaxClasses]atomic.Pointer[encoded]
}

type encoded struct{ frame []byte }

// frame returns the post's frame for a class. Workers that come here together
// may encode twice; the first result is everybody's.
func (p *post) frame(class uint8) []byte {
	slot := &p.encoded[class%MaxClasses]
	if e := slot.Load(); e != nil {
		return e.frame
	}
	p.encode(class, slot)
	return slot.Load().frame
}

// encode fills the slot of a class. After a panic nobody of the class receives
// the post.
func (p *post) encode(class uint8, slot *atomic.Pointer[encoded]) {
	e := new(encoded)
	defer func() { slot.CompareAndSwap(nil, e) }()
	e.frame = p.msg.Encode(class, p.to)
}

// except is who does not receive a post. Users are named by their ids: one who
// connects between this and the delivery is meant, too.
type except struct {
	clients []*Client
	users   []string
}

func newExcept(o *Options) *except {
	if o == nil || len(o.ExceptClients) == 0 && len(o.ExceptUsers) == 0 {
		return nil
	}
	return &except{clients: o.ExceptClients, users: o.ExceptUsers}
}

// has reports whether c is excepted. The lists are short: they name who is not
// to hear.
func (x *except) has(c *Client) bool {
	if x == nil {
		return false
	}
	for _, e := range x.clients {
		if e == c {
			return true
		}
	}
	if u := c.user.Load(); u != nil {
		for _, id := range x.users {
			if id == u.id {
				return true
			}
		}
	}
	return false
}

// excepted returns the clients that x names, each once.
func (h *Hub) excepted(x *except) (list []*Client) {
	if x == nil {
		return nil
	}
	seen := make(map[*Client]bool, len(x.clients))
	add := func(c *Client) {
		if c != nil && c.shard != nil && !seen[c] {
			seen[c] = true
			list = append(list, c)
		}
	}
	for _, c := range x.clients {
		add(c)
	}
	for _, id := range x.users {
		for _, c := range h.UserClients(id) {
			add(c)
		}
	}
	return list
}

// Publish sends a message to the subscribers of a channel.
func (h *Hub) Publish(channel string, m Message, o *Options) Receipt {
	h.stats.publications.Add(1)
	ch := h.channel(channel)
	if ch == nil {
		return Receipt{}
	}
	x := newExcept(o)
	var wake wakeups
	ch.mu.Lock()
	r := h.put(ch, m, x, o, &wake)
	// Nobody subscribes while the lock is held, so that no more are taken off
	// than have been counted.
	for _, c := range h.excepted(x) {
		c.shard.mu.Lock()
		if c.find(ch) >= 0 {
			r.Matched--
		}
		c.shard.mu.Unlock()
	}
	ch.mu.Unlock()
	wake.submit(h)
	return r
}

// put gives a message its place in a channel and puts it into the lanes. The
// channel's lock is held, which makes the order the same in all shards.
func (h *Hub) put(ch *Channel, m Message, x *except, o *Options, wake *wakeups) (r Receipt) {
	ch.seq++
	p := newPost(m, Target{ch.name, ch.seq}, x, o)
	for _, ro := range ch.rosters {
		s := ro.shard
		s.mu.Lock()
		ro.seq = uint32(ch.seq)
		if n := len(ro.entries); n > 0 {
			r.Matched += n
			if ro.lane == nil {
				ro.lane = newLane(s)
				ro.lane.roster = ro
			}
			r.Full = ro.lane.put(p, ro.seq, o, r.Full, wake) || r.Full
		}
		s.mu.Unlock()
	}
	return r
}

func newPost(m Message, to Target, x *except, o *Options) *post {
	p := &post{msg: m, to: to, at: time.Now(), except: x}
	if o != nil {
		p.track = o.Track
	}
	return p
}

// PublishAll sends a message to every client.
func (h *Hub) PublishAll(m Message, o *Options) (r Receipt) {
	h.stats.publications.Add(1)
	x := newExcept(o)
	p := newPost(m, Target{}, x, o)
	excepted := h.excepted(x)
	var wake wakeups
	for _, s := range h.shards {
		s.mu.Lock()
		s.all.seq++
		if n := int(s.stats.clients.Load()); n > 0 {
			r.Matched += n
			for _, c := range excepted {
				if c.shard == s && s.slots[c.slot] == c {
					r.Matched--
				}
			}
			r.Full = s.all.put(p, s.all.seq, o, r.Full, &wake) || r.Full
		}
		s.mu.Unlock()
	}
	wake.submit(h)
	return r
}

// PublishClients sends a message to clients, and to the clients of users, one
// copy each however often a client is meant.
func (h *Hub) PublishClients(clients []*Client, users []string, m Message, o *Options) (r Receipt) {
	h.stats.publications.Add(1)
	x := newExcept(o)
	p := newPost(m, Target{}, x, o)
	var wake wakeups
	seen := make(map[*Client]bool, len(clients)+len(users))
	send := func(c *Client) {
		if c == nil || seen[c] || x.has(c) {
			return
		}
		seen[c] = true
		s := c.shard
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.gone {
			return
		}
		x := c.needExtra()
		if x.direct == nil {
			x.direct = newLane(s)
			x.direct.client = c
		}
		r.Matched++
		r.Full = x.direct.put(p, 0, o, r.Full, &wake) || r.Full
	}
	for _, c := range clients {
		send(c)
	}
	for _, id := range users {
		for _, c := range h.UserClients(id) {
			send(c)
		}
	}
	wake.submit(h)
	return r
}

// wakeups is the shards whose workers are to be submitted when the locks are
// given back.
type wakeups struct{ shards []*shard }

func (w *wakeups) add(s *shard) { w.shards = append(w.shards, s) }

func (w *wakeups) submit(h *Hub) {
	for _, s := range w.shards {
		h.pool.Submit(s.work)
	}
}
