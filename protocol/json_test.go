package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStringsAreEscaped(t *testing.T) {
	for s, want := range map[string]string{
		``:                        `""`,
		`plain`:                   `"plain"`,
		`"\/<&>`:                  `"\"\\/<&>"`,
		"\n\r\t\x00\x1f\x7f":      `"\n\u000d\u0009\u0000\u001f` + "\x7f\"",
		"é水\U0001F600\u2028":      "\"é水\U0001F600\u2028\"",
		"a\xffb":                  "\"a\ufffdb\"",
		"\xc3":                    "\"\ufffd\"",
		"\xed\xa0\x80":            "\"\ufffd\ufffd\ufffd\"", // a surrogate
		"\xf4\x90\x80\x80\"":      "\"\ufffd\ufffd\ufffd\ufffd\\\"\"",
		"\ufffd":                  "\"\ufffd\"",
		"\\u0041":                 `"\\u0041"`,
		`"},{"type":"error","x":`: `"\"},{\"type\":\"error\",\"x\":"`,
	} {
		if got := string(AppendString(nil, s)); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
		if got := string(AppendString(nil, []byte(s))); got != want {
			t.Errorf("%q as bytes: %s, want %s", s, got, want)
		}
	}
}

// All single bytes and pairs of them come back from encoding/json as it would
// have written them itself.
func TestStringsComeBackWhole(t *testing.T) {
	for i := range 1 << 16 {
		s := string([]byte{byte(i >> 8), byte(i)})
		b := AppendString([]byte("["), s)
		var got []string
		if err := json.Unmarshal(append(b, ']'), &got); err != nil || got[0] != valid(s) || !utf8.Valid(b) {
			t.Fatalf("%q: %q is read as %q, error %v", s, b, got, err)
		}
	}
}

// valid puts U+FFFD for each byte that is not UTF-8.
func valid(s string) string { return string([]rune(s)) }

// A buffer's own end may be quoted behind itself, whether there is room or not.
func TestAppendStringOfTheBuffersOwnEnd(t *testing.T) {
	own := `{"a":"` + strings.Repeat("\n", 10) + `"}`
	want := append([]byte(own), AppendString(nil, own)...)
	for _, room := range []int{0, 1, 20, 200} {
		b := append(make([]byte, 0, len(own)+room), own...)
		if got := AppendString(b, b); !bytes.Equal(got, want) {
			t.Errorf("room %d: %s, want %s", room, got, want)
		}
	}
}

func TestAppendStringDoesNotAllocate(t *testing.T) {
	room := make([]byte, 0, 1024)
	s := strings.Repeat("\"é\x00\xff水 ", 20)
	b := []byte(s)
	if n := testing.AllocsPerRun(1000, func() {
		AppendString(room, s)
		AppendString(room, b)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// FuzzAppendString compares with what encoding/json reads.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "\"", "\\", "\n\x00\x1f\x7f", "\xff", "\xed\xa0\x80", "\u2028", "é水\U0001F600", `"},{"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendString([]byte("x"), s)
		var got string
		if err := json.Unmarshal(b[1:], &got); err != nil || b[0] != 'x' || got != valid(s) || !utf8.Valid(b) {
			t.Fatalf("%q: %q is read as %q, error %v", s, b, got, err)
		}
	})
}
