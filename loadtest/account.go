package loadtest

import (
	"math/bits"
	"slices"
)

// account is what one client has received of its stream: sequence numbers from
// 1, without a gap. As long as they come in order it is two numbers; the rest
// is kept only from the first fault on.
type account struct {
	next   uint32 // the number that comes next if nothing goes wrong; 0 is 1
	faults *faults
}

// faults is the exact account of a client for which something went wrong.
type faults struct {
	first     uint32   // the number that bit 0 of seen stands for
	seen      []uint64 // of the numbers from first on
	corrupted uint32
	away      []span // what was sent while the client was away
}

// span is the numbers from one on, before another.
type span struct{ from, to uint32 }

// arrival is how a message came.
type arrival uint8

const (
	inOrder arrival = iota
	early           // after a gap: what is in it may still come
	late            // after a later one, for the first time
	again           // it had come before
)

func (a *account) expected() uint32 { return max(a.next, 1) }

// arrived takes a whole message's number, which is 1 at least.
func (a *account) arrived(seq uint32) arrival {
	next := a.expected()
	switch {
	case seq == next:
		a.next = seq + 1
		if a.faults != nil {
			a.faults.mark(seq)
		}
		return inOrder
	case seq > next:
		if a.faults == nil {
			a.faults = &faults{first: next}
		}
		if a.faults.first == 0 {
			a.faults.first = next
		}
		a.faults.mark(seq)
		a.next = seq + 1
		return early
	case a.faults != nil && a.faults.recover(seq):
		return late
	case a.faults == nil || a.faults.first == 0 || a.faults.has(seq):
		return again
	default:
		a.faults.mark(seq)
		return late
	}
}

func (f *faults) mark(seq uint32) {
	if f.first == 0 || seq < f.first {
		return
	}
	i := seq - f.first
	for int(i/64) >= len(f.seen) {
		f.seen = append(f.seen, 0)
	}
	f.seen[i/64] |= 1 << (i % 64)
}

func (f *faults) has(seq uint32) bool {
	if seq < f.first {
		return true // all before the first gap have come
	}
	i := seq - f.first
	return int(i/64) < len(f.seen) && f.seen[i/64]>>(i%64)&1 == 1
}

// spoiled notes a message that came corrupted: which one it was nobody knows.
func (a *account) spoiled() {
	if a.faults == nil {
		a.faults = new(faults)
	}
	a.faults.corrupted++
}

// skip goes on at seq, because the client was away when what is before it was
// sent.
func (a *account) skip(seq uint32) {
	next := a.expected()
	if seq <= next {
		return
	}
	if a.faults == nil {
		a.faults = new(faults)
	}
	for s := next; a.faults.first != 0 && s < seq; s++ {
		a.faults.mark(s)
	}
	a.faults.away = append(a.faults.away, span{next, seq})
	a.next = seq
}

// recover reports whether a number was sent while the client was away and has
// not come since, and notes that it has: a server with a history sends it late.
func (f *faults) recover(seq uint32) bool {
	for i, s := range f.away {
		if seq < s.from || seq >= s.to {
			continue
		}
		f.away = slices.Replace(f.away, i, i+1, span{s.from, seq}, span{seq + 1, s.to})
		return true
	}
	return false
}

// missed returns how many numbers were skipped, but for those that were never
// sent, which are in order.
func (a *account) missed(unsent []uint32) (n int64) {
	if a.faults == nil {
		return 0
	}
	for _, s := range a.faults.away {
		from, _ := slices.BinarySearch(unsent, s.from)
		to, _ := slices.BinarySearch(unsent, s.to)
		n += int64(s.to-s.from) - int64(to-from)
	}
	return n
}

// missing returns how many of the numbers from 1 to last have not come, but for
// some that were never sent.
func (a *account) missing(last uint32, unsent []uint32) (n int64) {
	next := a.expected()
	if last >= next {
		n = int64(last - next + 1)
	}
	f := a.faults
	if f != nil && f.first != 0 {
		span := int64(next - f.first)
		if last < next-1 {
			span = max(0, int64(last)-int64(f.first)+1)
		}
		n += span - f.count(span)
	}
	for _, s := range unsent {
		if s <= last && (s >= next || f != nil && f.first != 0 && !f.has(s)) {
			n--
		}
	}
	return n
}

// count returns how many of the first n numbers have come.
func (f *faults) count(n int64) (sum int64) {
	for i, w := range f.seen {
		rest := n - int64(i)*64
		if rest <= 0 {
			break
		}
		if rest < 64 {
			w &= 1<<rest - 1
		}
		sum += int64(bits.OnesCount64(w))
	}
	return sum
}

// lost returns how many messages never came: what is missing, but for as many as
// came corrupted.
func (a *account) lost(last uint32, unsent []uint32) int64 {
	n := a.missing(last, unsent)
	if a.faults != nil {
		n -= min(n, int64(a.faults.corrupted))
	}
	return n
}
