package engine

import (
	"sync"

	"stentor/frame"
)

// outbox is what a connection could not send yet: references to frames, or to
// joined frames, in order. It exists only while something waits. The lock of
// its connection guards it.
type outbox struct {
	q     [][]byte // q[head:] waits
	head  int
	off   int // bytes of q[head] that are sent
	bytes int // unsent in all
}

var outboxes = sync.Pool{New: func() any { return new(outbox) }}

// push queues b, which must not change any more.
func (o *outbox) push(b []byte) {
	if o.head > 0 && len(o.q) == cap(o.q) {
		n := copy(o.q, o.q[o.head:])
		clear(o.q[n:])
		o.q, o.head = o.q[:n], 0
	}
	o.q = append(o.q, b)
	o.bytes += len(b)
}

// sent takes n bytes off the front.
func (o *outbox) sent(n int) {
	o.bytes -= n
	for n > 0 {
		rest := len(o.q[o.head]) - o.off
		if n < rest {
			o.off += n
			return
		}
		n -= rest
		o.q[o.head] = nil
		o.head++
		o.off = 0
	}
	if o.head == len(o.q) {
		o.q, o.head = o.q[:0], 0
	}
}

// entryCost is what keeping one more frame takes besides its bytes, about.
const entryCost = 64

// cost returns what counts against Config.QueueBytes. Memory is what it bounds.
func (o *outbox) cost() int { return o.bytes + entryCost*(len(o.q)-o.head) }

// cut drops all that waits but the rest of a frame that is partly sent, since
// whatever the peer gets next must begin at a frame. It returns the bytes that
// were dropped.
func (o *outbox) cut() (dropped int) {
	before := o.bytes
	var rest []byte
	if o.off > 0 {
		first := o.q[o.head]
		if end := frame.End(first, o.off-1); end > o.off {
			rest = first[:end]
		}
	}
	clear(o.q)
	o.q, o.head, o.bytes = o.q[:0], 0, 0
	if rest != nil {
		o.q, o.bytes = append(o.q, rest), len(rest)-o.off
	} else {
		o.off = 0
	}
	return before - o.bytes
}

// free gives an outbox back to the pool.
func (o *outbox) free() {
	clear(o.q[:cap(o.q)])
	if cap(o.q) > 64 {
		o.q = nil
	}
	*o = outbox{q: o.q[:0]}
	outboxes.Put(o)
}
