package faulty

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/gorilla/websocket"
)

// dialect is what is said over a WebSocket.
type dialect interface {
	subscription() string // the channel that comes with the connection, empty for none
	subprotocols(*http.Request) []string
	begin(*conn)                                     // has sent what comes first
	receive(c *conn, opcode byte, data []byte) error // an error for what the client must not do
}

type echoDialect struct{}

func (echoDialect) subscription() string                { return "" }
func (echoDialect) subprotocols(*http.Request) []string { return nil }
func (echoDialect) begin(*conn)                         {}

func (echoDialect) receive(c *conn, opcode byte, data []byte) error {
	c.enqueue(&message{delivery: true, opcode: opcode, payload: data})
	return nil
}

type rawDialect struct{ channel string }

func (d rawDialect) subscription() string                { return d.channel }
func (rawDialect) subprotocols(r *http.Request) []string { return websocket.Subprotocols(r) }
func (rawDialect) begin(*conn)                           {}

func (rawDialect) receive(*conn, byte, []byte) error {
	return errors.New("raw clients cannot publish here")
}

type nativeDialect struct{}

func (nativeDialect) subscription() string                { return "" }
func (nativeDialect) subprotocols(*http.Request) []string { return []string{"stentor.v1"} }

func (nativeDialect) begin(c *conn) {
	c.enqueue(answer(struct {
		Type     string `json:"type"`
		Client   string `json:"client"`
		IdleMS   int    `json:"idle_ms"`
		PongMS   int    `json:"pong_ms"`
		MaxBytes int    `json:"max_bytes"`
	}{"welcome", fmt.Sprintf("1.%d", c.id), 120_000, 30_000, maxBytes}))
}

func (nativeDialect) receive(c *conn, opcode byte, data []byte) error {
	if opcode != text {
		return errors.New("a binary message in the native dialect")
	}
	var m struct {
		Type    string          `json:"type"`
		ID      json.RawMessage `json:"id,omitempty"`
		Channel string          `json:"channel,omitempty"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	command := m.Type
	switch {
	case command == "ping":
		m.Type, m.Channel = "pong", ""
		c.enqueue(answer(m))
	case m.Channel == "":
		return fmt.Errorf("a command without a channel, or an unknown one: %s", data)
	case command == "subscribe":
		m.Type = "subscribed"
		c.server.subscribe(c, m.Channel, answer(m))
	case command == "unsubscribe":
		m.Type = "unsubscribed"
		c.server.unsubscribe(c, m.Channel, answer(m))
	default:
		return fmt.Errorf("an unknown command: %s", data)
	}
	return nil
}
