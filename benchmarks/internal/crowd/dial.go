package crowd

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"stentor/benchmarks/internal/sys"
	"stentor/benchmarks/internal/wire"
)

// inFlight is the number of handshakes that are under way at once.
const inFlight = 512

// Sources is the number of loopback addresses that the clients come from. One
// alone would spend itself in looking for free ports.
const Sources = 8

// source returns the address of a connection: 127.0.1.1 and so on.
func source(number int) unix.SockaddrInet4 {
	return unix.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + number%Sources)}}
}

// CanBind tells whether the addresses that clients come from can be used.
func CanBind() error {
	for i := range Sources {
		fd, err := bound(i)
		if err != nil {
			return err
		}
		unix.Close(fd)
	}
	return nil
}

// bound makes a socket that will come from a connection's source address, and
// from a port that is chosen when it connects.
func bound(number int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	sa := source(number)
	if err := unix.Bind(fd, &sa); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind to 127.0.1.%d: %w", sa.Addr[3], err)
	}
	return fd, nil
}

// dial opens n connections and completes their handshakes. It returns when the
// last 101 has come.
func (c *crowd) dial(address string, n int, path string) (time.Duration, error) {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	if len(c.conns) > 0 {
		return 0, errors.New("there are connections already")
	}
	c.conns = make([]conn, 0, n)
	done := 0
	more := func() error {
		for len(c.conns) < n && len(c.conns)-done < inFlight {
			if err := c.connect(target, path); err != nil {
				return fmt.Errorf("connection %d: %w", len(c.conns), err)
			}
		}
		return nil
	}
	if err := more(); err != nil {
		return 0, err
	}
	err = c.events(
		func() bool { return done == n },
		func(_ int, cn *conn) error {
			opened, err := c.greeted(cn)
			if !opened || err != nil {
				return err
			}
			done++
			return more()
		},
		func() string { return fmt.Sprintf("%d of %d handshakes are done", done, n) })
	return sys.Monotonic(), err
}

// connect opens a connection and sends its handshake.
func (c *crowd) connect(target netip.AddrPort, path string) error {
	number := len(c.conns)
	fd, err := bound(number)
	if err != nil {
		return err
	}
	c.conns = append(c.conns, conn{fd: fd})
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(target.Port()), Addr: target.Addr().As4()}); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	c.request = wire.AppendRequest(c.request[:0], target.String(), wire.Number(path, number))
	if err := send(&c.conns[number], c.request); err != nil {
		return err
	}
	return c.epoll.Add(fd, int32(number), unix.EPOLLIN)
}

// greeted reads for a connection while others dial, and reports whether its
// handshake has just been completed. What follows the 101 is kept.
func (c *crowd) greeted(cn *conn) (opened bool, err error) {
	b, err := c.read(cn)
	if err != nil {
		return false, err
	}
	if cn.open {
		cn.text = append(cn.text, b...)
		return false, nil
	}
	if len(cn.text) > 0 { // the head comes in pieces
		cn.text = append(cn.text, b...)
		b = cn.text
	}
	end := wire.HeadEnd(b)
	if end == 0 {
		cn.text = append(cn.text[:0], b...)
		return false, nil
	}
	if err := wire.CheckSwitching(b[:end]); err != nil {
		return false, err
	}
	cn.open = true
	cn.text = append([]byte(nil), b[end:]...)
	return true, nil
}
