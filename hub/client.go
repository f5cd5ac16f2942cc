package hub

import (
	"crypto/subtle"
	"encoding/binary"
	"strconv"
	"strings"
	"sync/atomic"
)

// Sink takes what a client is to receive.
type Sink interface {
	// Deliver sends frames, n of them joined. It must not block, and must not
	// change or keep anything but frames themselves, which never change again.
	//
	// If guard is not nil, the frames must not be sent when *guard is not want,
	// checked so that whatever the client is sent after a change of *guard
	// comes after these frames or makes them stay out: the Outcome is Stale
	// then.
	Deliver(frames []byte, n int, guard *atomic.Uint64, want uint64) Outcome
}

// Outcome is what became of a delivery.
type Outcome uint8

// Outcomes of a delivery.
const (
	Written Outcome = iota // handed to the system
	Queued                 // accepted; waits because the client reads slowly
	Dropped                // the client is closed or being closed
	Stale                  // see Sink.Deliver
)

// MaxClasses is the number of classes of clients. A publication is encoded
// once for each class that it meets.
const MaxClasses = 8

// Client is one connection as the hub sees it. Embed it in what implements
// Sink, and give it to Hub.Add; it must not be copied. Its size is a budget.
type Client struct {
	sink   Sink   // fixed by Add
	shard  *shard // fixed by Add
	secret uint64 // fixed by Add; second half of the id
	slot   uint32 // fixed by Add; place in shard.slots until Remove
	inUser uint32 // the user's table's mu: place among the user's clients, 0 is first
	since  uint32 // shard.mu; shard.all's sequence at Add or after a delivery
	class  uint8  // fixed by Add
	gone   bool   // shard.mu: Remove has begun

	user atomic.Pointer[User] // fixed by Add or, once, by SignIn; nil if there is none

	// Acknowledgements keep their place among deliveries by this word. Upper
	// half: subscriptions begun and unsubscriptions, lower half: those whose
	// acknowledgement has been sent. While the halves differ, deliveries wait;
	// when the word changes, those under way look again. See guard.go.
	guard atomic.Uint64

	first sub    // shard.mu; the first subscription, inside to save memory
	extra *extra // shard.mu; what most clients do not have
}

// extra is what a client has only at times.
type extra struct {
	more   []sub            // second and further subscriptions
	index  map[*Channel]int // their places, kept from indexFrom subscriptions on
	direct *lane            // publications to this client alone
}

// Add registers c, whose deliveries go to sink, in the shard of the given
// number (modulo the number of shards). user may be empty. class selects the
// encoding. Deliveries to c are held back until Ready is called, so that a
// greeting can be sent first.
func (h *Hub) Add(c *Client, sink Sink, user string, class uint8, shard int) {
	c.sink, c.class, c.secret = sink, class, h.secrets.next()
	c.shard = h.shards[shard%len(h.shards)]
	c.guard.Store(guardBegun)
	c.shard.reserve(c) // its id is complete before anybody finds it
	if user != "" {
		h.addToUser(c, user)
	}
	c.shard.add(c)
}

// Ready lets deliveries to c begin. It is to be called once after Add.
func (c *Client) Ready() { c.guard.Add(guardDone) }

// Remove takes c out of all its channels and forgets it. It returns when no
// new delivery to c can begin. It may be called again, without effect.
func (h *Hub) Remove(c *Client) {
	if c.shard == nil || !c.shard.retire(c) {
		return
	}
	for {
		r, bits := c.lastSub()
		if r == nil {
			break
		}
		h.leave(c, r, bits)
	}
	if u := c.user.Load(); u != nil {
		h.removeFromUser(c, u)
	}
	c.shard.release(c)
}

// User returns the id of c's user, empty if it has none.
func (c *Client) User() string {
	if u := c.user.Load(); u != nil {
		return u.id
	}
	return ""
}

// SignIn gives a user to c, which had none when it was added. It may be called
// again with the same user, without effect. acknowledge is called if there is no
// error, once the user has c and before anything that is published to the user
// from then on is delivered to c: what it sends to the client comes first. It must
// not block, and must not call the Hub. The errors are ErrHasUser and ErrGone.
func (h *Hub) SignIn(c *Client, user string, acknowledge func()) error {
	s := c.shard
	s.mu.Lock() // as long as it is held, nobody removes c, nor publishes to it alone
	defer s.mu.Unlock()
	switch u := c.user.Load(); {
	case c.gone:
		return ErrGone
	case u == nil:
		h.addToUser(c, user)
	case u.id != user:
		return ErrHasUser
	}
	acknowledge()
	return nil
}

// Each calls f for each client, in no order, until f returns false. It holds no
// lock meanwhile, and may miss those that come or go.
func (h *Hub) Each(f func(c *Client) bool) {
	for _, s := range h.shards {
		for from := 0; ; from += chunk {
			list, more := s.part(from)
			for _, c := range list {
				if c != nil && !f(c) {
					return
				}
			}
			if !more {
				break
			}
		}
	}
}

// Clients returns the number of clients.
func (h *Hub) Clients() (n int64) {
	for _, s := range h.shards {
		n += s.stats.clients.Load()
	}
	return n
}

// Class returns the class that c was added with.
func (c *Client) Class() uint8 { return c.class }

// ID returns the client's id: two decimal numbers with a point between them,
// which is also the form of a Pusher socket_id. The first tells the node and
// the place, the second, 64 random bits, makes it unguessable.
func (c *Client) ID() string { return string(c.AppendID(nil)) }

// AppendID appends the client's id to b.
func (c *Client) AppendID(b []byte) []byte {
	place := uint64(c.shard.hub.node)<<48 | uint64(c.shard.index)<<32 | uint64(c.slot)
	b = strconv.AppendUint(b, place, 10)
	b = append(b, '.')
	return strconv.AppendUint(b, c.secret, 10)
}

// Client finds a client by its id, nil if there is none.
func (h *Hub) Client(id string) *Client {
	first, second, ok := strings.Cut(id, ".")
	if !ok {
		return nil
	}
	place, err1 := strconv.ParseUint(first, 10, 64)
	secret, err2 := strconv.ParseUint(second, 10, 64)
	if err1 != nil || err2 != nil || uint16(place>>48) != h.node {
		return nil
	}
	shard, slot := int(place>>32&0xffff), int(uint32(place))
	if shard >= len(h.shards) {
		return nil
	}
	c := h.shards[shard].at(slot)
	if c == nil {
		return nil
	}
	var a, b [8]byte
	binary.NativeEndian.PutUint64(a[:], secret)
	binary.NativeEndian.PutUint64(b[:], c.secret)
	if subtle.ConstantTimeCompare(a[:], b[:]) == 0 {
		return nil
	}
	return c
}

// Sink returns what c was added with.
func (c *Client) Sink() Sink { return c.sink }
