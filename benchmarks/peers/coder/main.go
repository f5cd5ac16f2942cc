// Command coder is a small server on github.com/coder/websocket: net/http, a
// goroutine per connection that reads, and a broadcaster that writes, on all
// cores.
//
// Compression is off, contexts have no deadline, and messages are read into
// buffers that connections share. The library has no setting for its own, which
// are net/http's: 4 KiB to read and as much to write. The goroutine that reads
// is not net/http's, so that what that has allocated for the request can be
// freed.
package main

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"stentor/benchmarks/internal/peer"
)

func main() {
	peer.Run(&server{Room: peer.NewRoom[*websocket.Conn]()})
}

type server struct{ *peer.Room[*websocket.Conn] }

var options = websocket.AcceptOptions{
	CompressionMode:    websocket.CompressionDisabled,
	InsecureSkipVerify: true, // any origin
}

func (s *server) Serve(l net.Listener) error {
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &options)
		if err != nil {
			return
		}
		ws.SetReadLimit(64 << 10) // as Stentor's
		seat := s.Enter(ws)
		go func() {
			defer ws.CloseNow()
			defer seat.Leave()
			echo(ws)
		}()
	}))
}

// echo sends back what comes.
func echo(ws *websocket.Conn) {
	ctx := context.Background()
	for {
		kind, r, err := ws.Reader(ctx)
		if err != nil {
			return
		}
		b := buffers.Get().(*[]byte)
		*b, err = peer.ReadAll(r, *b)
		if err == nil {
			err = ws.Write(ctx, kind, *b)
		}
		buffers.Put(b)
		if err != nil {
			return
		}
	}
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func (s *server) Publish(messages [][]byte) {
	ctx := context.Background()
	s.Send(len(messages), func(ws *websocket.Conn, message int) {
		if ws.Write(ctx, websocket.MessageText, messages[message]) != nil {
			ws.CloseNow() // its reader sees that
		}
	})
}
