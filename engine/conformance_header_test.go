package engine_test

import (
	"fmt"
	"strings"
	"testing"
)

// bad is frames that fail the connection with 1002, at the last of them.
func bad(id string, frames ...confFrame) confCase {
	return confCase{id: id, sent: frames, end: fails(1002)}
}

// echoed is a message that comes back.
func echoed(id string, f confFrame) confCase {
	return confCase{id: id, sent: []confFrame{f}, want: []confFrame{{op: f.op, payload: f.payload}}, end: clean()}
}

// casesMasks: "a client MUST mask all frames" (RFC 6455, 5.1).
func casesMasks() []confCase {
	return []confCase{
		bad("unmasked text", fText("hello").unmasked()),
		bad("unmasked empty text", fText("").unmasked()),
		bad("unmasked binary", fBinary("hello").unmasked()),
		bad("unmasked long binary", fBinary(confBytes(65536)).unmasked()),
		bad("unmasked ping", fPing("hello").unmasked()),
		bad("unmasked pong", fPong("").unmasked()),
		bad("unmasked close", fClose(1000, "").unmasked()),
		bad("unmasked first fragment", fText("hello").more().unmasked()),
		bad("unmasked last fragment", fText("hello").more(), fCont("").unmasked()),
		bad("unmasked ping in mid-message", fText("hello").more(), fPing("").unmasked()),
		spoiled("unmasked behind a message", oneWrite, fText("hello").unmasked()),
		echoed("a mask of zeros", fText("hello").zeroMask()),
		{id: "a ping with a mask of zeros", sent: []confFrame{fPing("hello").zeroMask()},
			want: []confFrame{fPong("hello")}, end: clean()},
	}
}

// casesLengths: "the minimal number of bytes MUST be used", "the most
// significant bit MUST be 0" (RFC 6455, 5.2).
func casesLengths() (cases []confCase) {
	for _, f := range []confFrame{fText(""), fBinary(""), fCont("")} {
		var before []confFrame
		if f.op == opCont {
			before = []confFrame{fText("fragment1").more()}
		}
		add := func(form, size int) {
			f.payload = []byte(strings.Repeat("*", size))
			id := fmt.Sprintf("opcode %d, %d octets in the %d form", f.op, size, form)
			frames := append(before, f.lengthForm(form))
			cases = append(cases, bad(id, frames...), bad(id+", header only", append(before, f.claiming(uint64(size)).lengthForm(form).headerOnly())...))
		}
		for _, size := range []int{0, 1, 125} {
			add(126, size)
		}
		for _, size := range []int{0, 125, 126, 127, 65535} {
			add(127, size)
		}
		for _, size := range []uint64{1 << 63, 1<<63 | 5, 1<<64 - 1} {
			f.payload = []byte("hello")
			cases = append(cases, bad(fmt.Sprintf("opcode %d, a length of %#x", f.op, size), append(before, f.claiming(size).lengthForm(127))...))
		}
	}
	most := fText(confPayload(65536))
	tooBig := func(id string, frames ...confFrame) confCase {
		return confCase{id: id, sent: frames, end: fails(1009)}
	}
	return append(cases,
		// Config.MaxMessageBytes is 65,536 here.
		echoed("the largest message", most),
		confCase{id: "the largest message in fragments", sent: most.fragments(1000), want: []confFrame{most}, end: clean()},
		tooBig("one octet too many", fText(confPayload(65537))),
		tooBig("one octet too many, announced", fText("").claiming(65537)),
		tooBig("all octets too many, announced", fBinary("").claiming(1<<63-1)),
		tooBig("one octet too many, over fragments", fText(confPayload(65536)).more(), fCont("*")),
		tooBig("one octet too many, announced over fragments", fText("*").more(), fCont("").claiming(65536)),
		tooBig("too many for ever", append(most.fragments(1000)[:65], fCont(confPayload(1000)).more())...),
		confCase{id: "too much behind a message", sent: []confFrame{fText("hello"), fText(confPayload(65537))},
			want: []confFrame{fText("hello")}, lossy: true, end: fails(1009)},
		// Fragments of no octets are no progress towards the limit.
		confCase{id: "ten thousand empty fragments", sent: append(emptyFragments(10000), fCont("end")),
			want: []confFrame{fText("end")}, end: clean()},
	)
}

// headerOnly sends the header and the mask, but no payload.
func (f confFrame) headerOnly() confFrame { f.payload = nil; return f }

func emptyFragments(n int) (frames []confFrame) {
	for i := range n {
		f := fCont("").more()
		if i == 0 {
			f.op = opText
		}
		frames = append(frames, f)
	}
	return frames
}

// casesControl: control frames are short, whole, and have no reserved bits
// without an extension (RFC 6455, 5.2, 5.5).
func casesControl() (cases []confCase) {
	long := strings.Repeat("*", 126)
	for name, f := range map[string]confFrame{"ping": fPing("hello"), "pong": fPong("hello"), "close": fClose(1000, "")} {
		for bits := byte(1); bits <= 7; bits++ {
			cases = append(cases, bad(fmt.Sprintf("%s with reserved bits %d", name, bits), f.rsvBits(bits)))
		}
		g := f
		g.payload = append(g.payload, long...)
		cases = append(cases,
			bad(name+" in mid-message with reserved bits", fText("fragment1").more(), f.rsvBits(4), fCont("fragment2")),
			bad(name+" without FIN", f.more()),
			bad(name+" without FIN in mid-message", fText("fragment1").more(), f.more()),
			bad(name+" of more than 125 octets", g),
			bad(name+" of more than 125 octets, announced", f.claiming(126).headerOnly()),
			bad(name+" of 65,536 octets, announced", f.claiming(65536).headerOnly()),
			bad(name+" with a length in the 126 form", f.lengthForm(126)),
			bad(name+" with a length in the 127 form", f.lengthForm(127)),
		)
	}
	for bits := byte(1); bits <= 7; bits++ {
		cases = append(cases, bad(fmt.Sprintf("continuation with reserved bits %d", bits),
			fText("fragment1").more(), fCont("fragment2").rsvBits(bits)))
	}
	return cases
}

// casesEarly: a header that can only be wrong is refused before the rest of it
// comes. Each case sends no more octets than it takes to know.
func casesEarly() []confCase {
	begun := fText("fragment1").more()
	return []confCase{
		bad("reserved bits, 1 octet", fText("hello").rsvBits(4).only(1)),
		bad("reserved opcode, 1 octet", fOp(3, "").only(1)),
		bad("reserved control opcode, 1 octet", fOp(11, "").only(1)),
		bad("ping without FIN, 1 octet", fPing("").more().only(1)),
		bad("continuation of nothing, 1 octet", fCont("").only(1)),
		bad("a message in a message, 1 octet", begun, fText("").only(1)),
		bad("unmasked, 2 octets", fText("hello").unmasked().only(2)),
		bad("ping of 126 octets, 2 octets", fPing(strings.Repeat("*", 126)).only(2)),
		bad("length not minimal, 4 octets", fText("hello").lengthForm(126).only(4)),
		bad("length not minimal, 10 octets", fText("hello").lengthForm(127).only(10)),
		bad("length with the top bit, 10 octets", fText("").claiming(1<<63).only(10)),
	}
}

func TestConformanceMasks(t *testing.T)   { runConf(t, casesMasks()) }
func TestConformanceLengths(t *testing.T) { runConf(t, casesLengths()) }
func TestConformanceControl(t *testing.T) { runConf(t, casesControl()) }
func TestConformanceEarly(t *testing.T)   { runConf(t, casesEarly()) }

// TestConformanceHeaderCuts cuts a frame at every octet of its header and the
// first of its payload, behind a message that comes with the first part. The
// server must go on where it was.
func TestConformanceHeaderCuts(t *testing.T) {
	frames := []confFrame{
		fText(""), fText("hello"), fText(confPayload(300)), fBinary(confBytes(65536)),
		fPing("payload"), fClose(4000, "bye"), fClose(4000, "bye").headerOnly(),
	}
	eachConfMode(t, func(t *testing.T, mode confMode) {
		s := newConfServer(t, mode.config())
		for _, f := range frames {
			size := len(f.encode()) - len(f.payload)
			for cut := 1; cut <= min(size+1, len(f.encode())-1); cut++ {
				t.Run(fmt.Sprintf("%v/%d", f, cut), func(t *testing.T) {
					c := s.dialAlone(t)
					b := f.encode()
					c.write(append(fBinary("before").encode(), b[:cut]...))
					c.settle()
					c.expect(fBinary("before"))
					c.write(b[cut:])
					switch f.op {
					case opClose:
						c.expectClose(f.code())
						return
					case opPing:
						c.expect(fPong(string(f.payload)))
					default:
						c.expect(f)
					}
					c.send(fClose(1000, ""))
					c.expectClose(1000)
				})
			}
		}
	})
}
