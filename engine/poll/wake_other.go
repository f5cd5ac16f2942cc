//go:build !linux

package poll

import (
	"sync"
	"sync/atomic"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

// waker is a pipe whose reading end is registered like any other descriptor,
// so that its callback runs on the poller's goroutine, at most once a batch.
type waker struct {
	r, w   int
	op     *netpoll.FDOperator
	raised atomic.Bool // a wake-up is on its way

	mu     sync.Mutex // guards w against a write after close, when its number may be another's
	closed bool
}

func (w *waker) open(p *Poll, onWake func()) error {
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		return err
	}
	for _, fd := range ends {
		unix.CloseOnExec(fd)
		unix.SetNonblock(fd, true)
	}
	w.r, w.w = ends[0], ends[1]
	w.op = new(netpoll.FDOperator)
	p.Stamp(w.op, w.r)
	w.op.OnRead = func(netpoll.Poll) error {
		var sink [64]byte
		unix.Read(w.r, sink[:])
		w.raised.Store(false) // before onWake looks for work, so that none is missed
		onWake()
		return nil
	}
	if err := p.Control(w.op, netpoll.PollReadable); err != nil {
		w.close()
		return err
	}
	return nil
}

func (w *waker) wake() {
	if w.raised.Load() || w.raised.Swap(true) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		unix.Write(w.w, []byte{1})
	}
}

func (w *waker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	unix.Close(w.r)
	unix.Close(w.w)
}
