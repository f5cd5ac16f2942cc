package swarm

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/engine/poll"
)

// frame is a server's frame as it should be; head is its first byte.
func frame(head byte, payload string) string {
	b, err := ws.CompileFrame(ws.Frame{
		Header:  ws.Header{Fin: head&0x80 != 0, Rsv: head >> 4 & 7, OpCode: ws.OpCode(head & 15), Length: int64(len(payload))},
		Payload: []byte(payload),
	})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// record makes a Handler that writes down what happens.
func record(log *[]string) *funcs {
	return &funcs{
		message: func(_ *Conn, binary bool, data []byte) {
			*log = append(*log, fmt.Sprintf("%v %d %.9q", binary, len(data), data))
		},
		closed: func(_ *Conn, opened bool, why Cause) { *log = append(*log, fmt.Sprintf("closed %v %s", opened, why)) },
	}
}

// stream has each kind of frame, and messages is what is in it.
var stream = strings.Join([]string{
	frame(0x81, "hello"), frame(0x82, "\x00\x01"), frame(0x81, ""), frame(0x89, "ping"), frame(0x8a, "pong"),
	frame(0x01, "one "), frame(0x89, ""), frame(0x00, ""), frame(0x8a, "x"), frame(0x00, "two "), frame(0x80, "three"),
	frame(0x02, ""), frame(0x80, ""), frame(0x81, strings.Repeat("m", 126)), frame(0x82, strings.Repeat("L", 70_000)), frame(0x81, "end"),
}, "")

var messages = []string{
	`false 5 "hello"`, `true 2 "\x00\x01"`, `false 0 ""`, `false 13 "one two t"`, `true 0 ""`,
	`false 126 "mmmmmmmmm"`, `true 70000 "LLLLLLLLL"`, `false 3 "end"`,
}

// However it is cut, a stream has the same messages, and nothing is kept of it.
func TestFramesInPieces(t *testing.T) {
	var log []string
	c, peer := detached(t, Config{Handler: record(&log)})
	check := func(what string) {
		t.Helper()
		if !slices.Equal(log, messages) {
			t.Fatalf("%s: %q\nwant %q", what, log, messages)
		}
		log = log[:0]
		if c.aux != nil {
			t.Fatalf("%s: something is kept", what)
		}
		pongs := drain(peer)
		h, err := ws.ReadHeader(bytes.NewReader(pongs))
		if err != nil || h.OpCode != ws.OpPong || !h.Masked || len(pongs) != 2*6+len("ping") {
			t.Fatalf("%s: answered by % x (%v)", what, pongs, err)
		}
		if ws.Cipher(pongs[6:10], h.Mask, 0); string(pongs[6:10]) != "ping" {
			t.Fatalf("%s: the pong has %q", what, pongs[6:10])
		}
	}
	b := []byte(stream)
	c.feed(b, 0)
	check("whole")
	for i := range b {
		if i > 300 && i < len(b)-100 {
			continue // within the long message
		}
		c.feed(b[:i], 0)
		c.feed(b[i:], 0)
		check(fmt.Sprint("cut at ", i))
	}
	for n := range 20 {
		for rest := b; len(rest) > 0; {
			k := min(1+n, len(rest))
			if len(rest) > 1000 && len(rest) < 69_000 {
				k = 60_000
			}
			k = min(k, len(rest))
			c.feed(rest[:k], 0)
			rest = rest[k:]
		}
		check(fmt.Sprint("pieces of ", n+1))
	}
	if c.loop.Pings == 0 || c.loop.Pings%2 != 0 {
		t.Errorf("%d pings", c.loop.Pings)
	}
}

// What breaks the protocol ends the connection, and nothing of it is a message.
func TestBadFrames(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		want  Cause
	}{
		"masked":                      {"\x81\x85\x01\x02\x03\x04hello", BadFrame},
		"RSV1":                        {frame(0xc1, "x"), BadFrame},
		"RSV2":                        {frame(0xa1, "x"), BadFrame},
		"RSV3":                        {frame(0x91, "x"), BadFrame},
		"RSV1 of a ping":              {frame(0xc9, "x"), BadFrame},
		"reserved opcode":             {frame(0x83, "x"), BadFrame},
		"last reserved opcode":        {frame(0x87, "x"), BadFrame},
		"reserved control":            {frame(0x8b, "x"), BadFrame},
		"nothing to continue":         {frame(0x80, "x"), BadFrame},
		"nothing to continue yet":     {frame(0x00, "x"), BadFrame},
		"text within a message":       {frame(0x01, "x") + frame(0x81, "y"), BadFrame},
		"fragment within a message":   {frame(0x01, "x") + frame(0x02, "y"), BadFrame},
		"continued after the end":     {frame(0x01, "x") + frame(0x80, "y") + frame(0x80, "z"), BadFrame},
		"ping in fragments":           {frame(0x09, "x"), BadFrame},
		"big ping":                    {frame(0x89, strings.Repeat("x", 126)), BadFrame},
		"big Close":                   {frame(0x88, "\x03\xe8"+strings.Repeat("x", 124)), BadFrame},
		"length with the highest bit": {"\x82\x7f\xff" + strings.Repeat("\x00", 20), BadFrame},
		"too long":                    {frame(0x81, strings.Repeat("x", 131)), TooBig},
		"too long, only its header":   {"\x82\x7f\x00\x00\x00\xff\x00\x00\x00\x00", TooBig},
		"too long in fragments":       {frame(0x01, strings.Repeat("x", 60)) + frame(0x80, strings.Repeat("y", 71)), TooBig},
	} {
		for _, cut := range []int{0, 1, len(c.bytes) / 2, len(c.bytes) - 1} {
			t.Run(fmt.Sprint(name, "/", cut), func(t *testing.T) {
				var log []string
				x, _ := detached(t, Config{Handler: record(&log), MaxMessage: 130})
				for _, b := range []string{frame(0x81, "good"), c.bytes[:cut], c.bytes[cut:], frame(0x81, "after")} {
					if x.state >= open {
						x.feed([]byte(b), 0)
					}
				}
				log = slices.DeleteFunc(log, func(s string) bool { return s == `false 2 "xy"` }) // the good message of one of them
				if want := []string{`false 4 "good"`, "closed true " + string(c.want)}; !slices.Equal(log, want) {
					t.Errorf("%q, want %q", log, want)
				}
			})
		}
	}
}

// A message of the greatest size is not too long.
func TestMaxMessage(t *testing.T) {
	var log []string
	c, _ := detached(t, Config{Handler: record(&log), MaxMessage: 100})
	c.feed([]byte(frame(0x81, strings.Repeat("x", 100))+frame(0x01, strings.Repeat("x", 60))+frame(0x80, strings.Repeat("x", 40))), 0)
	if want := []string{`false 100 "xxxxxxxxx"`, `false 100 "xxxxxxxxx"`}; !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
}

// A message that comes whole is handed on without an allocation, and so is one
// of the client's sent.
func TestAllocations(t *testing.T) {
	got := 0
	c, peer := detached(t, Config{Handler: &funcs{message: func(*Conn, bool, []byte) { got++ }}})
	b, buf := []byte(frame(0x81, "hello")+frame(0x82, strings.Repeat("x", 1000))+frame(0x89, "ping")), make([]byte, 4096)
	drained := func() {
		for {
			if n, errno := poll.Read(peer, buf); n <= 0 || errno != 0 {
				return
			}
		}
	}
	c.feed(b, 0)
	if n := testing.AllocsPerRun(1000, func() {
		c.feed(b, 0)
		c.Write(ws.OpText, buf[:100])
		drained()
	}); n != 0 || got < 2000 {
		t.Errorf("%g allocations, %d messages", n, got)
	}
	// Nor in two pieces, once there are buffers.
	for i := range len(b) {
		if n := testing.AllocsPerRun(10, func() {
			c.feed(b[:i], 0)
			c.feed(b[i:], 0)
			drained()
		}); n != 0 {
			t.Errorf("%g allocations when it is cut at %d", n, i)
			break
		}
	}
}

// Whatever comes, it makes the same of it in one piece, in two and byte by byte.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(stream[:120]), uint16(7))
	f.Add([]byte(frame(0x88, "\x03\xe9bye")+frame(0x81, "after")), uint16(3))
	f.Add([]byte(frame(0x01, "a")+frame(0x81, "b")), uint16(1))
	f.Add([]byte("\x82\x7f\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), uint16(10))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		if len(b) > 1<<12 {
			return
		}
		run := func(pieces ...[]byte) []string {
			var log []string
			c, peer := detached(t, Config{Handler: record(&log), MaxMessage: 1000})
			for _, p := range pieces {
				if len(p) > 0 && c.state >= open {
					c.feed(p, 0)
				}
			}
			for _, s := range log {
				if strings.HasPrefix(s, "closed") && !strings.HasSuffix(s, string(BadFrame)) && !strings.HasSuffix(s, string(TooBig)) {
					t.Errorf("%q: %s", b, s)
				}
			}
			drain(peer)
			return append(log, fmt.Sprint(c.state))
		}
		at := min(int(cut), len(b))
		whole, halves, bytewise := run(b), run(b[:at], b[at:]), run(slices.Collect(slices.Chunk(b, 1))...)
		if !slices.Equal(whole, halves) || !slices.Equal(whole, bytewise) {
			t.Errorf("%q: %q whole, %q cut at %d, %q byte by byte", b, whole, halves, at, bytewise)
		}
	})
}
