package loadtest

import "testing"

// Who was away has missed what was due before it was back, and nothing after.
func TestMissedBefore(t *testing.T) {
	const ms = int64(1e6)
	for name, c := range map[string]struct {
		schedule
		channel    int
		next, came uint32 // expected, and the first that came
		backMS     int64  // when it was back, after the first publication
		want       uint32
	}{
		"back before any":         {schedule{10, 1, 1}, 0, 1, 5, 0, 1},
		"nothing lost":            {schedule{10, 1, 1}, 0, 3, 7, 550, 7},
		"one lost":                {schedule{10, 1, 1}, 0, 3, 7, 450, 6},
		"due when it was back":    {schedule{10, 1, 1}, 0, 3, 7, 500, 6},
		"all lost, none missed":   {schedule{10, 1, 1}, 0, 3, 7, 100, 3},
		"the next, and no gap":    {schedule{10, 1, 1}, 0, 7, 7, 100, 7},
		"a burst is due together": {schedule{10, 5, 1}, 0, 1, 11, 400, 6},
		"another channel":         {schedule{10, 1, 4}, 2, 1, 4, 1001, 4}, // due at 200, 600, 1000, 1400 ms
		"another, one lost":       {schedule{10, 1, 4}, 2, 1, 4, 601, 3},
	} {
		s := c.schedule
		start := int64(1e12)
		x := token{stream: uint32(c.channel), seq: c.came, due: start + s.due(s.number(c.channel, c.came))}
		if got := s.missedBefore(x, c.next, start+c.backMS*ms); got != c.want {
			t.Errorf("%s: the first that is owed is %d, want %d", name, got, c.want)
		}
		for k := range int64(50) {
			if channel, seq := s.place(k + 1); s.number(channel, seq) != k+1 {
				t.Errorf("%s: publication %d is number %d of channel %d", name, k+1, seq, channel)
			}
		}
	}
}
