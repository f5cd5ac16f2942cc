//go:build !linux

package swarm

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// systemClock: processes on this system do not share Now.
func systemClock() int64 { return 0 }

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
	return prepared(fd, err)
}

// Sleep waits.
func Sleep(d time.Duration) { time.Sleep(d) }
