package engine_test

import (
	"fmt"
	"testing"
)

// kosme is the valid string of class 6: five characters in 11 octets, of which
// the second takes three and the others two.
const kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

// utf8Group is a group of class 6 whose cases are one text message each.
type utf8Group struct {
	id      string
	valid   bool // the messages are echoed; otherwise they fail the connection
	strings []string
	not     int // number of the one case that is the other way, or 0
}

// utf8Groups is 6.5 to 6.23 without the prefixes of 6.6.
var utf8Groups = []utf8Group{
	{id: "6.5", valid: true, strings: []string{ // of 1, 2, 3 and 4 octets
		"hello\x24world", "hello\xc2\xa2world", "hello\xe2\x82\xacworld", "hello\xf0\xa4\xad\xa2world", kosme}},
	{id: "6.7", valid: true, strings: []string{ // the first character of each length
		"\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"}},
	{id: "6.8", strings: []string{ // forms of 5 and 6 octets, which UTF-8 no longer has
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
	{id: "6.9", valid: true, strings: []string{ // the last character of each length
		"\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"}},
	{id: "6.10", strings: []string{ // the last of 4, 5 and 6 octets, above U+10FFFF
		"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
	{id: "6.11", valid: true, not: 5, strings: []string{ // around the surrogates, and U+10FFFF
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80"}},
	{id: "6.12", strings: append(loneContinuations(), allOctets(0x80, 0xbf, ""))},
	{id: "6.13", strings: []string{ // lead octets, each followed by a space
		allOctets(0xc0, 0xdf, " "), allOctets(0xe0, 0xef, " "), allOctets(0xf0, 0xf7, " "),
		allOctets(0xf8, 0xfb, " "), allOctets(0xfc, 0xfd, " ")}},
	{id: "6.14", strings: cutShort},
	{id: "6.15", strings: []string{joined(cutShort)}},
	{id: "6.16", strings: []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
	{id: "6.17", strings: []string{ // "/" in too many octets
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},
	{id: "6.18", strings: []string{ // the greatest that are overlong
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},
	{id: "6.19", strings: []string{ // NUL in too many octets
		"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},
	{id: "6.20", strings: []string{ // lone surrogates
		"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}},
	{id: "6.21", strings: []string{ // pairs of them
		"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
		"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"}},
	{id: "6.22", valid: true, strings: nonCharacters()},
	{id: "6.23", valid: true, strings: []string{ // U+FFF9 to U+FFFF
		"\xef\xbf\xb9", "\xef\xbf\xba", "\xef\xbf\xbb", "\xef\xbf\xbc", "\xef\xbf\xbd", "\xef\xbf\xbe", "\xef\xbf\xbf"}},
}

// cutShort is the first and the last sequence of each length without its last
// octet.
var cutShort = []string{
	"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
	"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
}

// loneContinuations is 80, BF, and from two to six of them in turn.
func loneContinuations() []string {
	out := []string{"\x80", "\xbf"}
	for n := 2; n <= 6; n++ {
		out = append(out, "\x80\xbf\x80\xbf\x80\xbf"[:n])
	}
	return out
}

// allOctets is each octet from first to last, followed by sep.
func allOctets(first, last byte, sep string) (s string) {
	for x := int(first); x <= int(last); x++ {
		s += string([]byte{byte(x)}) + sep
	}
	return s
}

func joined(parts []string) (s string) {
	for _, p := range parts {
		s += p
	}
	return s
}

// nonCharacters is the last two code points of each plane: valid UTF-8, though
// no character will ever be there.
func nonCharacters() (out []string) {
	for plane := range 0x11 {
		for _, low := range []int{0xfffe, 0xffff} {
			out = append(out, fromCodePoint(plane<<16|low))
		}
	}
	return out
}

// fromCodePoint encodes a code point from U+0800 on, by hand.
func fromCodePoint(r int) string {
	if r < 0x10000 {
		return string([]byte{0xe0 | byte(r>>12), 0x80 | byte(r>>6&0x3f), 0x80 | byte(r&0x3f)})
	}
	return string([]byte{0xf0 | byte(r>>18), 0x80 | byte(r>>12&0x3f), 0x80 | byte(r>>6&0x3f), 0x80 | byte(r&0x3f)})
}

// textCase is one text message in one frame.
func textCase(id, s string, valid bool) confCase {
	if valid {
		return confCase{id: id, sent: []confFrame{fText(s)}, want: []confFrame{fText(s)}, end: clean()}
	}
	return confCase{id: id, sent: []confFrame{fText(s)}, end: fails(1007)}
}

// octetFrames is a text message of one octet a frame.
func octetFrames(s string) (frames []confFrame) {
	for i := range len(s) {
		f := fCont(s[i : i+1])
		if i == 0 {
			f.op = opText
		}
		f.fin = i == len(s)-1
		frames = append(frames, f)
	}
	return frames
}

// casesUTF8 is class 6 without 6.4 (RFC 6455, 5.6, 8.1).
func casesUTF8() []confCase {
	const hello = "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"
	const surrogate = kosme + "\xed\xa0\x80edited"
	echo := func(id, whole string, frames ...confFrame) confCase {
		return confCase{id: id, sent: frames, want: []confFrame{fText(whole)}, end: clean()}
	}
	cases := []confCase{
		echo("6.1.1", "", fText("")),
		echo("6.1.2", "", fText("").more(), fCont("").more(), fCont("")),
		echo("6.1.3", "middle frame payload", fText("").more(), fCont("middle frame payload").more(), fCont("")),
		echo("6.2.1", hello, fText(hello)),
		echo("6.2.2", hello, fText(hello[:12]).more(), fCont(hello[12:])),
		echo("6.2.3", hello, octetFrames(hello)...),
		echo("6.2.4", kosme, octetFrames(kosme)...),
		textCase("6.3.1", surrogate, false),
		{id: "6.3.2", sent: octetFrames(surrogate), end: fails(1007)},
	}
	for n := 1; n <= len(kosme); n++ {
		whole := n == 2 || n == 5 || n == 7 || n == 9 || n == 11
		cases = append(cases, textCase(fmt.Sprintf("6.6.%d", n), kosme[:n], whole))
	}
	for _, g := range utf8Groups {
		for i, s := range g.strings {
			cases = append(cases, textCase(fmt.Sprintf("%s.%d", g.id, i+1), s, g.valid != (i+1 == g.not)))
		}
	}
	return cases
}

// casesUTF8Ends is messages that end inside a character, in whatever pieces
// they come, and one that must not go on in the next message.
func casesUTF8Ends() (cases []confCase) {
	for n := 1; n < len(kosme); n++ {
		s := kosme[:n]
		whole := textCase("", s, n == 2 || n == 5 || n == 7 || n == 9)
		add := func(how string, chop confChop, frames ...confFrame) {
			tc := whole
			tc.id, tc.sent, tc.chop = fmt.Sprintf("%d octets, %s", n, how), frames, chop
			cases = append(cases, tc)
		}
		add("a frame for each", oneWrite, octetFrames(s)...)
		add("a frame for each, octet by octet", perOctet, octetFrames(s)...)
		add("one frame, octet by octet", perOctet, fText(s))
		add("then an empty fragment", oneWrite, fText(s).more(), fCont(""))
		add("then an empty fragment, frame by frame", perFrame, fText(s).more(), fCont(""))
	}
	return append(cases,
		confCase{id: "half a character in each of two messages", sent: []confFrame{fText("\xce"), fText("\xba")}, end: fails(1007)},
		confCase{id: "a character around a ping", sent: []confFrame{fText("\xce").more(), fPing("\xba"), fCont("\xba")},
			want: []confFrame{fPong("\xba"), fText("\xce\xba")}, end: clean()},
		confCase{id: "binary is not looked at", sent: []confFrame{fBinary("\xce").more(), fCont("\xff")},
			want: []confFrame{fBinary("\xce\xff")}, end: clean()},
	)
}

func TestConformanceUTF8(t *testing.T)     { runConf(t, casesUTF8()) }
func TestConformanceUTF8Ends(t *testing.T) { runConf(t, casesUTF8Ends()) }
