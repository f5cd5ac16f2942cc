package frame

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// fault is a stream of which the last byte of bad is the first that no correct
// client would have sent. fine and all of bad but that byte must pass.
type fault struct {
	name string
	fine []byte
	bad  []byte
	err  error
}

// headerFaults: each is visible in the header's first or second byte, or where
// the length ends.
var headerFaults = []fault{
	{"reserved bit", nil, octets("c1"), ErrReservedBits},
	{"reserved bit, second frame", text("a"), octets("91"), ErrReservedBits},
	{"reserved bit inside a message", text0("a"), octets("c0"), ErrReservedBits},
	{"reserved data opcode", nil, octets("83"), ErrReservedOpcode},
	{"reserved control opcode", ping("p"), octets("8f"), ErrReservedOpcode},
	{"ping, not final", nil, octets("09"), ErrControlFragmented},
	{"close, not final", text0("a"), octets("08"), ErrControlFragmented},
	{"continuation of nothing", nil, octets("80"), ErrContinuationUnexpected},
	{"continuation of a whole message", text("a"), octets("00"), ErrContinuationUnexpected},
	{"continuation of a finished message", join(text0("a"), last("b")), octets("80"), ErrContinuationUnexpected},
	{"text inside a message", text0("a"), octets("81"), ErrContinuationExpected},
	{"binary inside a message, after a ping", join(text0("a"), ping("p")), octets("02"), ErrContinuationExpected},

	{"not masked", nil, octets("81 05"), ErrNotMasked},
	{"not masked, 16 bits", text("a"), octets("82 7e"), ErrNotMasked},
	{"not masked, 64 bits", nil, octets("82 7f"), ErrNotMasked},
	{"ping, not masked", text0("a"), octets("89 00"), ErrNotMasked},
	{"126 bytes in a ping", nil, octets("89 fe"), ErrControlTooLong},
	{"64 bits in a close", nil, octets("88 ff"), ErrControlTooLong},

	{"125 in 16 bits", nil, octets("82 fe 007d"), ErrLengthNotMinimal},
	{"0 in 16 bits", text("a"), octets("82 fe 0000"), ErrLengthNotMinimal},
	{"65535 in 64 bits", nil, octets("82 ff 000000000000ffff"), ErrLengthNotMinimal},
	{"most significant bit", text0("a"), octets("80 ff 8000000000000000"), ErrLengthMSB},

	{"too big, 7 bits", nil, octets("82 e5"), ErrTooBig},
	{"too big, 16 bits", nil, octets("82 fe 0100"), ErrTooBig},
	{"too big, 64 bits", nil, octets("82 ff 0000000000010000"), ErrTooBig},
	{"too big with what came before", bin0("a"), octets("80 e4"), ErrTooBig},
}

// faultMax is the Parser.Max for all of them.
const faultMax = 100

// check feeds a stream byte by byte, and in two pieces cut before the bad byte.
func (f fault) check(t *testing.T) {
	in := append(bytes.Clone(f.fine), f.bad...)
	p := Parser{Max: faultMax}
	got := drive(t, &p, one(in)...)
	if got.err != f.err || got.fed != len(in) {
		t.Errorf("byte by byte: error %v after %d bytes, want %v after %d", got.err, got.fed, f.err, len(in))
	}
	p = Parser{Max: faultMax}
	if got := drive(t, &p, in[:len(in)-1]); got.err != nil {
		t.Errorf("without the bad byte: error %v, want none", got.err)
	} else if got := drive(t, &p, in[len(in)-1:]); got.err != f.err {
		t.Errorf("with the bad byte: error %v, want %v", got.err, f.err)
	}
	p = Parser{Max: faultMax}
	if got := drive(t, &p, in); got.err != f.err {
		t.Errorf("at once: error %v, want %v", got.err, f.err)
	}
}

// TestFailFastHeader asserts the exact byte at which a header is refused: a
// peer that stalls after it is not waited for.
func TestFailFastHeader(t *testing.T) {
	for _, f := range headerFaults {
		t.Run(f.name, f.check)
	}
}

// TestFailFastUTF8 asserts the exact byte at which text is refused: the first
// that cannot follow in any valid UTF-8 (Unicode, table 3-7), or the frame's
// last where a rune stays incomplete.
func TestFailFastUTF8(t *testing.T) {
	for _, test := range []struct{ name, fine, bad string }{
		{"lone continuation", "ok", "\x80"},
		{"C0 begins nothing", "", "\xc0"},
		{"C1 begins nothing", "\u00e9", "\xc1"},
		{"F5 begins nothing", "", "\xf5"},
		{"FF", "\U0001F34C", "\xff"},
		{"second byte missing", "\xc3", "("},
		{"third byte missing", "\xe2\x82", "("},
		{"fourth byte missing", "\xf0\x9f\x8d", "("},
		{"new rune inside a rune", "\xe2\x82", "\xe2"},
		{"overlong, 3 bytes", "\xe0", "\x9f"},
		{"overlong, 4 bytes", "\xf0", "\x8f"},
		{"surrogate", "\u03ba\u1f79\u03c3\u03bc\u03b5\xed", "\xa0"},
		{"above U+10FFFF", "\u03ba\u1f79\u03c3\u03bc\u03b5\xf4", "\x90"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bad := test.fine + test.bad
			// One frame that announces more, first in a message or last in it,
			// or one that goes on in a next frame.
			frame := text(bad + "and more")
			frame = frame[:6+len(bad)]
			fault{"", nil, frame, ErrInvalidUTF8}.check(t)
			fault{"", text0("begin"), continuation(frame), ErrInvalidUTF8}.check(t)
			fault{"", text("before"), text0(bad), ErrInvalidUTF8}.check(t)

			// The same, in fragments of one byte with pings between.
			in := text0("")
			for _, b := range []byte(test.fine) {
				in = join(in, more(string([]byte{b})), ping("\xff"))
			}
			fault{"", in, more(test.bad), ErrInvalidUTF8}.check(t)
		})
	}
}

// continuation makes a client's text frame the continuation of a message.
func continuation(frame []byte) []byte {
	frame = bytes.Clone(frame)
	frame[0] &^= 0x0f
	return frame
}

// TestFailFastAtTheEnd: an incomplete rune is a fault with the message's last
// byte, which may be the header of an empty frame.
func TestFailFastAtTheEnd(t *testing.T) {
	for _, part := range []string{"\xc3", "\xe2", "\xe2\x82", "\xf0", "\xf0\x9f", "\xf0\x9f\x8d"} {
		fault{"", nil, text("ok" + part), ErrInvalidUTF8}.check(t)
		fault{"", text0("ok"), last(part), ErrInvalidUTF8}.check(t)
		fault{"", join(text0("ok"+part), ping("p")), last(""), ErrInvalidUTF8}.check(t)
	}
}

// TestFaultOrder shows headers with several faults. The one that shows first, in
// the order of the bits, is told, whether the header comes whole or in pieces.
func TestFaultOrder(t *testing.T) {
	for _, test := range []struct {
		name  string
		fine  []byte
		bad   []byte
		first error
	}{
		{"reserved bit, length not minimal", nil, octets("c1 fe 0005 00000000"), ErrReservedBits},
		{"reserved opcode, length not minimal", nil, octets("83 fe 0005 00000000"), ErrReservedOpcode},
		{"reserved opcode, most significant bit", nil, octets("8b ff 8000000000000000 00000000"), ErrReservedOpcode},
		{"reserved bit and opcode, not masked", nil, octets("f3 00"), ErrReservedBits},
		{"not masked, length not minimal", nil, octets("81 7e 0005"), ErrNotMasked},
		{"ping, not final, not masked", nil, octets("09 00"), ErrControlFragmented},
		{"ping, not final, too long", nil, octets("09 fe 0100 00000000"), ErrControlFragmented},
		{"ping, too long, length not minimal", nil, octets("89 fe 0005 00000000"), ErrControlTooLong},
		{"ping, not masked, too long", nil, octets("89 7e 0100"), ErrNotMasked},
		{"continuation of nothing, not masked", nil, octets("80 00"), ErrContinuationUnexpected},
		{"continuation of nothing, too big", nil, octets("80 fe 1000 00000000"), ErrContinuationUnexpected},
		{"text inside a message, not masked", text0("a"), octets("81 00"), ErrContinuationExpected},
		{"text inside a message, length not minimal", text0("a"), octets("81 fe 0005 00000000"), ErrContinuationExpected},
		{"not masked, too big", nil, octets("82 7e 1000"), ErrNotMasked},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := append(bytes.Clone(test.fine), test.bad...)
			for cut := range in {
				p := Parser{Max: faultMax}
				if got := drive(t, &p, in[:cut], in[cut:]); got.err != test.first {
					t.Errorf("cut at %d: %v, want %v", cut, got.err, test.first)
				}
			}
			p := Parser{Max: faultMax}
			if got := drive(t, &p, one(in)...); got.err != test.first {
				t.Errorf("byte by byte: %v, want %v", got.err, test.first)
			}
		})
	}
}

// TestValidPrefix compares with the definition: a prefix is alive as long as
// something can follow that makes it valid. All strings of up to four bytes out
// of those at which the rules change.
func TestValidPrefix(t *testing.T) {
	edges := []byte("\x00a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff")
	var b [4]byte
	var walk func(n int)
	walk = func(n int) {
		checkPrefix(t, b[:n])
		if n == len(b) {
			return
		}
		for _, c := range edges {
			b[n] = c
			walk(n + 1)
		}
	}
	walk(0)
}

func checkPrefix(t *testing.T, b []byte) {
	// The slow reference: whole runes, then what is left of b, if anything.
	whole := 0
	for whole < len(b) {
		r, size := utf8.DecodeRune(b[whole:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		whole += size
	}
	alive := whole == len(b)
	for _, end := range []string{"\x80", "\x90", "\xa0", "\x80\x80", "\x90\x80", "\xa0\x80", "\x80\x80\x80", "\x90\x80\x80"} {
		alive = alive || utf8.Valid(append(bytes.Clone(b[whole:]), end...))
	}
	n, ok := validPrefix(b)
	if ok != alive || ok && n != whole {
		t.Fatalf("%x: got %d, %t; want %d, %t", b, n, ok, whole, alive)
	}
}

// TestValidPrefixLong puts what is incomplete, and what is wrong, behind and
// before long valid text.
func TestValidPrefixLong(t *testing.T) {
	long := strings.Repeat("\u6c34", 1000)
	for _, test := range []struct {
		s  string
		n  int
		ok bool
	}{
		{long, 3000, true},
		{long + "\xf0\x9f\x8d", 3000, true},
		{long + "\xe6\xb0", 3000, true},
		{long + "\xff", 0, false},
		{"\xff" + long, 0, false},
		{"\xff" + long + "\xe6", 0, false},
		{long + "\x80\x80\x80\x80", 0, false},
	} {
		if n, ok := validPrefix([]byte(test.s)); ok != test.ok || ok && n != test.n {
			t.Errorf("%q...: got %d, %t; want %d, %t", test.s[:1], n, ok, test.n, test.ok)
		}
	}
}
