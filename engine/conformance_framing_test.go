package engine_test

import (
	"fmt"
	"strings"
	"testing"
)

// confSizes are the payload lengths of classes 1.1 and 1.2: all around the
// three forms of a frame's length.
var confSizes = []int{0, 125, 126, 127, 128, 65535, 65536}

// confPayload returns n octets of text that differs from place to place. Some
// of its characters take two or three octets.
func confPayload(n int) string {
	const step = "κόσμε, 0123456789 abcdefghijklmnopqrstuvwxyz €"
	var b strings.Builder
	for i := 0; b.Len()+len(step)+12 < n; i++ {
		fmt.Fprintf(&b, "%d:%s", i, step)
	}
	return b.String() + strings.Repeat("*", n-b.Len())
}

// confBytes returns n octets that are not text.
func confBytes(n int) string {
	return strings.Repeat("\xfe", n)
}

// casesMessages is class 1: whole text and binary messages.
func casesMessages() (cases []confCase) {
	for kind, f := range []confFrame{fText(""), fBinary("")} {
		content := []func(int) string{confPayload, confBytes}[kind]
		add := func(no, size int, chop confChop) {
			f.payload = []byte(content(size))
			cases = append(cases, confCase{
				id:   fmt.Sprintf("1.%d.%d", kind+1, no),
				sent: []confFrame{f}, chop: chop,
				want: []confFrame{f},
				end:  clean(),
			})
		}
		for i, size := range confSizes {
			add(i+1, size, oneWrite)
		}
		add(8, 65536, 997)
	}
	return cases
}

// casesPings is class 2: pings and pongs (RFC 6455, 5.5.2, 5.5.3).
func casesPings() []confCase {
	var pings, pongs []confFrame
	for i := range 10 {
		pings = append(pings, fPing(fmt.Sprintf("payload-%d", i)))
		pongs = append(pongs, fPong(fmt.Sprintf("payload-%d", i)))
	}
	one := func(id, payload string, chop confChop) confCase {
		return confCase{id: id, sent: []confFrame{fPing(payload)}, chop: chop,
			want: []confFrame{fPong(payload)}, end: clean()}
	}
	most := strings.Repeat("\xfe", 125)
	return []confCase{
		one("2.1", "", oneWrite),
		one("2.2", "Hello, world!", oneWrite),
		one("2.3", "\x00\xff\xfe\xfd\xfc\xfb\x00\xff", oneWrite),
		one("2.4", most, oneWrite),
		{id: "2.5", sent: []confFrame{fPing(most + "\xfe")}, end: fails(1002)},
		one("2.6", most, perOctet),
		{id: "2.7", sent: []confFrame{fPong("")}, end: clean()},
		{id: "2.8", sent: []confFrame{fPong("unsolicited")}, end: clean()},
		{id: "2.9", sent: []confFrame{fPong("unsolicited"), fPing("ping")}, want: []confFrame{fPong("ping")}, end: clean()},
		{id: "2.10", sent: pings, want: pongs, end: clean()},
		{id: "2.11", sent: pings, chop: perOctet, want: pongs, end: clean()},
	}
}

// spoiled is a text message, then bad, then a ping: the echo comes, the pong
// does not.
func spoiled(id string, chop confChop, bad confFrame) confCase {
	return confCase{id: id, sent: []confFrame{fText("Hello, world!"), bad, fPing("")}, chop: chop,
		want: []confFrame{fText("Hello, world!")}, end: fails(1002), lossy: true}
}

// casesReserved is classes 3 and 4: reserved bits and opcodes (RFC 6455, 5.2).
func casesReserved() []confCase {
	bad := func(id string, f confFrame) confCase {
		return confCase{id: id, sent: []confFrame{f}, end: fails(1002)}
	}
	const hello = "Hello, world!"
	return []confCase{
		bad("3.1", fText(hello).rsvBits(1)),
		spoiled("3.2", oneWrite, fText(hello).rsvBits(2)),
		spoiled("3.3", perFrame, fText(hello).rsvBits(3)),
		spoiled("3.4", perOctet, fText(hello).rsvBits(4)),
		bad("3.5", fBinary("\x00\xff\xfe\xfd").rsvBits(5)),
		bad("3.6", fBinary(hello).rsvBits(6)),
		bad("3.7", fClose(1000, "").rsvBits(7)),

		bad("4.1.1", fOp(3, "")),
		bad("4.1.2", fOp(4, "reserved opcode payload")),
		spoiled("4.1.3", oneWrite, fOp(5, "")),
		spoiled("4.1.4", oneWrite, fOp(6, hello)),
		spoiled("4.1.5", perOctet, fOp(7, hello)),
		bad("4.2.1", fOp(11, "")),
		bad("4.2.2", fOp(12, "reserved opcode payload")),
		spoiled("4.2.3", oneWrite, fOp(13, "")),
		spoiled("4.2.4", oneWrite, fOp(14, hello)),
		spoiled("4.2.5", perOctet, fOp(15, hello)),
	}
}

// casesFragments is class 5: fragmented messages (RFC 6455, 5.4).
func casesFragments() []confCase {
	two := []confFrame{fText("fragment1").more(), fCont("fragment2")}
	whole := []confFrame{fText("fragment1fragment2")}
	pinged := []confFrame{two[0], fPing("ping payload"), two[1]}
	after := []confFrame{fPong("ping payload"), whole[0]}
	stray := []confFrame{fCont("non-continuation payload"), fText("Hello, world!")}
	open := []confFrame{stray[0].more(), stray[1]}
	// Two fragments, a ping, and so on once more; the second half is sent when
	// the pong has shown that the server waits in mid-message.
	long := []confFrame{
		fText("fragment1").more(), fCont("fragment2").more(), fPing("pongme 1!"), fAwait(1),
		fCont("fragment3").more(), fCont("fragment4").more(), fPing("pongme 2!"), fCont("fragment5"),
	}
	longAnswer := []confFrame{fPong("pongme 1!"), fPong("pongme 2!"), fText("fragment1fragment2fragment3fragment4fragment5")}
	twice := func(id string, stray confFrame) confCase {
		once := []confFrame{stray, two[0], two[1]}
		return confCase{id: id, sent: append(once, once...), end: fails(1002)}
	}
	return []confCase{
		{id: "5.1", sent: []confFrame{fPing("fragment1").more(), fCont("fragment2")}, end: fails(1002)},
		{id: "5.2", sent: []confFrame{fPong("fragment1").more(), fCont("fragment2")}, end: fails(1002)},
		{id: "5.3", sent: two, chop: oneWrite, want: whole, end: clean()},
		{id: "5.4", sent: two, chop: perFrame, want: whole, end: clean()},
		{id: "5.5", sent: two, chop: perOctet, want: whole, end: clean()},
		{id: "5.6", sent: pinged, chop: oneWrite, want: after, end: clean()},
		{id: "5.7", sent: pinged, chop: perFrame, want: after, end: clean()},
		{id: "5.8", sent: pinged, chop: perOctet, want: after, end: clean()},
		{id: "5.9", sent: stray, chop: oneWrite, end: fails(1002)},
		{id: "5.10", sent: stray, chop: perFrame, end: fails(1002)},
		{id: "5.11", sent: stray, chop: perOctet, end: fails(1002)},
		{id: "5.12", sent: open, chop: oneWrite, end: fails(1002)},
		{id: "5.13", sent: open, chop: perFrame, end: fails(1002)},
		{id: "5.14", sent: open, chop: perOctet, end: fails(1002)},
		{id: "5.15", sent: []confFrame{two[0], two[1], open[0], open[1]}, want: whole, end: fails(1002), lossy: true},
		twice("5.16", open[0]),
		twice("5.17", stray[0]),
		{id: "5.18", sent: []confFrame{two[0], fText("fragment2")}, end: fails(1002)},
		{id: "5.19", sent: long, chop: oneWrite, want: longAnswer, end: clean()},
		{id: "5.20", sent: long, chop: perFrame, want: longAnswer, end: clean()},
	}
}

func TestConformanceMessages(t *testing.T)  { runConf(t, casesMessages()) }
func TestConformancePings(t *testing.T)     { runConf(t, casesPings()) }
func TestConformanceReserved(t *testing.T)  { runConf(t, casesReserved()) }
func TestConformanceFragments(t *testing.T) { runConf(t, casesFragments()) }
