package frame

import (
	"slices"
	"strings"
	"testing"
)

// TestParserIdle follows Idle and Held through a connection. Idle is what lets
// a parser go on to the next connection, so each kind of incompleteness counts.
func TestParserIdle(t *testing.T) {
	p := Parser{Max: 1000}
	for _, step := range []struct {
		name string
		in   []byte
		idle bool
		held bool
	}{
		{"nothing yet", nil, true, false},
		{"whole message", text("Hello"), true, false},
		{"whole ping", ping("p"), true, false},
		{"one byte of a header", text("Hello")[:1], false, false},
		{"all but the key's last byte", text("Hello")[1:5], false, false},
		{"header complete", text("Hello")[5:6], false, false},
		{"half the payload", text("Hello")[6:8], false, true},
		{"all of it", text("Hello")[8:], true, true},
		{"half a ping", ping("p1234")[:8], false, true},
		{"all of it, and a header's byte", append(ping("p1234")[8:], 0x82), false, true},
		{"the rest of an empty message", bin("")[1:], true, true},
		{"first fragment", text0("a"), false, true},
		{"ping between", ping("p"), false, true},
		{"half a ping between", ping("p")[:3], false, true},
		{"the rest of it", ping("p")[3:], false, true},
		{"empty fragment", more(""), false, true},
		{"last fragment", last("b"), true, true},
		{"empty first fragment", bin0(""), false, true},
		{"empty last fragment", last(""), true, true},
		{"empty text, header in pieces", text("")[:3], false, true},
		{"its end", text("")[3:], true, true},
	} {
		if got := drive(t, &p, step.in); got.err != nil {
			t.Fatalf("%s: %v", step.name, got.err)
		}
		if p.Idle() != step.idle {
			t.Errorf("%s: Idle is %t", step.name, p.Idle())
		}
		if held := p.Held() > 0; held != step.held {
			t.Errorf("%s: %d bytes held", step.name, p.Held())
		}
	}
}

// TestParserSharedByConnections uses one parser for whole messages of several
// connections in turn, as an event loop does while it is idle.
func TestParserSharedByConnections(t *testing.T) {
	p := Parser{Max: 1000}
	for _, in := range [][]byte{text("a"), join(text0("b"), last("c")), ping("d"), bin("")} {
		before := p.Idle()
		got := drive(t, &p, in)
		if !before || got.err != nil || len(got.out) != 1 || !p.Idle() {
			t.Fatalf("idle %t, got %s, error %v, idle %t", before, short(got.out), got.err, p.Idle())
		}
	}
}

// TestParserReset resets in the middle of everything, and after each error: the
// next connection finds a parser like a new one.
func TestParserReset(t *testing.T) {
	states := []struct {
		name string
		in   []byte
	}{
		{"new", nil},
		{"inside a header", announce(0x82, 1000)[:5]},
		{"inside a payload", bin("Hello")[:8]},
		{"inside a rune", text("\u6c34")[:8]},
		{"inside a ping", ping("Hello")[:9]},
		{"between fragments", join(text0("Hel"), more("l"))},
		{"between fragments, inside a ping", join(bin0("Hel"), ping("x")[:3])},
		{"after a fragmented message", join(text0("Hel"), last("lo"))},
	}
	for _, s := range badStreams {
		states = append(states, struct {
			name string
			in   []byte
		}{"after " + s.err.Error() + ": " + s.name, s.in})
	}
	next := join(text("a"), bin0("\xff"), ping(""), last("\xfe"), text("\u6c34"))
	want := []string{"text a", "ping ", "binary \xff\xfe", "text \u6c34"}
	for _, state := range states {
		for way, pieces := range map[string][][]byte{"at once": {state.in}, "byte by byte": one(state.in)} {
			p := Parser{Max: streamMax}
			drive(t, &p, pieces...)
			p.Reset(1 << 10)
			if !p.Idle() || p.Max != streamMax || p.Held() > 1<<10 {
				t.Errorf("%s, %s: idle %t, Max %d, %d bytes held", state.name, way, p.Idle(), p.Max, p.Held())
			}
			if got := drive(t, &p, one(next)...); !slices.Equal(got.out, want) || got.err != nil {
				t.Errorf("%s, %s: then got %s, error %v", state.name, way, short(got.out), got.err)
			}
		}
	}
}

// TestParserResetKeeps sees that Reset keeps a buffer of exactly keep bytes and
// drops a larger one, and that a kept buffer is used again.
func TestParserResetKeeps(t *testing.T) {
	half := bin(strings.Repeat("x", 1000))[:600]
	p := Parser{Max: 1000}
	drive(t, &p, half)
	held := p.Held()
	if held < 500 {
		t.Fatalf("%d bytes held, want 592 at least", held)
	}
	p.Reset(held)
	if p.Held() != held {
		t.Errorf("Reset(%d) left %d bytes", held, p.Held())
	}
	drive(t, &p, half)
	if p.Held() != held {
		t.Errorf("the buffer grew from %d to %d for the same bytes", held, p.Held())
	}
	p.Reset(held - 1)
	if p.Held() != 0 {
		t.Errorf("Reset(%d) left %d bytes", held-1, p.Held())
	}
	drive(t, &p, half)
	p.Reset(0)
	if p.Held() != 0 {
		t.Errorf("Reset(0) left %d bytes", p.Held())
	}
}

// TestParserReuse sends fragmented messages one after another: the buffer of
// the first does for the others, and nothing of one shows in the next.
func TestParserReuse(t *testing.T) {
	p := Parser{Max: 1000}
	long := join(bin0(strings.Repeat("x", 500)), last(strings.Repeat("y", 500)))
	drive(t, &p, long)
	held := p.Held()
	for range 10 {
		got := drive(t, &p, join(text0("a"), last("b")), text0(""), last(""), long)
		want := []string{"text ab", "text ", "binary " + strings.Repeat("x", 500) + strings.Repeat("y", 500)}
		if !slices.Equal(got.out, want) || got.err != nil {
			t.Fatalf("got %s, error %v", short(got.out), got.err)
		}
		if p.Held() != held {
			t.Fatalf("held %d bytes, then %d", held, p.Held())
		}
	}
}

// TestParserEmptyInput: an empty b is no input, in whatever state.
func TestParserEmptyInput(t *testing.T) {
	in := join(text0("a\xc3"), ping("p"), last("\xa9"))
	p := Parser{Max: 10}
	var out []string
	for _, piece := range one(in) {
		if m, n, ok, err := p.Next(nil); n != 0 || ok || err != nil {
			t.Fatalf("Next(nil): %s, %d, error %v", draw(m), n, err)
		}
		got := drive(t, &p, piece)
		if got.err != nil {
			t.Fatal(got.err)
		}
		out = append(out, got.out...)
	}
	if want := []string{"ping p", "text a\u00e9"}; !slices.Equal(out, want) {
		t.Errorf("got %s, want %s", short(out), short(want))
	}
}
