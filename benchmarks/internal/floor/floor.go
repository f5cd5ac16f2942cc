// Package floor is the least that a server can do: one thread, epoll, and the
// system calls that the work consists of, without parsing, locking or
// accounting. What Stentor costs is told as a multiple of it.
//
//	handshake  accept4, epoll_ctl, epoll_wait, read, write of a canned 101
//	echo       epoll_wait, read, unmasking, write
//	publish    one write of a ready frame for each socket
//
// Each read is taken for a whole request or frame, which is true of the crowd's
// on the loopback, and checked.
package floor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/sys"
	"stentor/benchmarks/internal/wire"
)

// acceptBatch is how many connections are accepted in one event, as in
// Stentor.
const acceptBatch = 256

type floor struct {
	epoll  *sys.Epoll
	listen int
	conns  []int   // descriptors whose handshake is done
	place  []int32 // by descriptor: place in conns plus 1, 0 before the handshake
	buf    []byte
}

// Run serves on a free port of 127.0.0.1. It answers its address and then obeys
// commands from its standard input until that ends.
func Run() error {
	runtime.LockOSThread()
	f := &floor{place: make([]int32, 1<<17), buf: make([]byte, 64<<10)}
	address, err := f.open()
	if err != nil {
		return err
	}
	if f.epoll, err = sys.NewEpoll(); err != nil {
		return err
	}
	for _, fd := range []int{f.listen, unix.Stdin} {
		if err := f.watch(fd); err != nil {
			return err
		}
	}
	if err := child.Answer(os.Stdout, address, nil); err != nil {
		return err
	}
	return f.loop()
}

func (f *floor) loop() error {
	for {
		events, err := f.epoll.Wait(sys.Forever)
		if err != nil {
			return err
		}
		for _, ev := range events {
			switch fd := int(ev.Fd); fd {
			case f.listen:
				err = f.accept()
			case unix.Stdin:
				var over bool
				if over, err = f.command(); over {
					return err
				}
			default:
				err = f.read(fd)
			}
			if err != nil {
				return err
			}
		}
	}
}

// open opens the listening socket, with the options that Stentor's sockets have
// (but for TCP_DEFER_ACCEPT, which is Stentor's own saving) and a backlog as
// long as the system allows.
func (f *floor) open() (address string, err error) {
	f.listen, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	for _, option := range []struct{ name, value int }{
		{unix.TCP_NODELAY, 1},
		{unix.TCP_NOTSENT_LOWAT, 16 << 10},
		{unix.TCP_USER_TIMEOUT, 150_000},
	} {
		if err := unix.SetsockoptInt(f.listen, unix.IPPROTO_TCP, option.name, option.value); err != nil {
			return "", err
		}
	}
	if err := unix.Bind(f.listen, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", err
	}
	if err := unix.Listen(f.listen, 1<<15); err != nil {
		return "", err
	}
	name, err := unix.Getsockname(f.listen)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port), nil
}

func (f *floor) watch(fd int) error {
	return f.epoll.Add(fd, int32(fd), unix.EPOLLIN|unix.EPOLLRDHUP)
}

func (f *floor) accept() error {
	for range acceptBatch {
		fd, err := sys.Accept(f.listen)
		if err == unix.EAGAIN {
			return nil
		}
		if err == nil {
			err = f.watch(fd)
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
	}
	return nil
}

func (f *floor) read(fd int) error {
	n, err := sys.Read(fd, f.buf)
	if err != nil || n == 0 {
		f.forget(fd)
		return nil
	}
	b := f.buf[:n]
	if f.place[fd] != 0 {
		return echo(fd, b)
	}
	if !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		return errors.New("a request came in pieces")
	}
	f.conns = append(f.conns, fd)
	f.place[fd] = int32(len(f.conns))
	return write(fd, switching)
}

var switching = []byte(wire.Switching)

// forget closes a connection; the last in conns takes its place.
func (f *floor) forget(fd int) {
	unix.Close(fd)
	if at := f.place[fd]; at != 0 {
		last := f.conns[len(f.conns)-1]
		f.conns[at-1], f.place[last] = last, at
		f.conns = f.conns[:len(f.conns)-1]
		f.place[fd] = 0
	}
}

// echo answers one masked frame of at most 65,535 bytes by an unmasked one.
func echo(fd int, b []byte) error {
	h, n := 2, int(b[1]&0x7f)
	if n == 126 {
		h, n = 4, int(b[2])<<8|int(b[3])
	}
	if len(b) != h+4+n {
		return errors.New("a read is not one frame")
	}
	unmask(b[h:])
	copy(b[4:], b[:h])
	b[5] &^= 0x80 // no mask
	return write(fd, b[4:])
}

// write writes all of b. A socket that does not take it is a peer that does not
// read, which the crowd never is.
func write(fd int, b []byte) error {
	n, err := sys.Write(fd, b)
	if err == nil && n != len(b) {
		err = unix.EAGAIN
	}
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
