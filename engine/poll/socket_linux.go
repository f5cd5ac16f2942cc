package poll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are made raw, without telling the scheduler: the descriptors
// never block, and the notice costs a fifth of a small write. Whoever makes
// many in a row has to yield now and then. And they are the calls for sockets:
// read(2) and write(2) come to the same through the checks of a file.

// Read reads from a socket that does not block. Any goroutine may call it.
func Read(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

// Write writes to a socket that does not block, and returns EPIPE, without a
// signal, if the peer has gone. Any goroutine may call it.
func Write(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
