package wire

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"
)

// The canned accept value is that of RFC 6455, 4.2.2 for the key.
func TestAcceptBelongsToKey(t *testing.T) {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != accept {
		t.Errorf("accept is %s, the key's is %s", accept, got)
	}
}

func TestSwitching(t *testing.T) {
	if n := HeadEnd([]byte(Switching + "rest")); n != len(Switching) {
		t.Errorf("HeadEnd is %d, want %d", n, len(Switching))
	}
	if n := HeadEnd([]byte(Switching[:len(Switching)-1])); n != 0 {
		t.Errorf("HeadEnd of an incomplete head is %d, want 0", n)
	}
	if err := CheckSwitching([]byte(Switching)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"HTTP/1.1 404 Not Found\r\n\r\n",
		strings.Replace(Switching, accept, "AAAA", 1),
	} {
		if CheckSwitching([]byte(bad)) == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

// A server's frame of every length form is split off again, and cut anywhere
// it is not complete.
func TestFrameRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 128, 65535, 65536} {
		payload := bytes.Repeat([]byte{'p'}, n)
		b := AppendFrame(nil, Text, payload)
		op, got, rest, ok := NextFrame(append(b, "more"...))
		if !ok || op != Text || !bytes.Equal(got, payload) || string(rest) != "more" {
			t.Errorf("%d bytes: op %d, %d bytes, rest %q, ok %v", n, op, len(got), rest, ok)
		}
		for cut := range min(len(b), 300) {
			if _, _, _, ok := NextFrame(b[:cut]); ok {
				t.Fatalf("%d bytes: complete after %d", n, cut)
			}
		}
	}
}

// The example of RFC 6455, 5.7: a masked "Hello".
func TestAppendMasked(t *testing.T) {
	want := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}
	if got := AppendMasked(nil, Text, []byte("Hello")); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

// A payload of 128 bytes is 132 on the wire, and no two are the same.
func TestBareStream(t *testing.T) {
	b := Enveloped("", 7, 3, 128)
	if len(b) != 3*132 {
		t.Fatalf("%d bytes, want %d", len(b), 3*132)
	}
	seen := map[string]bool{}
	for rest := b; len(rest) > 0; {
		_, p, r, ok := NextFrame(rest)
		if !ok || len(p) != 128 || seen[string(p)] {
			t.Fatalf("payload %q, ok %v", p, ok)
		}
		seen[string(p)] = true
		rest = r
	}
}

func TestEnveloped(t *testing.T) {
	got := Enveloped(`{"data":"{payload}"}`, 7, 2, 12)
	want := append(AppendFrame(nil, Text, []byte(`{"data":"000000000007"}`)),
		AppendFrame(nil, Text, []byte(`{"data":"000000000008"}`))...)
	if !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNumber(t *testing.T) {
	if got := Number("/ws?user=u{n}", 42); got != "/ws?user=u0000042" {
		t.Error(got)
	}
	if got := Number("/echo", 42); got != "/echo" {
		t.Error(got)
	}
}
