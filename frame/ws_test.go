package frame

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// The tests in this file compare with github.com/gobwas/ws, which this package
// is built on. Where the two differ on purpose, the difference is spelled out.

// TestParseHeaderLikeWS compares all first two bytes with several lengths.
// Difference: ws.ReadHeader accepts lengths that are not minimal.
func TestParseHeaderLikeWS(t *testing.T) {
	tails := [][]byte{
		octets("0000000000000000 01020304"),
		octets("007d000000000000 01020304"),
		octets("007e000000000000 01020304"),
		octets("000000000000ffff 01020304"),
		octets("0000000000010000 01020304"),
		octets("7fffffffffffffff 01020304"),
		octets("8000000000000000 01020304"),
	}
	for i := range 1 << 16 {
		for _, tail := range tails {
			compareHeader(t, append([]byte{byte(i >> 8), byte(i)}, tail...))
		}
	}
}

// compareHeader reads a header with this package and with ws.
func compareHeader(t testing.TB, b []byte) {
	t.Helper()
	r := bytes.NewReader(b)
	want, wantErr := ws.ReadHeader(r)
	h, size, err := ParseHeader(b)
	switch {
	case err == ErrLengthNotMinimal:
		switch long := b[1]&0x7f == 127; {
		case wantErr == io.ErrUnexpectedEOF: // the masking key is not there
		case wantErr != nil, !long && want.Length > 125, long && want.Length > 0xffff:
			t.Fatalf("%x: %v, ws %+v, error %v", b, err, want, wantErr)
		}
	case err == ErrLengthMSB:
		// ws wants the masking key as well before it looks at the length.
		if wantErr != ws.ErrHeaderLengthMSB && wantErr != io.ErrUnexpectedEOF {
			t.Fatalf("%x: %v, ws %v", b, err, wantErr)
		}
	case size == 0:
		if wantErr != io.EOF && wantErr != io.ErrUnexpectedEOF {
			t.Fatalf("%x: not complete, but ws has %+v, error %v", b, want, wantErr)
		}
	case wantErr != nil || h != want || size != len(b)-r.Len() || size != ws.HeaderSize(h):
		t.Fatalf("%x: %+v, size %d; ws %+v, size %d, error %v", b, h, size, want, len(b)-r.Len(), wantErr)
	}
}

// wsFaults are the names that ws has for the faults of CheckHeader.
var wsFaults = map[error]error{
	ErrReservedBits:           ws.ErrProtocolNonZeroRsv,
	ErrReservedOpcode:         ws.ErrProtocolOpCodeReserved,
	ErrNotMasked:              ws.ErrProtocolMaskRequired,
	ErrControlFragmented:      ws.ErrProtocolControlNotFinal,
	ErrControlTooLong:         ws.ErrProtocolControlPayloadOverflow,
	ErrContinuationUnexpected: ws.ErrProtocolContinuationUnexpected,
	ErrContinuationExpected:   ws.ErrProtocolContinuationExpected,
}

// TestCheckHeaderLikeWS compares all first bytes, masked and not, of several
// lengths. Difference: with two faults in a header, ws may name the other one.
func TestCheckHeaderLikeWS(t *testing.T) {
	for first := range 256 {
		for _, length := range []int64{0, 125, 126, 1 << 16} {
			for _, mask := range []bool{true, false} {
				for _, fragmented := range []bool{true, false} {
					h := ws.Header{
						Fin: first&0x80 != 0, Rsv: byte(first) >> 4 & 7, OpCode: ws.OpCode(first & 0xf),
						Masked: mask, Length: length,
					}
					state := ws.StateServerSide
					if fragmented {
						state = state.Set(ws.StateFragmented)
					}
					name := fmt.Sprintf("%+v, fragmented %t", h, fragmented)
					got, want := CheckHeader(h, fragmented), ws.CheckHeader(h, state)
					if (got == nil) != (want == nil) {
						t.Errorf("%s: %v, ws %v", name, got, want)
					}
					if got != nil && faults(h, fragmented) == 1 && wsFaults[got] != want {
						t.Errorf("%s: %v, ws %v", name, got, want)
					}
				}
			}
		}
	}
}

// faults counts the rules that h breaks.
func faults(h ws.Header, fragmented bool) (n int) {
	control := h.OpCode&8 != 0
	continuation := h.OpCode == ws.OpContinuation
	for _, broken := range []bool{
		h.Rsv != 0,
		h.OpCode&7 > 2,
		!h.Masked,
		control && !h.Fin,
		control && h.Length > 125,
		continuation && !fragmented,
		!control && !continuation && fragmented,
	} {
		if broken {
			n++
		}
	}
	return n
}

// TestCloseLikeWS compares all codes. Differences: ws refuses 1012 to 1014,
// which IANA has registered, and accepts 5000 and above, which RFC 6455, 7.4.2
// gives to nobody; and it reads a body of one byte as an empty one.
func TestCloseLikeWS(t *testing.T) {
	for i := range 1 << 16 {
		code := ws.StatusCode(i)
		got, want := ValidCloseCode(code), ws.CheckCloseFrameData(code, "") == nil
		switch {
		case code >= 1012 && code <= 1014:
			if !got || want {
				t.Errorf("code %d: %t, ws %t; want true, false", code, got, want)
			}
		case code >= 5000:
			if got || !want {
				t.Errorf("code %d: %t, ws %t; want false, true", code, got, want)
			}
		case got != want:
			t.Errorf("code %d: %t, ws %t", code, got, want)
		}
	}
	for _, reason := range []string{"", "bye", "\u6c34", "\xff", "ok\xe2"} {
		compareClose(t, append([]byte{0x03, 0xe8}, reason...))
	}
}

// compareClose reads a Close frame's body with this package and with ws.
func compareClose(t testing.TB, body []byte) {
	t.Helper()
	code, reason, err := ParseClose(body)
	wantCode, wantReason := ws.ParseCloseFrameData(body)
	switch {
	case len(body) < 2:
		if wantCode != 0 || len(body) == 0 && (code != ws.StatusNoStatusRcvd || err != nil) || len(body) == 1 && err != ErrCloseBody {
			t.Fatalf("%x: %d, error %v; ws %d", body, code, err, wantCode)
		}
		return
	case err == nil && (code != wantCode || string(reason) != wantReason):
		t.Fatalf("%x: %d %q, ws %d %q", body, code, reason, wantCode, wantReason)
	case err != nil && (code != 0 || reason != nil):
		t.Fatalf("%x: %d %q together with error %v", body, code, reason, err)
	}
	bad := ws.CheckCloseFrameData(wantCode, wantReason) != nil
	if n := wantCode; n >= 1012 && n <= 1014 {
		bad = !utf8.ValidString(wantReason)
	} else if n >= 5000 {
		bad = true
	}
	if bad != (err != nil) {
		t.Fatalf("%x: error %v, ws %v", body, err, bad)
	}
}

// TestAppendLikeWS compares bytes. Difference: ws cuts a close reason that is
// too long anywhere, this package before a rune.
func TestAppendLikeWS(t *testing.T) {
	for _, n := range sizes {
		payload := bytes.Repeat([]byte("x"), n)
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpPing, ws.OpPong} {
			want, err := ws.CompileFrame(ws.NewFrame(op, true, payload))
			if err != nil {
				t.Fatal(err)
			}
			if got := Encode(op, payload); !bytes.Equal(got, want) {
				t.Errorf("opcode %d, %d bytes: %x..., ws %x...", op, n, got[:2], want[:2])
			}
		}
	}
	for n := range 200 {
		reason := string(bytes.Repeat([]byte("r"), n))
		want, err := ws.CompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, reason)))
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendClose(nil, ws.StatusGoingAway, reason); !bytes.Equal(got, want) {
			t.Errorf("reason of %d bytes: %x, ws %x", n, got, want)
		}
	}
	if got := AppendClose(nil, 0, ""); !bytes.Equal(got, ws.CompiledClose) {
		t.Errorf("empty Close frame: %x, ws %x", got, ws.CompiledClose)
	}
}

// TestParserReadsWhatWSWrites has frames of random keys and sizes written by ws.
func TestParserReadsWhatWSWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var w bytes.Buffer
		var want []string
		for range 1 + r.IntN(5) {
			payload := bytes.Repeat([]byte{byte('a' + r.IntN(26))}, r.IntN(400))
			if r.IntN(10) == 0 {
				payload = bytes.Repeat(payload, 200)
			}
			op := []ws.OpCode{ws.OpText, ws.OpBinary}[r.IntN(2)]
			for _, f := range fragments(r, op, payload) {
				ws.MustWriteFrame(&w, ws.MaskFrame(f))
			}
			want = append(want, draw(Message{op, payload}))
		}
		p := Parser{Max: streamMax}
		got := drive(t, &p, randomCuts(r, w.Bytes(), 1+r.IntN(5000))...)
		if !slices.Equal(got.out, want) || got.err != nil {
			t.Fatalf("got %s, error %v\nwant %s", short(got.out), got.err, short(want))
		}
	}
}

// fragments cuts a message into one to four frames.
func fragments(r *rand.Rand, op ws.OpCode, payload []byte) (frames []ws.Frame) {
	for range r.IntN(4) {
		n := r.IntN(len(payload) + 1)
		frames = append(frames, ws.NewFrame(op, false, payload[:n]))
		op, payload = ws.OpContinuation, payload[n:]
	}
	return append(frames, ws.NewFrame(op, true, payload))
}

// TestParserLikeWSUtil reads the good streams with ws's own reader. Difference:
// none in the messages; control frames between fragments come through a hook.
func TestParserLikeWSUtil(t *testing.T) {
	for _, s := range slices.Concat(goodStreams, mixedStreams[:1]) {
		p := Parser{Max: streamMax}
		got := drive(t, &p, s.in)
		want, err := readWithWS(bytes.NewReader(s.in))
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			t.Errorf("%s: ws: %v", s.name, err)
		}
		if !slices.Equal(got.out, want) {
			t.Errorf("%s: %s, ws %s", s.name, short(got.out), short(want))
		}
	}
}

// readWithWS draws the messages that wsutil.Reader finds.
func readWithWS(src io.Reader) (out []string, err error) {
	rd := wsutil.Reader{Source: src, State: ws.StateServerSide, CheckUTF8: true}
	take := func(h ws.Header, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err == nil && int64(len(data)) < h.Length && h.OpCode.IsControl() {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			out = append(out, draw(Message{h.OpCode, data}))
		}
		return err
	}
	rd.OnIntermediate = take
	for {
		h, err := rd.NextFrame()
		if err != nil {
			return out, err
		}
		if err := take(h, &rd); err != nil {
			return out, err
		}
	}
}

// transport is a connection in memory.
type transport struct {
	io.Reader
	io.Writer
}

// TestUpgradeLikeWS gives all handshakes to ws.Upgrader as well. Differences:
// ws accepts what strict refuses, refuses lists that oneLine reads, accepts any
// 24 bytes for a key, and its refusals are poorer: see refuseRequest.
func TestUpgradeLikeWS(t *testing.T) {
	var u Upgrader
	compare := func(name string, head []byte) {
		var w bytes.Buffer
		_, wantErr := ws.Upgrader{}.Upgrade(transport{bytes.NewReader(head), &w})
		reply, err := u.Upgrade(head, accept)
		switch {
		case err == ws.ErrHandshakeBadSecKey && wantErr == nil:
			if validKey(NewRequest(head).Header("Sec-WebSocket-Key")) {
				t.Errorf("%s: a good key is refused", name)
			}
		case err == nil && (wantErr == ws.ErrHandshakeBadConnection || wantErr == ws.ErrHandshakeBadUpgrade):
			if !bytes.Contains(reply, []byte(sampleAccept)) {
				t.Errorf("%s: %q", name, reply)
			}
		case wantErr == nil && (err == errBody || err == ws.ErrMalformedRequest):
			if _, strict := NewRequest(head).strict(); strict != err {
				t.Errorf("%s: %v, strict says %v", name, err, strict)
			}
		case err != wantErr:
			t.Errorf("%s: %v, ws %v", name, err, wantErr)
		case err == nil && !bytes.Equal(reply, w.Bytes()):
			t.Errorf("%s:\n   %q\nws %q", name, reply, w.Bytes())
		}
	}
	for _, test := range goodHandshakes {
		compare(test.name, test.head)
	}
	for _, test := range badHandshakes {
		compare(test.name, test.head)
	}
	compare("half a head", ask()[:40])
}

// TestGoodHandshakesAreHTTP gives the good handshakes to net/http.
func TestGoodHandshakesAreHTTP(t *testing.T) {
	for _, test := range goodHandshakes {
		_, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(test.head)))
		why := whyNotHTTP(test.head)
		if (err == nil) != (why == "") {
			t.Errorf("%s: net/http: %v; expected because %q", test.name, err, why)
		}
	}
}

// TestUpgradeLimits pins what comes with ws and is wider than the RFCs, so that
// a change of it is noticed.
func TestUpgradeLimits(t *testing.T) {
	var u Upgrader
	for _, test := range []struct {
		name string
		head []byte
		err  error
	}{
		{"empty target", ask("=GET  HTTP/1.1"), nil},
		{"version with a digit that is none", ask("=GET / HTTP/1.;"), nil},
		{"name that is no token", ask("+@\x01: x"), nil},
		{"Host that is none", ask("Host: <\x01>"), nil},
	} {
		if _, err := u.Upgrade(test.head, accept); err != test.err {
			t.Errorf("%s: %v, want %v", test.name, err, test.err)
		}
	}
}
