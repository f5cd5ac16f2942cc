package hub

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// The table does what a map does.
func TestTable(t *testing.T) {
	var table table[User, *User]
	seed := maphash.MakeSeed()
	rng := rand.New(rand.NewPCG(1, 1))
	want := map[string]*User{}
	step := func(i int, grow bool) {
		name := fmt.Sprint("user-", rng.IntN(3000))
		hash := maphash.String(seed, name)
		u := table.get(hash, name)
		if u != want[name] {
			t.Fatalf("step %d: get %s", i, name)
		}
		switch {
		case u == nil && (grow || rng.IntN(4) == 0):
			u = &User{id: name}
			table.put(seed, hash, u)
			want[name] = u
		case u != nil && (!grow || rng.IntN(4) == 0):
			table.remove(seed, hash, u)
			delete(want, name)
		}
		if table.n != len(want) {
			t.Fatalf("step %d: %d things, want %d", i, table.n, len(want))
		}
	}
	for i := range 20000 {
		step(i, i < 10000)
		if i == 10000 && len(table.slots) < 1024 {
			t.Errorf("%d slots for %d things", len(table.slots), table.n)
		}
	}
	seen := 0
	table.all(func(u *User) bool {
		seen++
		if want[u.id] != u {
			t.Errorf("%s is in the table", u.id)
		}
		return true
	})
	if seen != len(want) {
		t.Errorf("%d things were listed, want %d", seen, len(want))
	}
	for name, u := range want {
		table.remove(seed, maphash.String(seed, name), u)
	}
	if len(table.slots) > 2*minSlots || table.n != 0 {
		t.Errorf("%d slots for nothing", len(table.slots))
	}
}

// Sequence numbers have 32 bits and wrap.
func TestBatchFrom(t *testing.T) {
	for _, c := range []struct {
		last, since uint32
		posts, want int
	}{
		{10, 9, 1, 0},
		{10, 10, 1, 1},
		{10, 11, 1, 1}, // subscribed after a batch that is still waiting
		{10, 7, 5, 2},
		{10, 0, 3, 0},
		{2, ^uint32(0), 3, 0},     // the batch is 0, 1, 2
		{2, 0, 3, 1},              // and of those 1 and 2 are new
		{^uint32(0), 3, 2, 2},     // since is after the wrap
		{5, ^uint32(0) - 1, 4, 0}, // far behind
	} {
		b := &batch{last: c.last, posts: make([]*post, c.posts)}
		if got := b.from(c.since); got != c.want {
			t.Errorf("last %d, since %d, %d posts: from %d, want %d", c.last, c.since, c.posts, got, c.want)
		}
	}
}

// Offsets go on where 32 bits end.
func TestSequenceWraps(t *testing.T) {
	h := newTest(t, Config{Shards: 1})
	s := join(h, "")
	s.subscribe(t, h, "c")
	ch := h.channel("c")
	ch.seq = 1<<32 - 3
	ch.rosters[0].seq = 1<<32 - 3
	ch.rosters[0].entries[0].since = 1<<32 - 3
	late := join(h, "")
	for i := range 6 {
		if i == 3 {
			late.subscribe(t, h, "c")
		}
		h.Publish("c", text("x"), nil)
		settle(t, h)
	}
	if got := numbers(t, s.text()); len(got) != 6 || !consecutive(got, 1<<32-2) {
		t.Errorf("received %v", got)
	}
	if got := numbers(t, late.text()); len(got) != 3 || !consecutive(got, 1<<32+1) {
		t.Errorf("the late one received %v", got)
	}
}

func TestLatency(t *testing.T) {
	var l latency
	l.observe(0, 3)
	l.observe(LatencyBounds[0], 1)
	l.observe(LatencyBounds[0]+1, 2)
	l.observe(time.Hour, 1)
	var h Histogram
	l.addTo(&h)
	l.addTo(&h)
	if h.Counts[0] != 8 || h.Counts[1] != 4 || h.Counts[len(LatencyBounds)] != 2 {
		t.Errorf("%v", h.Counts)
	}
	if h.Sum != 2*(3*LatencyBounds[0]+2+time.Hour) {
		t.Errorf("sum %v", h.Sum)
	}
}

// What each idle client, user and channel costs is a budget: a field more is to
// be a decision. The numbers are for 64 bits.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the numbers are for 64 bits")
	}
	for _, c := range []struct {
		name      string
		size, max uintptr
	}{
		{"Client", unsafe.Sizeof(Client{}), 88},
		{"User", unsafe.Sizeof(User{}), 48},
		{"Channel", unsafe.Sizeof(Channel{}), 80},
		{"roster", unsafe.Sizeof(roster{}), 64},
		{"entry", unsafe.Sizeof(entry{}), 16},
	} {
		if c.size > c.max {
			t.Errorf("a %s takes %d bytes, more than %d", c.name, c.size, c.max)
		}
	}
}
