package crowd

import (
	"testing"

	"stentor/benchmarks/internal/wire"
)

// A conversation is right only with all messages, in order, and no more.
func TestMatches(t *testing.T) {
	text := func(list ...string) (b []byte) {
		for _, s := range list {
			b = wire.AppendFrame(b, wire.Text, []byte(s))
		}
		return b
	}
	want := []string{"welcome", "subscribed c{n}"}
	for _, c := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"as due", text("a welcome", "subscribed c0000007"), true},
		{"another's number", text("a welcome", "subscribed c0000008"), false},
		{"wrong order", text("subscribed c0000007", "a welcome"), false},
		{"one missing", text("a welcome"), false},
		{"one too many", text("a welcome", "subscribed c0000007", "more"), false},
		{"half a frame after", append(text("a welcome", "subscribed c0000007"), 0x81), false},
		{"binary", wire.AppendFrame(text("a welcome"), 2, []byte("subscribed c0000007")), false},
	} {
		if err := matches(c.b, want, 7); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if n := frames(append(text("a", "b"), 0x81, 5, 'x')); n != 2 {
		t.Errorf("%d whole frames, want 2", n)
	}
}

// The source addresses are distinct and repeat after Sources.
func TestSource(t *testing.T) {
	seen := map[[4]byte]bool{}
	for i := range Sources {
		seen[source(i).Addr] = true
	}
	if len(seen) != Sources || source(Sources) != source(0) {
		t.Errorf("%d addresses, want %d", len(seen), Sources)
	}
}
