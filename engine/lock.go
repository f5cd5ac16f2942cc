package engine

import (
	"runtime"
	"sync/atomic"
)

// lockWord is a slot's lock and generation in one word, so that a handle is
// checked by the same instruction that takes the lock.
//
//	bit 0      locked
//	bit 1      closed: the descriptor must not be used any more; it stays set
//	           until the slot is issued again
//	bits 2-33  generation: how often the slot has been issued
//
// The lock is held for what does not block: a write, or the writes that empty a
// queue. While it is held only a loop's mailbox is locked.
type lockWord struct{ v atomic.Uint64 }

const (
	wordLocked = 1 << 0
	wordClosed = 1 << 1
	wordGen    = 1 << 2
)

// lock takes the lock of a slot that is still of generation gen and whose
// descriptor is open. It fails otherwise.
func (w *lockWord) lock(gen uint32) bool {
	free := uint64(gen) * wordGen
	if w.v.CompareAndSwap(free, free|wordLocked) {
		return true
	}
	return w.lockSlow(free, 0)
}

// lockAlways is lock for a slot whose descriptor may be closed already.
func (w *lockWord) lockAlways(gen uint32) bool {
	return w.lockSlow(uint64(gen)*wordGen, wordClosed)
}

func (w *lockWord) lockSlow(free, ignore uint64) bool {
	for spin := 1; ; spin++ {
		v := w.v.Load()
		if (v&^wordLocked)&^ignore != free {
			return false
		}
		if v&wordLocked == 0 && w.v.CompareAndSwap(v, v|wordLocked) {
			return true
		}
		if spin%32 == 0 {
			runtime.Gosched() // the holder may be waiting for this processor
		}
	}
}

// unlock gives the lock back. Only its holder may call it.
func (w *lockWord) unlock() { w.v.Store(w.v.Load() &^ wordLocked) }

// closeLocked marks the descriptor closed. Only the holder may call it.
func (w *lockWord) closeLocked() { w.v.Store(w.v.Load() | wordClosed) }

// issue opens a free slot and returns its generation. Only the loop may call
// it.
func (w *lockWord) issue() uint32 {
	v := w.v.Load() &^ wordClosed
	w.v.Store(v)
	return uint32(v / wordGen)
}

// retire ends the generation, after which no handle of it can lock again. Only
// the loop may call it, once the descriptor is closed.
func (w *lockWord) retire() {
	gen := w.gen()
	w.lockAlways(gen)
	w.v.Store(uint64(gen+1)*wordGen | wordClosed)
}

// gen returns the generation. It is stable for the loop; others know theirs.
func (w *lockWord) gen() uint32 { return uint32(w.v.Load() / wordGen) }
