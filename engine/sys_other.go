//go:build !linux

package engine

import (
	"syscall"

	"golang.org/x/sys/unix"

	"stentor/engine/poll"
)

// pollHup is as near as poll comes to a FIN from the peer.
const pollHup = unix.POLLHUP

// sysWritev writes the first slice of q, without its first skip bytes.
func sysWritev(fd int, q [][]byte, skip int) (int, syscall.Errno) {
	return poll.Write(fd, q[0][skip:])
}

// sysAccept takes the next connection, non-blocking and closed on exec.
func sysAccept(fd int) (int, syscall.Errno) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, _, err := unix.Accept(fd)
	if err != nil {
		return -1, poll.ErrnoOf(err)
	}
	unix.CloseOnExec(n)
	if err := unix.SetNonblock(n, true); err != nil {
		unix.Close(n)
		return -1, poll.ErrnoOf(err)
	}
	return n, 0
}

// inheritOptions sets on a TCP listener what its connections shall inherit.
func inheritOptions(fd int, _ int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}
