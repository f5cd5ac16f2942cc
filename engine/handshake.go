package engine

import (
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"

	"stentor/frame"
)

// Handshake is an opening handshake that is correct and waits for its answer.
// It is valid during the call of Config.Upgrade only; what Later returns lives
// longer.
type Handshake struct {
	// Request is the request head. Its slices are valid during the call only.
	Request frame.Request

	loop  *loop
	conn  *conn
	later *Later
}

// Answer says what becomes of a handshake. The zero Answer accepts it.
type Answer struct {
	// Status refuses with this HTTP status if it is neither 0 nor 101. Text is
	// the body then. A browser shows neither to the page: where the page should
	// learn why, use CloseCode.
	Status int
	Text   string

	// Header is further lines for the response, each ended by CRLF.
	Header string
	// Protocol is the subprotocol to select, one that the client offers.
	Protocol string

	// CloseCode accepts the handshake and closes at once with this status code
	// and CloseText. The Handler does not hear of it.
	CloseCode int
	CloseText string

	// Data is the connection's value from the start, see Conn.Data.
	Data any
	// PongCode is the status code to close with when a pong is missing; 0 is
	// 4408.
	PongCode int
}

// Remote returns the peer's address, the zero value for a unix socket.
func (hs *Handshake) Remote() netip.AddrPort { return remote(hs.conn.op.FD) }

// Loop returns the number of the event loop, as Conn.Loop does.
func (hs *Handshake) Loop() int { return hs.loop.index }

// Later defers the answer: the Answer that Config.Upgrade returns is ignored,
// and the connection waits, at no cost but its request head, for the one given
// to Later.Answer, or for Config.HandshakeTimeout.
func (hs *Handshake) Later() *Later {
	if hs.later == nil {
		hs.later = &Later{conn: hs.conn.handle()}
	}
	return hs.later
}

// Later is an answer to come.
type Later struct {
	conn Conn
	done atomic.Bool
}

// Answer gives the answer. Any goroutine may call it; the first call counts.
// It does nothing if the peer has gone meanwhile.
func (p *Later) Answer(a Answer) {
	if !p.done.Swap(true) {
		p.conn.c.loop().post(task{kind: taskAnswer, conn: p.conn.c, gen: p.conn.gen, arg: &a})
	}
}

// decision is the handshake that a loop is deciding on.
type decision struct {
	loop   *loop
	conn   *conn
	given  *Answer // decided earlier
	answer Answer
	hs     Handshake
}

// decide is the hook between checking a handshake and answering it.
func (d *decision) decide(req frame.Request) (frame.Answer, error) {
	cfg := &d.loop.engine.cfg
	switch {
	case d.given != nil:
		d.answer = *d.given
	case d.loop.engine.full():
		d.answer = Answer{CloseCode: d.loop.engine.fullCode(req), CloseText: textFull}
	case cfg.Upgrade != nil:
		d.hs = Handshake{Request: req, loop: d.loop, conn: d.conn}
		d.answer = cfg.Upgrade(&d.hs)
		later := d.hs.later
		d.hs = Handshake{}
		if later != nil {
			return frame.Answer{}, frame.ErrPending
		}
	default:
		d.answer = Answer{}
	}
	a := &d.answer
	return frame.Answer{Status: a.Status, Text: a.Text, Header: a.Header, Protocol: a.Protocol}, nil
}

// handshake takes bytes of a request head.
func (l *loop) handshake(c *conn, b []byte) {
	from := 0
	if c.in != nil {
		from = c.in.seen - 3
		c.in.head = append(c.in.head, b...)
		b = c.in.head
	}
	if b[0] == tlsHandshake {
		l.stats.handshake(handshakeMalformed)
		l.refuse(c, http.StatusBadRequest, "this port does not speak TLS: use ws:// and http://, or put a proxy in front")
		return
	}
	if !maybeGet(b) {
		l.toHTTP(c, b)
		return
	}
	limit := l.engine.cfg.MaxHeaderBytes
	end := frame.HeadEnd(b, from)
	if end > limit || end == 0 && len(b) > limit {
		l.stats.handshake(handshakeTooLarge)
		l.refuse(c, http.StatusRequestHeaderFieldsTooLarge,
			"the request head is larger than "+strconv.Itoa(limit)+" bytes (limits.max_header_bytes)")
		return
	}
	if end == 0 {
		l.keepHead(c, b)
		return
	}
	if !frame.NewRequest(b[:end]).IsUpgrade() {
		l.toHTTP(c, b)
		return
	}
	l.upgrade(c, b[:end], b[end:], nil)
}

// tlsHandshake begins the first record of a TLS client (RFC 8446, 5.1).
const tlsHandshake = 22

// maybeGet reports whether a request can still turn out to be a GET.
func maybeGet(b []byte) bool {
	const get = "GET "
	n := min(len(b), len(get))
	return string(b[:n]) == get[:n]
}

// keepHead keeps an incomplete head.
func (l *loop) keepHead(c *conn, b []byte) {
	in := c.in
	if in == nil {
		in = l.scratch
		in.head = append(in.head[:0], b...)
	}
	in.seen = len(in.head)
	l.keep(c, in)
}

// upgrade answers a handshake. rest is what came after its head.
func (l *loop) upgrade(c *conn, head, rest []byte, given *Answer) {
	d := &l.decision
	d.conn, d.given, d.answer = c, given, Answer{}
	reply, err := l.upgrader.Upgrade(head, l.decide)
	a := d.answer
	d.conn, d.given, d.answer = nil, nil, Answer{}
	if err == frame.ErrPending {
		l.verifyLater(c, head, rest)
		return
	}
	c.word.lock(c.word.gen())
	c.write(reply, false)
	l.reply = len(l.cork)
	c.word.unlock()
	switch {
	case err != nil && a.Status == 0:
		l.stats.handshake(handshakeMalformed)
		l.hangUp(c)
	case err != nil:
		l.stats.handshake(handshakeRefused)
		l.hangUp(c)
	case a.CloseCode != 0:
		l.stats.handshake(handshakeTurnedAway)
		c.word.lock(c.word.gen())
		c.sendClose(a.CloseCode, a.CloseText)
		c.word.unlock()
		l.hangUp(c)
	default:
		if refusal := l.engine.admit(c); refusal != "" {
			l.stats.handshake(handshakeTurnedAway)
			c.word.lock(c.word.gen())
			c.sendClose(l.engine.fullCode(frame.NewRequest(head)), refusal)
			c.word.unlock()
			l.hangUp(c)
			return
		}
		l.stats.handshake(handshakeAccepted)
		l.opened(c, &a, rest)
	}
}

// opened begins the talking phases.
func (l *loop) opened(c *conn, a *Answer, rest []byte) {
	c.data = a.Data
	c.pongCode = uint16(a.PongCode)
	c.setPhase(phaseOpen)
	c.touch(l.now())
	in := c.in
	c.in = nil // rest may point into it
	l.raise(c, event{kind: eventOpen})
	if len(rest) > 0 && c.phase().talking() {
		l.messages(c, rest)
	}
	if in != nil {
		kept := c.in
		c.in = in
		l.releaseIn(c)
		c.in = kept
	}
}

// refuse answers a request that is not understood, without net/http.
func (l *loop) refuse(c *conn, status int, text string) {
	head := "HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status)
	if status == http.StatusServiceUnavailable {
		head += "\r\nRetry-After: 1"
	}
	head += "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: " +
		strconv.Itoa(len(text)) + "\r\n\r\n" + text
	c.word.lock(c.word.gen())
	c.write([]byte(head), false)
	c.word.unlock()
	l.hangUp(c)
}

// hangUp ends a connection that was never opened, after what was written.
func (l *loop) hangUp(c *conn) {
	c.setPhase(phaseClosing)
	c.touch(l.now())
	l.sayFin(c)
}

// verifyLater keeps a handshake whose answer will come from elsewhere.
func (l *loop) verifyLater(c *conn, head, rest []byte) {
	if c.in == nil {
		in := l.scratch
		in.head = append(append(in.head[:0], head...), rest...)
		l.keep(c, in)
	}
	c.in.seen = len(head)
	c.setPhase(phaseVerify)
}

// holdBack keeps what comes between a handshake and its answer. A client has
// nothing to say then (RFC 6455, 4.1), so little is allowed.
func (l *loop) holdBack(c *conn, b []byte) {
	if len(c.in.head)+len(b) > l.engine.cfg.MaxHeaderBytes+readSize {
		l.end(c, Reason{statusAbnormal, "data before the handshake was answered", ByViolation})
		return
	}
	c.in.head = append(c.in.head, b...)
	l.count(c.in)
}

// answer completes a handshake that was decided elsewhere.
func (l *loop) answer(c *conn, a *Answer) {
	if c.phase() != phaseVerify || !l.corkOn(c) {
		return
	}
	c.touch(l.now())
	head := c.in.head
	l.upgrade(c, head[:c.in.seen], head[c.in.seen:], a)
	l.corkOff(c)
}

// lateHandshake ends a handshake whose time is over.
func (l *loop) lateHandshake(c *conn) {
	verify := c.phase() == phaseVerify
	l.stats.handshake(handshakeTimeout)
	if !verify && c.in == nil { // it said nothing at all
		c.setPhase(phaseClosing)
		l.end(c, Reason{statusAbnormal, "", ByPongTimeout})
		return
	}
	if verify {
		l.refuse(c, http.StatusServiceUnavailable, "the server took too long to decide on this handshake: try again later")
		return
	}
	l.refuse(c, http.StatusRequestTimeout, "the request head did not come in time (limits.handshake_timeout)")
}
