package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"stentor/engine"
	"stentor/frame"
)

// An echo server: every message goes back to where it came from.
func Example_echo() {
	server, err := engine.New(engine.Config{
		Handler: engine.Handlers{
			OnMessage: func(c engine.Conn, m engine.Message) { c.Write(m.Op, m.Data) },
		},
	})
	if err != nil {
		panic(err)
	}
	defer server.Shutdown(context.Background())
	addr, err := server.Listen("127.0.0.1:0", false) // ":9000" to be reachable
	if err != nil {
		panic(err)
	}

	say(addr.String(), "hello, Stentor")
	// Output: hello, Stentor
}

// A broadcast server: every message goes to all who are connected. It is
// encoded once, and what one client does not read holds up nobody.
func Example_broadcast() {
	var mu sync.Mutex
	everybody := map[engine.Conn]bool{}

	server, err := engine.New(engine.Config{
		Handler: engine.Handlers{
			OnOpen: func(c engine.Conn) {
				mu.Lock()
				defer mu.Unlock()
				everybody[c] = true
			},
			OnMessage: func(_ engine.Conn, m engine.Message) {
				prepared := frame.Encode(m.Op, m.Data)
				mu.Lock()
				defer mu.Unlock()
				for c := range everybody {
					c.Send(prepared, 1, engine.Guard{})
				}
			},
			OnClose: func(c engine.Conn, _ engine.Reason) {
				mu.Lock()
				defer mu.Unlock()
				delete(everybody, c)
			},
		},
	})
	if err != nil {
		panic(err)
	}
	defer server.Shutdown(context.Background())
	addr, err := server.Listen("127.0.0.1:0", false)
	if err != nil {
		panic(err)
	}

	say(addr.String(), "to all of us")
	// Output: to all of us
}

// Handlers on the event loops answer at once what takes no time, and send away
// what does, with a copy of what it needs.
func Example_inline() {
	server, err := engine.New(engine.Config{
		Inline: true,
		Handler: engine.Handlers{
			OnMessage: func(c engine.Conn, m engine.Message) {
				data := bytes.Clone(m.Data)
				c.Go(func() {
					time.Sleep(time.Millisecond) // a database, for example
					c.Write(m.Op, bytes.ToUpper(data))
				})
			},
		},
	})
	if err != nil {
		panic(err)
	}
	defer server.Shutdown(context.Background())
	addr, err := server.Listen("127.0.0.1:0", false)
	if err != nil {
		panic(err)
	}

	say(addr.String(), "looked up")
	// Output: LOOKED UP
}

// Pages and an API can live on the same port: what is no WebSocket goes to
// net/http.
func Example_http() {
	server, err := engine.New(engine.Config{
		Handler: engine.Handlers{},
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "you asked for %s", r.URL.Path)
		}),
	})
	if err != nil {
		panic(err)
	}
	defer server.Shutdown(context.Background())
	addr, err := server.Listen("127.0.0.1:0", false)
	if err != nil {
		panic(err)
	}

	resp, err := http.Get("http://" + addr.String() + "/page")
	if err != nil {
		panic(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	var text [100]byte
	n, _ := resp.Body.Read(text[:])
	fmt.Println(string(text[:n]))
	// Output: you asked for /page
}

// say is a client that sends one message, prints one and leaves.
func say(addr, text string) {
	c, _, _, err := ws.Dial(context.Background(), "ws://"+addr)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	wsutil.WriteClientText(c, []byte(text))
	answer, err := wsutil.ReadServerText(c)
	fmt.Println(string(answer))
	if err != nil {
		panic(err)
	}
	ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
}
