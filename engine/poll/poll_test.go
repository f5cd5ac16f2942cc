package poll

import (
	"fmt"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"

	"stentor/test/kit"
)

// start opens a poll and runs it until the test ends.
func start(t *testing.T, onWake func()) *Poll {
	t.Helper()
	p, err := Open(onWake)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run() }()
	t.Cleanup(func() {
		p.Close()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

// pair returns two connected sockets that do not block.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		unix.SetNonblock(fd, true)
	}
	return fds[0], fds[1]
}

// soon waits for a condition.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// The linked function must be netpoll's constructor: if an upgrade moves it,
// this fails, or the program does not link.
func TestOpenPollIsNetpolls(t *testing.T) {
	np, err := openPoll()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%T", np); got != "*netpoll.defaultPoll" {
		t.Errorf("openPoll returned a %s", got)
	}
	discard(np)
}

func TestReadEvents(t *testing.T) {
	a, b := pair(t)
	defer unix.Close(a)
	defer unix.Close(b)
	p := start(t, func() {})
	got := make(chan string, 10)
	op := new(netpoll.FDOperator)
	op.OnRead = func(netpoll.Poll) error {
		buf := make([]byte, 100)
		if n, _ := unix.Read(a, buf); n > 0 {
			got <- string(buf[:n])
		}
		return nil
	}
	p.Stamp(op, a)
	if err := p.Control(op, netpoll.PollReadable); err != nil {
		t.Fatal(err)
	}
	unix.Write(b, []byte("one"))
	if s := <-got; s != "one" {
		t.Errorf("read %q", s)
	}
	if err := p.Detach(op); err != nil {
		t.Error(err)
	}
	if err := p.Detach(op); err != nil {
		t.Errorf("second Detach: %v", err)
	}
}

// Every Wake is followed by a run of the callback, however many come at once.
func TestWake(t *testing.T) {
	var asked, seen atomic.Int64
	p := start(t, func() { seen.Store(asked.Load()) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				asked.Add(1)
				p.Wake()
			}
		})
	}
	wg.Wait()
	soon(t, "the callback saw the last Wake", func() bool { return seen.Load() == 8000 })
}

// A Wake that comes too late must not write to a descriptor that has got the
// number of the waker's since.
func TestWakeAfterClose(t *testing.T) {
	p, err := Open(func() {})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	var taken []int // whatever number was the waker's is among these
	for range 8 {
		a, b := pair(t)
		taken = append(taken, a, b)
	}
	p.waker.raised.Store(false)
	p.Wake()
	buf := make([]byte, 16)
	for _, fd := range taken {
		if n, err := unix.Read(fd, buf); err != unix.EAGAIN {
			t.Errorf("descriptor %d received %d bytes, %v", fd, n, err)
		}
	}
	for _, fd := range taken {
		unix.Close(fd)
	}
}

// While reads are paused, data raises no event, and a hang-up does.
func TestPauseResume(t *testing.T) {
	a, b := pair(t)
	defer unix.Close(a)
	var reads, hups atomic.Int64
	p := start(t, func() {})
	op := new(netpoll.FDOperator)
	op.OnRead = func(netpoll.Poll) error {
		reads.Add(1)
		buf := make([]byte, 100)
		unix.Read(a, buf)
		return nil
	}
	op.OnWrite = func(netpoll.Poll) error { return nil }
	op.OnHup = func(netpoll.Poll) error { hups.Add(1); return nil }
	p.Stamp(op, a)
	if err := p.Control(op, netpoll.PollReadable); err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(op); err != nil {
		t.Fatal(err)
	}
	unix.Write(b, []byte("held up"))
	// The poller handles this wake-up after the data: had it seen the data, the
	// callback would have run by then.
	turn(t, p)
	if n := reads.Load(); n != 0 {
		t.Errorf("%d read events while paused", n)
	}
	if err := p.Resume(op); err != nil {
		t.Fatal(err)
	}
	soon(t, "the data was read after Resume", func() bool { return reads.Load() == 1 })
	if err := p.Pause(op); err != nil {
		t.Fatal(err)
	}
	unix.Close(b)
	soon(t, "the hang-up was seen while paused", func() bool { return hups.Load() == 1 })
}

// turn waits until the poller has gone through whole batches.
func turn(t *testing.T, p *Poll) {
	t.Helper()
	for range 3 {
		a, b := pair(t)
		seen := make(chan struct{}, 1)
		op := new(netpoll.FDOperator)
		op.OnRead = func(netpoll.Poll) error {
			unix.Read(a, make([]byte, 1))
			seen <- struct{}{}
			return nil
		}
		p.Stamp(op, a)
		p.Control(op, netpoll.PollReadable)
		unix.Write(b, []byte{1})
		<-seen
		p.Detach(op)
		unix.Close(a)
		unix.Close(b)
	}
}

// Many sockets that are ready at once must not make the poller's table grow for
// good, nor lose an event.
func TestTableStaysSmall(t *testing.T) {
	np, err := openPoll()
	if err != nil {
		t.Fatal(err)
	}
	tame(np)
	field := reflect.ValueOf(np).Elem()
	if !field.FieldByName("Reset").IsValid() {
		t.Skip("this system's poller has a table of fixed size")
	}
	p := &Poll{Poll: np, blank: *np.Alloc()}
	if err := p.waker.open(p, func() {}); err != nil {
		t.Fatal(err)
	}
	const n = 3000
	var seen atomic.Int64
	ops := make([]netpoll.FDOperator, n)
	for i := range ops {
		a, b := pair(t)
		defer unix.Close(a)
		defer unix.Close(b)
		ops[i].OnRead = func(netpoll.Poll) error {
			unix.Read(a, make([]byte, 1))
			seen.Add(1)
			return nil
		}
		p.Stamp(&ops[i], a)
		if err := p.Control(&ops[i], netpoll.PollReadable); err != nil {
			t.Fatal(err)
		}
		unix.Write(b, []byte{1})
	}
	done := make(chan error, 1)
	go func() { done <- p.Run() }() // all are ready before the first wait
	soon(t, "every socket's event was dispatched", func() bool { return seen.Load() == n })
	p.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if size := field.FieldByName("size").Int(); size > maxBatch {
		t.Errorf("the table has %d events, want at most %d", size, maxBatch)
	}
	table := field.FieldByName("barriers")
	for i := range table.Len() {
		if c := table.Index(i).FieldByName("bs").Cap(); c != 0 {
			t.Fatalf("event %d has %d scatter-gather buffers", i, c)
		}
	}
}

// Stamping an operator again gives it a second life.
func TestStampAgain(t *testing.T) {
	p := start(t, func() {})
	var op netpoll.FDOperator
	var fd atomic.Int64
	got := make(chan byte, 1)
	op.OnRead = func(netpoll.Poll) error {
		buf := make([]byte, 1)
		unix.Read(int(fd.Load()), buf)
		got <- buf[0]
		return nil
	}
	for life := range 3 {
		a, b := pair(t)
		fd.Store(int64(a))
		p.Stamp(&op, a)
		if err := p.Control(&op, netpoll.PollReadable); err != nil {
			t.Fatal(err)
		}
		unix.Write(b, []byte{byte(life)})
		if x := <-got; int(x) != life {
			t.Errorf("life %d read %d", life, x)
		}
		if err := p.Detach(&op); err != nil {
			t.Fatal(err)
		}
		turn(t, p)
		unix.Close(a)
		unix.Close(b)
	}
}

func TestMain(m *testing.M) { os.Exit(kit.Main(m)) }
