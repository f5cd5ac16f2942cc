//go:build !linux

package poll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrnoOf returns the system's number of an error of a system call, 0 for none.
func ErrnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return syscall.EIO
}

// Read reads from a socket that does not block. Any goroutine may call it.
func Read(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return max(n, 0), ErrnoOf(err)
		}
	}
}

// Write writes to a socket that does not block. Any goroutine may call it.
func Write(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, err := unix.Write(fd, b)
		if err != unix.EINTR {
			return max(n, 0), ErrnoOf(err)
		}
	}
}
