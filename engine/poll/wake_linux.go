package poll

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

// waker is an eventfd whose operator is registered like any other, so that its
// callback runs on the poller's goroutine, at most once a batch.
type waker struct {
	fd     int
	op     *netpoll.FDOperator
	raised atomic.Bool // a wake-up is on its way

	mu     sync.Mutex // guards fd against a write after close, when its number may be another's
	closed bool
}

func (w *waker) open(p *Poll, onWake func()) error {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	w.fd = fd
	w.op = new(netpoll.FDOperator)
	p.Stamp(w.op, fd)
	w.op.OnRead = func(netpoll.Poll) error {
		var count uint64
		unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&count)), 8)
		w.raised.Store(false) // before onWake looks for work, so that none is missed
		onWake()
		return nil
	}
	if err := p.Control(w.op, netpoll.PollReadable); err != nil {
		unix.Close(fd)
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
	if w.closed {
		return
	}
	one := uint64(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(w.fd), uintptr(unsafe.Pointer(&one)), 8)
}

func (w *waker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	unix.Close(w.fd)
}
