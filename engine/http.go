package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"stentor/frame"
)

// web is the net/http server for what comes to the listeners and is not a
// WebSocket. It is fed by the loops; it listens nowhere itself.
type web struct {
	engine *Engine
	server *http.Server
	conns  chan net.Conn
	open   atomic.Int64
	done   chan struct{} // closed by Close
	once   sync.Once
	ended  chan struct{} // closed when the server has returned
}

// idleHTTP is how long a connection may wait for its next HTTP request. There
// is room for few, and nobody has to say who he is to have one.
const idleHTTP = 10 * time.Second

func newWeb(e *Engine) *web {
	w := &web{
		engine: e,
		conns:  make(chan net.Conn, e.cfg.MaxHTTPConnections),
		done:   make(chan struct{}),
		ended:  make(chan struct{}),
	}
	w.server = &http.Server{
		Handler:           http.HandlerFunc(w.serve),
		ReadHeaderTimeout: e.cfg.HandshakeTimeout,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       idleHTTP,
		MaxHeaderBytes:    e.cfg.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(e.cfg.Log.Handler(), slog.LevelDebug),
	}
	return w
}

func (w *web) run() {
	defer close(w.ended)
	w.server.Serve(w)
}

// Accept, Close and Addr make w the server's net.Listener.
func (w *web) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.done:
	}
	select {
	case c := <-w.conns: // came before
		return c, nil
	default:
		return nil, net.ErrClosed
	}
}

func (w *web) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

func (w *web) Addr() net.Addr { return &net.TCPAddr{} }

// ErrHTTPCutOff is among what Engine.Shutdown returns when HTTP requests had
// not ended in time.
var ErrHTTPCutOff = errors.New("engine: HTTP requests were cut off")

// shutdown lets requests that run finish, until ctx ends.
func (w *web) shutdown(ctx context.Context) error {
	err := w.server.Shutdown(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ErrHTTPCutOff, err)
		}
		w.server.Close()
	}
	w.Close()
	<-w.ended
	for {
		select {
		case c := <-w.conns:
			c.Close()
		default:
			return err
		}
	}
}

// toHTTP sends a connection on its way to net/http, with the bytes it brought.
// The descriptor is taken over in a turn of the mailbox, outside of the
// connection's own callback.
func (l *loop) toHTTP(c *conn, seen []byte) {
	l.stats.handshake(handshakeHTTP)
	w := l.engine.web
	limit := int64(l.engine.cfg.MaxHTTPConnections)
	if w.open.Add(1) > limit {
		w.open.Add(-1)
		l.refuse(c, http.StatusServiceUnavailable,
			strconv.FormatInt(limit, 10)+" HTTP connections are open already (limits.max_http_connections): try again later")
		return
	}
	if n := l.engine.networks; !n.take(c) {
		w.open.Add(-1)
		l.refuse(c, http.StatusServiceUnavailable, n.full())
		return
	}
	seen = slices.Clone(seen)
	l.releaseIn(c)
	c.setPhase(phaseHandover)
	l.post(task{kind: taskHandover, conn: c, gen: c.word.gen(), arg: seen})
}

// handover gives a duplicate of the descriptor to net/http; end closes ours.
func (l *loop) handover(c *conn, seen []byte) {
	if c.phase() != phaseHandover {
		return
	}
	w, giveBack := l.engine.web, l.engine.networks.handOver(c)
	nc, err := netConn(c.op.FD)
	l.poll.Detach(&c.op)
	l.end(c, Reason{Code: statusAbnormal})
	if err != nil {
		w.open.Add(-1)
		giveBack()
		l.engine.cfg.Log.Error("cannot hand a connection to net/http", "error", err)
		return
	}
	w.conns <- &httpConn{Conn: nc, seen: seen, web: w, giveBack: giveBack} // has room for as many as may be open
}

// handOver forgets c, whose slot is about to be free, but goes on counting its
// connection until giveBack is called.
func (n *networks) handOver(c *conn) (giveBack func()) {
	if n.max == 0 {
		return func() {}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	network, ok := n.member[c]
	if !ok {
		return func() {}
	}
	delete(n.member, c)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.count[network]--; n.count[network] == 0 {
			delete(n.count, network)
		}
	}
}

// netConn makes a net.Conn of a duplicate of fd.
func netConn(fd int) (net.Conn, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	f := os.NewFile(uintptr(dup), "connection")
	defer f.Close()
	return net.FileConn(f)
}

// httpConn is a connection at net/http that still has bytes to say.
type httpConn struct {
	net.Conn
	seen     []byte // the server's reader goroutine only
	web      *web
	giveBack func() // counts it out of its network
	once     sync.Once
}

func (c *httpConn) Read(p []byte) (int, error) {
	if len(c.seen) > 0 {
		n := copy(p, c.seen)
		if c.seen = c.seen[n:]; len(c.seen) == 0 {
			c.seen = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite lets net/http end its direction first, as it does for a TCPConn.
func (c *httpConn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

func (c *httpConn) Close() error {
	c.once.Do(func() {
		c.web.open.Add(-1)
		c.giveBack()
	})
	return c.Conn.Close()
}

// serve is the outermost handler: a WebSocket handshake on a connection that
// net/http has already, kept alive by a proxy for example, goes back to a loop.
// What only net/http has seen of the request is checked here.
func (w *web) serve(rw http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet || r.ProtoMajor != 1 || !headerHasToken(r.Header["Upgrade"], "websocket"):
		w.engine.cfg.HTTP.ServeHTTP(rw, r)
	case !r.ProtoAtLeast(1, 1):
		w.refuse(rw, http.StatusHTTPVersionNotSupported, "handshake error: the request is not HTTP/1.1")
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		w.refuse(rw, http.StatusBadRequest, "handshake error: the request has a body")
	default:
		w.giveBack(rw, r)
	}
}

// refuse answers a handshake that is not correct.
func (w *web) refuse(rw http.ResponseWriter, status int, text string) {
	rw.Header().Set("Connection", "close")
	http.Error(rw, text, status)
}

func headerHasToken(values []string, token string) bool {
	head := "GET / HTTP/1.1\r\n"
	for _, v := range values {
		head += "Upgrade: " + v + "\r\n"
	}
	return frame.NewRequest([]byte(head)).HasToken("Upgrade", token)
}

// giveBack takes a connection from net/http and lets a loop adopt it, with the
// request written out again and what came after it.
func (w *web) giveBack(rw http.ResponseWriter, r *http.Request) {
	nc, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		http.Error(rw, "cannot upgrade this connection", http.StatusInternalServerError)
		return
	}
	defer nc.Close()
	var head bytes.Buffer
	head.WriteString("GET " + r.RequestURI + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	r.Header.Write(&head)
	head.WriteString("\r\n")
	io.CopyN(&head, buffered, int64(buffered.Reader.Buffered()))
	hc, ok := nc.(*httpConn)
	if !ok {
		return
	}
	fd, err := dupConn(hc.Conn)
	if err != nil {
		w.engine.cfg.Log.Error("cannot take a connection back from net/http", "error", err)
		return
	}
	head.Write(hc.seen)
	nc.Close() // counted out here before it is counted in there
	w.engine.adopt(&adoption{fd: fd, seen: head.Bytes()})
}

// dupConn duplicates the descriptor below a net.Conn.
func dupConn(nc net.Conn) (fd int, err error) {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd = -1
	if e := raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return -1, e
	}
	return fd, err
}

// adoption is a connected, non-blocking descriptor for a loop to serve from
// its handshake on, with what was read from it already.
type adoption struct {
	fd   int
	seen []byte
}

// adopt gives a descriptor to the next loop in turn.
func (e *Engine) adopt(a *adoption) {
	if !e.nextLoop().post(task{kind: taskAdopt, arg: a}) {
		unix.Close(a.fd)
	}
}

func (l *loop) adopt(a *adoption) { l.begin(a.fd, a.seen) }
