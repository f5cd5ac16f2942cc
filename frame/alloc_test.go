package frame

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// allocations counts what f allocates in the mean.
func allocations(t *testing.T, f func()) float64 {
	t.Helper()
	if raceEnabled {
		t.Skip("allocations cannot be counted under the race detector")
	}
	return testing.AllocsPerRun(1000, f)
}

// TestHotPathsDoNotAllocate holds the hot paths to no allocation at all.
func TestHotPathsDoNotAllocate(t *testing.T) {
	head := NewRequest([]byte(plainHead))
	payload := make([]byte, 128)
	dst := make([]byte, 0, 256)
	body := []byte("\x03\xe8bye")
	queue := bytes.Repeat(Append(nil, ws.OpText, payload), 10)

	for name, f := range map[string]func(){
		"ParseHeader":                   parseAll(text("Hello")),
		"ParseHeader, 64 bits":          parseAll(announce(0x82, 1<<20)),
		"ParseHeader, not minimal":      parseAll(octets("82 7e 0001")),
		"CheckHeader":                   func() { CheckHeader(ws.Header{Fin: true, OpCode: ws.OpText, Masked: true}, false) },
		"CheckHeader, fault":            func() { CheckHeader(ws.Header{Fin: true, OpCode: 3}, false) },
		"Next, small text":              next(t, 1, text("Hello")),
		"Next, text of 4096 bytes":      next(t, 1, text(strings.Repeat("x", 4096))),
		"Next, binary":                  next(t, 1, bin("\x00\x01")),
		"Next, empty text":              next(t, 1, text("")),
		"Next, ping":                    next(t, 1, ping("p")),
		"Next, close":                   next(t, 1, bye("\x03\xe8")),
		"Next, ten messages":            next(t, 10, bytes.Repeat(text("Hello"), 10)),
		"Next, message in two reads":    next(t, 1, text("Hello")[:8], text("Hello")[8:]),
		"Next, header in two reads":     next(t, 1, text("Hello")[:3], text("Hello")[3:]),
		"Next, ping in two reads":       next(t, 1, ping("Hello")[:8], ping("Hello")[8:]),
		"Next, fragments":               next(t, 2, text0("Hel"), ping("p"), last("lo")),
		"Next, fault":                   next(t, 0, masked(0xc1, "x")),
		"ParseClose":                    func() { ParseClose(body) },
		"Append with room":              func() { Append(dst, ws.OpBinary, payload) },
		"AppendHeader with room":        func() { AppendHeader(dst, ws.OpBinary, 1<<20) },
		"AppendClose with room":         func() { AppendClose(dst, ws.StatusGoingAway, "restart") },
		"End":                           func() { End(queue, len(queue)-1) },
		"HeadEnd":                       func() { HeadEnd(head.Head(), 0) },
		"NewRequest":                    func() { NewRequest(head.Head()) },
		"Request.Method and Target":     func() { head.Method(); head.Target() },
		"Request.Header":                func() { head.Header("x-spaces") },
		"Request.Header that is absent": func() { head.Header("Authorization") },
		"Request.HasToken":              func() { head.HasToken("Connection", "upgrade") },
		"Request.IsUpgrade":             func() { head.IsUpgrade() },
	} {
		t.Run(name, func(t *testing.T) {
			if n := allocations(t, f); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}

func parseAll(b []byte) func() { return func() { ParseHeader(b) } }

// next gives pieces to one parser again and again, and sees that they bring the
// same number of messages each time.
func next(t *testing.T, messages int, pieces ...[]byte) func() {
	p := &Parser{Max: 1 << 16}
	room := make([]byte, 1<<13)
	return func() {
		got := 0
		for _, piece := range pieces {
			b := room[:copy(room, piece)] // Next unmasks in place
			for len(b) > 0 {
				_, n, ok, err := p.Next(b)
				if err != nil {
					p.Reset(1 << 16)
					break
				}
				if ok {
					got++
				}
				b = b[n:]
			}
		}
		if got != messages {
			t.Errorf("%d messages, want %d", got, messages)
		}
	}
}

// TestEncodeAllocates once.
func TestEncodeAllocates(t *testing.T) {
	payload := make([]byte, 128)
	var b []byte
	if n := allocations(t, func() { b = Encode(ws.OpText, payload) }); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
	if len(b) != 132 {
		t.Errorf("%d bytes", len(b))
	}
}

// TestUpgradeAllocates no more than ws itself for the same handshake.
func TestUpgradeAllocates(t *testing.T) {
	head := ask()
	var in bytes.Reader
	var out bytes.Buffer
	conn := &transport{&in, &out}
	bare := allocations(t, func() {
		in.Reset(head)
		out.Reset()
		if _, err := (ws.Upgrader{}).Upgrade(conn); err != nil {
			t.Error(err)
		}
	})
	var u Upgrader
	ours := allocations(t, func() {
		if _, err := u.Upgrade(head, accept); err != nil {
			t.Error(err)
		}
	})
	if ours > bare {
		t.Errorf("%v allocations, ws alone %v", ours, bare)
	}
}
