package frame

import (
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Message is a whole message, or a control frame, from a client.
type Message struct {
	Op   ws.OpCode // OpText, OpBinary, OpClose, OpPing or OpPong
	Data []byte    // payload, unmasked; see Parser.Next for how long it lives
}

// Parser turns what a client sends into messages, checking every rule of
// RFC 6455 on the way. It holds state only while a frame or a fragmented
// message is incomplete (Idle tells), so that one Parser can serve all idle
// connections of an event loop in turn.
//
// The zero Parser is ready, for messages of up to 0 bytes: set Max. It is for
// one goroutine at a time.
type Parser struct {
	// Max is the greatest size in bytes of a message, over all its fragments.
	// Growth follows the bytes that arrive, never a length that is announced.
	Max int

	// What a fragmented message has brought so far.
	op    ws.OpCode // its opcode; 0 (OpContinuation) when there is none
	msg   []byte    // its payload, unmasked
	valid int       // length of the prefix of msg known to be UTF-8
	given bool      // msg was returned by Next, and is free for reuse

	// The frame that is being received, if inside is set.
	inside bool
	header ws.Header
	got    int                                 // bytes of its payload that have come
	ctl    [ws.MaxControlFramePayloadSize]byte // a control frame's payload

	// A header of which only a part has come.
	part  [ws.MaxHeaderSize]byte
	nPart int
}

// Next takes bytes from b, which it may change (payloads are unmasked in
// place), and returns how many it took. With ok, m is the next message. Call
// it again with the rest of b until nothing is left; it always takes something
// from a b that is not empty.
//
// m.Data points into b or into the Parser, and is valid until the next call.
// It may be changed. An error is an *Error, final, and comes as soon as the
// bytes that cause it.
func (p *Parser) Next(b []byte) (m Message, n int, ok bool, err error) {
	if p.given {
		p.reset()
	}
	if p.inside {
		return p.resume(b, 0)
	}
	if p.nPart > 0 {
		return p.resumeHeader(b)
	}
	h, size, err := ParseHeader(b)
	if err != nil || size == 0 {
		p.nPart = copy(p.part[:], b)
		return m, p.nPart, false, p.checkPart()
	}
	if err := p.check(h); err != nil {
		return m, 0, false, err
	}
	if h.Length > int64(len(b)-size) || !h.OpCode.IsControl() && !(h.Fin && p.op == 0) {
		p.enter(h)
		return p.resume(b, size)
	}
	n = size + int(h.Length)
	// The common case, all in b: a control frame, or a message in one frame.
	m = Message{h.OpCode, b[size:n]}
	ws.Cipher(m.Data, h.Mask, 0)
	if h.OpCode == ws.OpText && !utf8.Valid(m.Data) {
		return Message{}, n, false, ErrInvalidUTF8
	}
	return m, n, true, nil
}

// Idle reports whether nothing is incomplete: neither a frame nor a message.
// It must not be called while a message from Next is in use.
func (p *Parser) Idle() bool {
	return p.given && p.nPart == 0 || !p.inside && p.nPart == 0 && p.op == 0
}

// Held returns the bytes of memory of the buffer for incomplete messages, which
// stays until Reset drops it.
func (p *Parser) Held() int { return cap(p.msg) }

// Reset forgets all state but Max, and keeps the buffer if it is not larger
// than keep bytes.
func (p *Parser) Reset(keep int) {
	p.reset()
	p.inside, p.nPart = false, 0
	if cap(p.msg) > keep {
		p.msg = nil
	}
}

func (p *Parser) reset() {
	p.op, p.msg, p.valid, p.given = 0, p.msg[:0], 0, false
}

// checkPart fails at once on what the bytes of a header so far already show, so
// that a peer that then stalls is not waited for, and that which of two faults
// is told does not depend on how the bytes were cut.
func (p *Parser) checkPart() error {
	if p.nPart == 0 {
		return nil
	}
	h := ws.Header{
		Fin:    p.part[0]&0x80 != 0,
		Rsv:    p.part[0] >> 4 & 7,
		OpCode: ws.OpCode(p.part[0] & 0x0f),
		Masked: true,
	}
	if p.nPart > 1 {
		h.Masked = p.part[1]&0x80 != 0
		h.Length = int64(p.part[1] & 0x7f) // enough to tell a control frame's fault
	}
	if err := CheckHeader(h, p.op != 0); err != nil {
		return err
	}
	// Read on as if there were no mask: the length comes before the key.
	bare := p.part
	bare[1] &^= 0x80
	bh, size, err := ParseHeader(bare[:p.nPart])
	if err != nil || size == 0 {
		return err
	}
	bh.Masked = true
	return p.check(bh)
}

func (p *Parser) check(h ws.Header) error {
	if err := CheckHeader(h, p.op != 0); err != nil {
		return err
	}
	if !h.OpCode.IsControl() && h.Length > int64(p.Max-len(p.msg)) {
		return ErrTooBig
	}
	return nil
}

// resumeHeader completes a header that came in pieces.
func (p *Parser) resumeHeader(b []byte) (m Message, n int, ok bool, err error) {
	had := p.nPart
	p.nPart += copy(p.part[had:], b)
	h, size, err := ParseHeader(p.part[:p.nPart])
	if err != nil || size == 0 {
		return m, p.nPart - had, false, p.checkPart()
	}
	p.nPart = 0
	if err := p.check(h); err != nil {
		return m, 0, false, err
	}
	p.enter(h)
	return p.resume(b, size-had)
}

// enter begins to receive a frame's payload.
func (p *Parser) enter(h ws.Header) {
	p.inside, p.header, p.got = true, h, 0
	if !h.OpCode.IsControl() && h.OpCode != ws.OpContinuation {
		p.op = h.OpCode
	}
}

// resume takes payload of the frame that is being received, from b[at:].
func (p *Parser) resume(b []byte, at int) (m Message, n int, ok bool, err error) {
	n = len(b)
	if left := p.header.Length - int64(p.got); left < int64(n-at) {
		n = at + int(left)
	}
	piece := b[at:n]
	ws.Cipher(piece, p.header.Mask, p.got)
	control := p.header.OpCode.IsControl()
	if control {
		copy(p.ctl[p.got:], piece)
	} else if err := p.take(piece); err != nil {
		return m, n, false, err
	}
	p.got += len(piece)
	if int64(p.got) < p.header.Length {
		return m, n, false, nil
	}
	p.inside = false
	if control {
		return Message{p.header.OpCode, p.ctl[:p.got]}, n, true, nil
	}
	if !p.header.Fin {
		return m, n, false, nil
	}
	if p.op == ws.OpText && p.valid != len(p.msg) {
		return m, n, false, ErrInvalidUTF8
	}
	p.given = true
	return Message{p.op, p.msg}, n, true, nil
}

// take adds unmasked payload to the message and checks it as far as it goes.
func (p *Parser) take(piece []byte) error {
	if free := cap(p.msg) - len(p.msg); free < len(piece) {
		// As much as has come so far again, but no more than the frame needs.
		want := min(int(p.header.Length)-p.got, len(p.msg)+2*len(piece))
		p.msg = slices.Grow(p.msg, want)
	}
	p.msg = append(p.msg, piece...)
	if p.op != ws.OpText {
		return nil
	}
	n, ok := validPrefix(p.msg[p.valid:])
	p.valid += n
	if !ok {
		return ErrInvalidUTF8
	}
	return nil
}
