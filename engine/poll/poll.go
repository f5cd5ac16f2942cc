package poll

import (
	"fmt"

	"github.com/cloudwego/netpoll"
)

// maxBatch bounds the events that one system call fetches. A batch that is
// full is followed by another at once, so nothing is lost by a bound; it keeps
// the time between two wake-ups of a loop short.
const maxBatch = 512

// Poll is one netpoll poller with a wake-up of its own. All methods but Wake
// and Control belong to the goroutine in Run, or to the time before Run.
type Poll struct {
	netpoll.Poll

	blank netpoll.FDOperator // an unused operator of this poller, to copy from
	waker waker
	hold  holder
}

// Open makes a poller. onWake runs on the goroutine in Run once for every
// batch of events in which one or more Wake calls have arrived; it must not
// block. An error is the system's, descriptors having run out for example.
func Open(onWake func()) (*Poll, error) {
	np, err := openPoll()
	if err != nil {
		return nil, fmt.Errorf("poll: open: %w", err)
	}
	tame(np)
	p := &Poll{Poll: np, blank: *np.Alloc()}
	p.hold.open(np)
	if err := p.waker.open(p, onWake); err != nil {
		discard(np)
		return nil, fmt.Errorf("poll: open wake-up: %w", err)
	}
	return p, nil
}

// Run dispatches events until Close. It is to be called once, on a goroutine
// of its own. The error is that of the system's wait call, nil after Close.
func (p *Poll) Run() error {
	err := p.Poll.Wait()
	p.waker.close()
	return err
}

// Wake makes onWake run soon on the goroutine in Run. Any goroutine may call
// it at any time; after Run has returned it does nothing. Calls that arrive
// before onWake starts share one run of it, and all but the first of them cost
// no system call.
func (p *Poll) Wake() { p.waker.wake() }

// Hold says, in a callback, that more events are expected within microseconds:
// when this batch is dispatched, the goroutine in Run waits for the next one
// without letting others have its processor, for a millisecond, and again if
// that batch says so, for some milliseconds in all. This pays where events come
// fast one after another, and costs those who wait for a processor.
func (p *Poll) Hold() { p.hold.wanted = true }

// Stamp makes op, in memory of the caller's, an unused operator of p for fd.
// Callbacks in op are kept. The operator must not be registered, and no event
// of its last life may be pending: events of one batch are fetched before the
// first is dispatched, so reuse has to wait for the next batch. After Stamp,
// Control(op, netpoll.PollReadable) registers it.
//
// An operator stamped so is never freed with Free, because netpoll's operator
// cache does not know it.
func (p *Poll) Stamp(op *netpoll.FDOperator, fd int) {
	read, write, hup := op.OnRead, op.OnWrite, op.OnHup
	*op = p.blank
	op.FD = fd
	op.OnRead, op.OnWrite, op.OnHup = read, write, hup
}

// Detach removes op from p for the rest of op's life. A second call, or one
// after netpoll has detached op on a hang-up, does nothing.
func (p *Poll) Detach(op *netpoll.FDOperator) error {
	return op.Control(netpoll.PollDetach)
}

// Pause stops read events of op. What remains registered, edge-triggered, is
// writability (OnWrite must be set, and is called once soon) and hang-up.
// It must not be called from a callback of op itself.
func (p *Poll) Pause(op *netpoll.FDOperator) error {
	// There is no modifying event for this: take it out, past the once-only
	// guard of op.Control, and add it again as a dialer would.
	if err := p.Control(op, netpoll.PollDetach); err != nil {
		return err
	}
	return p.Control(op, netpoll.PollWritable)
}

// Resume undoes Pause. It must not be called from a callback of op itself.
func (p *Poll) Resume(op *netpoll.FDOperator) error {
	if err := p.Control(op, netpoll.PollDetach); err != nil {
		return err
	}
	return p.Control(op, netpoll.PollReadable)
}

// discard closes a poller that never ran: only a running Wait frees it.
func discard(np netpoll.Poll) {
	if np.Close() == nil {
		np.Wait()
	}
}
