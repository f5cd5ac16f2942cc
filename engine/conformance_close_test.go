package engine_test

import (
	"fmt"
	"strings"
	"testing"
)

// closing is frames that hold a Close with code, which the server answers with
// the same code or with 1000.
func closing(id string, code int, frames ...confFrame) confCase {
	return confCase{id: id, sent: frames, end: answered(code, code, 1000)}
}

// casesClose is class 7 without the status codes: the closing handshake
// (RFC 6455, 5.5.1, 7.1).
func casesClose() []confCase {
	const hello = "Hello World!"
	end := fClose(1000, "")
	return []confCase{
		{id: "7.1.1", sent: []confFrame{fText(hello)}, want: []confFrame{fText(hello)}, end: clean()},
		closing("7.1.2", 1000, end, end),
		closing("7.1.3", 1000, end, fPing("")),
		closing("7.1.4", 1000, end, fText(hello)),
		closing("7.1.5", 1000, fText("fragment1").more(), end, fCont("fragment2")),
		{id: "7.1.6", max: 1 << 20, end: informational(),
			sent: []confFrame{fText(confPayload(256 << 10)), fText(hello), end, fPing("")}},

		{id: "7.3.1", sent: []confFrame{fCloseBody("")}, end: answered(1005, 0, 1000)},
		{id: "7.3.2", sent: []confFrame{fCloseBody("a")}, end: fails(1002)},
		closing("7.3.3", 1000, end),
		closing("7.3.4", 1000, fClose(1000, "Hello World!")),
		closing("7.3.5", 1000, fClose(1000, strings.Repeat("*", 123))),
		{id: "7.3.6", sent: []confFrame{fClose(1000, strings.Repeat("*", 124))}, end: fails(1002)},

		{id: "7.5.1", sent: []confFrame{fClose(1000, kosme+"\xed\xa0\x80edited")}, end: fails(1007, 1002)},
	}
}

// casesCloseCodes is the status codes of class 7 (RFC 6455, 7.4), and those
// that IANA has registered since, which the suite does not know.
func casesCloseCodes() (cases []confCase) {
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, closing(fmt.Sprintf("7.7.%d", i+1), code, fClose(code, "")))
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		cases = append(cases, confCase{id: fmt.Sprintf("7.9.%d", i+1), sent: []confFrame{fClose(code, "")}, end: fails(1002)})
	}
	for i, code := range []int{5000, 65535} {
		cases = append(cases, confCase{id: fmt.Sprintf("7.13.%d", i+1), sent: []confFrame{fClose(code, "")}, end: informational()})
	}
	return cases
}

// casesCloseMore is what the suite leaves out.
func casesCloseMore() (cases []confCase) {
	for _, code := range []int{1012, 1013, 1014} { // registered with IANA
		cases = append(cases, closing(fmt.Sprintf("code %d", code), code, fClose(code, "")))
	}
	// Never sent in a frame (RFC 6455, 7.4.1, and 1015 is for TLS).
	cases = append(cases, confCase{id: "code 1015", sent: []confFrame{fClose(1015, "")}, end: fails(1002)})

	end := fClose(1000, "bye")
	text := fText("the last message")
	return append(cases,
		closing("octet by octet", 1000, end).in(perOctet),
		closing("no body, octet by octet", 1000, end).in(perOctet),
		// The echo of a message right before the Close frame comes first.
		confCase{id: "right behind a message", sent: []confFrame{text, end}, want: []confFrame{text},
			end: answered(1000, 1000, 0)},
		// What follows a Close frame is not looked at (RFC 6455, 1.4: a peer
		// "discards any further data received"), right or wrong, in whatever
		// pieces it comes.
		closing("before a wrong frame", 1000, end, fText("x").rsvBits(7)),
		closing("before a wrong frame, frame by frame", 1000, end, fText("x").rsvBits(7)).in(perFrame),
		closing("before a wrong frame, octet by octet", 1000, end, fText("x").rsvBits(7)).in(perOctet),
		closing("before an unmasked frame", 1000, end, fText("x").unmasked()),
		closing("before text that is not UTF-8", 1000, end, fText("\xff")),
		closing("before a wrong Close frame", 1000, end, fCloseBody("a")),
		closing("before another code", 1000, end, fClose(4000, "")),
		closing("before half a frame", 1000, end, fText("x").claiming(100)),
		closing("before a message that is too big", 1000, end, fText("").claiming(1<<40)),
	)
}

// in returns the case with another chop.
func (tc confCase) in(chop confChop) confCase { tc.chop = chop; return tc }

func TestConformanceClose(t *testing.T)      { runConf(t, casesClose()) }
func TestConformanceCloseCodes(t *testing.T) { runConf(t, casesCloseCodes()) }
func TestConformanceCloseMore(t *testing.T)  { runConf(t, casesCloseMore()) }
