package main

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"syscall"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/benchmarks/internal/peer"
)

// conn is a connection.
type conn struct {
	net.Conn
	seat *peer.Seat[*conn]
	fd   int
	rest []byte // of a message that is incomplete
}

func (c *conn) close() {
	c.seat.Leave()
	c.Close()
}

// loop is an event loop with its connections.
type loop struct {
	epoll int
	in    []byte
	head  bytes.Reader
	out   bytes.Buffer

	mu    sync.Mutex
	conns map[int32]*conn // by descriptor
}

func newLoop() (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &loop{epoll: epoll, in: make([]byte, 64<<10), conns: map[int32]*conn{}}, err
}

// watch takes a connection in. Its descriptor stays net's, whose own poller
// sees nothing to do.
func (l *loop) watch(c *conn) error {
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { c.fd = int(fd) }); err != nil {
		return err
	}
	l.mu.Lock()
	l.conns[int32(c.fd)] = c
	l.mu.Unlock()
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(c.fd),
	})
}

func (l *loop) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		for _, ev := range events[:n] {
			l.mu.Lock()
			c := l.conns[ev.Fd]
			l.mu.Unlock()
			if l.read(c) != nil {
				l.mu.Lock()
				delete(l.conns, ev.Fd)
				l.mu.Unlock()
				c.close()
			}
		}
	}
}

// read reads what has come, and answers the messages that are complete.
func (l *loop) read(c *conn) error {
	n, err := c.Read(l.in)
	if err != nil {
		return err
	}
	b := l.in[:n]
	if len(c.rest) > 0 {
		b = append(c.rest, b...)
		c.rest = nil
	}
	l.out.Reset()
	for {
		size, err := l.echo(b)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		b = b[size:]
	}
	if len(b) > 0 {
		c.rest = bytes.Clone(b)
	}
	if l.out.Len() == 0 {
		return nil
	}
	_, err = c.Write(l.out.Bytes())
	return err
}

// echo appends the answer to the message that begins b, and returns how long
// that is, 0 if it is incomplete.
func (l *loop) echo(b []byte) (size int, err error) {
	l.head.Reset(b)
	h, err := ws.ReadHeader(&l.head)
	if err != nil || int64(l.head.Len()) < h.Length {
		return 0, nil // more has to come
	}
	if err := ws.CheckHeader(h, ws.StateServerSide); err != nil {
		return 0, err
	}
	size = len(b) - l.head.Len() + int(h.Length)
	switch {
	case h.OpCode == ws.OpClose:
		return 0, errors.New("closed")
	case h.OpCode == ws.OpPong:
		return size, nil
	}
	payload := b[size-int(h.Length) : size]
	ws.Cipher(payload, h.Mask, 0)
	h.Masked = false
	if h.OpCode == ws.OpPing {
		h.OpCode = ws.OpPong
	}
	if err := ws.WriteHeader(&l.out, h); err != nil {
		return 0, err
	}
	l.out.Write(payload)
	return size, nil
}
