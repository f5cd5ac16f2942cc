package swarm

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// systemClock reads the clock that Now continues: a reading costs a system call,
// time.Since does not.
func systemClock() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return t.Nano()
}

// socket makes a TCP socket that does not block. If source is valid it will
// come from there, and from a port that is chosen when it connects: only then is
// it known what a port is free for.
func socket(target, source netip.Addr) (int, error) {
	fd, err := unix.Socket(family(target), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if source.IsValid() {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err == nil {
			err = unix.Bind(fd, address(netip.AddrPortFrom(source, 0)))
		}
	}
	return prepared(fd, err)
}

// Sleep waits, to within some 60 µs: Go's timers are late by a millisecond. It
// keeps a thread, so few should sleep so.
func Sleep(d time.Duration) {
	t := unix.NsecToTimespec(Now() + int64(d))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil) == unix.EINTR {
	}
}
