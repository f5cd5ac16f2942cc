package loadtest

import "testing"

// A lateness of some milliseconds does not make figures of seconds the tool's.
func TestMatters(t *testing.T) {
	at := func(ms float64) *Latency { return &Latency{P99MS: ms} }
	for name, c := range map[string]struct {
		lag  *Latency
		m    *Messages
		want bool
	}{
		"not measured":             {nil, nil, false},
		"small":                    {at(19), nil, false},
		"no messages":              {at(21), nil, true},
		"none came":                {at(21), &Messages{}, true},
		"a part of what they took": {at(21), &Messages{Latency: at(100)}, true},
		"little of it":             {at(21), &Messages{Latency: at(700)}, false},
	} {
		if got := matters(c.lag, 20, c.m); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
