package loadtest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

const testRun = 0x1a2b3c4d

var testToken = token{run: testRun, stream: 7, seq: 123456, due: 1_234_567_890_123_456_789}

func TestTokenRoundTrip(t *testing.T) {
	for _, size := range []int{MinSize, MinSize + 1, 128, 1000, 100_000} {
		for _, warmUp := range []bool{false, true} {
			want := testToken
			want.warmUp = warmUp
			b := appendToken([]byte("before"), want, size)[len("before"):]
			if len(b) != size {
				t.Fatalf("%d bytes, want %d", len(b), size)
			}
			for name, c := range map[string]struct {
				whole   bool
				message string
			}{
				"bare":        {true, string(b)},
				"by itself":   {false, string(b)},
				"in JSON":     {false, `{"type":"message","data":"` + string(b) + `"}`},
				"more marked": {false, `{"x":"` + string(b) + `","y":"~lt:"}`},
			} {
				if got, v, _ := newReader(testRun, size, c.whole).read([]byte(c.message)); v != genuine || got != want {
					t.Errorf("%s, %d bytes: %v %+v, want %+v", name, size, v, got, want)
				}
			}
			if strings.ContainsAny(string(b), "\"\\<>&+%/?# ") {
				t.Errorf("%q needs escaping", b)
			}
		}
	}
}

// One changed byte is found, wherever it is.
func TestTokenChanged(t *testing.T) {
	const envelope = `{"data":"`
	for _, size := range []int{MinSize, 128} {
		b := appendToken(nil, testToken, size)
		bare, wrapped := newReader(testRun, size, true), newReader(testRun, size, false)
		message := []byte(envelope + string(b) + `"}`)
		for i := range b {
			for x := range 256 {
				if byte(x) == b[i] {
					continue
				}
				was := b[i]
				b[i], message[len(envelope)+i] = byte(x), byte(x)
				if _, v, _ := bare.read(b); v != corrupted {
					t.Fatalf("byte %d is %q: %d in a bare message", i, byte(x), v)
				}
				if _, v, _ := wrapped.read(message); v != corrupted {
					t.Fatalf("byte %d is %q: %d in an envelope", i, byte(x), v)
				}
				b[i], message[len(envelope)+i] = was, was
			}
		}
	}
}

// What is cut, or has too much, is not whole.
func TestTokenCut(t *testing.T) {
	b := appendToken(nil, testToken, 128)
	bare, wrapped := newReader(testRun, 128, true), newReader(testRun, 128, false)
	for n := range b {
		want := corrupted
		if n < len(tokenMark) {
			want = foreign
		}
		for _, r := range []*reader{bare, wrapped} {
			if _, v, _ := r.read(b[:n]); v != want {
				t.Errorf("%d bytes (bare %v): %d, want %d", n, r.whole, v, want)
			}
		}
	}
	for _, s := range []string{string(b) + "x", "x" + string(b), string(b) + string(b)} {
		if _, v, _ := bare.read([]byte(s)); v != corrupted {
			t.Errorf("%q: %d", s, v)
		}
	}
}

// Tokens of another run are not ours, whatever their size.
func TestTokenOfOthers(t *testing.T) {
	other := testToken
	other.run++
	for _, size := range []int{MinSize, 128, 500} {
		b := appendToken(nil, other, size)
		for _, whole := range []bool{true, false} {
			if _, v, _ := newReader(testRun, 128, whole).read(b); v != foreign {
				t.Errorf("%d bytes (bare %v): %d", size, whole, v)
			}
		}
	}
	for _, s := range []string{"", "~", "~lt", "hello", `{"type":"welcome"}`, strings.Repeat("x", 200)} {
		for _, whole := range []bool{true, false} {
			if _, v, _ := newReader(testRun, 128, whole).read([]byte(s)); v != foreign {
				t.Errorf("%q (bare %v): %d", s, whole, v)
			}
		}
	}
}

func TestTokenAllocates(t *testing.T) {
	b := appendToken(nil, testToken, 128)
	message := []byte(`{"type":"message","channel":"news","data":"` + string(b) + `"}`)
	r := newReader(testRun, 128, false)
	if n := testing.AllocsPerRun(1000, func() {
		b = appendToken(b[:0], testToken, 128)
		if _, v, _ := r.read(message); v != genuine {
			t.Fatal(v)
		}
	}); n != 0 {
		t.Errorf("%g allocations a message", n)
	}
}

// A reader takes only what it would have written itself.
func FuzzReader(f *testing.F) {
	for _, size := range []int{MinSize, 128} {
		b := appendToken(nil, testToken, size)
		f.Add(b, true)
		f.Add([]byte(`{"data":"`+string(b)+`"}`), false)
		f.Add(b[:len(b)-3], false)
		f.Add(append(bytes.Clone(b), "~lt:1a2b3c4d"...), false)
	}
	f.Fuzz(func(t *testing.T, message []byte, whole bool) {
		for _, size := range []int{MinSize, 128} {
			got, v, _ := newReader(testRun, size, whole).read(message)
			if v != genuine {
				continue
			}
			want := appendToken(nil, got, size)
			if got.run != testRun || !bytes.Contains(message, want[:tokenHead-1]) || whole && len(message) != size {
				t.Errorf("%q is taken for %+v", message, got)
			}
		}
	})
}

// A message with several tokens is read one after another.
func TestSeveralTokens(t *testing.T) {
	r := newReader(testRun, 100, false)
	one, two := token{run: testRun, seq: 1, due: 5}, token{run: testRun, seq: 2, due: 6}
	message := append([]byte(`{"push":"`), appendToken(nil, one, 100)...)
	message = append(message, "\"}\n{\"push\":\""...)
	bad := appendToken(nil, token{run: testRun, seq: 9}, 100)
	bad[70] ^= 1
	message = append(message, bad...)
	message = append(append(message, " other "...), appendToken(nil, token{run: testRun + 1, seq: 3}, 120)...)
	message = append(append(message, ' '), appendToken(nil, two, 100)...)
	type found struct {
		token
		verdict
	}
	var got []found
	for {
		x, v, n := r.read(message)
		if n == 0 {
			break
		}
		if v != genuine {
			x = token{}
		}
		got = append(got, found{x, v})
		message = message[n:]
	}
	want := []found{{one, genuine}, {token{}, corrupted}, {token{}, foreign}, {two, genuine}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
