package frame

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// FuzzRequest finds the end of a head, at once and in pieces, and reads its
// fields as net/http does.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(plainHead), uint16(7))
	f.Add(bytes.ReplaceAll([]byte(plainHead), []byte("\r"), nil), uint16(40))
	f.Add(ask("+Sec-WebSocket-Key: twice"), uint16(200))
	f.Add([]byte("\r\n\r\n"), uint16(1))
	f.Add([]byte("GET / HTTP/1.1\nA:b\n c: d\n\n"), uint16(18))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		end := HeadEnd(b, 0)
		if n := min(int(cut), len(b)); end > 0 {
			first := HeadEnd(b[:n], 0)
			if first != 0 && first != end || first == 0 && HeadEnd(b, n-3) != end {
				t.Fatalf("end at %d, looked for in two pieces cut at %d: %d, then %d", end, n, first, HeadEnd(b, n-3))
			}
		}
		// Incomplete heads as well: no panic, and slices within the head.
		r := NewRequest(b)
		r.Method()
		r.Target()
		r.IsUpgrade()
		for _, name := range []string{"Host", "Connection", "", ":"} {
			if v := r.Header(name); !bytes.Contains(b, v) {
				t.Fatalf("%s: %q is not in the head", name, v)
			}
		}
		if end > 0 {
			compareRequest(t, b[:end])
		}
	})
}

// compareRequest reads a head with net/http, if that can. Differences: net/http
// joins folded lines, moves Host, and drops fields that frame the body; it
// leaves white space other than blanks and tabs at values.
func compareRequest(t *testing.T, head []byte) {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil || folded.Match(head) {
		return
	}
	r := NewRequest(head)
	if string(r.Method()) != req.Method || string(r.Target()) != req.RequestURI {
		t.Fatalf("%q %q, net/http %q %q", r.Method(), r.Target(), req.Method, req.RequestURI)
	}
	for name, values := range req.Header {
		if got := string(r.Header(name)); got != strings.TrimSpace(values[0]) {
			t.Fatalf("%s: %q, net/http %q", name, got, values)
		}
	}
}

// What net/http refuses and this package leaves to whoever reads the field.
var (
	folded    = regexp.MustCompile(`\n[ \t]`)
	plainLine = regexp.MustCompile(`^GET [^ ]+ HTTP/1\.[1-9]\r?$`)
	plainName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+:")
	framing   = regexp.MustCompile(`(?i)\n(Trailer|Content-Length):.*\n(.*\n)*Content-Length:|\nTrailer:`)
	control   = regexp.MustCompile(`[^\t\n\r -\x7e\x80-\xff]|\r[^\n]`)
)

// whyNotHTTP explains why net/http may refuse a handshake that is accepted
// here: none of it is about WebSockets, and nothing relies on it. "" is a
// handshake that net/http must accept.
func whyNotHTTP(head []byte) string {
	lines := strings.Split(strings.TrimRight(string(head), "\r\n"), "\n")
	if !plainLine.MatchString(lines[0]) {
		return "ws reads any bytes for a target, none too, and 0x3a to 0x3f for digits"
	}
	if _, err := url.ParseRequestURI(strings.Split(lines[0], " ")[1]); err != nil {
		return "the target is not parsed here: " + err.Error()
	}
	for _, line := range lines[1:] {
		if !plainName.MatchString(line) {
			return "ws trims names, and takes any bytes for one"
		}
	}
	if control.Match(head) {
		return "ws takes any bytes for a value"
	}
	if framing.Match(head) {
		return "fields that frame a body, of which a handshake has none"
	}
	return ""
}

// FuzzUpgrade gives a head to the Upgrader. What is accepted is accepted by ws
// alone, with the same answer, and by net/http; what is refused gets an answer
// that is HTTP. Nothing changes the head.
func FuzzUpgrade(f *testing.F) {
	for _, test := range goodHandshakes {
		if len(test.head) < 2000 {
			f.Add(test.head)
		}
	}
	for _, test := range badHandshakes {
		f.Add(test.head)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end := HeadEnd(b, 0)
		if end == 0 {
			return
		}
		head := bytes.Clone(b[:end])
		var u Upgrader
		decisions := 0
		reply, err := u.Upgrade(head, func(Request) (Answer, error) { decisions++; return Answer{}, nil })
		if !bytes.Equal(head, b[:end]) {
			t.Fatal("the head was changed")
		}
		if decisions > 1 || (decisions == 1) != (err == nil) {
			t.Fatalf("%d decisions, error %v", decisions, err)
		}
		resp, _ := response(t, reply)
		if err != nil {
			if resp.StatusCode < 400 {
				t.Fatalf("refused (%v) with status %s", err, resp.Status)
			}
			return
		}
		if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") == "" {
			t.Fatalf("accepted with %q", reply)
		}
		var w bytes.Buffer
		_, err = (ws.Upgrader{}).Upgrade(transport{bytes.NewReader(head), &w})
		if err == ws.ErrHandshakeBadConnection || err == ws.ErrHandshakeBadUpgrade { // lists, see oneLine
			r := NewRequest(head)
			if !r.IsUpgrade() || !r.HasToken("Connection", "upgrade") {
				t.Fatalf("accepted without its fields: %q", head)
			}
		} else if err != nil || !bytes.Equal(w.Bytes(), reply) {
			t.Fatalf("accepted, but ws alone: %v, %q", err, w.Bytes())
		}
		if _, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head))); err != nil && whyNotHTTP(head) == "" {
			t.Fatalf("accepted, but net/http: %v\n%q", err, head)
		}
		if !NewRequest(head).IsUpgrade() && plainHeadNames(head) {
			t.Fatalf("accepted, but IsUpgrade is false: %q", head)
		}
	})
}

// plainHeadNames reports whether all names are tokens, so that ws and Request
// read the same ones.
func plainHeadNames(head []byte) bool {
	for line := range strings.Lines(string(head[bytes.IndexByte(head, '\n')+1:])) {
		if strings.Trim(line, "\r\n") != "" && !plainName.MatchString(line) {
			return false
		}
	}
	return true
}
