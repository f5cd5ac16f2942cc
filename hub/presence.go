package hub

import (
	"bytes"
	"slices"
	"strings"
)

// Member is a user in a presence channel.
type Member struct {
	User string
	Info []byte // JSON that describes the user, passed on as it is; may be nil
}

// presence is who is in a presence channel, by user. The channel's lock guards
// it.
//
// What tells the others is bounded by the number of users, however often they
// come and go: a leave waits until the join before it has reached everybody, and
// a join that comes meanwhile takes it back.
type presence struct {
	members map[string]*membership // as the others have been told
	clients map[*Client]*membership
	live    int // members that are there
}

type membership struct {
	Member
	clients int      // subscriptions of the user; at 0 its leave is to be told
	changed bool     // Info is not what the others have been told
	telling *Tracker // of the join, while it is on its way
}

// join makes c's subscription one of a member's, and tells the others if it is
// the member's first. The channel's lock is held.
func (h *Hub) join(ch *Channel, c *Client, j *Join, wake *wakeups) error {
	if ch.presence == nil {
		ch.presence = &presence{members: make(map[string]*membership), clients: make(map[*Client]*membership)}
	}
	p := ch.presence
	m := p.members[j.Member.User]
	if m == nil || m.clients == 0 {
		if j.Max > 0 && p.live >= j.Max {
			return ErrPresenceFull
		}
	}
	switch {
	case m == nil:
		m = &membership{Member: j.Member}
		h.tellJoin(ch, m, nil, wake)
		p.members[m.User] = m
	case m.clients == 0 && !bytes.Equal(m.Info, j.Member.Info):
		m.Info, m.changed = j.Member.Info, true
	}
	if m.clients++; m.clients == 1 {
		p.live++
		h.observer.Joined(ch.name, m.User)
	}
	p.clients[c] = m
	return nil
}

// part undoes join. The channel's lock is held.
func (h *Hub) part(ch *Channel, c *Client, wake *wakeups) {
	p := ch.presence
	if p == nil {
		return
	}
	m := p.clients[c]
	if m == nil {
		return
	}
	delete(p.clients, c)
	if m.clients--; m.clients > 0 {
		return
	}
	p.live--
	h.observer.Parted(ch.name, m.User)
	if m.telling == nil {
		h.tellLeave(ch, m, wake)
	}
}

// tellJoin tells all but x of a join. The channel's lock is held.
func (h *Hub) tellJoin(ch *Channel, m *membership, x *except, wake *wakeups) {
	if h.events == nil {
		return
	}
	t := new(Tracker)
	t.then = func() { h.joinTold(ch, m, t) }
	t.begin()
	h.put(ch, h.events.Join(ch.name, m.Member), x, &Options{Track: t}, wake)
	if !t.end() {
		m.telling = t
	}
}

// tellLeave forgets a member and tells of its leave. The channel's lock is held.
func (h *Hub) tellLeave(ch *Channel, m *membership, wake *wakeups) {
	delete(ch.presence.members, m.User)
	if h.events != nil {
		h.put(ch, h.events.Leave(ch.name, m.Member), nil, nil, wake)
	}
}

// joinTold is called when a join has reached everybody: what has happened to
// the member meanwhile can be told.
func (h *Hub) joinTold(ch *Channel, m *membership, t *Tracker) {
	var wake wakeups
	defer wake.submit(h)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if m.telling != t || ch.dead {
		return
	}
	m.telling = nil
	switch {
	case m.clients == 0:
		h.tellLeave(ch, m, &wake)
	case m.changed:
		// Its own clients know.
		m.changed = false
		x := new(except)
		for c, of := range ch.presence.clients {
			if of == m {
				x.clients = append(x.clients, c)
			}
		}
		h.put(ch, h.events.Leave(ch.name, m.Member), x, nil, &wake)
		h.tellJoin(ch, m, x, &wake)
	}
}

// told returns who is present as far as the subscribers have been told, in no
// order: what they are told next begins there. The channel's lock is held.
func (ch *Channel) told() []Member { return ch.list(func(*membership) bool { return true }) }

// list returns the members that f chooses. The channel's lock is held.
func (ch *Channel) list(f func(*membership) bool) []Member {
	if ch.presence == nil {
		return nil
	}
	list := make([]Member, 0, len(ch.presence.members))
	for _, m := range ch.presence.members {
		if f(m) {
			list = append(list, m.Member)
		}
	}
	return list
}

// sortMembers sorts a list by user id. It takes a while for a long one: no lock
// is held.
func sortMembers(list []Member) {
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(a.User, b.User) })
}

// Members returns who is in a presence channel, by user id; ok is false if it
// has no subscriber or is no presence channel.
func (h *Hub) Members(channel string) (list []Member, ok bool) {
	ch := h.channel(channel)
	if ch == nil {
		return nil, false
	}
	list, ok = ch.present()
	sortMembers(list)
	return list, ok
}

// Membership returns the user as which c is in a presence channel; ok is false if
// it is not.
func (h *Hub) Membership(c *Client, channel string) (user string, ok bool) {
	ch := h.channel(channel)
	if ch == nil {
		return "", false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.presence == nil || ch.presence.clients[c] == nil {
		return "", false
	}
	return ch.presence.clients[c].User, true
}

func (ch *Channel) present() ([]Member, bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.list(func(m *membership) bool { return m.clients > 0 }), ch.presence != nil && !ch.dead
}
