// Command gorilla is a small server on github.com/gorilla/websocket: net/http,
// a goroutine per connection that reads, and a broadcaster that writes prepared
// messages, on all cores.
//
// The library's buffers are as small as its documentation advises: 512 bytes to
// read, the buffers to write from a pool. The goroutine that reads is not
// net/http's, so that what that has allocated for the request can be freed.
package main

import (
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"stentor/benchmarks/internal/peer"
)

func main() {
	peer.Run(&server{Room: peer.NewRoom[*conn]()})
}

type server struct{ *peer.Room[*conn] }

// conn is a connection. It has one writer at a time.
type conn struct {
	ws *websocket.Conn
	mu sync.Mutex
}

var upgrader = websocket.Upgrader{
	ReadBufferSize:  512,
	WriteBufferSize: 1024,
	WriteBufferPool: &sync.Pool{},
	CheckOrigin:     func(*http.Request) bool { return true },
}

func (s *server) Serve(l net.Listener) error {
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		c := &conn{ws: ws}
		seat := s.Enter(c)
		go func() {
			defer ws.Close()
			defer seat.Leave()
			c.echo()
		}()
	}))
}

// echo sends back what comes, by way of buffers that connections share.
func (c *conn) echo() {
	for {
		kind, r, err := c.ws.NextReader()
		if err != nil {
			return
		}
		b := buffers.Get().(*[]byte)
		*b, err = peer.ReadAll(r, *b)
		if err == nil {
			c.mu.Lock()
			err = c.ws.WriteMessage(kind, *b)
			c.mu.Unlock()
		}
		buffers.Put(b)
		if err != nil {
			return
		}
	}
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func (s *server) Publish(messages [][]byte) {
	prepared := make([]*websocket.PreparedMessage, len(messages))
	for i, m := range messages {
		var err error
		if prepared[i], err = websocket.NewPreparedMessage(websocket.TextMessage, m); err != nil {
			panic(err) // there is no compression that could fail
		}
	}
	s.Send(len(messages), func(c *conn, message int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ws.WritePreparedMessage(prepared[message]) != nil {
			c.ws.Close() // its reader sees that
		}
	})
}
