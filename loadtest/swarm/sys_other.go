//go:build !linux

package swarm

import (
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// systemClock: processes on this system do not share Now.
func systemClock() int64 { return 0 }

func sysRead(fd int, b []byte) (int, syscall.Errno) {
	n, err := unix.Read(fd, b)
	return max(n, 0), errnoOf(err)
}

func sysWrite(fd int, b []byte) (int, syscall.Errno) {
	n, err := unix.Write(fd, b)
	return max(n, 0), errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	errno, _ := err.(syscall.Errno)
	return errno
}

// socket makes a TCP socket that does not block and comes from source, if that
// is valid.
func socket(target, source netip.Addr) (int, error) {
	fd, err := unix.Socket(family(target), unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	err = unix.SetNonblock(fd, true)
	if err == nil && source.IsValid() {
		err = unix.Bind(fd, address(netip.AddrPortFrom(source, 0)))
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Sleep waits.
func Sleep(d time.Duration) { time.Sleep(d) }
