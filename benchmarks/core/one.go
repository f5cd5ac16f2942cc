package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"

	"stentor/benchmarks/internal/wire"
)

// one is a client on a blocking socket, which allocates nothing to send and
// receive.
type one struct {
	fd      int
	buf     []byte
	message []byte // masked, to send
	due     []byte // what it comes back as
}

// dialOne opens a connection and completes its handshake.
func dialOne(address string) (*one, error) {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	payload := []byte("a small message")
	c := &one{fd: fd, buf: make([]byte, 4096),
		message: wire.AppendMasked(nil, wire.Text, payload), due: wire.AppendFrame(nil, wire.Text, payload)}
	if err = c.handshake(target); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

func (c *one) handshake(target netip.AddrPort) error {
	if err := unix.Connect(c.fd, &unix.SockaddrInet4{Port: int(target.Port()), Addr: target.Addr().As4()}); err != nil {
		return err
	}
	// Should the engine hang, this client must not.
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}); err != nil {
		return err
	}
	if _, err := unix.Write(c.fd, wire.AppendRequest(nil, target.String(), "/")); err != nil {
		return err
	}
	n := 0
	for wire.HeadEnd(c.buf[:n]) == 0 {
		k, err := unix.Read(c.fd, c.buf[n:])
		if err != nil || k == 0 {
			return fmt.Errorf("the handshake ended after %q: %w", c.buf[:n], errors.Join(err, io.ErrUnexpectedEOF))
		}
		n += k
	}
	return wire.CheckSwitching(c.buf[:n])
}

// echo sends messages one after another and checks what comes back.
func (c *one) echo(messages int) error {
	for range messages {
		if _, err := unix.Write(c.fd, c.message); err != nil {
			return err
		}
		n := 0
		for n < len(c.due) {
			k, err := unix.Read(c.fd, c.buf[n:])
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			if k == 0 {
				return io.ErrUnexpectedEOF
			}
			n += k
		}
		if string(c.buf[:n]) != string(c.due) {
			return fmt.Errorf("the engine echoed %q, due was %q", c.buf[:n], c.due)
		}
	}
	return nil
}
