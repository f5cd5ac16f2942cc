package frame

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestParserMax sends messages around a limit of 200 bytes, in one frame and in
// several (RFC 6455, 10.4).
func TestParserMax(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, test := range []struct {
		name string
		in   []byte
		out  []string
		err  error
	}{
		{"exactly", bin(x(200)), []string{"binary " + x(200)}, nil},
		{"one over", bin(x(201)), nil, ErrTooBig},
		{"text, exactly", text(x(200)), []string{"text " + x(200)}, nil},
		{"text, one over", text(x(201)), nil, ErrTooBig},
		{"one over, announced but not sent", announce(0x82, 201), nil, ErrTooBig},
		{"16 bits, announced but not sent", announce(0x82, 65535), nil, ErrTooBig},
		{"64 bits, announced but not sent", announce(0x82, 1<<40), nil, ErrTooBig},
		{"greatest, announced but not sent", announce(0x82, 1<<63-1), nil, ErrTooBig},
		{"fragments, exactly", join(bin0(x(100)), more(x(99)), last(x(1))), []string{"binary " + x(200)}, nil},
		{"fragments, exactly, empty end", join(bin0(x(200)), more(""), last("")), []string{"binary " + x(200)}, nil},
		{"fragments, one over", join(bin0(x(100)), more(x(100)), last(x(1))), nil, ErrTooBig},
		{"fragments, one over in the middle", join(bin0(x(200)), more(x(1))), nil, ErrTooBig},
		{"fragments, announced but not sent", join(bin0(x(199)), announce(0x80, 2)), nil, ErrTooBig},
		{"fragments, greatest announced", join(bin0(x(1)), announce(0x80, 1<<63-1)), nil, ErrTooBig},
		{"control frames do not count", join(bin0(x(200)), ping(x(125)), last("")), []string{"ping " + x(125), "binary " + x(200)}, nil},
		{"each message anew", join(bin(x(200)), text0(x(150)), last(x(50)), bin(x(200))),
			[]string{"binary " + x(200), "text " + x(200), "binary " + x(200)}, nil},
		{"bytes count, not characters", text(strings.Repeat("\u00e9", 101)), nil, ErrTooBig},
	} {
		t.Run(test.name, func(t *testing.T) {
			for way, pieces := range map[string][][]byte{"at once": {test.in}, "byte by byte": one(test.in)} {
				p := Parser{Max: 200}
				got := drive(t, &p, pieces...)
				if !slices.Equal(got.out, test.out) || got.err != test.err {
					t.Errorf("%s: got %s, error %v; want %s, error %v", way, short(got.out), got.err, short(test.out), test.err)
				}
			}
		})
	}
}

// TestParserMaxBelowControl: a ping may be larger than any message.
func TestParserMaxBelowControl(t *testing.T) {
	p := Parser{Max: 1}
	in := join(ping(strings.Repeat("p", 125)), bin("x"), bin("xx"))
	if got := drive(t, &p, in); len(got.out) != 2 || got.err != ErrTooBig {
		t.Errorf("got %s, error %v", short(got.out), got.err)
	}
}

// TestParserGrowth announces a large message and sends it slowly: the memory
// held follows what has come, by a constant factor, and ends at what the message
// takes.
func TestParserGrowth(t *testing.T) {
	const size = 1<<18 + 1
	for _, piece := range []int{1, 3, 100, 4096, 65536} {
		for _, first := range []byte{0x81, 0x82} {
			t.Run(fmt.Sprintf("%d/%#x", piece, first), func(t *testing.T) {
				p := Parser{Max: size}
				drive(t, &p, announce(first, size))
				if p.Held() != 0 {
					t.Fatalf("%d bytes held for an announcement", p.Held())
				}
				for come := 0; come < size; {
					n := min(piece, size-come)
					if got := drive(t, &p, cipher4(come, n)); got.err != nil {
						t.Fatal(got.err)
					}
					come += n
					if most := growth(come); p.Held() > most {
						t.Fatalf("%d bytes held after %d have come, want at most %d", p.Held(), come, most)
					}
				}
				if most := size + size/4; p.Held() > most {
					t.Errorf("%d bytes held for a message of %d", p.Held(), size)
				}
			})
		}
	}
}

// growth is the most that may be held for n bytes: twice as much, with a slice's
// rounding up.
func growth(n int) int { return 2*n + n/2 + 64 }

// cipher4 is n bytes of a masked "x" from offset at of a payload.
func cipher4(at, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x' ^ maskKey[(at+i)%4]
	}
	return b
}

// TestParserGrowthInFragments sends many small fragments, each of them the head
// of a frame that announces all that is left.
func TestParserGrowthInFragments(t *testing.T) {
	const size = 1 << 18
	p := Parser{Max: size}
	drive(t, &p, bin0(""))
	for come := 0; come+64 < size; come += 64 {
		if got := drive(t, &p, more(strings.Repeat("x", 64))); got.err != nil {
			t.Fatal(got.err)
		}
		if most := growth(come + 64); p.Held() > most {
			t.Fatalf("%d bytes held after %d have come, want at most %d", p.Held(), come+64, most)
		}
	}
	held := p.Held()
	drive(t, &p, announce(0x80, 64))
	if p.Held() != held {
		t.Errorf("an announcement changed what is held from %d to %d", held, p.Held())
	}
}

// TestParserEmptyFragments: a message of nothing but empty fragments takes no
// memory, however many there are.
func TestParserEmptyFragments(t *testing.T) {
	p := Parser{Max: 10}
	drive(t, &p, text0(""))
	for range 1000 {
		if got := drive(t, &p, more("")); got.err != nil || got.out != nil {
			t.Fatalf("got %s, error %v", short(got.out), got.err)
		}
	}
	if p.Held() != 0 {
		t.Errorf("%d bytes held", p.Held())
	}
	if got := drive(t, &p, last("")); len(got.out) != 1 {
		t.Errorf("got %s, want one message", short(got.out))
	}
}
