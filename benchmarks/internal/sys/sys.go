// Package sys makes the system calls of the floor server and of the client
// crowd bare, without telling Go's scheduler. Who uses it blocks its thread: it
// should be the only thing that its process does, run with
// GODEBUG=asyncpreemptoff=1 (the runtime's signals would interrupt a wait every
// 10 ms) and GOGC=off (a collection would wait for the thread).
package sys

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Environment is the variables that a process using this package should have.
var Environment = []string{"GODEBUG=asyncpreemptoff=1", "GOGC=off"}

// Epoll is an epoll instance and room for the events of one wait.
type Epoll struct {
	fd     int
	events []unix.EpollEvent
}

// NewEpoll makes an Epoll.
func NewEpoll() (*Epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &Epoll{fd: fd, events: make([]unix.EpollEvent, 1024)}, err
}

// Add watches fd for events. Wait reports it as token, in EpollEvent.Fd.
func (e *Epoll) Add(fd int, token int32, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: token}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(e.fd), unix.EPOLL_CTL_ADD, uintptr(fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Forever is the limit of a Wait that has none.
const Forever time.Duration = -1

// Wait returns what is ready, nothing when limit is over. The events are valid
// until the next call.
func (e *Epoll) Wait(limit time.Duration) ([]unix.EpollEvent, error) {
	deadline := Monotonic() + limit
	for {
		ms := int((limit + time.Millisecond - 1) / time.Millisecond)
		if limit == Forever {
			ms = -1
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd), uintptr(unsafe.Pointer(&e.events[0])),
			uintptr(len(e.events)), uintptr(ms), 0, 0)
		switch {
		case errno == 0:
			return e.events[:n], nil
		case errno != unix.EINTR:
			return nil, errno
		case limit != Forever:
			limit = max(0, deadline-Monotonic())
		}
	}
}

// Close closes the epoll instance.
func (e *Epoll) Close() { unix.Close(e.fd) }

// Read reads once. 0 without an error is the end.
func Read(fd int, b []byte) (int, error) {
	return once(unix.SYS_READ, fd, b)
}

// Write writes once.
func Write(fd int, b []byte) (int, error) {
	return once(unix.SYS_WRITE, fd, b)
}

func once(call uintptr, fd int, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Accept takes the next connection of a listener, non-blocking.
func Accept(fd int) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// Monotonic returns the system's monotonic clock, which is the same in all
// processes.
func Monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // Linux has it always
	}
	return time.Duration(ts.Nano())
}
