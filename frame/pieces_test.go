package frame

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// mixedStreams join what the tables have one by one.
var mixedStreams = []stream{
	{"everything", join(
		text("first"), ping("1"), text0("fr\xc3"), ping("2"), more("\xa9"), pong("3"), last("nch"),
		bin(strings.Repeat("b", 200)), bin0(""), more(strings.Repeat("c", 130)), last(""), text(""), bye("\x03\xe8")),
		[]string{"text first", "ping 1", "ping 2", "pong 3", "text fr\u00e9nch",
			"binary " + strings.Repeat("b", 200), "binary " + strings.Repeat("c", 130), "text ", "close \x03\xe8"}, nil},
	{"a fault inside a message, after others", join(
		text("first"), bin0("x"), ping("1"), more("y"), text("no")),
		[]string{"text first", "ping 1"}, ErrContinuationExpected},
	{"bad text inside a message, after others", join(
		text("first"), text0("\xe2\x82"), ping("1"), more("\xac"), more("\xe2(\xa1"), last("never read")),
		[]string{"text first", "ping 1"}, ErrInvalidUTF8},
}

// TestPieces reads each stream cut at every byte, byte by byte, and cut at
// random, and wants exactly what it brings at once.
func TestPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range slices.Concat(goodStreams, badStreams, mixedStreams) {
		t.Run(s.name, func(t *testing.T) {
			same := func(how string, pieces ...[]byte) {
				t.Helper()
				p := Parser{Max: streamMax}
				got := drive(t, &p, pieces...)
				if !slices.Equal(got.out, s.out) || got.err != s.err {
					t.Fatalf("%s: got %s, error %v\nwant %s, error %v", how, short(got.out), got.err, short(s.out), s.err)
				}
			}
			same("at once", s.in)
			same("byte by byte", one(s.in)...)
			for _, cut := range cuts(r, len(s.in)) {
				same("cut in two", s.in[:cut], s.in[cut:])
			}
			rounds := 20
			if len(s.in) > 2000 {
				rounds = 2
			}
			for _, most := range []int{2, 3, 5, 16, 1000} {
				for range rounds {
					same("cut at random", randomCuts(r, s.in, most)...)
				}
			}
		})
	}
}

// cuts are all places to cut n bytes in two. Of a long stream it is those near
// its ends, and some at random.
func cuts(r *rand.Rand, n int) (at []int) {
	for i := range n {
		if n < 2000 || i < 20 || i > n-20 || r.IntN(n) < 40 {
			at = append(at, i)
		}
	}
	return at
}

// TestPiecesThreeWays cuts short streams at every two places.
func TestPiecesThreeWays(t *testing.T) {
	for _, s := range slices.Concat(goodStreams, badStreams, mixedStreams) {
		if len(s.in) > 60 {
			continue
		}
		for i := range s.in {
			for j := i; j < len(s.in); j++ {
				p := Parser{Max: streamMax}
				got := drive(t, &p, s.in[:i], s.in[i:j], s.in[j:])
				if !slices.Equal(got.out, s.out) || got.err != s.err {
					t.Fatalf("%s, cut at %d and %d: got %s, error %v\nwant %s, error %v",
						s.name, i, j, short(got.out), got.err, short(s.out), s.err)
				}
			}
		}
	}
}

// TestPiecesRandom makes streams of random frames, correct ones and others, and
// compares pieces with the whole.
func TestPiecesRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	faults, messages := 0, 0
	for range 3000 {
		in := randomFrames(r)
		p := Parser{Max: 300}
		want := drive(t, &p, in)
		if want.err != nil {
			faults++
		}
		messages += len(want.out)
		for _, pieces := range [][][]byte{one(in), randomCuts(r, in, 4), randomCuts(r, in, 50)} {
			p := Parser{Max: 300}
			got := drive(t, &p, pieces...)
			if !slices.Equal(got.out, want.out) || got.err != want.err {
				t.Fatalf("%x\nat once   %s, error %v\nin pieces %s, error %v",
					in, short(want.out), want.err, short(got.out), got.err)
			}
		}
	}
	if faults < 300 || faults > 2900 || messages < 3000 {
		t.Errorf("%d faults and %d messages in 3000 streams: the generator is of no use", faults, messages)
	}
}

// randomFrames makes a few frames that mostly fit together.
func randomFrames(r *rand.Rand) (b []byte) {
	texts := []string{"", "a", "Hello", "\u00e9\u6c34\U0001F34C", "\xe6\xb0", "\xb4", "\xff", strings.Repeat("long ", 40)}
	inside := false
	for range 1 + r.IntN(8) {
		first := []byte{0x81, 0x82, 0x01, 0x02, 0x89, 0x8a}[r.IntN(6)]
		if inside && first < 0x88 {
			first &^= 0x0f
		}
		if r.IntN(60) == 0 {
			first = byte(r.IntN(256))
		}
		if first&8 == 0 {
			inside = first&fin == 0
		}
		s := texts[r.IntN(len(texts))]
		if first&8 != 0 {
			s = s[:min(len(s), 130)]
			if r.IntN(20) > 0 {
				s = s[:min(len(s), 125)]
			}
		}
		f := masked(first, s)
		if r.IntN(200) == 0 {
			f[1] ^= byte(1 << r.IntN(8))
		}
		b = append(b, f...)
	}
	return b
}
