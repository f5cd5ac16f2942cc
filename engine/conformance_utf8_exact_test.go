package engine_test

import (
	"fmt"
	"testing"
)

// utf8State is a slow reference for UTF-8, after the table of well-formed
// sequences in the Unicode standard (3.9, D92): how many continuation octets
// are still to come, and the bounds of the next one.
type utf8State struct {
	rest     int
	low, top byte
}

// next takes an octet, and reports whether it may follow.
func (s *utf8State) next(x byte) bool {
	if s.rest > 0 {
		ok := s.low <= x && x <= s.top
		s.rest, s.low, s.top = s.rest-1, 0x80, 0xbf
		return ok
	}
	s.low, s.top = 0x80, 0xbf
	switch {
	case x < 0x80:
	case x < 0xc2:
		return false
	case x < 0xe0:
		s.rest = 1
	case x < 0xf0:
		s.rest = 2
		if x == 0xe0 {
			s.low = 0xa0
		} else if x == 0xed {
			s.top = 0x9f
		}
	case x < 0xf5:
		s.rest = 3
		if x == 0xf0 {
			s.low = 0x90
		} else if x == 0xf4 {
			s.top = 0x8f
		}
	default:
		return false
	}
	return true
}

// firstBad returns the index of the first octet of s after which nothing can
// make it valid, and octets that make what is before it valid; -1 if there is
// no such octet.
func firstBad(s string) (at int, completion string) {
	var st utf8State
	for i := range len(s) {
		before := st
		if st.next(s[i]) {
			continue
		}
		for before.rest > 0 {
			completion += string([]byte{before.low})
			before.next(before.low)
		}
		return i, completion
	}
	return -1, ""
}

// manners are the ways to cut a text message of several parts into writes, of
// which each ends where its part does.
var manners = []struct {
	name string
	cut  func(parts []string) (writes [][]byte)
}{
	{"a frame for each part", func(parts []string) (writes [][]byte) {
		for i, p := range parts {
			f := fCont(p)
			if i == 0 {
				f.op = opText
			}
			f.fin = i == len(parts)-1
			writes = append(writes, f.encode())
		}
		return writes
	}},
	{"a frame for each octet", func(parts []string) (writes [][]byte) {
		frames := octetFrames(joined(parts))
		for _, p := range parts {
			var b []byte
			for _, f := range frames[:len(p)] {
				b = append(b, f.encode()...)
			}
			writes, frames = append(writes, b), frames[len(p):]
		}
		return writes
	}},
	{"one frame", func(parts []string) (writes [][]byte) {
		b := fText(joined(parts)).encode()
		left := len(joined(parts))
		for _, p := range parts {
			left -= len(p)
			at := len(b) - left
			writes, b = append(writes, b[:at]), b[at:]
		}
		return writes
	}},
}

// exactCase is a message that is fine up to and with good. Then bad makes it
// invalid with its last octet (in 6.4.1, with its second); right instead
// completes what good has left open.
type exactCase struct {
	id, good, bad, right string
}

// exactIDs are the cases of the suite that are among them: 6.4.3 and 6.4.4 are
// 6.4.1 and 6.4.2 in one frame.
var exactIDs = []string{"6.4.1", "6.4.2", "6.4.3", "6.4.4"}

// casesExact is 6.4 and, in the same way, every string of class 6 that breaks
// a rule before its end.
func casesExact() []exactCase {
	cases := []exactCase{
		{"6.4.1", kosme, "\xf4\x90\x80\x80", ""},
		{"6.4.2", kosme + "\xf4", "\x90", "\x80\x80\x80"},
	}
	for _, g := range utf8Groups {
		for i, s := range g.strings {
			s = kosme + s + "e" // after which nothing is left open
			if at, right := firstBad(s); at >= 0 {
				cases = append(cases, exactCase{fmt.Sprintf("%s.%d", g.id, i+1), s[:at], s[at : at+1], right})
			}
		}
	}
	return cases
}

// TestConformanceUTF8Exact shows that text is refused at the very octet that
// breaks it (RFC 6455, 8.1): up to that octet the message can still be
// completed and comes back; with it the server ends the connection, although
// the rest of the message is never sent.
func TestConformanceUTF8Exact(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		s := newConfServer(t, mode.config())
		for _, tc := range casesExact() {
			for _, m := range manners {
				t.Run(tc.id+"/"+m.name+"/not before", func(t *testing.T) {
					c := s.dialAlone(t)
					whole := []string{tc.good, tc.right + "edited"}
					writes := m.cut(whole)
					c.write(writes[0])
					c.settle()
					c.write(writes[1])
					c.expect(fText(joined(whole)))
					c.send(fClose(1000, ""))
					c.expectClose(1000)
					c.reason()
				})
				t.Run(tc.id+"/"+m.name+"/not later", func(t *testing.T) {
					c := s.dialAlone(t)
					writes := m.cut([]string{tc.good, tc.bad, "edited"})
					c.write(writes[0])
					c.settle()
					c.write(writes[1])
					c.expectClose(1007)
					if got := c.reason(); got != "1007 protocol_error" {
						t.Errorf("the Handler heard of an end by %q", got)
					}
				})
			}
		}
	})
}
