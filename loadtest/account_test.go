package loadtest

import (
	"math/rand/v2"
	"testing"
)

// model is an account that keeps all and is slow.
type model struct {
	come, away map[uint32]bool
	next       uint32
	corrupted  int64
}

func newModel() *model { return &model{come: map[uint32]bool{}, away: map[uint32]bool{}, next: 1} }

func (m *model) arrived(seq uint32) arrival {
	was := m.next
	m.next = max(m.next, seq+1)
	switch {
	case m.away[seq]: // the server has kept it
		delete(m.away, seq)
	case m.come[seq]:
		return again
	case seq == was:
		m.come[seq] = true
		return inOrder
	case seq > was:
		m.come[seq] = true
		return early
	}
	m.come[seq] = true
	return late
}

func (m *model) skip(seq uint32) {
	for ; m.next < seq; m.next++ {
		m.away[m.next] = true
	}
}

func (m *model) count(last uint32, unsent []uint32) (missing, missed int64) {
	never := map[uint32]bool{}
	for _, s := range unsent {
		never[s] = true
	}
	for s := uint32(1); s <= last; s++ {
		if !m.come[s] && !m.away[s] && !never[s] {
			missing++
		}
		if m.away[s] && !never[s] {
			missed++
		}
	}
	return missing, missed
}

// The account of a client is what a slow one finds, whatever comes.
func TestAccountAgainstModel(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var a account
		m := newModel()
		near := 1 + r.IntN(1+r.IntN(100))
		for range r.IntN(200) {
			seq := uint32(max(1, int(m.next)-near/2+r.IntN(1+near)))
			switch x := r.IntN(20); {
			case x == 0:
				a.skip(seq)
				m.skip(seq)
			case x == 1:
				a.spoiled()
				m.corrupted++
			case x < 10:
				seq = m.next
				fallthrough
			default:
				if got, want := a.arrived(seq), m.arrived(seq); got != want {
					t.Fatalf("seed %d: %d came as %d, want %d", seed, seq, got, want)
				}
			}
		}
		last := m.next - 1 + uint32(r.IntN(70))
		var unsent []uint32
		for s := uint32(1); s <= last; s++ {
			if !m.come[s] && r.IntN(4) == 0 {
				unsent = append(unsent, s)
			}
		}
		missing, missed := m.count(last, unsent)
		if got := a.missing(last, unsent); got != missing {
			t.Fatalf("seed %d: %d missing of %d, want %d", seed, got, last, missing)
		}
		if got := a.missed(unsent); got != missed {
			t.Fatalf("seed %d: %d missed, want %d", seed, got, missed)
		}
		if got, want := a.lost(last, unsent), max(0, missing-m.corrupted); got != want {
			t.Fatalf("seed %d: %d lost of %d, want %d", seed, got, last, want)
		}
	}
}

func TestAccount(t *testing.T) {
	for name, c := range map[string]struct {
		come   []uint32
		want   []arrival
		last   uint32
		unsent []uint32
		lost   int64
	}{
		"nothing":                     {nil, nil, 0, nil, 0},
		"all lost":                    {nil, nil, 7, nil, 7},
		"in order":                    {[]uint32{1, 2, 3}, []arrival{inOrder, inOrder, inOrder}, 3, nil, 0},
		"the end lost":                {[]uint32{1, 2, 3}, []arrival{inOrder, inOrder, inOrder}, 5, nil, 2},
		"the front lost":              {[]uint32{3}, []arrival{early}, 3, nil, 2},
		"a gap":                       {[]uint32{1, 4}, []arrival{inOrder, early}, 4, nil, 2},
		"two gaps":                    {[]uint32{1, 3, 5}, []arrival{inOrder, early, early}, 5, nil, 2},
		"late":                        {[]uint32{1, 3, 2, 4}, []arrival{inOrder, early, late, inOrder}, 4, nil, 0},
		"again":                       {[]uint32{1, 1, 2, 1}, []arrival{inOrder, again, inOrder, again}, 2, nil, 0},
		"late and again":              {[]uint32{2, 1, 1, 2, 3}, []arrival{early, late, again, again, inOrder}, 3, nil, 0},
		"far apart":                   {[]uint32{1, 200, 70, 199}, []arrival{inOrder, early, late, late}, 200, nil, 196},
		"unsent in a gap, at the end": {[]uint32{1, 4}, []arrival{inOrder, early}, 6, []uint32{2, 6}, 2},
		"unsent, but come":            {[]uint32{1, 2, 3}, []arrival{inOrder, inOrder, inOrder}, 3, []uint32{2}, 0},
	} {
		var a account
		for i, seq := range c.come {
			if got := a.arrived(seq); got != c.want[i] {
				t.Errorf("%s: %d came as %d, want %d", name, seq, got, c.want[i])
			}
		}
		if got := a.lost(c.last, c.unsent); got != c.lost {
			t.Errorf("%s: %d lost, want %d", name, got, c.lost)
		}
	}
}

// As long as nothing goes wrong nothing is kept.
func TestAccountAllocates(t *testing.T) {
	var a account
	seq := uint32(0)
	if n := testing.AllocsPerRun(1000, func() {
		seq++
		a.arrived(seq)
	}); n != 0 || a.faults != nil {
		t.Errorf("%g allocations a message", n)
	}
}
