package engine

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/frame"
)

// Thousands of connections that come, talk and go in every way, while others
// write to all of them and close some: at the end nothing is left over, every
// end is accounted for, and nobody has received anything that is not whole.
// newTest checks the accounts, TestMain goroutines and descriptors.
func TestChurn(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		total := 6000
		if testing.Short() {
			total = 1000
		}
		c := &churn{t: t, conns: make(map[Conn]bool)}
		e, addr := newTest(t, Config{Inline: inline, HandshakeTimeout: time.Second, IdleTimeout: 200 * time.Millisecond,
			QueueBytes: 64 << 10, CloseTimeout: time.Second, Handler: Handlers{OnOpen: c.open, OnMessage: c.message, OnClose: c.close}})
		c.addr = addr
		stop := make(chan struct{})
		var writers, clients sync.WaitGroup
		for range 2 {
			writers.Go(func() { c.broadcast(stop) })
		}
		for w := range 40 {
			clients.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(w), 7))
				for range total / 40 {
					c.life(rng)
				}
			})
		}
		clients.Wait()
		close(stop)
		writers.Wait()
		soon(t, "all are gone", func() bool { s := e.Stats(); return s.Connections == 0 && s.Sockets == 0 })
		soon(t, "all Close events are over", func() bool { return c.closed.Load() >= c.opened.Load() })
		if opened, closed := c.opened.Load(), c.closed.Load(); opened != closed || opened != int64(e.Stats().Handshakes["accepted"]) {
			t.Errorf("%d Open events, %d Close events, %d handshakes", opened, closed, e.Stats().Handshakes["accepted"])
		}
		c.mu.Lock() // the last Close event may still be running
		defer c.mu.Unlock()
		if len(c.conns) != 0 {
			t.Errorf("%d connections never had a Close event", len(c.conns))
		}
		t.Logf("%d connections: %v, %v", c.opened.Load(), e.Stats().Closes, e.Stats().Handshakes)
	})
}

type churn struct {
	t              *testing.T
	addr           string
	mu             sync.Mutex
	conns          map[Conn]bool
	opened, closed atomic.Int64
}

func (c *churn) open(h Conn) {
	c.opened.Add(1)
	c.mu.Lock()
	c.conns[h] = true
	c.mu.Unlock()
}

func (c *churn) close(h Conn, _ Reason) {
	c.closed.Add(1)
	c.mu.Lock()
	if !c.conns[h] {
		c.t.Errorf("%v closed twice, or before it opened", h)
	}
	delete(c.conns, h)
	c.mu.Unlock()
}

func (c *churn) message(h Conn, m Message) {
	h.Write(m.Op, m.Data)
	switch len(m.Data) % 7 {
	case 1:
		h.Close(1000, "as you like")
	case 2:
		h.Pause()
		go h.Resume()
	case 3:
		h.Go(func() { h.Write(Text, []byte("later")) })
	}
}

// broadcast writes to every connection there is, and closes one now and then.
func (c *churn) broadcast(stop chan struct{}) {
	small := frame.Encode(ws.OpText, []byte("to all"))
	large := frame.Encode(ws.OpBinary, make([]byte, 20000))
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		c.mu.Lock()
		list := make([]Conn, 0, len(c.conns))
		for h := range c.conns {
			list = append(list, h)
		}
		c.mu.Unlock()
		for i, h := range list {
			if i%5 == 0 {
				h.Send(large, 1, Guard{})
			} else {
				h.Send(small, 1, Guard{})
			}
		}
		if n%3 == 0 && len(list) > 0 {
			list[0].Close(4000, "chosen")
		}
		time.Sleep(time.Millisecond) // leaves the processors to the others
	}
}

// life is one connection of one of many kinds.
func (c *churn) life(rng *rand.Rand) {
	nc, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	kind := rng.IntN(10)
	switch kind {
	case 0: // leaves without a word
		return
	case 1: // leaves in the middle of the handshake
		io.WriteString(nc, request("/")[:rng.IntN(100)])
		return
	case 2: // plain HTTP, and then changes its mind
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	r := bufio.NewReader(nc)
	if kind == 2 {
		if resp, err := http.ReadResponse(r, nil); err == nil {
			io.Copy(io.Discard, resp.Body)
		}
	}
	io.WriteString(nc, request("/"))
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
		c.t.Errorf("kind %d: no handshake: %v", kind, err)
		return
	}
	for range rng.IntN(5) {
		io.WriteString(nc, masked(true, ws.OpText, string(make([]byte, rng.IntN(300)))))
	}
	switch kind {
	case 3: // a reset
		nc.(*net.TCPConn).SetLinger(0)
		return
	case 4: // in the middle of a message
		io.WriteString(nc, masked(true, ws.OpBinary, string(make([]byte, 1000)))[:rng.IntN(900)])
		return
	case 5: // breaks the protocol
		io.WriteString(nc, "\xff\xff\xff\xff")
	case 6, 7: // closes as one should
		io.WriteString(nc, masked(true, ws.OpClose, "\x03\xe8"))
	case 8: // reads nothing for a while
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		io.WriteString(nc, masked(true, ws.OpClose, "\x03\xe8"))
	case 9: // says nothing more, and hangs up from its side only
		nc.(*net.TCPConn).CloseWrite()
	}
	c.readAll(r, nc, kind)
}

// readAll reads whole frames until the end.
func (c *churn) readAll(r *bufio.Reader, nc net.Conn, kind int) {
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return
		}
		if h.Masked || h.OpCode.IsReserved() || h.Rsv != 0 || h.Length > 20000 {
			c.t.Errorf("kind %d: received the header %+v", kind, h)
			return
		}
		if _, err := io.CopyN(io.Discard, r, h.Length); err != nil {
			return
		}
		if h.OpCode == ws.OpClose && kind != 2 {
			io.WriteString(nc, masked(true, ws.OpClose, ""))
		}
		if h.OpCode == ws.OpText && kind == 2 {
			return // enough
		}
	}
}
