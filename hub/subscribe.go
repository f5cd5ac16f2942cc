package hub

// Subscribed is what a subscription has found.
type Subscribed struct {
	// Again says that the client was subscribed already: nothing has changed.
	Again bool
	// Offset is the sequence number of the channel's last publication before
	// the subscription. The client receives those after it.
	Offset uint64
	// Members is who is present in a presence channel, the client's own user
	// included.
	Members []Member
}

// Join asks for membership with a subscription to a presence channel.
type Join struct {
	Member Member
	Max    int // members that the channel may have; 0 is no limit
}

// Subscribe subscribes c to a channel. join is nil for one without presence.
// acknowledge is called, if there is no error, once the subscription is in
// effect and before the first publication is delivered: what it sends to the
// client comes before them. It must not block.
//
// The errors are ErrGone and ErrPresenceFull.
func (h *Hub) Subscribe(c *Client, channel string, join *Join, acknowledge func(Subscribed)) error {
	done, err := h.subscribe(c, channel, join)
	if err != nil {
		return err
	}
	defer c.guard.Add(guardDone)
	sortMembers(done.Members)
	acknowledge(done)
	return nil
}

// subscribe makes the subscription and leaves the guard's halves unequal.
func (h *Hub) subscribe(c *Client, name string, join *Join) (Subscribed, error) {
	var wake wakeups
	defer wake.submit(h)
	ch := h.open(name)
	defer ch.mu.Unlock()
	defer h.closeIfEmpty(ch)

	s := c.shard
	s.mu.Lock()
	gone, again := c.gone, c.find(ch) >= 0
	if again && !gone {
		c.guard.Add(guardBegun)
	}
	s.mu.Unlock()
	if gone {
		return Subscribed{}, ErrGone
	}
	if again { // it stays so: whoever subscribes holds the channel's lock
		return Subscribed{Again: true, Offset: ch.seq, Members: ch.told()}, nil
	}
	if !ch.occupied {
		ch.occupied = true
		h.observer.Occupied(ch.name)
	}
	var bits uint32
	if join != nil {
		// Others hear of a new member before it hears anything: its entry is
		// not there yet.
		if err := h.join(ch, c, join, &wake); err != nil {
			return Subscribed{}, err
		}
		bits = subPresence
	}
	s.mu.Lock()
	if c.gone { // meanwhile
		s.mu.Unlock()
		if join != nil {
			h.part(ch, c, &wake)
		}
		return Subscribed{}, ErrGone
	}
	c.enter(ch.rosterIn(s), bits)
	c.guard.Add(guardBegun)
	n := ch.n.Add(1)
	s.stats.subscriptions.Add(1)
	s.mu.Unlock()
	h.observer.Counted(ch.name, int(n))
	return Subscribed{Offset: ch.seq, Members: ch.told()}, nil
}

// Unsubscribe ends a subscription, and reports whether there was one. When it
// returns, nothing of the channel is sent to c any more, so the caller may
// acknowledge.
func (h *Hub) Unsubscribe(c *Client, channel string) bool {
	ch := h.channel(channel)
	if ch == nil {
		return false
	}
	c.shard.mu.Lock()
	i := c.find(ch)
	var r *roster
	var bits uint32
	if i >= 0 {
		sb := c.sub(i)
		r, bits = sb.roster, sb.bits
	}
	c.shard.mu.Unlock()
	return r != nil && h.leave(c, r, bits)
}

// leave ends a subscription, and reports whether it was still there.
func (h *Hub) leave(c *Client, r *roster, bits uint32) bool {
	ch := r.channel
	var wake wakeups
	member := bits&subPresence != 0
	if member { // the order of joins and leaves is the channel's
		ch.mu.Lock()
		defer wake.submit(h)
		defer ch.mu.Unlock()
	}
	s := c.shard
	s.mu.Lock()
	i := c.find(ch)
	if i < 0 {
		s.mu.Unlock()
		return false
	}
	c.leave(i)
	c.guard.Add(guardBegun | guardDone)
	s.stats.subscriptions.Add(-1)
	s.mu.Unlock()
	if member {
		h.part(ch, c, &wake)
	}
	n := ch.n.Add(-1)
	h.observer.Counted(ch.name, int(n))
	if n > 0 {
		return true
	}
	if !member {
		ch.mu.Lock()
		defer ch.mu.Unlock()
	}
	h.closeIfEmpty(ch)
	return true
}

// Subscriptions returns the names of the channels that c is subscribed to.
func (c *Client) Subscriptions() []string {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	names := make([]string, c.subs())
	for i := range names {
		names[i] = c.sub(i).roster.channel.name
	}
	return names
}

// SubscriptionCount returns the number of channels that c is subscribed to.
func (c *Client) SubscriptionCount() int {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.subs()
}

// Subscribed reports whether c is subscribed to a channel.
func (h *Hub) Subscribed(c *Client, channel string) bool {
	ch := h.channel(channel)
	if ch == nil {
		return false
	}
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.find(ch) >= 0
}

// The methods below belong to the shard: its lock is held.

// subs returns the number of subscriptions.
func (c *Client) subs() int {
	if c.first.roster == nil {
		return 0
	}
	if c.extra == nil {
		return 1
	}
	return 1 + len(c.extra.more)
}

func (c *Client) sub(i int) *sub {
	if i == 0 {
		return &c.first
	}
	return &c.extra.more[i-1]
}

// find returns the place of the subscription to ch, -1 if there is none.
func (c *Client) find(ch *Channel) int {
	if c.extra == nil || c.extra.index == nil {
		for i := range c.subs() {
			if c.sub(i).roster.channel == ch {
				return i
			}
		}
		return -1
	}
	if c.first.roster != nil && c.first.roster.channel == ch {
		return 0
	}
	if i, ok := c.extra.index[ch]; ok {
		return i
	}
	return -1
}

// enter adds an entry for c to r, and the subscription to c.
func (c *Client) enter(r *roster, bits uint32) {
	i := c.subs()
	sb := sub{roster: r, pos: uint32(len(r.entries)), bits: bits}
	if i == 0 {
		c.first = sb
	} else {
		x := c.needExtra()
		x.more = append(x.more, sb)
		switch {
		case x.index != nil:
			x.index[r.channel] = i
		case i >= indexFrom:
			x.index = make(map[*Channel]int, 2*indexFrom)
			for j := range x.more {
				x.index[x.more[j].roster.channel] = j + 1
			}
		}
	}
	r.entries = append(r.entries, entry{client: c, since: r.seq, sub: uint32(i)})
}

// leave removes subscription i: the last entry of the roster and the last
// subscription of the client take the freed places.
func (c *Client) leave(i int) {
	gone := *c.sub(i)
	r := gone.roster
	last := len(r.entries) - 1
	if moved := r.entries[last]; int(gone.pos) != last {
		r.entries[gone.pos] = moved
		moved.client.sub(moved.place()).pos = gone.pos
	}
	r.entries[last] = entry{}
	r.entries = r.entries[:last]
	r.shrink()

	end := c.subs() - 1
	moved := *c.sub(end)
	*c.sub(end) = sub{}
	if end != i {
		*c.sub(i) = moved
		moved.roster.entries[moved.pos].move(i)
	}
	if x := c.extra; x != nil {
		if end > 0 {
			x.more = x.more[:end-1]
		}
		if x.index != nil {
			delete(x.index, gone.roster.channel)
			delete(x.index, moved.roster.channel)
			if end != i && i > 0 {
				x.index[moved.roster.channel] = i
			}
		}
		if len(x.more) == 0 {
			x.more, x.index = nil, nil
		}
		c.dropExtra()
	}
}

func (c *Client) needExtra() *extra {
	if c.extra == nil {
		c.extra = new(extra)
	}
	return c.extra
}

// dropExtra gives memory back that is not needed any more.
func (c *Client) dropExtra() {
	if x := c.extra; x != nil && len(x.more) == 0 && x.direct == nil {
		c.extra = nil
	}
}

// shrink gives memory back when an array has become much too large.
func (r *roster) shrink() {
	if n := len(r.entries); cap(r.entries) > 64 && n < cap(r.entries)/4 {
		r.entries = append(make([]entry, 0, 2*n), r.entries...)
	}
}

// lastSub returns the client's last subscription, nil if it has none.
func (c *Client) lastSub() (*roster, uint32) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	n := c.subs()
	if n == 0 {
		return nil, 0
	}
	sb := c.sub(n - 1)
	return sb.roster, sb.bits
}
