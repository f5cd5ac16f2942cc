package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"stentor/benchmarks/internal/report"
)

// takes runs takePairs with samples whose CPU time is their place in the order,
// and returns that order: F and S. Rounds up to disturbed are disturbed, and
// each takes step.
func takes(t *testing.T, warmUps, pairs, disturbed int, step time.Duration) (string, []report.Pair) {
	t.Helper()
	var order []byte
	var clock time.Time
	list, err := takePairs(warmUps, pairs, func() time.Time { return clock },
		func(floor bool, number int) (s report.Sample, _ error) {
			clock = clock.Add(step)
			if order = append(order, 'S'); floor {
				order[len(order)-1] = 'F'
			}
			s.CPU = time.Duration(len(order))
			if number < disturbed {
				s.Others = 0.5
			}
			return s, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return string(order), list
}

// Pairs alternate which side goes first, and each sample lands on its side.
func TestPairsAlternate(t *testing.T) {
	order, list := takes(t, 1, 2, 0, 0)
	if order != "FSSFFS" {
		t.Errorf("order %s", order)
	}
	want := []report.Pair{
		{FloorFirst: false, Stentor: report.Sample{CPU: 3}, Floor: report.Sample{CPU: 4}},
		{FloorFirst: true, Floor: report.Sample{CPU: 5}, Stentor: report.Sample{CPU: 6}},
	}
	if !slices.Equal(list, want) {
		t.Errorf("pairs %+v", list)
	}
}

// Disturbed pairs are repeated, but not for ever.
func TestPairsRepeat(t *testing.T) {
	for _, c := range []struct {
		name      string
		disturbed int
		step      time.Duration
		want      int
	}{
		{"undisturbed", 0, 0, 10},
		{"a few disturbed", 3, 0, 13},
		{"all disturbed", 1000, 0, 20},
		{"slow and disturbed", 1000, pairPatience / 24, 13},
		{"very slow", 0, pairPatience, enoughPairs},
	} {
		if _, list := takes(t, 0, 10, c.disturbed, c.step); len(list) != c.want {
			t.Errorf("%s: %d pairs, want %d", c.name, len(list), c.want)
		}
	}
}

func TestPairsStopAtError(t *testing.T) {
	broken := errors.New("broken")
	_, err := takePairs(0, 10, time.Now, func(bool, int) (report.Sample, error) { return report.Sample{}, broken })
	if err != broken {
		t.Errorf("error is %v", err)
	}
}
