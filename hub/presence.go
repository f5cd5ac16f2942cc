package hub

import "sort"

// Member is a user in a presence channel.
type Member struct {
	User string
	Info []byte // JSON that describes the user, passed on as it is; may be nil
}

// presence is who is in a presence channel, by user. The channel's lock guards
// it.
type presence struct {
	members map[string]*membership
	clients map[*Client]*membership
}

type membership struct {
	Member
	clients int // subscriptions of the user
}

// join makes c's subscription one of a member's, and tells the others if it is
// the member's first. The channel's lock is held.
func (h *Hub) join(ch *Channel, c *Client, j *Join, wake *wakeups) error {
	if ch.presence == nil {
		ch.presence = &presence{members: make(map[string]*membership), clients: make(map[*Client]*membership)}
	}
	p := ch.presence
	m := p.members[j.Member.User]
	if m == nil {
		if j.Max > 0 && len(p.members) >= j.Max {
			return ErrPresenceFull
		}
		m = &membership{Member: j.Member}
		p.members[j.Member.User] = m
		if h.events != nil {
			h.put(ch, h.events.Join(ch.name, m.Member), nil, nil, wake)
		}
	}
	m.clients++
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
	delete(p.members, m.User)
	if h.events != nil {
		h.put(ch, h.events.Leave(ch.name, m.Member), nil, nil, wake)
	}
}

// members returns who is present, by user id. The channel's lock is held.
func (ch *Channel) members() []Member {
	if ch.presence == nil {
		return nil
	}
	list := make([]Member, 0, len(ch.presence.members))
	for _, m := range ch.presence.members {
		list = append(list, m.Member)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].User < list[j].User })
	return list
}

// Members returns who is in a presence channel, by user id; ok is false if it
// has no subscriber or is no presence channel.
func (h *Hub) Members(channel string) (list []Member, ok bool) {
	ch := h.channel(channel)
	if ch == nil {
		return nil, false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.members(), ch.presence != nil && !ch.dead
}
