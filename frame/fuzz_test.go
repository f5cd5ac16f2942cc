package frame

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// FuzzParseHeader compares with ws.ReadHeader, and writes what was read.
func FuzzParseHeader(f *testing.F) {
	for _, s := range slices.Concat(goodStreams, badStreams) {
		f.Add(s.in[:min(len(s.in), 20)])
	}
	for _, fault := range headerFaults {
		f.Add(fault.bad)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		compareHeader(t, b)
		h, size, err := ParseHeader(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the input was changed")
		}
		CheckHeader(h, true)
		CheckHeader(h, false)
		if err != nil || size == 0 {
			return
		}
		var w bytes.Buffer
		if err := ws.WriteHeader(&w, h); err != nil || !bytes.Equal(w.Bytes(), b[:size]) {
			t.Fatalf("%x is read as %+v, which is written as %x, error %v", b[:size], h, w.Bytes(), err)
		}
		if h.Fin && h.Rsv == 0 && !h.Masked {
			if got := AppendHeader(nil, h.OpCode, int(h.Length)); !bytes.Equal(got, b[:size]) {
				t.Fatalf("%x is read as %+v, which is appended as %x", b[:size], h, got)
			}
		}
	})
}

// FuzzParser reads a stream at once and in pieces, and compares. What holds for
// every call and every message is checked by drive.
func FuzzParser(f *testing.F) {
	for i, s := range slices.Concat(goodStreams, badStreams, mixedStreams) {
		if len(s.in) < 2000 {
			f.Add(s.in, uint64(i), uint16(1000))
		}
	}
	for i, s := range headerFaults {
		f.Add(append(bytes.Clone(s.fine), s.bad...), uint64(i), uint16(faultMax))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, most uint16) {
		p := Parser{Max: int(most)}
		want := drive(t, &p, in)
		r := rand.New(rand.NewPCG(seed, 0))
		for way, pieces := range map[string][][]byte{
			"byte by byte": one(in),
			"few bytes":    randomCuts(r, in, 4),
			"pieces":       randomCuts(r, in, max(1, len(in)/2)),
		} {
			p := Parser{Max: int(most)}
			got := drive(t, &p, pieces...)
			if !slices.Equal(got.out, want.out) || got.err != want.err {
				t.Fatalf("%s: %s, error %v\nat once: %s, error %v", way, short(got.out), got.err, short(want.out), want.err)
			}
			if p.Held() > growth(len(in)) {
				t.Fatalf("%s: %d bytes held for %d", way, p.Held(), len(in))
			}
			if got.err == nil && p.Idle() != idleAfter(in) {
				t.Fatalf("%s: Idle is %t", way, p.Idle())
			}
		}
		p.Reset(0)
		if again := drive(t, &p, in); !slices.Equal(again.out, want.out) || again.err != want.err {
			t.Fatalf("after Reset: %s, error %v\nat first: %s, error %v", short(again.out), again.err, short(want.out), want.err)
		}
	})
}

// idleAfter tells whether a stream without a fault ends between messages. It
// walks the frames with ws.
func idleAfter(in []byte) bool {
	r := bytes.NewReader(in)
	inside := false
	for r.Len() > 0 {
		h, err := ws.ReadHeader(r)
		if err != nil || h.Length > int64(r.Len()) {
			return false
		}
		if _, err := r.Seek(h.Length, io.SeekCurrent); err != nil {
			return false
		}
		if h.OpCode.IsData() {
			inside = !h.Fin
		}
	}
	return !inside
}

// FuzzClose compares with ws, and appends what was read.
func FuzzClose(f *testing.F) {
	for _, body := range []string{"", "\x03", "\x03\xe8", "\x03\xe8bye", "\x03\xf5\u6c34", "\x13\x88", "\x03\xed", "\x03\xe8\xff"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		compareClose(t, body)
		code, reason, err := ParseClose(body)
		if err != nil || len(body) == 0 {
			return
		}
		if !ValidCloseCode(code) || !utf8.Valid(reason) {
			t.Fatalf("%x: accepted as %d %q", body, code, reason)
		}
		b := AppendClose(nil, code, string(reason))
		if len(b) > 127 || !bytes.HasPrefix(body, b[2:]) || !utf8.Valid(b[4:]) {
			t.Fatalf("%x: appended as %x", body, b)
		}
		if len(body) <= 125 && len(b)-2 != len(body) || len(b)-4 < min(len(reason), 120) {
			t.Fatalf("%x: cut to %x", body, b)
		}
	})
}

// FuzzAppendRoundTrip encodes a message, reads it with ws, and, masked, with a
// Parser; and looks for ends in a queue of it.
func FuzzAppendRoundTrip(f *testing.F) {
	f.Add(true, []byte("Hello"), uint32(0))
	f.Add(false, []byte{}, uint32(1))
	f.Add(false, bytes.Repeat([]byte{0xff}, 126), uint32(200))
	f.Add(true, bytes.Repeat([]byte("x"), 65536), uint32(70000))
	f.Fuzz(func(t *testing.T, isText bool, payload []byte, at uint32) {
		op := ws.OpBinary
		if isText {
			op = ws.OpText
		}
		b := Encode(op, payload)
		h, size, err := ParseHeader(b)
		if err != nil || size != HeaderSize(len(payload)) || !bytes.Equal(b[size:], payload) {
			t.Fatalf("header %+v, size %d, error %v", h, size, err)
		}
		r := bytes.NewReader(b)
		if rh, err := ws.ReadHeader(r); rh != h || err != nil || r.Len() != len(payload) {
			t.Fatalf("header %+v, ws %+v, error %v", h, rh, err)
		}

		queue := Append(Append(bytes.Clone(b), ws.OpPing, nil), op, payload)
		where := int(at % uint32(len(queue)))
		want := len(b)
		if where >= want {
			want += 2
		}
		if where >= want {
			want += len(b)
		}
		if got := End(queue, where); got != want {
			t.Fatalf("End at %d is %d, want %d", where, got, want)
		}

		p := Parser{Max: len(payload)}
		got := drive(t, &p, masked(b[0], string(payload)))
		if isText && !utf8.Valid(payload) {
			if got.err != ErrInvalidUTF8 {
				t.Fatalf("error %v, want %v", got.err, ErrInvalidUTF8)
			}
		} else if got.err != nil || len(got.out) != 1 || got.out[0] != draw(Message{op, payload}) {
			t.Fatalf("got %s, error %v", short(got.out), got.err)
		}
	})
}
