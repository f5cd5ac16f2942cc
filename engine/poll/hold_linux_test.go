package poll

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

// A holding poller still lets others run: here there is one processor, and the
// one who sends the next byte needs it.
func TestHold(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p, err := Open(func() {})
	if err != nil {
		t.Fatal(err)
	}
	if p.hold.dispatch == nil {
		t.Fatal("netpoll's Handler is not what it was: see holder.open")
	}
	var batches, held atomic.Int64
	dispatch := p.hold.dispatch
	p.hold.dispatch = func(events []unix.EpollEvent) bool {
		batches.Add(1)
		if &events[0] == &p.hold.events[0] {
			held.Add(1)
		}
		return dispatch(events)
	}

	a, b := pair(t)
	defer unix.Close(a)
	defer unix.Close(b)
	var got atomic.Int64
	op := new(netpoll.FDOperator)
	op.OnRead = func(netpoll.Poll) error {
		p.Hold()
		if n, _ := unix.Read(a, make([]byte, 1)); n == 1 && got.Add(1)%2 == 1 {
			unix.Write(b, []byte{2}) // comes in the next batch, a held one
		}
		return nil
	}
	p.Stamp(op, a)
	if err := p.Control(op, netpoll.PollReadable); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run() }()
	for i := range int64(100) {
		unix.Write(b, []byte{1})
		soon(t, "a byte and what follows it were read", func() bool { return got.Load() == 2*i+2 })
	}
	if held.Load() < 50 { // some find the 5 ms over
		t.Errorf("%d of %d batches were held", held.Load(), batches.Load())
	}
	p.Close() // is noticed while it holds
	if err := <-done; err != nil {
		t.Error(err)
	}
}
