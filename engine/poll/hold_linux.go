package poll

import (
	"reflect"
	"syscall"
	"time"
	"unsafe"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

const (
	// holdWait is how long a wait that keeps the processor may last, in
	// milliseconds, the least that epoll_wait knows.
	holdWait = 1
	// holdLimit is how long such waits may follow each other. Others who want a
	// processor, the HTTP server for one, must not wait much longer than they
	// would for a goroutine that computes (10 ms, sysmon's time slice).
	holdLimit = 5 * time.Millisecond
)

// holder waits for events without giving up the processor (Go's P).
//
// When a goroutine waits in a system call, sysmon takes its processor away at
// the next look, 20 µs later, if no other is idle; the thread must then find
// one again, and sysmon, having found something to do, looks every 20 µs for
// the next millisecond. While connections come in thousands, each loop waits
// some ten microseconds at a time, and all this cost 13 % of the whole. A raw
// system call is not seen by sysmon. A stop of the world interrupts it by a
// signal, or waits for holdWait.
type holder struct {
	fd       int
	dispatch func([]unix.EpollEvent) bool // netpoll's
	events   []unix.EpollEvent
	wanted   bool
}

// open puts h around netpoll's Handler, which is, like Reset, a settable field.
// If it is not what is expected h does nothing, and TestHold fails.
func (h *holder) open(np netpoll.Poll) {
	v := reflect.ValueOf(np).Elem()
	fd, field := v.FieldByName("fd"), v.FieldByName("Handler")
	if !fd.IsValid() || !fd.CanInt() || !field.IsValid() || !field.CanSet() || !isHandler(field.Type()) {
		return
	}
	handler := (*func([]unix.EpollEvent) bool)(field.Addr().UnsafePointer())
	h.fd, h.dispatch, h.events = int(fd.Int()), *handler, make([]unix.EpollEvent, maxBatch)
	*handler = h.handle
}

// isHandler reports whether t is a function from a slice of the kernel's
// events, under whatever name, to a bool.
func isHandler(t reflect.Type) bool {
	return t.Kind() == reflect.Func && t.NumIn() == 1 && t.NumOut() == 1 && t.Out(0).Kind() == reflect.Bool &&
		t.In(0).Kind() == reflect.Slice && t.In(0).Elem().Kind() == reflect.Struct &&
		t.In(0).Elem().Size() == unsafe.Sizeof(unix.EpollEvent{})
}

// handle dispatches a batch, and others that come while holding is wanted.
func (h *holder) handle(events []unix.EpollEvent) (closed bool) {
	h.wanted = false
	closed = h.dispatch(events)
	if closed || !h.wanted {
		return closed
	}
	for start := time.Now(); h.wanted && time.Since(start) < holdLimit; {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(h.fd),
			uintptr(unsafe.Pointer(&h.events[0])), uintptr(len(h.events)), holdWait, 0, 0)
		if errno != 0 || n == 0 {
			return false // netpoll's own wait is next, and sees the error if there is one
		}
		h.wanted = false
		if h.dispatch(h.events[:n]) {
			return true
		}
	}
	return false
}
