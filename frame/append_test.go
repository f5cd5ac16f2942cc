package frame

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// sizes are payload sizes on both sides of every limit between length forms.
var sizes = []int{0, 1, 2, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537}

// TestAppendHeader draws the headers that a server sends: FIN set, no reserved
// bits, no mask (RFC 6455, 5.1), shortest length.
func TestAppendHeader(t *testing.T) {
	for _, test := range []struct {
		op   ws.OpCode
		n    int
		want string
	}{
		{ws.OpText, 0, "81 00"},
		{ws.OpBinary, 1, "82 01"},
		{ws.OpPong, 125, "8a 7d"},
		{ws.OpText, 126, "81 7e 007e"},
		{ws.OpText, 127, "81 7e 007f"},
		{ws.OpBinary, 65535, "82 7e ffff"},
		{ws.OpBinary, 65536, "82 7f 0000000000010000"},
		{ws.OpBinary, 1<<31 - 1, "82 7f 000000007fffffff"},
	} {
		t.Run(fmt.Sprint(test.n), func(t *testing.T) {
			got := AppendHeader([]byte("before"), test.op, test.n)
			if want := append([]byte("before"), octets(test.want)...); !bytes.Equal(got, want) {
				t.Errorf("got %x, want %x", got, want)
			}
			if size := HeaderSize(test.n); size != len(got)-len("before") {
				t.Errorf("HeaderSize %d, but %d bytes were appended", size, len(got)-len("before"))
			}
		})
	}
}

// TestAppendAndEncode reads back what Append and Encode make.
func TestAppendAndEncode(t *testing.T) {
	for _, n := range sizes {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			payload := bytes.Repeat([]byte("p"), n)
			b := Encode(op, payload)
			if cap(b) != len(b) {
				t.Errorf("%d bytes: capacity %d, length %d", n, cap(b), len(b))
			}
			h, size, err := ParseHeader(b)
			if want := (ws.Header{Fin: true, OpCode: op, Length: int64(n)}); h != want || err != nil {
				t.Fatalf("%d bytes: header %+v, error %v", n, h, err)
			}
			if !bytes.Equal(b[size:], payload) {
				t.Fatalf("%d bytes: another payload", n)
			}
			if got := Append([]byte("x"), op, payload); !bytes.Equal(got[1:], b) || got[0] != 'x' {
				t.Fatalf("%d bytes: Append and Encode differ", n)
			}
		}
	}
}

// TestEncodeCopies sees that the payload may be changed afterwards.
func TestEncodeCopies(t *testing.T) {
	payload := []byte("Hello")
	b := Encode(ws.OpText, payload)
	scribble(payload)
	if string(b) != "\x81\x05Hello" {
		t.Errorf("got %q", b)
	}
}

// TestAppendClose draws Close frames (RFC 6455, 5.5.1).
func TestAppendClose(t *testing.T) {
	long := strings.Repeat("r", 200)
	for _, test := range []struct {
		name   string
		code   ws.StatusCode
		reason string
		want   string
	}{
		{"nothing", 0, "", "\x88\x00"},
		{"no code drops the reason", 0, "dropped", "\x88\x00"},
		{"code", 1000, "", "\x88\x02\x03\xe8"},
		{"code and reason", 4001, "no app", "\x88\x08\x0f\xa1no app"},
		{"123 bytes", 1000, long[:123], "\x88\x7d\x03\xe8" + long[:123]},
		{"124 bytes", 1000, long[:124], "\x88\x7d\x03\xe8" + long[:123]},
		{"200 bytes", 1000, long, "\x88\x7d\x03\xe8" + long[:123]},
		{"a rune that just fits", 1000, long[:121] + "\u00e9rest", "\x88\x7d\x03\xe8" + long[:121] + "\u00e9"},
		{"cut before 2 bytes", 1000, long[:122] + "\u00e9", "\x88\x7c\x03\xe8" + long[:122]},
		{"cut before 3 bytes", 1000, long[:121] + "\u20ac", "\x88\x7b\x03\xe8" + long[:121]},
		{"nowhere to cut", 1000, strings.Repeat("\x80", 130), "\x88\x02\x03\xe8"},
		{"cut before 4 bytes", 1000, long[:120] + "\U0001F600", "\x88\x7a\x03\xe8" + long[:120]},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := AppendClose([]byte("x"), test.code, test.reason)
			if string(got) != "x"+test.want {
				t.Errorf("got  %q\nwant %q", got, "x"+test.want)
			}
		})
	}
}

// TestAppendCloseStaysUTF8 moves runes of each size over the place of the cut.
func TestAppendCloseStaysUTF8(t *testing.T) {
	for _, r := range []string{"a", "\u00e9", "\u20ac", "\U0001F600"} {
		for lead := range 8 {
			reason := strings.Repeat("a", lead) + strings.Repeat(r, 130)
			b := AppendClose(nil, ws.StatusGoingAway, reason)
			got := string(b[4:])
			if !utf8.ValidString(got) || !strings.HasPrefix(reason, got) {
				t.Errorf("%q after %d: cut to %q", r, lead, got)
			}
			if len(got) > 123 || len(got)+len(r) <= 123 {
				t.Errorf("%q after %d: cut to %d bytes", r, lead, len(got))
			}
		}
	}
}

// TestEnd asks for the end of the frame at every offset of a queue of frames,
// of which the sizes use all forms of length.
func TestEnd(t *testing.T) {
	var b []byte
	var ends []int // of the frame that holds the offset
	for _, n := range []int{0, 5, 0, 125, 126, 300, 65536, 1} {
		b = Append(b, ws.OpBinary, bytes.Repeat([]byte{0x81}, n))
		for len(ends) < len(b) {
			ends = append(ends, len(b))
		}
	}
	for at, want := range ends {
		if got := End(b, at); got != want {
			t.Fatalf("End at %d is %d, want %d", at, got, want)
		}
	}
}

// TestEndOutside sees that End never points outside: behind the last frame, or
// where the last frame is not complete.
func TestEndOutside(t *testing.T) {
	whole := Append(nil, ws.OpText, []byte("Hello"))
	for _, test := range []struct {
		name string
		b    []byte
		at   int
		want int
	}{
		{"nothing", nil, 0, 0},
		{"behind the last frame", whole, len(whole), len(whole)},
		{"before the first byte", whole, -1, 0},
		{"payload incomplete", whole[:4], 3, 4},
		{"header incomplete", append(bytes.Clone(whole), 0x81), len(whole), len(whole) + 1},
		{"length not minimal", octets("82 7e 0001 ff"), 2, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := End(test.b, test.at); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
