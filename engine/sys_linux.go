package engine

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pollHup is poll's name for a FIN from the peer.
const pollHup = unix.POLLRDHUP

// The calls below are made raw, like poll.Read and poll.Write.

// sysWritev writes the slices of q in order, without the first skip bytes.
func sysWritev(fd int, q [][]byte, skip int) (int, syscall.Errno) {
	var iov [16]syscall.Iovec
	n := 0
	for _, b := range q {
		b, skip = b[skip:], 0
		iov[n].Base = unsafe.SliceData(b)
		iov[n].SetLen(len(b))
		if n++; n == len(iov) {
			break
		}
	}
	for {
		sent, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&iov[0])), uintptr(n))
		if errno == 0 {
			return int(sent), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

// sysAccept takes the next connection, non-blocking and closed on exec.
func sysAccept(fd int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

// inheritOptions sets on a TCP listener what its connections shall inherit.
func inheritOptions(fd int, deadMillis int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	// Connections appear when their request has come, which halves the events of
	// a handshake. One that says nothing appears after about a second.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1)
	// A peer that never reads pins this much in the kernel, not megabytes.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat)
	// Sent bytes that nobody acknowledges for so long end the connection.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, deadMillis)
}

const notSentLowat = 16 << 10
