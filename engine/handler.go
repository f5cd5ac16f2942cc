package engine

import "github.com/gobwas/ws"

// Handler receives the events of connections. For one connection they come in
// order and one at a time: Open once, Message for each message, Close once.
// For different connections they come at the same time, from several
// goroutines. A panic in a Handler is logged and closes its connection with
// 1011; others are not touched.
type Handler interface {
	// Open is called when the handshake is done, before any message.
	Open(c Conn)
	// Message is called for each text or binary message. m.Data may be changed,
	// and is valid until Message returns: copy what is to stay.
	Message(c Conn, m Message)
	// Close is called when the connection no longer carries messages, whoever
	// ended it. Writing fails from here on; Data still works until it returns.
	Close(c Conn, r Reason)
}

// Message is a whole text or binary message.
type Message struct {
	Op   OpCode // Text or Binary
	Data []byte // payload, valid until Handler.Message returns; text is valid UTF-8
}

// OpCode is the type of a message, as a frame carries it (RFC 6455, 5.2).
type OpCode = ws.OpCode

// The types of messages.
const (
	Text   = ws.OpText
	Binary = ws.OpBinary
)

// Handlers makes a Handler of functions, of which each may be nil: the
// on('open'), on('message'), on('close') of other servers.
type Handlers struct {
	OnOpen    func(c Conn)
	OnMessage func(c Conn, m Message)
	OnClose   func(c Conn, r Reason)
}

// Open implements Handler.
func (h Handlers) Open(c Conn) {
	if h.OnOpen != nil {
		h.OnOpen(c)
	}
}

// Message implements Handler.
func (h Handlers) Message(c Conn, m Message) {
	if h.OnMessage != nil {
		h.OnMessage(c, m)
	}
}

// Close implements Handler.
func (h Handlers) Close(c Conn, r Reason) {
	if h.OnClose != nil {
		h.OnClose(c, r)
	}
}
