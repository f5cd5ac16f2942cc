package faulty

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

// maxBytes is what a message or a body may have.
const maxBytes = 8 << 20

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/publish", s.servePublish)
	mux.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) {
		s.serveWebSocket(w, r, echoDialect{})
	})
	mux.HandleFunc("GET /raw/{channel}", func(w http.ResponseWriter, r *http.Request) {
		s.serveWebSocket(w, r, rawDialect{channel: r.PathValue("channel")})
	})
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		s.serveWebSocket(w, r, nativeDialect{})
	})
	return mux
}

// serveWebSocket serves a WebSocket, or does its handshake wrong.
func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, d dialect) {
	if !websocket.IsWebSocketUpgrade(r) {
		http.Error(w, "WebSockets only", http.StatusUpgradeRequired)
		return
	}
	if !s.enter() {
		return
	}
	defer s.exit()
	switch s.handshake() {
	case refuse:
		http.Error(w, "no room", http.StatusServiceUnavailable)
	case badAccept:
		s.strand(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")
	case stall:
		s.strand(w, "")
	default:
		s.serve(w, r, d)
	}
}

type handshake int

const (
	proper handshake = iota
	refuse
	badAccept
	stall
)

// handshake says and counts how the next handshake is done.
func (s *Server) handshake() handshake {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, p := &s.truth, &s.plan
	t.Handshakes++
	switch {
	case nth(t.Handshakes, p.RefuseEvery):
		t.Refused++
		return refuse
	case nth(t.Handshakes, p.BadAcceptEvery):
		t.BadAccepts++
		return badAccept
	case nth(t.Handshakes, p.StallEvery):
		t.Stalled++
		return stall
	}
	return proper
}

// strand gives an answer, and no other until the client goes.
func (s *Server) strand(w http.ResponseWriter, answer string) {
	socket, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.t.Error("faulty: ", err)
		return
	}
	s.adopt(socket)
	defer s.abandon(socket)
	io.WriteString(socket, answer)
	io.Copy(io.Discard, socket)
}

// serve opens a WebSocket and reads from it until it ends.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, d dialect) {
	_, isNative := d.(nativeDialect)
	c := s.open(isNative, d.subscription())
	defer s.close(c)
	upgrader := websocket.Upgrader{
		CheckOrigin:  func(*http.Request) bool { return true },
		Subprotocols: d.subprotocols(r),
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		s.count(func(t *Truth) { t.Opened-- })
		c.settle()
		if !isEnd(err) {
			s.t.Error("faulty: the client's handshake is wrong: ", err)
		}
		return
	}
	c.net = ws.NetConn()
	s.adopt(c.net)
	defer s.abandon(c.net)

	var closeFrame []byte
	ws.SetReadLimit(maxBytes)
	ws.SetCloseHandler(func(code int, _ string) error {
		closeFrame = closeFrameOf(code)
		return nil
	})
	ws.SetPingHandler(func(payload string) error {
		c.write(frame(true, pong, []byte(payload)), false)
		return nil
	})
	ws.SetPongHandler(func(payload string) error {
		if payload == pingPayload {
			c.count(1, &c.counts.Pongs)
		}
		return nil
	})
	d.begin(c)
	go c.run()
	for {
		kind, b, err := ws.ReadMessage()
		if err == nil {
			err = d.receive(c, byte(kind), b)
		}
		if err != nil {
			if !isEnd(err) {
				s.t.Error("faulty: the client has broken the protocol: ", err)
			}
			break
		}
	}
	c.end(closeFrame)
}

// isEnd reports whether a connection has ended as connections do.
func isEnd(err error) bool {
	var closed *websocket.CloseError
	var network net.Error
	return errors.As(err, &closed) || errors.As(err, &network) || errors.Is(err, net.ErrClosed)
}

// servePublish serves POST /api/publish.
func (s *Server) servePublish(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+Secret {
		reply(w, http.StatusUnauthorized, failure("unauthorized", "no secret"))
		return
	}
	var body struct {
		To struct {
			Channels []string `json:"channels"`
		} `json:"to"`
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	body.Event, body.Data = "message", []byte("null")
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBytes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		reply(w, http.StatusBadRequest, failure("bad_request", err.Error()))
		return
	}
	if len(body.To.Channels) == 0 {
		reply(w, http.StatusBadRequest, failure("bad_request", "to whom?"))
		return
	}
	matched, ok := s.publish(body.To.Channels, body.Event, body.Data)
	if !ok {
		reply(w, http.StatusInternalServerError, failure("internal", "as planned"))
		return
	}
	reply(w, http.StatusOK, map[string]int{"matched": matched})
}

func failure(code, message string) any {
	return map[string]any{"error": map[string]string{"code": code, "message": message}}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // if it fails nobody is there to be told
}
