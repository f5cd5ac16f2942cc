// Package report turns samples into figures, judges them by their budgets, and
// writes them down: lines for programs, a table for people, JSON to keep.
package report

import (
	"slices"
	"time"
)

// Sample is what one round of work took on one server.
type Sample struct {
	CPU  time.Duration `json:"cpu_ns"`  // of the server, all threads
	Wall time.Duration `json:"wall_ns"` // until the last byte was received
	// Others is the share of the machine's CPU time, 0 to 1, that processes
	// took which have nothing to do with the benchmark.
	Others float64 `json:"others"`
}

// Pair is the same round on the floor and on Stentor, one right after the
// other.
type Pair struct {
	FloorFirst bool   `json:"floor_first"`
	Floor      Sample `json:"floor"`
	Stentor    Sample `json:"stentor"`
}

// CPURatio is Stentor's CPU time in units of the floor's.
func (p Pair) CPURatio() float64 { return ratio(p.Stentor.CPU, p.Floor.CPU) }

// RateRatio is how many times as fast as the floor Stentor was.
func (p Pair) RateRatio() float64 { return ratio(p.Floor.Wall, p.Stentor.Wall) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// disturbance is the share of CPU time that others may take in a round. What is
// less cannot be told from the coarseness of the system's count.
const disturbance = 0.10

// Disturbed reports whether others took so much CPU time that the sample says
// little.
func (s Sample) Disturbed() bool { return s.Others > disturbance }

// Disturbed reports whether one of both samples was.
func (p Pair) Disturbed() bool { return p.Floor.Disturbed() || p.Stentor.Disturbed() }

// Undisturbed returns the pairs that were not disturbed, but all if those are
// fewer than enough.
func Undisturbed(pairs []Pair, enough int) []Pair {
	var good []Pair
	for _, p := range pairs {
		if !p.Disturbed() {
			good = append(good, p)
		}
	}
	if len(good) < enough {
		return pairs
	}
	return good
}

// Spread is the middle and the ends of a list of values.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf returns the spread of f over list, which must not be empty.
func SpreadOf[T any](list []T, f func(T) float64) Spread {
	values := make([]float64, len(list))
	for i, x := range list {
		values[i] = f(x)
	}
	slices.Sort(values)
	return Spread{median(values), values[0], values[len(values)-1]}
}

// median returns the middle of sorted values, the mean of both middles if their
// number is even.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
