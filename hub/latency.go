package hub

import (
	"sync/atomic"
	"time"
)

// LatencyBounds are the upper bounds of the buckets of Stats.Latency.
var LatencyBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts deliveries by the time from publication to write.
type Histogram struct {
	Counts [len(LatencyBounds) + 1]uint64 // by bucket, not cumulative; the last has no bound
	Sum    time.Duration
}

// latency is a Histogram that is being filled, many at a time: a worker
// measures once a chunk.
type latency struct {
	counts [len(LatencyBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

func (l *latency) observe(d time.Duration, n uint64) {
	i := 0
	for i < len(LatencyBounds) && d > LatencyBounds[i] {
		i++
	}
	l.counts[i].Add(n)
	l.sum.Add(int64(d) * int64(n))
}

func (l *latency) addTo(h *Histogram) {
	for i := range l.counts {
		h.Counts[i] += l.counts[i].Load()
	}
	h.Sum += time.Duration(l.sum.Load())
}
