package frame

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maskKey is the masking key of the examples in RFC 6455, 5.7.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// fin is the first bit of a frame header.
const fin = 0x80

// masked draws one frame of a client. first is the header's first byte.
func masked(first byte, payload string) []byte {
	return append(announce(first, uint64(len(payload))), cipher(payload)...)
}

// cipher masks a payload with maskKey, octet by octet as RFC 6455, 5.3 puts it.
func cipher(payload string) []byte {
	b := []byte(payload)
	for i := range b {
		b[i] ^= maskKey[i%4]
	}
	return b
}

// announce draws the header of a client's frame, with the shortest length that
// holds n, and none of the payload.
func announce(first byte, n uint64) []byte {
	b := []byte{first}
	switch {
	case n < 126:
		b = append(b, fin|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, fin|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, fin|127), n)
	}
	return append(b, maskKey[:]...)
}

// Whole messages and control frames.
func text(s string) []byte   { return masked(fin|byte(ws.OpText), s) }
func bin(s string) []byte    { return masked(fin|byte(ws.OpBinary), s) }
func ping(s string) []byte   { return masked(fin|byte(ws.OpPing), s) }
func pong(s string) []byte   { return masked(fin|byte(ws.OpPong), s) }
func bye(body string) []byte { return masked(fin|byte(ws.OpClose), body) }

// Fragments: the first of a message, one in the middle, the last.
func text0(s string) []byte { return masked(byte(ws.OpText), s) }
func bin0(s string) []byte  { return masked(byte(ws.OpBinary), s) }
func more(s string) []byte  { return masked(byte(ws.OpContinuation), s) }
func last(s string) []byte  { return masked(fin|byte(ws.OpContinuation), s) }

// join puts frames one after another.
func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// octets reads hexadecimal digits. Spaces are free.
func octets(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// bits reads binary digits, eight to a byte. Spaces and bars are free.
func bits(s string) []byte {
	var b []byte
	n := 0
	for _, c := range s {
		switch c {
		case '0', '1':
			if n%8 == 0 {
				b = append(b, 0)
			}
			b[n/8] |= byte(c-'0') << (7 - n%8)
			n++
		case ' ', '|':
		default:
			panic("bits: " + s)
		}
	}
	if n%8 != 0 {
		panic("bits: not whole bytes: " + s)
	}
	return b
}

// opNames are the words by which tests draw messages: "text Hello".
var opNames = map[ws.OpCode]string{
	ws.OpText: "text", ws.OpBinary: "binary",
	ws.OpClose: "close", ws.OpPing: "ping", ws.OpPong: "pong",
}

// draw copies a message out of the parser, as "text Hello".
func draw(m Message) string { return opNames[m.Op] + " " + string(m.Data) }

// short cuts long drawings for failure messages.
func short(drawn []string) string {
	s := make([]string, len(drawn))
	for i, d := range drawn {
		if len(d) > 60 {
			d = fmt.Sprintf("%s...(%d bytes)", d[:60], len(d))
		}
		s[i] = fmt.Sprintf("%q", d)
	}
	return "[" + strings.Join(s, ", ") + "]"
}

// outcome is what became of some input.
type outcome struct {
	out []string // messages, drawn
	err error
	fed int // bytes of the pieces up to, and with, the one that brought err
}

// drive gives pieces to a parser as a connection would, one after another, and
// checks on the way what Next promises of every call. What a call was given or
// has returned is overwritten afterwards, so that late use shows.
func drive(t testing.TB, p *Parser, pieces ...[]byte) (o outcome) {
	t.Helper()
	for _, piece := range pieces {
		piece = bytes.Clone(piece)
		o.fed += len(piece)
		for b := piece; len(b) > 0; {
			m, n, ok, err := p.Next(b)
			if n < 0 || n > len(b) || n == 0 && err == nil {
				t.Fatalf("Next took %d of %d bytes, error %v", n, len(b), err)
			}
			if err != nil {
				if ok {
					t.Fatalf("Next gave a message together with error %v", err)
				}
				o.err = err
				return o
			}
			if ok {
				checkMessage(t, p, m)
				o.out = append(o.out, draw(m))
				scribble(m.Data)
			}
			b = b[n:]
		}
		scribble(piece)
	}
	return o
}

// checkMessage checks what holds for every message.
func checkMessage(t testing.TB, p *Parser, m Message) {
	t.Helper()
	switch m.Op {
	case ws.OpText, ws.OpBinary:
		if len(m.Data) > p.Max {
			t.Fatalf("message of %d bytes, over Max %d", len(m.Data), p.Max)
		}
		if m.Op == ws.OpText && !utf8.Valid(m.Data) {
			t.Fatalf("text is not UTF-8: %q", m.Data)
		}
	case ws.OpClose, ws.OpPing, ws.OpPong:
		if len(m.Data) > ws.MaxControlFramePayloadSize {
			t.Fatalf("control frame of %d bytes", len(m.Data))
		}
	default:
		t.Fatalf("message with opcode %#x", m.Op)
	}
}

func scribble(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

// one cuts b into single bytes.
func one(b []byte) [][]byte {
	pieces := make([][]byte, len(b))
	for i := range b {
		pieces[i] = b[i : i+1]
	}
	return pieces
}

// randomCuts cuts b into pieces of 1 to most bytes.
func randomCuts(r *rand.Rand, b []byte, most int) (pieces [][]byte) {
	for len(b) > 0 {
		n := min(1+r.IntN(most), len(b))
		pieces = append(pieces, b[:n])
		b = b[n:]
	}
	return pieces
}
