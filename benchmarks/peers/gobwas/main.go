// Command gobwas is a small server on github.com/gobwas/ws and plain epoll, as
// people write it who want many connections in Go: the connections are net's,
// without a goroutine; an event loop for each core reads and answers, and a
// broadcaster writes ready frames, on all cores.
//
// A loop reads into one buffer of its own. A connection has a buffer only while
// a message is incomplete.
package main

import (
	"log"
	"net"
	"runtime"
	"sync/atomic"

	"github.com/gobwas/ws"

	"stentor/benchmarks/internal/peer"
)

func main() {
	s := &server{Room: peer.NewRoom[*conn]()}
	for range runtime.GOMAXPROCS(0) {
		l, err := newLoop()
		if err != nil {
			log.Fatal(err)
		}
		s.loops = append(s.loops, l)
		go func() { log.Fatal(l.run()) }()
	}
	peer.Run(s)
}

type server struct {
	*peer.Room[*conn]
	loops []*loop
	next  atomic.Uint32
}

func (s *server) Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go s.open(c)
	}
}

// open does the handshake, on a goroutine that then ends.
func (s *server) open(nc net.Conn) {
	if _, err := ws.Upgrade(nc); err != nil {
		nc.Close()
		return
	}
	c := &conn{Conn: nc}
	c.seat = s.Enter(c)
	if err := s.loops[s.next.Add(1)%uint32(len(s.loops))].watch(c); err != nil {
		c.close()
	}
}

func (s *server) Publish(messages [][]byte) {
	frames := make([][]byte, len(messages))
	for i, m := range messages {
		frames[i] = ws.MustCompileFrame(ws.NewTextFrame(m))
	}
	s.Send(len(messages), func(c *conn, message int) {
		c.Write(frames[message]) // what fails shows when the loop reads
	})
}
