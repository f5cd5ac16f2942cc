package faulty

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Each share of fates is as large as the plan says, a seed always gives the same
// ones, and another seed gives others.
func TestFate(t *testing.T) {
	const n = 100_000
	p := Plan{Drop: 0.05, Duplicate: 0.1, Corrupt: 0.2, Reorder: 0.3, Fragment: 0.4, GarbageEvery: 10}
	draw := func(seed uint64) (list []fate) {
		r := rand.New(rand.NewPCG(seed, 1))
		for i := range n {
			list = append(list, p.fate(r, i+1))
		}
		return list
	}
	one, again, another := draw(1), draw(1), draw(2)
	faults, fragments, same := map[fault]float64{}, 0.0, 0
	for i, f := range one {
		faults[f.fault]++
		if f.fragment {
			fragments++
		}
		if f != again[i] {
			t.Fatalf("delivery %d: once %v, then %v", i, f, again[i])
		}
		if f == another[i] {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d fates are the same for two seeds", same)
	}
	faults[-1] = fragments
	for f, want := range map[fault]float64{none: 0.315, drop: 0.045, duplicate: 0.09, corrupt: 0.18, reorder: 0.27, garbage: 0.1, -1: 0.4} {
		if got := faults[f] / n; math.Abs(got-want) > 0.005 {
			t.Errorf("the share of %d is %v, want %v", f, got, want)
		}
	}
	if faults[garbage] != n/10 {
		t.Errorf("%v deliveries are followed by garbage", faults[garbage])
	}
	p = Plan{Drop: 0.5, Reorder: 0.5}
	for i, f := range draw(3) {
		if f.fault != drop && f.fault != reorder {
			t.Fatalf("delivery %d suffers %d", i, f.fault)
		}
	}
}

func TestPlanCheck(t *testing.T) {
	for _, p := range []Plan{{}, {Drop: 1}, {Drop: 0.25, Duplicate: 0.25, Corrupt: 0.25, Reorder: 0.25}, {CloseEvery: 1, CloseAfter: 1}} {
		if err := p.check(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range []Plan{
		{Drop: 0.6, Corrupt: 0.5}, {Drop: -0.1}, {Reorder: math.NaN()}, {Fragment: 1.1}, {Fragment: -1}, {RefuseEvery: -1},
		{CloseEvery: 1}, {Delay: -time.Second}, {HoldFor: -1}, {CorruptFrom: -1},
	} {
		if p.check() == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}

// One byte changes, where it may, and JSON remains JSON of another meaning.
func TestCorrupt(t *testing.T) {
	for _, c := range []struct {
		m        message
		from, to int
		want     int // of bytes that can change, 0 for none
	}{
		{m: message{opcode: text, payload: []byte("abc 019")}, want: 6},
		{m: message{opcode: text, payload: []byte("abc 019")}, from: 2, to: 5, want: 2},
		{m: message{opcode: text, payload: []byte("abc")}, from: 3},
		{m: message{opcode: text, payload: []byte("zZ9")}, to: 99, want: 3},
		{m: message{opcode: text, payload: []byte("é—!")}},
		{m: message{opcode: text}},
		{m: message{opcode: 2, payload: []byte{0, 255, '!'}}, want: 3},
		{m: message{opcode: text, json: true, payload: []byte(`"abc"`)}, want: 3},
		{m: message{opcode: text, json: true, payload: []byte(`"abc"`)}, from: 1, to: 2, want: 1},
		{m: message{opcode: text, json: true, payload: []byte(`"a\u00e9\t"`)}, want: 5}, // \t cannot be \u
		{m: message{opcode: text, json: true, payload: []byte(`{"k": [true, null, 12]}`)}, want: 3},
		{m: message{opcode: text, json: true, payload: []byte(`null`)}},
	} {
		changed := map[int]bool{}
		for random := range uint64(200) {
			was := bytes.Clone(c.m.payload)
			got := c.m.corrupt(random*0x9E3779B97F4A7C15, c.from, c.to)
			if !bytes.Equal(was, c.m.payload) {
				t.Fatalf("%q: the message itself has changed", was)
			}
			if got == nil {
				continue
			}
			n, at := 0, 0
			for i, b := range got.payload {
				if b != was[i] {
					n, at = n+1, i
				}
			}
			if len(got.payload) != len(was) || n != 1 {
				t.Fatalf("%q became %q", was, got.payload)
			}
			if c.m.json && !json.Valid(got.payload) {
				t.Errorf("%s became %s", was, got.payload)
			}
			changed[at] = true
		}
		if len(changed) != c.want {
			t.Errorf("%q from %d to %d: %d bytes can change, want %d", c.m.payload, c.from, c.to, len(changed), c.want)
		}
	}
}
