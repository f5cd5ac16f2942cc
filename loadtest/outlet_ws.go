package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// wsOutlet publishes by a WebSocket client, which goes through the steps of the
// dialect first. It answers pings, the server's own ones too, tells of refusals,
// and lets be what else comes.
type wsOutlet struct {
	conn    net.Conn
	from    wsutil.Reader
	answers []Answer
	refused []string
	refuse  func(said string) // called for each refusal, on another goroutine, until close has returned
	send    text
	ends    chan error // closed when reading has ended; the error before that
	buf     []byte
}

// mostOfMessage is how much of a message is looked at.
const mostOfMessage = 64 << 10

func dialOutlet(ctx context.Context, p *plan, refuse func(said string)) (*wsOutlet, error) {
	send := p.dialect.Send
	if send == "" {
		send = "{payload}"
	}
	path := cut(p.path)
	target := "ws://" + p.host + string(path.fill(nil, p.Connections, p.channels[0], nil))
	header := http.Header{}
	for name, value := range p.dialect.Headers {
		if http.CanonicalHeaderKey(name) != "Host" {
			header.Set(name, value)
		}
	}
	dialing, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header), Protocols: p.dialect.Subprotocols, Host: p.hostHeader()}
	conn, early, _, err := dialer.Dial(dialing, target)
	if err != nil {
		return nil, err
	}
	o := &wsOutlet{conn: conn, send: cut(send), answers: p.dialect.Answers, refused: p.dialect.Refused, refuse: refuse, ends: make(chan error, 1)}
	o.from = wsutil.Reader{Source: conn, State: ws.StateClientSide}
	if early != nil {
		o.from.Source = io.MultiReader(early, conn)
	}
	o.from.OnIntermediate = o.control
	conn.SetDeadline(time.Now().Add(p.Timeout))
	if err := o.begin(p); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	go o.listen()
	return o, nil
}

// begin goes through the steps.
func (o *wsOutlet) begin(p *plan) error {
	for _, s := range p.dialect.Steps {
		if s.Send != "" {
			t := cut(s.Send)
			if err := o.write(t.fill(nil, p.Connections, p.channels[0], nil)); err != nil {
				return err
			}
		}
		for s.Wait != "" {
			b, err := o.read()
			if err != nil {
				return err
			}
			if has(b, o.refused) {
				return fmt.Errorf("the server refused: %s", excerpt(b))
			}
			if strings.Contains(string(b), s.Wait) {
				break
			}
		}
	}
	return nil
}

// write sends a text message by one write, so that nothing gets between its
// parts.
func (o *wsOutlet) write(payload []byte) error {
	frame, err := ws.CompileFrame(ws.MaskFrame(ws.NewTextFrame(payload)))
	if err != nil {
		return err
	}
	_, err = o.conn.Write(frame)
	return err
}

// read returns the beginning of the next message, after answering it if that is
// due.
func (o *wsOutlet) read() ([]byte, error) {
	for {
		h, err := o.from.NextFrame()
		if err != nil {
			return nil, err
		}
		if h.OpCode.IsControl() {
			if err := o.control(h, &o.from); err != nil {
				return nil, err
			}
			continue
		}
		b, err := io.ReadAll(io.LimitReader(&o.from, mostOfMessage))
		if err == nil {
			err = o.from.Discard()
		}
		if errors.Is(err, wsutil.ErrNoFrameAdvance) {
			err = nil // it was read to its end
		}
		if i := slices.IndexFunc(o.answers, func(a Answer) bool { return a.To == string(b) }); err == nil && i >= 0 {
			err = o.write([]byte(o.answers[i].Send))
		}
		return b, err
	}
}

// control answers a ping, and ends with a Close frame.
func (o *wsOutlet) control(h ws.Header, r io.Reader) error {
	b := make([]byte, h.Length) // 125 bytes at most: the reader has checked
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		frame, err := ws.CompileFrame(ws.MaskFrame(ws.NewPongFrame(b)))
		if err != nil {
			return err
		}
		_, err = o.conn.Write(frame)
		return err
	case ws.OpClose:
		code, _ := ws.ParseCloseFrameData(b)
		return fmt.Errorf("closed by the server with %d", code)
	}
	return nil
}

// listen reads until the connection ends.
func (o *wsOutlet) listen() {
	defer close(o.ends)
	for {
		b, err := o.read()
		if err != nil {
			o.ends <- err
			o.conn.Close() // who publishes notices
			return
		}
		if has(b, o.refused) {
			o.refuse(excerpt(b))
		}
	}
}

func (o *wsOutlet) publish(ctx context.Context, channel string, payload []byte) error {
	select {
	case err, ok := <-o.ends:
		if ok {
			o.ends <- err
			return err
		}
		return io.ErrClosedPipe
	default:
	}
	stop := context.AfterFunc(ctx, func() { o.conn.SetWriteDeadline(time.Now()) })
	defer stop()
	o.buf = o.send.fill(o.buf[:0], 0, channel, payload)
	err := o.write(o.buf)
	if err != nil {
		o.conn.Close() // a part of a frame may have gone
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return err
}

func (o *wsOutlet) close() {
	o.conn.Close()
	for range o.ends {
	}
}
