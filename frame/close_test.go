package frame

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// TestParseClose reads bodies of Close frames (RFC 6455, 5.5.1).
func TestParseClose(t *testing.T) {
	for _, test := range []struct {
		name   string
		body   string
		code   ws.StatusCode
		reason string
		err    error
	}{
		{"empty", "", ws.StatusNoStatusRcvd, "", nil},
		{"code", "\x03\xe8", 1000, "", nil},
		{"code and reason", "\x03\xe9going away", 1001, "going away", nil},
		{"reason beyond ASCII", "\x0f\xa0\u20ac\U0001F600", 4000, "\u20ac\U0001F600", nil},
		{"reason of 123 bytes", "\x0b\xb8" + strings.Repeat("r", 123), 3000, strings.Repeat("r", 123), nil},
		{"one byte", "\x03", 0, "", ErrCloseBody},
		{"code 1005", "\x03\xed", 0, "", ErrCloseCode},
		{"code 1005 and reason", "\x03\xedbye", 0, "", ErrCloseCode},
		{"code 0", "\x00\x00", 0, "", ErrCloseCode},
		{"reason is not UTF-8", "\x03\xe8\xff", 0, "", ErrCloseReason},
		{"reason ends inside a rune", "\x03\xe8ok\xe2\x82", 0, "", ErrCloseReason},
		{"reason with a surrogate", "\x03\xe8\xed\xa0\x80", 0, "", ErrCloseReason},
		{"bad code and bad reason", "\x03\xee\xff", 0, "", ErrCloseCode},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, reason, err := ParseClose([]byte(test.body))
			if code != test.code || string(reason) != test.reason || err != test.err {
				t.Errorf("got %d %q %v, want %d %q %v", code, reason, err, test.code, test.reason, test.err)
			}
		})
	}
}

// TestParseCloseReasonPointsIntoBody is what its comment promises.
func TestParseCloseReasonPointsIntoBody(t *testing.T) {
	body := []byte("\x03\xe8bye")
	_, reason, err := ParseClose(body)
	if err != nil {
		t.Fatal(err)
	}
	if &reason[0] != &body[2] {
		t.Error("reason is a copy")
	}
}

// TestValidCloseCode goes through all codes: RFC 6455, 7.4.1 and 7.4.2, and
// 1012 to 1014 of IANA's registry.
func TestValidCloseCode(t *testing.T) {
	valid := map[int]bool{
		1000: true, 1001: true, 1002: true, 1003: true,
		// 1004 is reserved, 1005, 1006 and 1015 must not be sent.
		1007: true, 1008: true, 1009: true, 1010: true, 1011: true,
		1012: true, 1013: true, 1014: true,
	}
	for code := 3000; code <= 4999; code++ {
		valid[code] = true
	}
	for code := range 1 << 16 {
		if got := ValidCloseCode(ws.StatusCode(code)); got != valid[code] {
			t.Errorf("code %d: %t, want %t", code, got, valid[code])
		}
	}
}

// TestErrorsFitCloseFrames sees that each violation can be said in a Close
// frame: a code that may be sent, and a text that needs no cutting.
func TestErrorsFitCloseFrames(t *testing.T) {
	want := map[*Error]ws.StatusCode{
		ErrLengthNotMinimal: 1002, ErrLengthMSB: 1002, ErrReservedBits: 1002, ErrReservedOpcode: 1002,
		ErrNotMasked: 1002, ErrControlTooLong: 1002, ErrControlFragmented: 1002,
		ErrContinuationUnexpected: 1002, ErrContinuationExpected: 1002,
		ErrInvalidUTF8: 1007, ErrTooBig: 1009,
		ErrCloseBody: 1002, ErrCloseCode: 1002, ErrCloseReason: 1007,
	}
	for err, code := range want {
		if err.Code != code {
			t.Errorf("%v: code %d, want %d", err, err.Code, code)
		}
		b := AppendClose(nil, err.Code, err.Error())
		got, reason, bad := ParseClose(b[2:])
		if bad != nil || got != code || string(reason) != err.Error() || err.Error() == "" {
			t.Errorf("%v: says %d %q, error %v", err, got, reason, bad)
		}
	}
}
