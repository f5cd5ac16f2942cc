// Package peer is what the small servers on other people's libraries have in
// common: they are told over plain HTTP on a port of their own what to send to
// all their connections.
//
//	GET  /connections  {"connections": n}
//	POST /publish      {"first": n, "count": n, "size": n}, see wire.Payload
//	POST /free         collects garbage, gives memory back: {"heap": bytes, "stacks": bytes}
//
// peers/node/control.js is the same for Node.
package peer

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"stentor/benchmarks/internal/wire"
)

// Server is a small WebSocket server. It echoes what a client says.
type Server interface {
	// Serve accepts WebSocket connections, on any path.
	Serve(l net.Listener) error
	// Publish sends the messages to every connection, as texts, one after
	// another.
	Publish(messages [][]byte)
	// Len returns the number of connections.
	Len() int
}

// Publication is the body of POST /publish.
type Publication struct {
	First int `json:"first"`
	Count int `json:"count"`
	Size  int `json:"size"`
}

// Connections is the answer of GET /connections.
type Connections struct {
	Connections int `json:"connections"`
}

// Memory is the answer of POST /free: what is in use.
type Memory struct {
	Heap   int64 `json:"heap"`
	Stacks int64 `json:"stacks"`
}

// Run is the main function of a server. It prints where it listens,
//
//	ready 127.0.0.1:1 control 127.0.0.1:2
//
// and runs until it is told to terminate.
func Run(s Server) {
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	private, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(s.Serve(public)) }()
	go func() { log.Fatal(http.Serve(private, control(s))) }()
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("ready", public.Addr(), "control", private.Addr())
	<-over
}

func control(s Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /connections", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, Connections{s.Len()})
	})
	mux.HandleFunc("POST /publish", func(w http.ResponseWriter, r *http.Request) {
		var p Publication
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		messages := make([][]byte, p.Count)
		for i := range messages {
			messages[i] = []byte(wire.Payload(p.First+i, p.Size))
		}
		s.Publish(messages)
		answer(w, Connections{s.Len()})
	})
	mux.HandleFunc("POST /free", func(w http.ResponseWriter, _ *http.Request) {
		runtime.GC() // what is in a sync.Pool goes with the second collection
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		answer(w, Memory{int64(m.HeapAlloc), int64(m.StackInuse)})
	})
	return mux
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
