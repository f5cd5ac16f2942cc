package frame

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// stream is bytes of a client and what they bring: messages, then an error.
type stream struct {
	name string
	in   []byte
	out  []string
	err  error
}

// streamMax is the Parser.Max that the streams below are meant for.
const streamMax = 1 << 17

// goodStreams keep every rule.
var goodStreams = []stream{
	{"text", text("Hello"), []string{"text Hello"}, nil},
	{"text as in RFC 6455, 5.7", octets("81 85 37fa213d 7f9f4d5158"), []string{"text Hello"}, nil},
	{"binary", bin("\x00\xff\x80"), []string{"binary \x00\xff\x80"}, nil},
	{"empty text", text(""), []string{"text "}, nil},
	{"empty binary", bin(""), []string{"binary "}, nil},
	{"masking key of zeros", octets("81 82 00000000 6869"), []string{"text hi"}, nil},
	{"two keys", join(octets("81 82 ffffffff 9796"), octets("81 82 01010101 6968")), []string{"text hi", "text hi"}, nil},
	{"one byte", text("x"), []string{"text x"}, nil},
	{"125 bytes", text(strings.Repeat("a", 125)), []string{"text " + strings.Repeat("a", 125)}, nil},
	{"126 bytes", text(strings.Repeat("b", 126)), []string{"text " + strings.Repeat("b", 126)}, nil},
	{"127 bytes", bin(strings.Repeat("c", 127)), []string{"binary " + strings.Repeat("c", 127)}, nil},
	{"65535 bytes", bin(strings.Repeat("d", 65535)), []string{"binary " + strings.Repeat("d", 65535)}, nil},
	{"65536 bytes", text(strings.Repeat("e", 65536)), []string{"text " + strings.Repeat("e", 65536)}, nil},

	{"ping", ping("a"), []string{"ping a"}, nil},
	{"empty ping", ping(""), []string{"ping "}, nil},
	{"ping that is not UTF-8", ping("\xff\xfe"), []string{"ping \xff\xfe"}, nil},
	{"ping of 125 bytes", ping(strings.Repeat("p", 125)), []string{"ping " + strings.Repeat("p", 125)}, nil},
	{"pong without ping", pong("b"), []string{"pong b"}, nil},
	{"empty close", bye(""), []string{"close "}, nil},
	{"close", bye("\x03\xe8bye"), []string{"close \x03\xe8bye"}, nil},
	{"close body is for ParseClose", bye("\x00"), []string{"close \x00"}, nil},

	{"three messages", join(text("a"), bin("b"), text("c")), []string{"text a", "binary b", "text c"}, nil},
	{"ten pings", bytes.Repeat(ping("x"), 10), slices.Repeat([]string{"ping x"}, 10), nil},
	{"messages after a close", join(bye(""), ping("x")), []string{"close ", "ping x"}, nil},

	{"two fragments", join(text0("Hel"), last("lo")), []string{"text Hello"}, nil},
	{"two fragments of binary", join(bin0("\xff"), last("\xfe")), []string{"binary \xff\xfe"}, nil},
	{"many fragments", join(text0("a"), more("b"), more("c"), more("d"), last("e")), []string{"text abcde"}, nil},
	{"empty fragments", join(text0(""), more(""), last("")), []string{"text "}, nil},
	{"empty, full, empty", join(text0(""), more("middle"), last("")), []string{"text middle"}, nil},
	{"only the first is full", join(bin0("x"), last("")), []string{"binary x"}, nil},
	{"only the last is full", join(bin0(""), last("x")), []string{"binary x"}, nil},
	{"fragments of 126 and 65536", join(bin0(strings.Repeat("x", 126)), last(strings.Repeat("y", 65536))),
		[]string{"binary " + strings.Repeat("x", 126) + strings.Repeat("y", 65536)}, nil},
	{"fragmented twice", join(text0("a"), last("b"), bin0("c"), last("d")), []string{"text ab", "binary cd"}, nil},
	{"whole after fragmented", join(text0("a"), last("b"), text("c")), []string{"text ab", "text c"}, nil},

	{"ping between fragments", join(text0("Hel"), ping("p"), last("lo")), []string{"ping p", "text Hello"}, nil},
	{"control frames between fragments",
		join(text0("a"), ping("1"), pong("2"), more("b"), ping(""), more(""), ping("3"), last("c")),
		[]string{"ping 1", "pong 2", "ping ", "ping 3", "text abc"}, nil},
	{"close between fragments", join(text0("a"), bye("\x03\xe8"), last("b")), []string{"close \x03\xe8", "text ab"}, nil},
	{"long ping between fragments", join(bin0("a"), ping(strings.Repeat("p", 125)), last("b")),
		[]string{"ping " + strings.Repeat("p", 125), "binary ab"}, nil},

	{"runes of all sizes", text("z\u00df\u6c34\U0001F34C"), []string{"text z\u00df\u6c34\U0001F34C"}, nil},
	{"runes cut by fragments", join(text0("\xf0"), more("\x9f\x8d"), ping("\x8d"), more("\x8c\xe6"), last("\xb0\xb4")),
		[]string{"ping \x8d", "text \U0001F34C\u6c34"}, nil},
	{"rune completed after an empty fragment", join(text0("\xc3"), more(""), last("\x9f")), []string{"text \u00df"}, nil},
	{"longest of each size", text("\x7f\u07ff\uffff\U0010ffff"), []string{"text \x7f\u07ff\uffff\U0010ffff"}, nil},
	{"around the surrogates", text("\ud7ff\ue000\ufffe"), []string{"text \ud7ff\ue000\ufffe"}, nil},
	{"NUL is a character", text("\x00"), []string{"text \x00"}, nil},

	{"nothing", nil, nil, nil},
	{"half a header", text("a")[:1], nil, nil},
	{"a header without its payload", announce(0x81, 5), nil, nil},
	{"first fragment only", text0("a"), nil, nil},
	{"message and a half", join(text("a"), text("bc")[:7]), []string{"text a"}, nil},
}

// badStreams break one rule each, with good frames before.
var badStreams = []stream{
	{"RSV1", masked(0xc1, "x"), nil, ErrReservedBits},
	{"RSV2", masked(0xa1, "x"), nil, ErrReservedBits},
	{"RSV3", masked(0x91, "x"), nil, ErrReservedBits},
	{"RSV1 on a ping", join(text("a"), masked(0xc9, "")), []string{"text a"}, ErrReservedBits},
	{"RSV1 on a continuation", join(text0("a"), masked(0xc0, "b")), nil, ErrReservedBits},
	{"opcode 3", masked(0x83, ""), nil, ErrReservedOpcode},
	{"opcode 7", join(ping("a"), masked(0x87, "x")), []string{"ping a"}, ErrReservedOpcode},
	{"opcode 3 inside a message", join(text0("a"), masked(0x83, "x")), nil, ErrReservedOpcode},
	{"opcode 11", masked(0x8b, ""), nil, ErrReservedOpcode},
	{"opcode 15", masked(0x8f, "x"), nil, ErrReservedOpcode},
	{"not masked", []byte("\x81\x05Hello"), nil, ErrNotMasked},
	{"not masked, empty", []byte("\x81\x00"), nil, ErrNotMasked},
	{"not masked, second frame", join(text("a"), []byte("\x82\x01x")), []string{"text a"}, ErrNotMasked},
	{"ping, not masked", []byte("\x89\x00"), nil, ErrNotMasked},
	{"continuation, not masked", join(bin0("a"), []byte("\x80\x01b")), nil, ErrNotMasked},
	{"126 bytes in a ping", ping(strings.Repeat("p", 126)), nil, ErrControlTooLong},
	{"65536 bytes in a close", bye(strings.Repeat("p", 65536)), nil, ErrControlTooLong},
	{"126 bytes in a pong between fragments", join(text0("a"), pong(strings.Repeat("p", 126))), nil, ErrControlTooLong},
	{"ping, not final", masked(0x09, "x"), nil, ErrControlFragmented},
	{"pong, not final", masked(0x0a, ""), nil, ErrControlFragmented},
	{"close, not final", join(text("a"), masked(0x08, "")), []string{"text a"}, ErrControlFragmented},
	{"continuation of nothing", last("x"), nil, ErrContinuationUnexpected},
	{"continuation of nothing, not final", more("x"), nil, ErrContinuationUnexpected},
	{"continuation after a whole message", join(text("a"), last("b")), []string{"text a"}, ErrContinuationUnexpected},
	{"continuation after the last fragment", join(text0("a"), last("b"), last("c")), []string{"text ab"}, ErrContinuationUnexpected},
	{"continuation after a ping", join(ping("a"), last("b")), []string{"ping a"}, ErrContinuationUnexpected},
	{"text inside a message", join(text0("a"), text("b")), nil, ErrContinuationExpected},
	{"binary inside a message", join(text0("a"), more("b"), bin("c")), nil, ErrContinuationExpected},
	{"text inside an empty message", join(text0(""), text0("")), nil, ErrContinuationExpected},
	{"text inside a message, after a ping", join(bin0("a"), ping("p"), text("b")), []string{"ping p"}, ErrContinuationExpected},
	{"5 in 16 bits", octets("81 fe 0005 37fa213d 7f9f4d5158"), nil, ErrLengthNotMinimal},
	{"5 in 64 bits", octets("81 ff 0000000000000005 37fa213d 7f9f4d5158"), nil, ErrLengthNotMinimal},
	{"65535 in 64 bits", join(text("a"), octets("82 ff 000000000000ffff 37fa213d")), []string{"text a"}, ErrLengthNotMinimal},
	{"63rd bit of the length", octets("82 ff 8000000000000000 37fa213d"), nil, ErrLengthMSB},
	{"text that is not UTF-8", text("\xff"), nil, ErrInvalidUTF8},
	{"text that ends inside a rune", join(text("a"), text("b\xe2\x82")), []string{"text a"}, ErrInvalidUTF8},
	{"fragmented text that is not UTF-8", join(text0("ok"), more("\x80"), last("never read")), nil, ErrInvalidUTF8},
	{"fragmented text that ends inside a rune", join(text0("\xe2"), last("\x82")), nil, ErrInvalidUTF8},
	{"fragmented text that ends inside a rune, empty end", join(text0("\xe2\x82"), ping("p"), last("")), []string{"ping p"}, ErrInvalidUTF8},
	{"one byte too much", bin(strings.Repeat("x", streamMax+1)), nil, ErrTooBig},
}

// TestParser reads each stream at once.
func TestParser(t *testing.T) {
	for _, s := range slices.Concat(goodStreams, badStreams) {
		t.Run(s.name, func(t *testing.T) {
			p := Parser{Max: streamMax}
			got := drive(t, &p, s.in)
			if !slices.Equal(got.out, s.out) || got.err != s.err {
				t.Errorf("got  %s, error %v\nwant %s, error %v", short(got.out), got.err, short(s.out), s.err)
			}
		})
	}
}

// TestParserSpace shows where messages live: in the input where they are there
// whole, so that nothing is copied, else in the parser.
func TestParserSpace(t *testing.T) {
	within := func(data, b []byte) bool {
		i := bytes.Index(b, data)
		return i >= 0 && &b[i] == &data[0]
	}
	p := Parser{Max: 100}
	for name, b := range map[string][]byte{"text": text("Hello"), "ping": ping("Hello")} {
		if m, _, ok, _ := p.Next(b); !ok || !within(m.Data, b) {
			t.Errorf("whole %s was copied", name)
		}
	}
	// A control frame between fragments does not touch what has come of them.
	in := join(text0("Hel"), ping("p"), last("lo"))
	if m, n, _, _ := p.Next(in[:9]); n != 9 || m.Data != nil {
		t.Fatalf("the first fragment: %d bytes taken, message %v", n, m)
	}
	m, n, ok, _ := p.Next(in[9:])
	if !ok || !within(m.Data, in) {
		t.Error("ping between fragments was copied")
	}
	scribble(m.Data)
	m, _, ok, _ = p.Next(in[9+n:])
	if !ok || string(m.Data) != "Hello" || within(m.Data, in) {
		t.Errorf("fragmented message: %q", m.Data)
	}
}

// TestParserErrorsAreTyped sees that what Next returns carries a status code.
func TestParserErrorsAreTyped(t *testing.T) {
	for _, s := range badStreams {
		p := Parser{Max: streamMax}
		if e, ok := drive(t, &p, s.in).err.(*Error); !ok || !ValidCloseCode(e.Code) {
			t.Errorf("%s: error %v is no *Error with a code to send", s.name, e)
		}
	}
}

// TestParserZero shows the zero Parser: only empty messages, and control frames.
func TestParserZero(t *testing.T) {
	var p Parser
	if got := drive(t, &p, join(text(""), ping("p"), bin0(""), last(""))); got.err != nil || len(got.out) != 3 {
		t.Errorf("got %s, error %v", short(got.out), got.err)
	}
	if got := drive(t, &p, bin("x")); got.err != ErrTooBig {
		t.Errorf("one byte: error %v, want %v", got.err, ErrTooBig)
	}
}

// TestParserHugeMax sets no limit in effect: the arithmetic must hold.
func TestParserHugeMax(t *testing.T) {
	for _, length := range []uint64{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 - 13, math.MaxInt64 - 14, math.MaxInt64 - 100} {
		for _, rest := range []int{0, 1, 20} {
			p := Parser{Max: math.MaxInt}
			in := append(announce(0x82, length), make([]byte, rest)...)
			if got := drive(t, &p, in, []byte("abc")); got.err != nil || got.out != nil {
				t.Errorf("length %d: got %s, error %v", length, short(got.out), got.err)
			}
			if got := drive(t, &p, one(in)...); got.err != nil || got.out != nil {
				t.Errorf("length %d in pieces: got %s, error %v", length, short(got.out), got.err)
			}
		}
	}
}

// TestParserUnmasking compares with RFC 6455, 5.3 taken literally, for payloads
// around the sizes at which the fast code changes its ways, with every place of
// a cut in the masking key's period.
func TestParserUnmasking(t *testing.T) {
	for n := range 70 {
		payload := strings.Repeat("0123456789abcdefg", 5)[:n]
		in := bin(payload)
		for cut := max(0, len(in)-n-1); cut <= len(in); cut++ {
			p := Parser{Max: 100}
			got := drive(t, &p, in[:cut], in[cut:])
			if want := []string{"binary " + payload}; !slices.Equal(got.out, want) || got.err != nil {
				t.Fatalf("%d bytes cut at %d: got %s, error %v", n, cut, short(got.out), got.err)
			}
		}
	}
}

// TestParserUnalignedKey cuts a large payload at offsets that are not multiples
// of the masking key.
func TestParserUnalignedKey(t *testing.T) {
	payload := strings.Repeat("Stentor had the voice of fifty. ", 200)
	in := bin(payload)
	for _, size := range []int{1, 2, 3, 5, 7, 13, 17, 61, 1021} {
		p := Parser{Max: len(payload)}
		var pieces [][]byte
		for chunk := range slices.Chunk(in, size) {
			pieces = append(pieces, chunk)
		}
		got := drive(t, &p, pieces...)
		if !slices.Equal(got.out, []string{"binary " + payload}) {
			t.Errorf("pieces of %d: got %s, error %v", size, short(got.out), got.err)
		}
	}
}

// TestMessageOpcodes sees that a fragmented message carries the opcode of its
// first frame.
func TestMessageOpcodes(t *testing.T) {
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		p := Parser{Max: 10}
		b := join(masked(byte(op), "a"), last("b"))
		_, n, _, _ := p.Next(b)
		if m, _, ok, err := p.Next(b[n:]); !ok || err != nil || m.Op != op {
			t.Errorf("opcode %d, want %d; error %v", m.Op, op, err)
		}
	}
}
