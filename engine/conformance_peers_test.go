package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"

	"stentor/engine"
)

// These tests let two clients that other people wrote talk to the server.

// gorilla opens a WebSocket with gorilla/websocket. The end of the test closes
// it.
func (s *confServer) gorilla(t *testing.T, protocols ...string) (*websocket.Conn, *confRecord) {
	t.Helper()
	target, r := s.record()
	d := websocket.Dialer{HandshakeTimeout: confPatience, Subprotocols: protocols, WriteBufferSize: 1024}
	c, _, err := d.Dial("ws://"+s.addr+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(2 * confPatience))
	c.SetWriteDeadline(time.Now().Add(2 * confPatience))
	return c, r
}

// gobwas opens a WebSocket with gobwas/ws. The end of the test closes it.
func (s *confServer) gobwas(t *testing.T, protocols ...string) (net.Conn, ws.Handshake, *confRecord) {
	t.Helper()
	target, r := s.record()
	d := ws.Dialer{Timeout: confPatience, Protocols: protocols}
	c, br, hs, err := d.Dial(context.Background(), "ws://"+s.addr+target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if br != nil {
		t.Fatalf("the server sent %d octets that nobody asked for", br.Buffered())
	}
	c.SetDeadline(time.Now().Add(2 * confPatience))
	return c, hs, r
}

// confEnded checks the Reason of a record's Close event.
func confEnded(t *testing.T, r *confRecord, code int, text string, cause engine.Cause) {
	t.Helper()
	want := engine.Reason{Code: code, Text: text, Cause: cause}
	if got := r.awaitClose(t); got != want {
		t.Errorf("the Handler heard of an end by %+v, want %+v", got, want)
	}
}

// peerSizes are message sizes for both peers, in octets.
var peerSizes = []int{0, 1, 125, 126, 1000, 65535, 65536, 1 << 20}

func peerConfig(mode confMode) engine.Config {
	cfg := mode.config()
	cfg.MaxMessageBytes, cfg.QueueBytes = 2<<20, 8<<20
	cfg.Handler = engine.Handlers{OnMessage: closeOnCommand}
	return cfg
}

// TestConformanceGorillaEcho echoes text and binary of all sizes. Through a
// write buffer of 1,024 octets gorilla sends what is larger in fragments.
func TestConformanceGorillaEcho(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		c, r := newConfServer(t, peerConfig(mode)).gorilla(t)
		for _, size := range peerSizes {
			for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
				sent := []byte(volumeMessage(kind-1, size).payload)
				w, err := c.NextWriter(kind)
				if err != nil {
					t.Fatal(err)
				}
				for part := range bytes.SplitAfterSeq(sent, []byte("9")) {
					if _, err := w.Write(part); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				got, payload, err := c.ReadMessage()
				if err != nil || got != kind || !bytes.Equal(payload, sent) {
					t.Fatalf("%d octets of kind %d came back as %d of kind %d, %v", size, kind, len(payload), got, err)
				}
			}
		}
		c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4321, "done"))
		if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 4321) {
			t.Errorf("got %v, want a close frame with 4321", err)
		}
		if _, err := c.NetConn().Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v, want the server's FIN", err)
		}
		c.Close()
		confEnded(t, r, 4321, "done", engine.ByPeer)
	})
}

// TestConformanceGorillaPing: the server answers gorilla's pings, and gorilla
// the server's.
func TestConformanceGorillaPing(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := peerConfig(mode)
		cfg.IdleTimeout, cfg.PongTimeout = confShort, confPatience
		s := newConfServer(t, cfg)
		c, r := s.gorilla(t)
		var pinged, ponged []string
		answer := c.PingHandler()
		c.SetPingHandler(func(payload string) error {
			pinged = append(pinged, payload)
			err := answer(payload)
			if len(pinged) == 3 { // the end of the conversation
				err = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Time{})
			}
			return err
		})
		c.SetPongHandler(func(payload string) error {
			ponged = append(ponged, payload)
			return nil
		})
		for i := range 3 {
			if err := c.WriteControl(websocket.PingMessage, fmt.Appendf(nil, "ping %d", i), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1000) {
			t.Errorf("got %v, want a close frame with 1000", err)
		}
		if got := strings.Join(ponged, ","); got != "ping 0,ping 1,ping 2" {
			t.Errorf("pongs: %q", got)
		}
		if len(pinged) < 3 {
			t.Errorf("%d pings of the server's, want 3", len(pinged))
		}
		c.Close()
		confEnded(t, r, 1000, "", engine.ByPeer)
	})
}

// TestConformanceGorillaClose lets the server begin to close, in each way that
// gorilla can be told of.
func TestConformanceGorillaClose(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		s := newConfServer(t, peerConfig(mode))
		for _, tc := range []struct {
			code int
			text string
		}{{1000, "bye"}, {1001, ""}, {1008, "policy"}, {1011, kosme}, {1012, "restart"}, {1013, "later"}, {3000, ""}, {4999, "x"}} {
			t.Run(fmt.Sprint(tc.code), func(t *testing.T) {
				t.Parallel()
				c, r := s.gorilla(t)
				c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "close %d %s", tc.code, tc.text))
				if _, payload, err := c.ReadMessage(); err != nil || string(payload) != "last" {
					t.Fatalf("got %q, %v", payload, err)
				}
				_, _, err := c.ReadMessage()
				var closed *websocket.CloseError
				if !errors.As(err, &closed) || closed.Code != tc.code || closed.Text != tc.text {
					t.Errorf("got %v, want a close frame with %d %q", err, tc.code, tc.text)
				}
				// gorilla has answered; the server ends TCP.
				if _, err := c.NetConn().Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("got %v, want the server's FIN", err)
				}
				c.Close()
				confEnded(t, r, tc.code, tc.text, engine.ByServer)
			})
		}
	})
}

// TestConformanceGobwasEcho is the same conversation with gobwas/ws: whole
// messages, then fragments with a ping between them.
func TestConformanceGobwasEcho(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		c, _, r := newConfServer(t, peerConfig(mode)).gobwas(t)
		echo := func(op ws.OpCode, sent []byte) {
			t.Helper()
			got, gotOp, err := wsutil.ReadServerData(c)
			if err != nil || gotOp != op || !bytes.Equal(got, sent) {
				t.Fatalf("%d octets of opcode %d came back as %d of opcode %d, %v", len(sent), op, len(got), gotOp, err)
			}
		}
		for _, size := range peerSizes {
			for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
				sent := volumeMessage(int(op)-1, size).payload
				if err := wsutil.WriteClientMessage(c, op, bytes.Clone(sent)); err != nil {
					t.Fatal(err)
				}
				echo(op, sent)

				w := wsutil.NewWriterSize(c, ws.StateClientSide, op, 700)
				if _, err := w.Write(sent[:size/2]); err != nil {
					t.Fatal(err)
				}
				if err := w.FlushFragment(); err != nil {
					t.Fatal(err)
				}
				if err := wsutil.WriteClientMessage(c, ws.OpPing, []byte("between")); err != nil {
					t.Fatal(err)
				}
				got, err := wsutil.ReadServerMessage(c, nil)
				if err != nil || len(got) != 1 || got[0].OpCode != ws.OpPong || string(got[0].Payload) != "between" {
					t.Fatalf("got %v, %v, want a pong", got, err)
				}
				if _, err := w.Write(sent[size/2:]); err != nil {
					t.Fatal(err)
				}
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
				echo(op, sent)
			}
		}
		if err := wsutil.WriteClientMessage(c, ws.OpClose, ws.NewCloseFrameBody(3999, "done")); err != nil {
			t.Fatal(err)
		}
		_, _, err := wsutil.ReadServerData(c)
		var closed wsutil.ClosedError
		if !errors.As(err, &closed) || closed.Code != 3999 {
			t.Errorf("got %v, want a close frame with 3999", err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v, want the server's FIN", err)
		}
		c.Close()
		confEnded(t, r, 3999, "done", engine.ByPeer)
	})
}

// TestConformanceProtocols negotiates a subprotocol with both peers.
func TestConformanceProtocols(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := peerConfig(mode)
		cfg.Upgrade = func(hs *engine.Handshake) engine.Answer {
			if hs.Request.HasToken("Sec-WebSocket-Protocol", "chat.v2") {
				return engine.Answer{Protocol: "chat.v2"}
			}
			return engine.Answer{}
		}
		s := newConfServer(t, cfg)
		for offered, want := range map[string]string{"": "", "chat.v1": "", "chat.v1,chat.v2": "chat.v2"} {
			var offer []string
			if offered != "" {
				offer = strings.Split(offered, ",")
			}
			c, _ := s.gorilla(t, offer...)
			if got := c.Subprotocol(); got != want {
				t.Errorf("gorilla offers %v and gets %q, want %q", offer, got, want)
			}
			if _, hs, _ := s.gobwas(t, offer...); hs.Protocol != want {
				t.Errorf("gobwas offers %v and gets %q, want %q", offer, hs.Protocol, want)
			}
		}
	})
}

// TestConformanceCrowd lets 50 connections of both peers talk at the same
// time, each with messages of its own, and many on their way at once.
func TestConformanceCrowd(t *testing.T) {
	const connections, messages = 50, 40
	eachConfMode(t, func(t *testing.T, mode confMode) {
		s := newConfServer(t, peerConfig(mode))
		var wg sync.WaitGroup
		for i := range connections {
			random := rand.New(rand.NewPCG(uint64(i), 6455))
			var sent [][]byte
			for j := range messages {
				b := fmt.Appendf(nil, "%d of connection %d: ", j, i)
				sent = append(sent, append(b, confPayload(random.IntN(10000))...))
			}
			write, read, closed := crowdGorilla(t, s)
			if i%2 == 0 {
				write, read, closed = crowdGobwas(t, s)
			}
			wg.Go(func() {
				for _, b := range sent {
					if err := write(b); err != nil {
						t.Errorf("connection %d: %v", i, err)
						return
					}
				}
			})
			wg.Go(func() {
				for j, b := range sent {
					if got, err := read(); err != nil || !bytes.Equal(got, b) {
						t.Errorf("connection %d, message %d: got %.40q, %v", i, j, got, err)
						return
					}
				}
				closed()
			})
		}
		wg.Wait()
	})
}

// crowdGorilla and crowdGobwas return what a connection in the crowd does.
func crowdGorilla(t *testing.T, s *confServer) (write func([]byte) error, read func() ([]byte, error), closed func()) {
	c, _ := s.gorilla(t)
	write = func(b []byte) error { return c.WriteMessage(websocket.TextMessage, b) }
	read = func() ([]byte, error) { _, b, err := c.ReadMessage(); return b, err }
	return write, read, func() { c.Close() }
}

func crowdGobwas(t *testing.T, s *confServer) (write func([]byte) error, read func() ([]byte, error), closed func()) {
	c, _, _ := s.gobwas(t)
	write = func(b []byte) error { return wsutil.WriteClientText(c, bytes.Clone(b)) }
	read = func() ([]byte, error) { return wsutil.ReadServerText(c) }
	return write, read, func() { c.Close() }
}
