// Package crowd is thousands of WebSocket clients on one thread, by bare system
// calls, in a process of its own. They check every byte that they receive: a
// measurement of a server that loses, repeats or changes something is worth
// nothing. It shares no code with Stentor.
package crowd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"stentor/benchmarks/internal/sys"
)

// crowd is the clients of one process. Its methods do one thing at a time.
type crowd struct {
	epoll   *sys.Epoll
	conns   []conn
	request []byte // of the handshake in turn
	buf     []byte
}

// conn is one client.
type conn struct {
	fd   int
	open bool   // the handshake is done
	at   int    // how much of what is due has come
	text []byte // what has come that was not expected yet
}

func newCrowd() (*crowd, error) {
	runtime.LockOSThread()
	c := &crowd{buf: make([]byte, 256<<10)}
	var err error
	c.epoll, err = sys.NewEpoll()
	return c, err
}

// patience is how long the crowd waits for anything to happen before it says
// what is missing.
const patience = 30 * time.Second

// events waits for input and calls f with each connection that has some, until
// done reports true. missing is for the error that it returns if nothing comes.
func (c *crowd) events(done func() bool, f func(i int, cn *conn) error, missing func() string) error {
	for !done() {
		ready, err := c.epoll.Wait(patience)
		if err != nil {
			return err
		}
		if len(ready) == 0 {
			return fmt.Errorf("nothing has come for %v: %s", patience, missing())
		}
		for _, ev := range ready {
			i := int(ev.Fd)
			if err := f(i, &c.conns[i]); err != nil {
				return fmt.Errorf("connection %d of %d: %w", i, len(c.conns), err)
			}
		}
	}
	return nil
}

// read returns what has come for a connection, valid until the next call.
func (c *crowd) read(cn *conn) ([]byte, error) {
	n, err := sys.Read(cn.fd, c.buf)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return c.buf[:n], nil
}

// take reads what has come for a connection, which must be the next bytes of
// due, and reports whether that was the last of them.
func (c *crowd) take(cn *conn, due []byte) (complete bool, err error) {
	b, err := c.read(cn)
	if err != nil {
		return false, err
	}
	if rest := due[cn.at:]; len(b) > len(rest) || !bytes.Equal(b, rest[:len(b)]) {
		return false, fmt.Errorf("received %s, due is %s", show(b), show(rest))
	}
	cn.at += len(b)
	return cn.at == len(due), nil
}

func show(b []byte) string {
	const most = 60
	if len(b) > most {
		return fmt.Sprintf("%d bytes %q...", len(b), b[:most])
	}
	return fmt.Sprintf("%d bytes %q", len(b), b)
}

// send writes a frame whole.
func send(cn *conn, b []byte) error {
	n, err := sys.Write(cn.fd, b)
	if err == nil && n != len(b) {
		err = errors.New("the socket took only a part of a message")
	}
	return err
}

// silent fails if anything has come, or comes within a time, that nobody
// expects.
func (c *crowd) silent(d time.Duration) error {
	ready, err := c.epoll.Wait(d)
	if err != nil {
		return err
	}
	if len(ready) > 0 {
		i := int(ready[0].Fd)
		b, err := c.read(&c.conns[i])
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		return fmt.Errorf("connection %d received what was not due: %s", i, show(b))
	}
	return nil
}

// close drops all connections by a reset, so that no port lingers.
func (c *crowd) close() {
	for i := range c.conns {
		fd := c.conns[i].fd
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Close(fd)
	}
	c.conns = nil
}
