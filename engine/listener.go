package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

const (
	acceptBatch   = 256                    // connections accepted in one event
	acceptBackOff = 100 * time.Millisecond // pause after descriptors ran out
)

// listener is one listening socket of one loop. Several loops have one each
// for the same TCP address, and the system spreads connections over them.
type listener struct {
	loop    *loop
	fd      int
	op      netpoll.FDOperator
	spread  bool        // hand connections to all loops in turn
	path    string      // of a unix socket
	muted   bool        // not registered for now; loop
	spare   int         // accepted, and waits for a descriptor out of the reserve; -1 if none; loop
	closing atomic.Bool // pause and resume no more
}

// Listen opens a listening address and accepts connections from it: "host:port"
// for TCP ("[::]:8080" for all of IPv6 and IPv4, port 0 for any free one) or
// "unix:/path". reusePort lets several processes share a TCP port. It returns
// the real address. It may be called several times, before Shutdown.
func (e *Engine) Listen(address string, reusePort bool) (net.Addr, error) {
	network, address := splitAddress(address)
	if address == "" {
		return nil, errors.New(`engine: an address is missing: "127.0.0.1:8080" or "unix:/path"`)
	}
	if network == "unix" {
		return e.listenUnix(address)
	}
	if !reusePort {
		if err := probe(address); err != nil {
			return nil, err
		}
	}
	var addr net.Addr
	var fds []int
	for range e.loops {
		fd, a, err := e.openSocket(network, address, true)
		if err != nil {
			for _, fd := range fds {
				unix.Close(fd)
			}
			return nil, err
		}
		addr, address = a, a.String() // port 0 is the same port for all loops
		fds = append(fds, fd)
	}
	lns := make([]*listener, len(fds))
	for i, l := range e.loops {
		lns[i] = &listener{loop: l, fd: fds[i]}
	}
	if err := e.addListeners(lns...); err != nil {
		return nil, err
	}
	return addr, nil
}

// splitAddress tells a unix socket's path from a TCP address.
func splitAddress(address string) (network, rest string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", address
}

// probe fails if the port is in use. The loops' own sockets share the port
// among themselves, which would let them join that of another process.
func probe(address string) error {
	lc := net.ListenConfig{}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return listenError(address, err)
	}
	return ln.Close()
}

func (e *Engine) listenUnix(path string) (net.Addr, error) {
	if err := ClearSocket(path); err != nil {
		return nil, fmt.Errorf("cannot listen on unix:%s: %w", path, err)
	}
	fd, addr, err := e.openSocket("unix", path, false)
	if err != nil {
		return nil, err
	}
	if err := e.addListeners(&listener{loop: e.loops[0], fd: fd, spread: true, path: path}); err != nil {
		return nil, err
	}
	return addr, nil
}

// ClearSocket makes room for a unix socket: it removes a socket file that nobody
// answers at, which a crash has left. Whatever else is there stays, and is an
// error.
func ClearSocket(path string) error {
	if strings.HasPrefix(path, "@") { // Linux: a name, not a file
		return nil
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return errors.New("there is something that is no socket: remove it, or use another path")
	}
	c, err := net.Dial("unix", path)
	switch {
	case err == nil:
		c.Close()
		return fmt.Errorf("%w: another process has it", syscall.EADDRINUSE)
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("there is a socket that may be in use: %w", err)
}

// openSocket opens a listening socket through package net, which knows about
// addresses, and takes its descriptor.
func (e *Engine) openSocket(network, address string, share bool) (int, net.Addr, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if share {
			raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			})
		}
		return err
	}}
	lc.SetMultipathTCP(false) // its sockets cost more and inherit less
	ln, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return -1, nil, listenError(address, err)
	}
	defer ln.Close()
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	raw, err := ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, nil, listenError(address, err)
	}
	fd := -1
	if e := raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		err = e
	}
	if err != nil {
		return -1, nil, listenError(address, err)
	}
	if network == "tcp" {
		inheritOptions(fd, int((e.cfg.IdleTimeout + e.cfg.PongTimeout).Milliseconds()))
	}
	return fd, ln.Addr(), nil
}

// listenError puts the address and, where there is one, the remedy into words.
func listenError(address string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = ": another process has it (or set reuse_port in all that shall share it)"
	case errors.Is(err, syscall.EACCES):
		hint = ": ports below 1024 and other users' folders need a privilege"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		hint = ": " + raiseLimit
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = ": no interface of this machine has the address"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("cannot listen on %s: %w%s", address, err, hint)
}

var errDown = errors.New("engine: was shut down before")

// addListeners starts to accept.
func (e *Engine) addListeners(lns ...*listener) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		for _, ln := range lns {
			unix.Close(ln.fd)
			ln.removePath()
		}
		return errDown
	}
	for _, ln := range lns {
		ln.spare = -1
		e.listeners = append(e.listeners, ln)
		ln.loop.post(task{kind: taskCall, arg: ln.start})
	}
	return nil
}

// start registers the listener, on the loop.
func (ln *listener) start() {
	ln.loop.poll.Stamp(&ln.op, ln.fd)
	ln.op.OnRead = ln.onAccept
	ln.loop.poll.Control(&ln.op, netpoll.PollReadable)
}

// removePath removes the file of a unix socket.
func (ln *listener) removePath() {
	if ln.path != "" && !strings.HasPrefix(ln.path, "@") { // Linux: a name, not a file
		os.Remove(ln.path)
	}
}

// onAccept is the poller's callback: it takes what waits, up to a batch. More
// brings another event.
func (ln *listener) onAccept(netpoll.Poll) error {
	l := ln.loop
	if ln.muted {
		return nil
	}
	for range acceptBatch {
		if wait := l.engine.rate.take(); wait > 0 {
			ln.backOff(wait)
			return nil
		}
		fd, errno := ln.accept()
		switch errno {
		case 0:
			ln.serve(fd)
		case syscall.EAGAIN:
			l.engine.rate.giveBack()
			return nil
		case syscall.EINTR, syscall.ECONNABORTED:
		default:
			l.stats.acceptErrors.Add(1)
			l.engine.warnAccept(errno)
			ln.backOff(acceptBackOff)
			return nil
		}
	}
	return nil
}

// accept takes the next connection. It reports EMFILE when only the reserve of
// descriptors is left, and keeps the connection meanwhile: the system gives the
// lowest number that is free, so one above the limit says that all below are
// taken.
func (ln *listener) accept() (int, syscall.Errno) {
	fd, errno := ln.spare, syscall.Errno(0)
	if fd < 0 {
		fd, errno = sysAccept(ln.fd)
	} else if lower, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		unix.Close(fd)
		fd = lower
	}
	ln.spare = -1
	if errno == 0 && fd >= ln.loop.engine.descriptors {
		ln.spare = fd
		return -1, syscall.EMFILE
	}
	return fd, errno
}

// serve begins a connection, here or on the next loop in turn.
func (ln *listener) serve(fd int) {
	l := ln.loop
	l.stats.accepted.Add(1)
	l.poll.Hold() // one seldom comes alone
	if ln.spread {
		l.engine.adopt(&adoption{fd: fd})
	} else {
		l.begin(fd, nil)
	}
}

// descriptorLimit returns the number from which descriptors are not for
// connections: a few are kept for whoever looks after the process, its admin
// listener first of all.
func descriptorLimit(loops int) int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt
	}
	n := min(uint64(limit.Cur), math.MaxInt32)
	return int(n - min(n/8, uint64(64+loops)))
}

// backOff stops accepting for a while. The poller would report the same event
// again and again.
func (ln *listener) backOff(d time.Duration) {
	ln.muted = true
	ln.loop.post(task{kind: taskBackOff, arg: ln})
	time.AfterFunc(d, func() { ln.loop.post(task{kind: taskAccept, arg: ln}) })
}

func (ln *listener) pause() {
	if !ln.closing.Load() {
		ln.loop.poll.Control(&ln.op, netpoll.PollDetach)
	}
}

func (ln *listener) resume() {
	if !ln.closing.Load() && ln.muted {
		ln.muted = false
		ln.loop.poll.Control(&ln.op, netpoll.PollReadable)
		if ln.spare >= 0 {
			ln.onAccept(nil) // of it the poller knows nothing
		}
	}
}

// close stops for good, on the loop.
func (ln *listener) close() {
	if ln.closing.Swap(true) {
		return
	}
	if !ln.muted {
		for range 16 { // those who are connected already are not turned away
			ln.onAccept(nil)
		}
		ln.loop.poll.Control(&ln.op, netpoll.PollDetach)
	}
	ln.muted = true
	if ln.spare >= 0 {
		ln.serve(ln.spare)
		ln.spare = -1
	}
	unix.Close(ln.fd)
}

// begin issues a slot for an accepted descriptor. seen is what was read from it
// already. The request has often come by now: it is handled before the poller
// gets to know the connection, which saves an event.
func (l *loop) begin(fd int, seen []byte) {
	if l.closing {
		unix.Close(fd)
		return
	}
	c := l.slab.get(l)
	l.poll.Stamp(&c.op, fd)
	c.word.issue()
	c.flags.Store(flagMuted)
	c.setPhase(phaseHandshake)
	c.touch(l.now())
	l.stats.sockets.Add(1)
	if len(seen) > 0 {
		l.received(c, seen)
	} else {
		l.readOnce(c)
	}
	if c.phase().reading() {
		l.register(c)
	}
}

// register makes the poller watch a new connection.
func (l *loop) register(c *conn) {
	c.word.lock(c.word.gen())
	c.clear(flagMuted)
	err := l.poll.Control(&c.op, netpoll.PollReadable)
	if c.out != nil {
		c.arm()
	}
	if c.has(flagPaused) {
		l.post(task{kind: taskReads, conn: c, gen: c.word.gen()})
	}
	c.word.unlock()
	if err != nil {
		l.engine.cfg.Log.Error("cannot register a connection with its event loop", "error", err)
		l.end(c, Reason{statusAbnormal, err.Error(), ByReset})
	}
}
