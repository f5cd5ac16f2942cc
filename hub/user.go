package hub

import "strings"

// User is an identity with one or more clients. The lock of its table guards
// it.
type User struct {
	id    string // fixed
	next  *User  // the table's
	first *Client
	more  *[]*Client // nil if first is the only one, as it mostly is
}

func (u *User) key() string  { return u.id }
func (u *User) link() **User { return &u.next }

// userTable returns the table that a user is in, or would be.
func (h *Hub) userTable(id string) (*table[User, *User], uint64) {
	hash := h.hash(id)
	return &h.users[hash%buckets], hash
}

func (h *Hub) addToUser(c *Client, id string) {
	t, hash := h.userTable(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.get(hash, id)
	switch {
	case u == nil:
		u = &User{id: strings.Clone(id), first: c}
		t.put(h.seed, hash, u)
		h.stats.users.Add(1)
		h.observer.Online(u.id)
	case u.more == nil:
		u.more = &[]*Client{c}
		c.inUser = 1
	default:
		*u.more = append(*u.more, c)
		c.inUser = uint32(len(*u.more))
	}
	c.user.Store(u)
}

func (h *Hub) removeFromUser(c *Client, u *User) {
	t, hash := h.userTable(u.id)
	t.mu.Lock()
	defer t.mu.Unlock()
	if u.more == nil {
		t.remove(h.seed, hash, u)
		h.stats.users.Add(-1)
		h.observer.Offline(u.id)
		return
	}
	// The last takes the place of the one that leaves.
	list := *u.more
	last := len(list) - 1
	moved := list[last]
	list[last] = nil
	if *u.more = list[:last]; last == 0 {
		u.more = nil
	}
	switch {
	case moved == c:
		return
	case c.inUser == 0:
		u.first = moved
	default:
		list[c.inUser-1] = moved
	}
	moved.inUser = c.inUser
}

// IsOnline reports whether a user has a client.
func (h *Hub) IsOnline(id string) bool {
	t, hash := h.userTable(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.get(hash, id) != nil
}

// UserClients returns the clients of a user, none if it has none. The slice is
// the caller's.
func (h *Hub) UserClients(id string) []*Client {
	t, hash := h.userTable(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.get(hash, id)
	switch {
	case u == nil:
		return nil
	case u.more == nil:
		return []*Client{u.first}
	}
	return append([]*Client{u.first}, *u.more...)
}
