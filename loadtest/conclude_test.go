package loadtest

import (
	"testing"
	"time"

	"stentor/loadtest/host"
)

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

// Shares are of the time between the same two moments, and the whole is no less
// than its parts.
func TestShares(t *testing.T) {
	at := func(ms int64, busy, own, server time.Duration) *usage {
		return &usage{at: ms * 1e6, busy: busy * time.Millisecond, own: host.Usage{CPU: own * time.Millisecond}, server: host.Usage{CPU: server * time.Millisecond}}
	}
	for name, c := range map[string]struct {
		to           *usage
		own, machine float64
	}{
		"others work, too":   {at(2000, 1600, 500, 250), 0.25, 0.8},
		"the ticks miss it":  {at(2000, 100, 500, 250), 0.25, 0.375},
		"the server crashed": {at(2000, 100, 500, -500), 0.25, 0.25},
		"no time":            {at(1000, 100, 500, 250), 0, 0},
	} {
		from := at(1000, 0, 0, 0)
		if own, machine := shares(from, c.to, 2); own != c.own || machine != c.machine {
			t.Errorf("%s: %g and %g, want %g and %g", name, own, machine, c.own, c.machine)
		}
	}
}
