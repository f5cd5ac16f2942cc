package frame

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/gobwas/ws"
)

// HeadEnd returns the length of the HTTP request head at the start of b, with
// its empty line, or 0 if it is not complete. from is where to begin looking:
// what an earlier call has seen without result, less 3 bytes. A line may end
// in LF alone, as RFC 9112, 2.2 allows.
func HeadEnd(b []byte, from int) int {
	for i := max(from, 0); i < len(b); {
		nl := bytes.IndexByte(b[i:], '\n')
		if nl < 0 {
			return 0
		}
		i += nl + 1
		rest := b[i:]
		if len(rest) > 0 && rest[0] == '\n' {
			return i + 1
		}
		if len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return i + 2
		}
	}
	return 0
}

// Request is the head of an HTTP request, in memory. Its methods scan when
// they are called, so that what nobody asks for costs nothing. All slices
// point into the head and live as long as it.
type Request struct {
	head []byte
}

// NewRequest wraps a complete head, as HeadEnd measures it.
func NewRequest(head []byte) Request { return Request{head} }

// Head returns the whole head.
func (r Request) Head() []byte { return r.head }

// Method returns the request method.
func (r Request) Method() []byte {
	method, _, _ := bytes.Cut(r.line(), []byte{' '})
	return method
}

// Target returns the request target, "/ws?app=key" for example.
func (r Request) Target() []byte {
	_, rest, _ := bytes.Cut(r.line(), []byte{' '})
	target, _, _ := bytes.Cut(rest, []byte{' '})
	return target
}

func (r Request) line() []byte {
	line, _, _ := bytes.Cut(r.head, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

// Header returns the first value of a header field, without the white space
// around it, or nil if there is no such field, or an empty one. The name's case
// does not matter.
func (r Request) Header(name string) []byte {
	for v := range r.values(name) {
		return v
	}
	return nil
}

// HasToken reports whether a comma-separated header field, "Upgrade" for
// example, holds token in one of its values. Case does not matter.
func (r Request) HasToken(name, token string) bool {
	for v := range r.values(name) {
		for part := range bytes.SplitSeq(v, []byte{','}) {
			if equalFold(bytes.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// IsUpgrade reports whether the request asks for a WebSocket. Whether it does
// so correctly is for Upgrader to find out.
func (r Request) IsUpgrade() bool { return r.HasToken("Upgrade", "websocket") }

// values yields each value of a header field.
func (r Request) values(name string) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		_, rest, _ := bytes.Cut(r.head, []byte{'\n'})
		for len(rest) > 0 {
			var line []byte
			line, rest, _ = bytes.Cut(rest, []byte{'\n'})
			if len(line) <= len(name) || line[len(name)] != ':' || !equalFold(line[:len(name)], name) {
				continue
			}
			if !yield(bytes.TrimSpace(line[len(name)+1:])) {
				return
			}
		}
	}
}

// strict walks the fields once for what ws does not check, and returns the
// value of Sec-WebSocket-Key. Names have no white space around them (RFC 9112,
// 5.1 and 5.2): ws trims them, Request does not, so the two could read different
// fields. No line holds NUL or a CR (2.2). There is no body (6), which would be
// read as frames. Host (RFC 9112, 3.2) and the key (RFC 6455, 11.3.1) are there
// once.
func (r Request) strict() (key []byte, err error) {
	hosts, keys := 0, 0
	if bytes.IndexByte(r.head, 0) >= 0 || bytes.IndexByte(r.line(), '\r') >= 0 {
		return nil, ws.ErrMalformedRequest
	}
	_, rest, _ := bytes.Cut(r.head, []byte{'\n'})
	for {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		line = bytes.TrimSuffix(line, []byte{'\r'})
		colon := bytes.IndexByte(line, ':')
		switch {
		case len(line) == 0:
			if hosts != 1 {
				return nil, ws.ErrHandshakeBadHost
			}
			if keys != 1 {
				return nil, ws.ErrHandshakeBadSecKey
			}
			return key, nil
		case colon <= 0 || blank(line[0]) || blank(line[colon-1]) || bytes.IndexByte(line, '\r') >= 0:
			return nil, ws.ErrMalformedRequest
		case equalFold(line[:colon], "Host"):
			hosts++
		case equalFold(line[:colon], "Sec-WebSocket-Key"):
			keys++
			key = bytes.TrimSpace(line[colon+1:])
		case equalFold(line[:colon], "Transfer-Encoding"),
			equalFold(line[:colon], "Content-Length") && string(bytes.TrimSpace(line[colon+1:])) != "0":
			return nil, errBody
		}
	}
}

var errBody = ws.RejectConnectionError(
	ws.RejectionStatus(http.StatusBadRequest),
	ws.RejectionReason("handshake error: the request has a body"),
)

// oneLine returns the head with each of the lists Connection and Upgrade, which
// may come in several lines and with other members (RFC 9110, 5.3 and 7.8), cut
// down to what a handshake needs of it.
func (r Request) oneLine() []byte {
	line, rest, _ := bytes.Cut(r.head, []byte{'\n'})
	b := append(append(make([]byte, 0, len(r.head)+64), line...), "\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	for line := range bytes.Lines(rest) {
		name, _, _ := bytes.Cut(line, []byte{':'})
		if !equalFold(name, "Connection") && !equalFold(name, "Upgrade") {
			b = append(b, line...)
		}
	}
	return b
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// equalFold compares ASCII without regard to case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, x := range b {
		if y := s[i]; x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}

// Answer decides an opening handshake. The zero Answer accepts it.
type Answer struct {
	Status   int    // 0 to accept, otherwise the HTTP status to refuse with
	Text     string // body of a refusal: what is wrong and what to do
	Header   string // further header lines, each ended by CRLF
	Protocol string // subprotocol to select, one of those that the client offers
}

// ErrPending is what a decision returns to say that the answer comes later.
var ErrPending = errors.New("frame: the answer to the handshake is pending")

// Upgrader answers opening handshakes (RFC 6455, 4.2) over memory, through
// ws.Upgrader. The zero value is ready. It is for one goroutine at a time and
// makes no lasting garbage.
type Upgrader struct {
	up     ws.Upgrader
	in     bytes.Reader
	out    bytes.Buffer
	decide func(Request) (Answer, error)
	req    Request
	refuse error

	decided bool // the request was found correct, and decide was called
}

// Upgrade checks the handshake in head, a complete request head, and returns
// the bytes to send back, which live until the next call. decide is called
// once the request is known to be a correct handshake. Without an error the
// handshake is accepted. If decide returns ErrPending, so does Upgrade, with
// nothing to send; call it again with the same head when the answer is known.
// Any other error tells why the handshake was refused, and reply is an HTTP
// response after which the connection is to be closed.
func (u *Upgrader) Upgrade(head []byte, decide func(Request) (Answer, error)) (reply []byte, err error) {
	if u.up.OnBeforeUpgrade == nil {
		u.up.OnBeforeUpgrade = u.beforeUpgrade
	}
	u.in.Reset(head)
	u.out.Reset()
	u.req, u.decide, u.refuse, u.decided = Request{head}, decide, nil, false
	_, err = u.up.Upgrade(memory{u})
	if (err == ws.ErrHandshakeBadConnection || err == ws.ErrHandshakeBadUpgrade) &&
		u.req.IsUpgrade() && u.req.HasToken("Connection", "upgrade") {
		// ws reads these lists on one line only, and Upgrade not as a list.
		u.in.Reset(u.req.oneLine())
		u.out.Reset()
		_, err = u.up.Upgrade(memory{u})
	}
	u.req, u.decide = Request{}, nil // keep nothing of the head
	u.in.Reset(nil)
	if u.refuse == ErrPending {
		return nil, ErrPending
	}
	if err != nil && !u.decided {
		u.refuseRequest(err)
	}
	return u.out.Bytes(), err
}

// refuseRequest answers a request that is no correct handshake, in place of ws:
// that says nothing to a request it cannot read, and does not say that the
// connection closes, or what would be right (RFC 9110, 15.5.6 and 15.5.22).
func (u *Upgrader) refuseRequest(err error) {
	var rejected *ws.ConnectionRejectedError
	if !errors.As(err, &rejected) {
		rejected = ws.ErrMalformedRequest.(*ws.ConnectionRejectedError)
	}
	status, text := rejected.StatusCode(), rejected.Error()
	if want := wanted[err]; want != "" {
		text += ": " + want
	}
	header := "Connection: close\r\n"
	switch status {
	case http.StatusMethodNotAllowed:
		header += "Allow: GET\r\n"
	case http.StatusUpgradeRequired:
		header = "Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	}
	u.out.Reset()
	u.out.WriteString("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) +
		"\r\nContent-Type: text/plain; charset=utf-8\r\n" + header +
		"Content-Length: " + strconv.Itoa(len(text)) + "\r\n\r\n" + text)
}

// wanted says what a correct handshake has instead (RFC 6455, 4.2.1).
var wanted = map[error]string{
	ws.ErrHandshakeBadProtocol:     "HTTP/1.1 is needed; a proxy may have to be told so (nginx: proxy_http_version 1.1)",
	ws.ErrHandshakeBadMethod:       "GET is needed",
	ws.ErrHandshakeBadHost:         "exactly one is needed",
	ws.ErrHandshakeBadUpgrade:      "Upgrade: websocket is needed",
	ws.ErrHandshakeBadConnection:   "Connection: Upgrade is needed; a proxy may have to be told to pass it on",
	ws.ErrHandshakeBadSecKey:       "exactly one is needed, 16 bytes in base64",
	ws.ErrHandshakeBadSecVersion:   "version 13 is needed",
	ws.ErrHandshakeUpgradeRequired: "version 13 is needed",
}

// beforeUpgrade runs when ws has found nothing wrong with the request.
func (u *Upgrader) beforeUpgrade() (ws.HandshakeHeader, error) {
	key, err := u.req.strict()
	if err != nil {
		return nil, err
	}
	if !validKey(key) {
		return nil, ws.ErrHandshakeBadSecKey
	}
	u.decided = true
	a, err := u.decide(u.req)
	if err != nil {
		u.refuse = err
		return nil, err
	}
	if a.Status != 0 && a.Status != http.StatusSwitchingProtocols {
		return nil, ws.RejectConnectionError(
			ws.RejectionStatus(a.Status),
			ws.RejectionReason(a.Text),
			ws.RejectionHeader(ws.HandshakeHeaderString("Connection: close\r\n"+a.Header)),
		)
	}
	header := a.Header
	if a.Protocol != "" {
		header += "Sec-WebSocket-Protocol: " + a.Protocol + "\r\n"
	}
	if header == "" {
		return nil, nil
	}
	return ws.HandshakeHeaderString(header), nil
}

// validKey checks what ws does not: that the key is the base64 of 16 bytes
// (RFC 6455, 4.2.1).
func validKey(key []byte) bool {
	var raw [18]byte
	n, err := base64.StdEncoding.Decode(raw[:], key)
	return err == nil && n == 16
}

// memory is the "connection" that an Upgrader gives to ws.
type memory struct{ u *Upgrader }

func (m memory) Read(p []byte) (int, error)  { return m.u.in.Read(p) }
func (m memory) Write(p []byte) (int, error) { return m.u.out.Write(p) }

var _ io.ReadWriter = memory{}
