package main

import (
	"time"

	"stentor/benchmarks/internal/report"
)

const (
	// enoughPairs is the least number of pairs that make a median.
	enoughPairs = 9
	// pairPatience is the time after which no more than that is asked for.
	pairPatience = time.Minute
)

// takePairs samples both sides in turn, the floor first in one pair and Stentor
// in the next, because what ran before matters to the caches. Some pairs at the
// beginning warm up and are not returned. Pairs that other processes disturb
// are repeated, up to as many again as were asked for, while there is time.
func takePairs(warmUps, pairs int, now func() time.Time,
	sample func(floor bool, number int) (report.Sample, error)) ([]report.Pair, error) {
	var list []report.Pair
	start := now()
	for i, good := 0, 0; good < pairs && len(list) < 2*pairs; i++ {
		if len(list) >= enoughPairs && now().Sub(start) > pairPatience {
			break
		}
		p := report.Pair{FloorFirst: i%2 == 0}
		for _, floor := range []bool{p.FloorFirst, !p.FloorFirst} {
			s, err := sample(floor, i)
			if err != nil {
				return nil, err
			}
			if floor {
				p.Floor = s
			} else {
				p.Stentor = s
			}
		}
		if i < warmUps {
			continue
		}
		list = append(list, p)
		if !p.Disturbed() {
			good++
		}
	}
	return list, nil
}
