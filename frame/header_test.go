package frame

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/gobwas/ws"
)

// TestParseHeader draws headers as RFC 6455, 5.2 does: FIN, RSV, opcode, MASK,
// length; then the extended length and the masking key in hexadecimal.
func TestParseHeader(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	for _, test := range []struct {
		name string
		bits string
		tail string
		want ws.Header
		err  error
	}{
		{"empty text", "1 000 0001 | 0 0000000", "", ws.Header{Fin: true, OpCode: ws.OpText}, nil},
		{"masked", "1 000 0001 | 1 0000101", "01020304", ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Mask: key, Length: 5}, nil},
		{"fragment", "0 000 0010 | 0 0000001", "", ws.Header{OpCode: ws.OpBinary, Length: 1}, nil},
		{"continuation", "1 000 0000 | 0 0000001", "", ws.Header{Fin: true, Length: 1}, nil},
		{"close", "1 000 1000 | 1 0000000", "01020304", ws.Header{Fin: true, OpCode: ws.OpClose, Masked: true, Mask: key}, nil},
		{"ping", "1 000 1001 | 0 0000000", "", ws.Header{Fin: true, OpCode: ws.OpPing}, nil},
		{"pong", "1 000 1010 | 0 0000000", "", ws.Header{Fin: true, OpCode: ws.OpPong}, nil},
		{"reserved opcode", "1 000 1111 | 0 0000000", "", ws.Header{Fin: true, OpCode: 0xf}, nil},
		{"RSV1", "1 100 0001 | 0 0000000", "", ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText}, nil},
		{"RSV2", "1 010 0001 | 0 0000000", "", ws.Header{Fin: true, Rsv: 2, OpCode: ws.OpText}, nil},
		{"RSV3", "1 001 0001 | 0 0000000", "", ws.Header{Fin: true, Rsv: 1, OpCode: ws.OpText}, nil},
		{"125", "1 000 0010 | 0 1111101", "", ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 125}, nil},
		{"126", "1 000 0010 | 0 1111110", "007e", ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 126}, nil},
		{"127", "1 000 0010 | 0 1111110", "007f", ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 127}, nil},
		{"65535", "1 000 0010 | 0 1111110", "ffff", ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 65535}, nil},
		{"65536", "1 000 0010 | 0 1111111", "0000000000010000", ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 65536}, nil},
		{"65536 masked", "1 000 0010 | 1 1111111", "0000000000010000 01020304", ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Mask: key, Length: 65536}, nil},
		{"greatest", "1 000 0010 | 0 1111111", "7fffffffffffffff", ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 1<<63 - 1}, nil},

		{"0 in 16 bits", "1 000 0010 | 0 1111110", "0000", ws.Header{}, ErrLengthNotMinimal},
		{"125 in 16 bits", "1 000 0010 | 0 1111110", "007d", ws.Header{}, ErrLengthNotMinimal},
		{"125 in 16 bits, masked", "1 000 0010 | 1 1111110", "007d", ws.Header{}, ErrLengthNotMinimal},
		{"0 in 64 bits", "1 000 0010 | 0 1111111", "0000000000000000", ws.Header{}, ErrLengthNotMinimal},
		{"126 in 64 bits", "1 000 0010 | 0 1111111", "000000000000007e", ws.Header{}, ErrLengthNotMinimal},
		{"65535 in 64 bits", "1 000 0010 | 0 1111111", "000000000000ffff", ws.Header{}, ErrLengthNotMinimal},
		{"65535 in 64 bits, masked", "1 000 0010 | 1 1111111", "000000000000ffff", ws.Header{}, ErrLengthNotMinimal},
		{"most significant bit", "1 000 0010 | 0 1111111", "8000000000000000", ws.Header{}, ErrLengthMSB},
		{"all bits", "1 000 0010 | 0 1111111", "ffffffffffffffff", ws.Header{}, ErrLengthMSB},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := append(bits(test.bits), octets(test.tail)...)
			// What follows the header changes nothing.
			for _, in := range [][]byte{b, append(bytes.Clone(b), 0xff, 0xff)} {
				h, size, err := ParseHeader(in)
				if err != test.err {
					t.Fatalf("error %v, want %v", err, test.err)
				}
				if err != nil && size != 0 {
					t.Errorf("size %d together with an error", size)
				}
				if err == nil && (h != test.want || size != len(b)) {
					t.Errorf("got %+v, size %d\nwant %+v, size %d", h, size, test.want, len(b))
				}
			}
			// A part of the header is neither a header nor an error.
			for n := range b {
				if _, size, err := ParseHeader(b[:n]); size != 0 || err != nil {
					t.Errorf("the first %d bytes: size %d, error %v", n, size, err)
				}
			}
		})
	}
}

// TestParseHeaderEveryLength sees that each length has exactly one form, around
// the two limits between forms, and that it is the one HeaderSize counts.
func TestParseHeaderEveryLength(t *testing.T) {
	for n := range 1<<16 + 300 {
		forms := 0
		for _, b := range [][]byte{
			{0x82, byte(n)},
			{0x82, 126, byte(n >> 8), byte(n)},
			{0x82, 127, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)},
		} {
			if len(b) == 2 && n > 125 || len(b) == 4 && n > 0xffff {
				continue // this form cannot hold n
			}
			h, size, err := ParseHeader(b)
			if err != nil {
				continue
			}
			forms++
			if h.Length != int64(n) || size != len(b) || size != HeaderSize(n) {
				t.Fatalf("%x: length %d, size %d; want %d, %d", b, h.Length, size, n, HeaderSize(n))
			}
		}
		if forms != 1 {
			t.Fatalf("length %d is accepted in %d forms, want 1", n, forms)
		}
	}
}

// TestCheckHeader names the one fault of each header, for a first frame and
// inside a fragmented message.
func TestCheckHeader(t *testing.T) {
	two := errors.New("two faults: which one is told is for TestFaultOrder")
	good := func(op ws.OpCode) ws.Header { return ws.Header{Fin: true, OpCode: op, Masked: true} }
	with := func(op ws.OpCode, change func(*ws.Header)) ws.Header {
		h := good(op)
		change(&h)
		return h
	}
	open := func(h *ws.Header) { h.Fin = false }
	bare := func(h *ws.Header) { h.Masked = false }
	long := func(n int64) func(*ws.Header) { return func(h *ws.Header) { h.Length = n } }

	for _, test := range []struct {
		name   string
		h      ws.Header
		first  error // fault where a message may begin
		inside error // fault where one is being received
	}{
		{"text", good(ws.OpText), nil, ErrContinuationExpected},
		{"binary", good(ws.OpBinary), nil, ErrContinuationExpected},
		{"text, not final", with(ws.OpText, open), nil, ErrContinuationExpected},
		{"continuation", good(ws.OpContinuation), ErrContinuationUnexpected, nil},
		{"continuation, not final", with(ws.OpContinuation, open), ErrContinuationUnexpected, nil},
		{"ping", good(ws.OpPing), nil, nil},
		{"pong", good(ws.OpPong), nil, nil},
		{"close", good(ws.OpClose), nil, nil},
		{"long text", with(ws.OpText, long(1<<40)), nil, ErrContinuationExpected},

		{"ping of 125", with(ws.OpPing, long(125)), nil, nil},
		{"ping of 126", with(ws.OpPing, long(126)), ErrControlTooLong, ErrControlTooLong},
		{"pong of 65536", with(ws.OpPong, long(65536)), ErrControlTooLong, ErrControlTooLong},
		{"close of 126", with(ws.OpClose, long(126)), ErrControlTooLong, ErrControlTooLong},
		{"ping, not final", with(ws.OpPing, open), ErrControlFragmented, ErrControlFragmented},
		{"pong, not final", with(ws.OpPong, open), ErrControlFragmented, ErrControlFragmented},
		{"close, not final", with(ws.OpClose, open), ErrControlFragmented, ErrControlFragmented},

		{"text, not masked", with(ws.OpText, bare), ErrNotMasked, two},
		{"ping, not masked", with(ws.OpPing, bare), ErrNotMasked, ErrNotMasked},
		{"continuation, not masked", with(ws.OpContinuation, bare), two, ErrNotMasked},
	} {
		t.Run(test.name, func(t *testing.T) {
			for fragmented, want := range map[bool]error{false: test.first, true: test.inside} {
				if got := CheckHeader(test.h, fragmented); got != want && (want != two || got == nil) {
					t.Errorf("fragmented %t: %v, want %v", fragmented, got, want)
				}
			}
		})
	}
}

// TestCheckHeaderReserved goes through all opcodes and reserved bits.
func TestCheckHeaderReserved(t *testing.T) {
	for first := range 256 {
		h, _, _ := ParseHeader([]byte{byte(first), 0x80, 0, 0, 0, 0})
		name := fmt.Sprintf("%08b", first)
		for _, fragmented := range []bool{false, true} {
			got := CheckHeader(h, fragmented)
			switch {
			case h.Rsv != 0:
				if got != ErrReservedBits {
					t.Errorf("%s: %v, want %v", name, got, ErrReservedBits)
				}
			case h.OpCode >= 3 && h.OpCode <= 7 || h.OpCode >= 0xb:
				if got != ErrReservedOpcode {
					t.Errorf("%s: %v, want %v", name, got, ErrReservedOpcode)
				}
			case got == ErrReservedBits || got == ErrReservedOpcode:
				t.Errorf("%s: %v without cause", name, got)
			}
		}
	}
}
