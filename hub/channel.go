package hub

import (
	"strings"
	"sync"
	"sync/atomic"
)

// Channel is a name with subscribers. It exists while it has any.
type Channel struct {
	name string       // fixed
	next *Channel     // its table's
	n    atomic.Int32 // subscribers; 0 -> 1 under mu

	mu       sync.Mutex
	dead     bool      // removed from the map: look again
	occupied bool      // the observer has been told
	seq      uint64    // of the last publication
	rosters  []*roster // one for each shard that has or had a subscriber
	presence *presence // nil if this is no presence channel
}

// roster is the subscribers of a channel in one shard. The shard's lock guards
// it but for the fixed fields.
type roster struct {
	channel *Channel // fixed
	shard   *shard   // fixed
	entries []entry
	lane    *lane  // nil while nothing is published
	seq     uint32 // of the last publication put into the lane
}

// entry is a subscription as fan-out reads it.
type entry struct {
	client *Client
	// since is the sequence number of the last publication that is not for
	// this entry: that before its subscription, then the last delivered. It
	// makes a walk over the array exact while entries come, go and move.
	since uint32
	sub   uint32 // place among the client's subscriptions, and entryServed
}

// entryServed says that a batch was begun for the entry. A client that has
// unsubscribed and subscribed again meanwhile has an entry without it, which
// tells the worker that what it holds was for the subscription before.
const entryServed = 1 << 31

// place returns the place among the client's subscriptions.
func (e *entry) place() int { return int(e.sub &^ entryServed) }

func (e *entry) move(place int) { e.sub = e.sub&entryServed | uint32(place) }

// sub is a subscription as its client knows it.
type sub struct {
	roster *roster
	pos    uint32 // place in roster.entries
	bits   uint32
}

const subPresence = 1 // the client is a member of the channel

const indexFrom = 16

func (ch *Channel) key() string     { return ch.name }
func (ch *Channel) link() **Channel { return &ch.next }

// channelTable returns the table that a channel is in, or would be.
func (h *Hub) channelTable(name string) (*table[Channel, *Channel], uint64) {
	hash := h.hash(name)
	return &h.channels[hash%buckets], hash
}

// channel finds a channel, nil if it has no subscriber.
func (h *Hub) channel(name string) *Channel {
	t, hash := h.channelTable(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.get(hash, name)
}

// open finds or makes a channel, and returns it with its lock held.
func (h *Hub) open(name string) *Channel {
	t, hash := h.channelTable(name)
	for {
		t.mu.Lock()
		ch := t.get(hash, name)
		if ch == nil {
			ch = &Channel{name: strings.Clone(name)}
			t.put(h.seed, hash, ch)
			h.stats.channels.Add(1)
		}
		t.mu.Unlock()
		ch.mu.Lock()
		if !ch.dead {
			return ch
		}
		ch.mu.Unlock()
	}
}

// closeIfEmpty removes a channel that has lost its last subscriber. Its lock is
// held.
func (h *Hub) closeIfEmpty(ch *Channel) {
	if ch.n.Load() > 0 || ch.dead {
		return
	}
	ch.dead = true
	if ch.occupied { // told before anybody can make it anew
		h.observer.Vacated(ch.name)
	}
	t, hash := h.channelTable(ch.name)
	t.mu.Lock()
	t.remove(h.seed, hash, ch)
	t.mu.Unlock()
	h.stats.channels.Add(-1)
}

// rosterIn returns the channel's roster in a shard, made if need be. The
// channel's lock is held.
func (ch *Channel) rosterIn(s *shard) *roster {
	for _, r := range ch.rosters {
		if r.shard == s {
			return r
		}
	}
	r := &roster{channel: ch, shard: s, seq: uint32(ch.seq)}
	ch.rosters = append(ch.rosters, r)
	return r
}

// ChannelInfo describes a channel.
type ChannelInfo struct {
	Name          string
	Subscriptions int // clients that are subscribed
	Members       int // users, in a presence channel; otherwise 0
	Presence      bool
}

// Channels calls f for each channel whose name begins with prefix, in no
// order, until f returns false.
func (h *Hub) Channels(prefix string, f func(ChannelInfo) bool) {
	for i := range h.channels {
		t := &h.channels[i]
		var found []*Channel
		t.mu.Lock()
		t.all(func(ch *Channel) bool {
			if strings.HasPrefix(ch.name, prefix) {
				found = append(found, ch)
			}
			return true
		})
		t.mu.Unlock()
		for _, ch := range found {
			if info, ok := ch.info(); ok && !f(info) {
				return
			}
		}
	}
}

// Info describes a channel; ok is false if it has no subscriber.
func (h *Hub) Info(name string) (info ChannelInfo, ok bool) {
	if ch := h.channel(name); ch != nil {
		return ch.info()
	}
	return ChannelInfo{}, false
}

func (ch *Channel) info() (ChannelInfo, bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	info := ChannelInfo{Name: ch.name, Subscriptions: int(ch.n.Load()), Presence: ch.presence != nil}
	if ch.presence != nil {
		info.Members = ch.presence.live
	}
	return info, !ch.dead && info.Subscriptions > 0
}
