// Command gws is a small server on github.com/lxzan/gws, with the library's own
// HTTP, a goroutine per connection that reads, and its Broadcaster, which writes
// from goroutines of the connections.
//
// The buffer to read is 512 bytes, there is no session storage, and messages are
// not handled in parallel. The goroutine that reads is not the one that has done
// the handshake, so that its stack stays small.
package main

import (
	"bufio"
	"net"
	"net/http"

	"github.com/lxzan/gws"

	"stentor/benchmarks/internal/peer"
)

func main() {
	peer.Run(&server{Room: peer.NewRoom[*gws.Conn]()})
}

type server struct {
	*peer.Room[*gws.Conn]
	gws.BuiltinEventHandler
}

func (s *server) Serve(l net.Listener) error {
	options := &gws.ServerOption{
		ReadBufferSize:  512,
		ParallelGolimit: 1,
		NewSession:      func() gws.SessionStorage { return nil },
	}
	upgrader := gws.NewUpgrader(s, options)
	server := gws.NewServer(s, options)
	server.OnRequest = func(c net.Conn, br *bufio.Reader, r *http.Request) {
		ws, err := upgrader.UpgradeFromConn(c, br, r)
		if err != nil {
			return
		}
		seat := s.Enter(ws)
		go func() {
			defer seat.Leave()
			ws.ReadLoop()
		}()
	}
	return server.RunListener(l)
}

// OnMessage sends back what has come.
func (s *server) OnMessage(ws *gws.Conn, m *gws.Message) {
	defer m.Close()
	ws.WriteMessage(m.Opcode, m.Bytes())
}

func (s *server) Publish(messages [][]byte) {
	broadcasters := make([]*gws.Broadcaster, len(messages))
	for i, m := range messages {
		broadcasters[i] = gws.NewBroadcaster(gws.OpcodeText, m)
	}
	s.Send(len(messages), func(ws *gws.Conn, message int) {
		broadcasters[message].Broadcast(ws)
	})
	for _, b := range broadcasters {
		b.Close()
	}
}
