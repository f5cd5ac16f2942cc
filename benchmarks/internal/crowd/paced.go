package crowd

import (
	"fmt"
	"slices"
	"time"

	"stentor/benchmarks/internal/sys"
)

// paced receives due, which is count publications of one length, and returns
// their delays.
func (c *crowd) paced(due []byte, count int, start, interval time.Duration) (*Delays, error) {
	length := len(due) / count
	origin := time.Now().Add(start - sys.Monotonic()) // Go reads the clock without a system call
	delays := make([]time.Duration, 0, count*len(c.conns))
	err := c.events(
		func() bool { return len(delays) == cap(delays) },
		func(_ int, cn *conn) error {
			before := cn.at / length
			if _, err := c.take(cn, due); err != nil {
				return err
			}
			now := time.Since(origin)
			for i := before; i < cn.at/length; i++ {
				delays = append(delays, now-time.Duration(i)*interval)
			}
			return nil
		},
		func() string { return fmt.Sprintf("%d of %d deliveries have come", len(delays), cap(delays)) })
	if err != nil {
		return nil, err
	}
	return delaysOf(delays), nil
}

// delaysOf sorts the list, which must not be empty.
func delaysOf(list []time.Duration) *Delays {
	slices.Sort(list)
	at := func(percent int) time.Duration { return list[(len(list)*percent+99)/100-1] }
	return &Delays{P50: at(50), P90: at(90), P99: at(99), Max: at(100)}
}
