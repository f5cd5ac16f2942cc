package gateway

import (
	"strings"
	"testing"
)

// The browser client is for pages of any origin, and asked for once.
func TestLibraryIsServed(t *testing.T) {
	s := newTest(t, nil)
	for _, path := range []string{"/stentor.js", "/stentor.global.js"} {
		e := s.roundTrip(s.request("GET", s.addr, path, "", ""))
		if e.status != 200 || !strings.Contains(string(e.answer), "class Stentor") {
			t.Errorf("%s: %d %.80s", path, e.status, e.answer)
		}
		for name, want := range map[string]string{
			"Content-Type":                 "text/javascript; charset=utf-8",
			"X-Content-Type-Options":       "nosniff",
			"Cache-Control":                "no-cache",
			"Access-Control-Allow-Origin":  "*",
			"Cross-Origin-Resource-Policy": "cross-origin",
		} {
			if got := e.header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		s.sameAgain(s.addr, path)
	}
}

// sameAgain demands that who has a file is told so, and who has another gets it.
func (s *server) sameAgain(address, path string) {
	s.t.Helper()
	tag := s.roundTrip(s.request("GET", address, path, "", "")).header.Get("ETag")
	for has, want := range map[string]int{tag: 304, `"another"`: 200} {
		req := s.request("GET", address, path, "", "")
		req.Header.Set("If-None-Match", has)
		if e := s.roundTrip(req); tag == "" || e.status != want || (len(e.answer) == 0) != (want == 304) {
			s.t.Errorf("%s, ETag %q, for one who has %q: %d %.80s", path, tag, has, e.status, e.answer)
		}
	}
}
