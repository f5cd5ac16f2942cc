package hub

import (
	"hash/maphash"
	"sync"
)

// table is a hash table of things that carry their own name and link: 8 to 16
// bytes a thing, where a map from string to pointer takes about 40. It is a
// part of the channels or users; mu guards it, the links included.
type table[T any, P named[T]] struct {
	mu    sync.Mutex
	slots []*T // a power of two
	n     int
}

// named is a pointer to something that can be in a table.
type named[T any] interface {
	*T
	key() string // never changes
	link() **T   // the next in the same slot; the table's
}

const minSlots = 8

// get finds a thing by name, nil if it is not there. mu is held.
func (t *table[T, P]) get(hash uint64, name string) *T {
	if t.slots == nil {
		return nil
	}
	x := *t.slot(hash)
	for x != nil && P(x).key() != name {
		x = *P(x).link()
	}
	return x
}

// put adds a thing that is not there. mu is held.
func (t *table[T, P]) put(seed maphash.Seed, hash uint64, x *T) {
	if t.n >= len(t.slots) {
		t.resize(seed, max(minSlots, 2*len(t.slots)))
	}
	slot := t.slot(hash)
	*P(x).link() = *slot
	*slot = x
	t.n++
}

// remove takes out x, which is there. mu is held.
func (t *table[T, P]) remove(seed maphash.Seed, hash uint64, x *T) {
	p := t.slot(hash)
	for *p != x {
		p = P(*p).link()
	}
	*p = *P(x).link()
	*P(x).link() = nil
	t.n--
	if n := len(t.slots); n > minSlots && t.n < n/8 {
		t.resize(seed, n/4)
	}
}

// all calls f for each thing, until f returns false. mu is held.
func (t *table[T, P]) all(f func(x *T) bool) {
	for _, x := range t.slots {
		for ; x != nil; x = *P(x).link() {
			if !f(x) {
				return
			}
		}
	}
}

func (t *table[T, P]) slot(hash uint64) **T {
	// The low bits have chosen the table.
	return &t.slots[hash/buckets&uint64(len(t.slots)-1)]
}

func (t *table[T, P]) resize(seed maphash.Seed, n int) {
	old := t.slots
	t.slots = make([]*T, n)
	for _, x := range old {
		for x != nil {
			next := *P(x).link()
			slot := t.slot(maphash.String(seed, P(x).key()))
			*P(x).link() = *slot
			*slot = x
			x = next
		}
	}
}
