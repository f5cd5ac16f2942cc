package frame

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestHeadEnd draws request heads with a bar where they end; heads without a
// bar are not complete.
func TestHeadEnd(t *testing.T) {
	for _, drawn := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n|",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n|\x81\x85",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n|\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n\n|",
		"GET / HTTP/1.1\nHost: x\n\n|body",
		"GET / HTTP/1.1\nHost: x\r\n\n|",
		"GET / HTTP/1.1\r\nHost: x\n\r\n|body",
		"GET / HTTP/1.1\r\n\r\n|",
		"\n\n|",
		"\r\n\r\n|GET",
		"\r\nGET / HTTP/1.1\r\n\r\n|",
		"",
		"\n",
		"\r\n",
		"\r\n\r",
		"\r\r\r\r",
		"GET / HTTP/1.1",
		"GET / HTTP/1.1\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r",
		"GET / HTTP/1.1\r\nHost: x\r\n \r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\r\n",
	} {
		head, rest, complete := strings.Cut(drawn, "|")
		want := 0
		if complete {
			want = len(head)
		}
		b := []byte(head + rest)
		if got := HeadEnd(b, 0); got != want {
			t.Errorf("%q: %d, want %d", b, got, want)
		}
	}
}

// TestHeadEndInPieces grows heads byte by byte, looking on from where the last
// look has ended, less 3, or from anywhere before: the end shows with the byte
// that completes it, not before and not later.
func TestHeadEndInPieces(t *testing.T) {
	for _, head := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n\n",
		"GET / HTTP/1.1\nHost: x\r\n\n",
		"GET / HTTP/1.1\r\nHost: x\n\r\n",
		"\n\n", "\r\n\r\n", "\n\r\n",
	} {
		b := []byte(head + "what follows\r\n\r\n")
		for piece := 1; piece <= len(b); piece++ {
			for back := 3; back < 8; back++ {
				end, seen := 0, 0
				for n := 0; end == 0 && n < len(b); {
					n = min(n+piece, len(b))
					end = HeadEnd(b[:n], seen-back)
					if want := n >= len(head); want != (end != 0) {
						t.Fatalf("%q in pieces of %d: end %d with %d bytes there", head, piece, end, n)
					}
					seen = n
				}
				if end != len(head) {
					t.Fatalf("%q in pieces of %d: end %d, want %d", head, piece, end, len(head))
				}
			}
		}
	}
}

const plainHead = "GET /ws?app=key HTTP/1.1\r\n" +
	"Host: example.com:8080\r\n" +
	"CONNECTION: keep-alive, Upgrade\r\n" +
	"upgrade:websocket\r\n" +
	"X-Empty:\r\n" +
	"X-Spaces: \t a b \t \r\n" +
	"X-Twice: one\r\n" +
	"x-twice: two, three\r\n" +
	"X-Colons: http://[::1]:80/\r\n" +
	"X-Long: " + "\r\n" +
	"X-Long-Name: not X-Long\r\n" +
	"\r\n"

// TestRequest reads a request head, with lines ended by CRLF and by LF.
func TestRequest(t *testing.T) {
	for _, head := range []string{plainHead, strings.ReplaceAll(plainHead, "\r\n", "\n")} {
		r := NewRequest([]byte(head))
		if got := string(r.Head()); got != head {
			t.Errorf("Head %q", got)
		}
		if got := string(r.Method()); got != "GET" {
			t.Errorf("Method %q", got)
		}
		if got := string(r.Target()); got != "/ws?app=key" {
			t.Errorf("Target %q", got)
		}
		for name, want := range map[string]string{
			"Host": "example.com:8080", "host": "example.com:8080", "HOST": "example.com:8080",
			"Connection": "keep-alive, Upgrade", "Upgrade": "websocket",
			"X-Empty": "", "X-Spaces": "a b", "X-Twice": "one",
			"X-Colons": "http://[::1]:80/", "X-Long": "", "X-Long-Name": "not X-Long",
		} {
			if got := r.Header(name); string(got) != want {
				t.Errorf("Header %s: %q, want %q", name, got, want)
			}
		}
		for _, name := range []string{"Missing", "Hos", "Host:", "X", "one", "GET", "", "X-Long-", " Host"} {
			if got := r.Header(name); got != nil {
				t.Errorf("Header %q: %q, want nil", name, got)
			}
		}
		if !r.IsUpgrade() {
			t.Error("IsUpgrade is false")
		}
	}
}

// TestRequestHasToken looks for tokens in fields of one and of several values.
func TestRequestHasToken(t *testing.T) {
	for _, test := range []struct {
		lines string
		token string
		want  bool
	}{
		{"List: a", "a", true},
		{"List: A", "a", true},
		{"list: a", "A", true},
		{"List: a, b,c\t,\td", "b", true},
		{"List: a, b,c\t,\td", "c", true},
		{"List: a, b,c\t,\td", "d", true},
		{"List: a, b,c\t,\td", "e", false},
		{"List: ab", "a", false},
		{"List: a b", "a", false},
		{"List: a;q=1", "a", false},
		{"List:", "a", false},
		{"List: ,,", "a", false},
		{"List: a\r\nList: b", "b", true},
		{"List: a\r\nOther: b", "b", false},
		{"Lists: a", "a", false},
		{"Other: x\r\nLIST:a", "a", true},
		{"Other: List: a", "a", false},
	} {
		r := NewRequest([]byte("GET / HTTP/1.1\r\n" + test.lines + "\r\n\r\n"))
		if got := r.HasToken("List", test.token); got != test.want {
			t.Errorf("%q has %q: %t, want %t", test.lines, test.token, got, test.want)
		}
	}
}

// TestRequestIsUpgrade tells requests for a WebSocket from others.
func TestRequestIsUpgrade(t *testing.T) {
	for line, want := range map[string]bool{
		"Upgrade: websocket":      true,
		"upgrade: WebSocket":      true,
		"Upgrade: h2c, websocket": true,
		"Upgrade: h2c":            false,
		"Upgrade: websocket2":     false,
		"Connection: Upgrade":     false,
	} {
		if got := NewRequest([]byte("GET / HTTP/1.1\r\n" + line + "\r\n\r\n")).IsUpgrade(); got != want {
			t.Errorf("%s: %t, want %t", line, got, want)
		}
	}
}

// TestRequestLine cuts request lines that are not as they should be: no panic,
// and nothing of the next line.
func TestRequestLine(t *testing.T) {
	for head, want := range map[string][2]string{
		"GET /a HTTP/1.1\r\nB: c\r\n\r\n": {"GET", "/a"},
		"GET /a\r\nB: c\r\n\r\n":          {"GET", "/a"},
		"GET\r\nB: c\r\n\r\n":             {"GET", ""},
		"GET  HTTP/1.1\r\n\r\n":           {"GET", ""},
		"GET /a b HTTP/1.1\r\n\r\n":       {"GET", "/a"},
		" /a HTTP/1.1\r\n\r\n":            {"", "/a"},
		"\r\nB: c d\r\n\r\n":              {"", ""},
		"OPTIONS * HTTP/1.1\n\n":          {"OPTIONS", "*"},
		"":                                {"", ""},
	} {
		r := NewRequest([]byte(head))
		if m, u := string(r.Method()), string(r.Target()); m != want[0] || u != want[1] {
			t.Errorf("%q: %q %q, want %q", head, m, u, want)
		}
	}
}

// TestRequestPointsIntoHead shows how long slices live: as long as the head, of
// which they are parts.
func TestRequestPointsIntoHead(t *testing.T) {
	head := []byte(plainHead)
	r := NewRequest(head)
	parts := [][]byte{r.Head(), r.Method(), r.Target(), r.Header("Host"), r.Header("X-Spaces")}
	scribble(head)
	for i, part := range parts {
		if slices.ContainsFunc(part, func(b byte) bool { return b != 0xdb }) || len(part) == 0 {
			t.Errorf("part %d is a copy: %q", i, part)
		}
	}
}

// TestRequestLongHeader reads fields around and beyond the size of any buffer.
func TestRequestLongHeader(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 100_000} {
		value := strings.Repeat("v", n)
		head := fmt.Sprintf("GET /%s HTTP/1.1\r\nCookie: %s\r\nHost: x\r\n\r\n", value, value)
		r := NewRequest([]byte(head))
		if HeadEnd([]byte(head), 0) != len(head) {
			t.Errorf("%d bytes: no end", n)
		}
		if string(r.Target()) != "/"+value || string(r.Header("Cookie")) != value || string(r.Header("Host")) != "x" {
			t.Errorf("%d bytes: read wrongly", n)
		}
	}
}

// TestEqualFold compares all pairs of bytes with strings.EqualFold on ASCII.
func TestEqualFold(t *testing.T) {
	for x := range 256 {
		for y := range 128 {
			b, s := []byte{'a', byte(x)}, "A"+string(rune(y))
			want := x < 128 && strings.EqualFold(string(b), s)
			if got := equalFold(b, s); got != want {
				t.Fatalf("%q and %q: %t, want %t", b, s, got, want)
			}
		}
	}
	if equalFold([]byte("a"), "aa") || equalFold([]byte("aa"), "a") || !equalFold(nil, "") {
		t.Error("lengths count")
	}
}
