package engine_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Opcodes, as RFC 6455, 5.2 numbers them.
const (
	opCont   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xa
)

// confFrame is a frame, right or wrong, or a step between frames.
type confFrame struct {
	fin     bool
	rsv     byte
	op      byte
	payload []byte

	bare  bool   // not masked
	plain bool   // masked with zeros
	form  int    // length in 7 (7), 16 (126) or 64 (127) bits; 0 is the shortest
	claim uint64 // length that the header tells, if long is set
	long  bool
	first int // only so many octets of the frame are sent, if not 0
	await int // no frame: go on when the server has sent so many
}

// Frames that a client sends, or expects.
func fText(s string) confFrame         { return fOp(opText, s) }
func fBinary(s string) confFrame       { return fOp(opBinary, s) }
func fCont(s string) confFrame         { return fOp(opCont, s) }
func fPing(s string) confFrame         { return fOp(opPing, s) }
func fPong(s string) confFrame         { return fOp(opPong, s) }
func fOp(op byte, s string) confFrame  { return confFrame{fin: true, op: op, payload: []byte(s)} }
func fAwait(n int) confFrame           { return confFrame{await: n} }
func fCloseBody(body string) confFrame { return fOp(opClose, body) }
func fClose(code int, s string) confFrame {
	return fCloseBody(string(binary.BigEndian.AppendUint16(nil, uint16(code))) + s)
}

// more clears FIN: fragments follow.
func (f confFrame) more() confFrame { f.fin = false; return f }

// rsvBits sets the reserved bits, 0 to 7.
func (f confFrame) rsvBits(n byte) confFrame { f.rsv = n; return f }

// unmasked leaves out the mask.
func (f confFrame) unmasked() confFrame { f.bare = true; return f }

// zeroMask masks with zeros, which is allowed.
func (f confFrame) zeroMask() confFrame { f.plain = true; return f }

// only leaves out all but the first n octets of the frame.
func (f confFrame) only(n int) confFrame { f.first = n; return f }

// lengthForm writes the length in the 126 or 127 form, needed or not.
func (f confFrame) lengthForm(form int) confFrame { f.form = form; return f }

// claiming announces a length that is not the payload's.
func (f confFrame) claiming(n uint64) confFrame { f.claim, f.long = n, true; return f }

// header returns the frame header with the mask.
func (f confFrame) header(mask [4]byte) []byte {
	b := []byte{f.rsv<<4 | f.op, 0}
	if f.fin {
		b[0] |= 0x80
	}
	n := uint64(len(f.payload))
	if f.long {
		n = f.claim
	}
	form := f.form
	switch {
	case form != 0:
	case n < 126:
		form = 7
	case n < 1<<16:
		form = 126
	default:
		form = 127
	}
	switch form {
	case 7:
		b[1] = byte(n)
	case 126:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	case 127:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, n)
	}
	if f.bare {
		return b
	}
	b[1] |= 0x80
	return append(b, mask[:]...)
}

var confMasks atomic.Uint32

// encode returns the frame as a client sends it. Each frame has another mask.
func (f confFrame) encode() []byte {
	var mask [4]byte
	if !f.plain {
		binary.BigEndian.PutUint32(mask[:], confMasks.Add(1)*0x9e3779b9)
	}
	b := f.header(mask)
	at := len(b)
	b = append(b, f.payload...)
	if !f.bare {
		for i, p := 0, b[at:]; i < len(p); i++ {
			p[i] ^= mask[i&3]
		}
	}
	if f.first > 0 {
		return b[:f.first]
	}
	return b
}

func (f confFrame) String() string {
	names := map[byte]string{opCont: "continuation", opText: "text", opBinary: "binary",
		opClose: "close", opPing: "ping", opPong: "pong"}
	name, ok := names[f.op]
	if !ok {
		name = fmt.Sprintf("opcode %d", f.op)
	}
	p := f.payload
	if len(p) > 40 {
		p = p[:40]
	}
	if f.op == opClose && len(p) >= 2 {
		return fmt.Sprintf("close %d %q", binary.BigEndian.Uint16(p), p[2:])
	}
	return fmt.Sprintf("%s of %d octets %q", name, len(f.payload), p)
}

// code returns the status code of a Close frame, 0 for an empty one.
func (f confFrame) code() int {
	if len(f.payload) < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint16(f.payload))
}

// confClient is a WebSocket client of octets.
type confClient struct {
	t      testing.TB
	conn   *net.TCPConn
	r      *bufio.Reader
	server *confServer
	record *confRecord
	base   uint64 // octets that the server had read before this client
	wrote  uint64 // octets that this client has written
}

// connect opens a TCP connection and says nothing. The end of the test closes
// it.
func (s *confServer) connect(t testing.TB) *confClient {
	t.Helper()
	base := s.Stats().BytesIn
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * confPatience))
	return &confClient{t: t, conn: conn.(*net.TCPConn), r: bufio.NewReader(conn), server: s, base: base}
}

// dial opens a WebSocket.
func (s *confServer) dial(t testing.TB) *confClient {
	t.Helper()
	c := s.connect(t)
	target, record := s.record()
	c.record = record
	c.write([]byte(confRequest(target)))
	c.accepted()
	return c
}

// dialAlone opens a WebSocket once no other connection is left, for settle.
func (s *confServer) dialAlone(t testing.TB) *confClient {
	t.Helper()
	confUntil(t, "the connection before is gone", func() bool { return s.Stats().Sockets == 0 })
	return s.dial(t)
}

// confRequest is a correct opening handshake, with the key of RFC 6455, 1.3.
// Lines of headers each end in CRLF.
func confRequest(target string, headers ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		strings.Join(headers, "") + "\r\n"
}

// accepted reads the answer to confRequest, and returns its header lines.
func (c *confClient) accepted() map[string]string {
	c.t.Helper()
	status, headers := c.response()
	if status != "HTTP/1.1 101 Switching Protocols" {
		c.t.Fatalf("handshake answered %q, want 101", status)
	}
	for name, want := range map[string]string{
		"upgrade": "websocket", "connection": "upgrade",
		"sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", // RFC 6455, 1.3
	} {
		got := headers[name]
		if name != "sec-websocket-accept" {
			got = strings.ToLower(got)
		}
		if got != want {
			c.t.Fatalf("handshake: %s is %q, want %q", name, headers[name], want)
		}
	}
	if ext, ok := headers["sec-websocket-extensions"]; ok {
		c.t.Fatalf("the server selected an extension that was not offered: %s", ext)
	}
	return headers
}

// response reads the head of an HTTP response. A header that comes twice is an
// error.
func (c *confClient) response() (status string, headers map[string]string) {
	c.t.Helper()
	line := func() string {
		s, err := c.r.ReadString('\n')
		if err != nil || !strings.HasSuffix(s, "\r\n") {
			c.t.Fatalf("response: %q, %v", s, err)
		}
		return strings.TrimSuffix(s, "\r\n")
	}
	status = line()
	headers = make(map[string]string)
	for s := line(); s != ""; s = line() {
		name, value, ok := strings.Cut(s, ":")
		name = strings.ToLower(name)
		if _, twice := headers[name]; !ok || twice {
			c.t.Fatalf("response: header line %q is malformed or repeated", s)
		}
		headers[name] = strings.TrimSpace(value)
	}
	return status, headers
}

// write sends octets. Its failure is seen by those who read: a server that has
// failed the connection need not take what comes after.
func (c *confClient) write(b []byte) {
	n, _ := c.conn.Write(b)
	c.wrote += uint64(n)
}

// send sends frames, in one write.
func (c *confClient) send(frames ...confFrame) {
	var b []byte
	for _, f := range frames {
		b = append(b, f.encode()...)
	}
	c.write(b)
}

// settle waits until the server has read all that was written, or has let go
// of the connection. No other client may talk to this server meanwhile.
func (c *confClient) settle() {
	c.t.Helper()
	confUntil(c.t, "the server reads what was sent", func() bool {
		st := c.server.Stats()
		return st.BytesIn >= c.base+c.wrote || c.record.over() && st.Sockets == 0
	})
}

// next reads a frame and checks all that holds for every frame of a server's
// (RFC 6455, 5.1, 5.2, 5.5). The error is that of reading.
func (c *confClient) next() (f confFrame, err error) {
	c.t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return f, err
	}
	f.fin, f.rsv, f.op = head[0]&0x80 != 0, head[0]>>4&7, head[0]&0xf
	n := uint64(head[1] & 0x7f)
	ext := make([]byte, map[uint64]int{126: 2, 127: 8}[n])
	if _, err := io.ReadFull(c.r, ext); err != nil {
		return f, fmt.Errorf("in a frame header: %w", err)
	}
	if len(ext) > 0 {
		least := map[int]uint64{2: 126, 8: 1 << 16}[len(ext)]
		n = binary.BigEndian.Uint64(append(make([]byte, 8-len(ext)), ext...))
		if n < least || n > 1<<30 {
			c.t.Fatalf("frame header % x% x: length is not minimal, or absurd", head, ext)
		}
	}
	switch {
	case !f.fin || f.rsv != 0 || head[1]&0x80 != 0:
		c.t.Fatalf("frame header % x: fragmented, reserved bits, or masked", head)
	case f.op != opText && f.op != opBinary && f.op < opClose || f.op > opPong:
		c.t.Fatalf("frame header % x: opcode", head)
	case f.op >= opClose && n > 125, f.op == opClose && n == 1:
		c.t.Fatalf("frame header % x: control frame of %d octets", head, n)
	}
	f.payload = make([]byte, n)
	if _, err := io.ReadFull(c.r, f.payload); err != nil {
		return f, fmt.Errorf("in a frame of %d octets: %w", n, err)
	}
	return f, nil
}

// expect reads a frame, which must be want.
func (c *confClient) expect(want confFrame) {
	c.t.Helper()
	got, err := c.next()
	if err != nil {
		c.t.Fatalf("got %v, want %v", err, want)
	}
	if got.op != want.op || !bytes.Equal(got.payload, want.payload) {
		c.t.Fatalf("got %v, want %v", got, want)
	}
}

// expectClose reads a Close frame whose code must be one of codes (0: empty),
// and then the server's FIN: the server ends TCP first, by itself.
func (c *confClient) expectClose(codes ...int) confFrame {
	c.t.Helper()
	got, err := c.next()
	if err != nil {
		c.t.Fatalf("got %v, want a close frame with %d", err, codes)
	}
	if got.op != opClose {
		c.t.Fatalf("got %v, want a close frame with %d", got, codes)
	}
	for _, code := range codes {
		if got.code() == code {
			c.expectEOF()
			return got
		}
	}
	c.t.Fatalf("got %v, want a close frame with %d", got, codes)
	return got
}

// expectEOF reads the server's FIN, with nothing before it.
func (c *confClient) expectEOF() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if err != nil || len(rest) > 0 {
		c.t.Fatalf("got % x, %v, want the server's FIN and nothing before it", rest, err)
	}
}

// gone reads to the end of the connection, whatever comes and however it ends.
// It fails the test only if there is no end.
func (c *confClient) gone() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("the connection did not end: %v", err)
	}
}

// reason closes the client's side and returns the Reason of the Close event.
func (c *confClient) reason() string {
	c.t.Helper()
	c.conn.Close()
	r := c.record.awaitClose(c.t)
	return fmt.Sprintf("%d %v", r.Code, r.Cause)
}
