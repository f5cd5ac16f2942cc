package hub

// The guard word of a client orders acknowledgements and deliveries without a
// lock around either:
//
//   - A subscription adds 1<<32 under the shard's lock, together with its entry
//     in the channel's array, and 1 when its acknowledgement has been sent. A
//     worker that meets the entry in between waits until the halves are equal.
//   - An unsubscription adds both at once, with the removal of its entry, and
//     only then sends its acknowledgement. A delivery under way carries the word
//     as it was when the entry was read; the Sink compares it again at the last
//     moment, under the lock that the acknowledgement needs too.

const (
	guardBegun = 1 << 32
	guardDone  = 1
)

// settled reports whether no acknowledgement is on its way.
func settled(word uint64) bool { return uint32(word>>32) == uint32(word) }
