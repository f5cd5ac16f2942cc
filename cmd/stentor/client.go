package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// client is a WebSocket client for the commands. gobwas' own reader refuses
// the status codes 1012 and 1013, which are how a gateway says "come back".
type client struct {
	net.Conn
	r       io.Reader
	silence time.Duration // of the server that means that it is gone
}

// slack is for the way, on top of what a server takes.
const slack = 30 * time.Second

// closeError is a Close frame from the server.
type closeError struct {
	code   int
	reason string
}

func (e *closeError) Error() string {
	return fmt.Sprintf("the gateway closed the connection (%d): %s", e.code, printable([]byte(e.reason)))
}

// dial connects and completes the handshake.
func dial(ctx context.Context, gw target, url string) (*client, error) {
	conn, br, _, err := ws.Dialer{NetDial: gw.dial}.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	c := &client{conn, conn, slack}
	if br != nil { // what came with the handshake's answer
		c.r = br
	}
	return c, nil
}

// send sends a text message.
func (c *client) send(text []byte) error { return wsutil.WriteClientText(c, text) }

// maxReceived bounds a message, which comes from a server that we chose.
const maxReceived = 64 << 20

// receive returns the next text or binary message, and answers pings on the
// way. It returns a *closeError at the end of a closing handshake.
func (c *client) receive() ([]byte, error) {
	var message []byte
	for {
		c.SetReadDeadline(time.Now().Add(c.silence))
		h, err := ws.ReadHeader(c.r)
		if err != nil {
			return nil, lost(err)
		}
		if h.Length > maxReceived-int64(len(message)) {
			return nil, fmt.Errorf("the gateway announces a frame of %d bytes", h.Length)
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(c.r, payload); err != nil {
			return nil, lost(err)
		}
		switch h.OpCode {
		case ws.OpPing:
			if err := wsutil.WriteClientMessage(c, ws.OpPong, payload); err != nil {
				return nil, lost(err)
			}
		case ws.OpPong:
		case ws.OpClose:
			wsutil.WriteClientMessage(c, ws.OpClose, payload)
			e := &closeError{code: int(ws.StatusNoStatusRcvd)}
			if len(payload) >= 2 {
				e.code, e.reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			return nil, e
		default:
			message = append(message, payload...)
			if h.Fin {
				return message, nil
			}
		}
	}
}

// tlsFault says what is wrong if TLS has failed in a way that the next attempt
// would meet too, and nil otherwise.
func tlsFault(err error) error {
	var plain tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	var alert *net.OpError
	switch {
	case errors.As(err, &plain):
		return fmt.Errorf("no TLS is spoken there: write http:// for https:// (%w)", err)
	case errors.As(err, &certificate), errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error"):
		return fmt.Errorf("no TLS connection: %w", err)
	}
	return nil
}

// lost says in words that the stream has ended.
func lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return errors.New("the connection is lost")
	}
	return err
}
