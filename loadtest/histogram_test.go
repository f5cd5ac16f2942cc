package loadtest

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The bars and the encoded histogram hold all that was recorded.
func TestLatency(t *testing.T) {
	if l := newHistogram().latency(); l != nil {
		t.Errorf("of nothing: %+v", l)
	}
	for name, next := range map[string]func(r *rand.Rand) int64{
		"one time":  func(*rand.Rand) int64 { return 1_500_000 },
		"none":      func(*rand.Rand) int64 { return 0 },
		"below":     func(*rand.Rand) int64 { return -5_000_000 },
		"above":     func(*rand.Rand) int64 { return math.MaxInt64 },
		"near":      func(r *rand.Rand) int64 { return 1_000_000 + r.Int64N(1_000_000) },
		"the range": func(r *rand.Rand) int64 { return int64(math.Pow(10, r.Float64()*11.8)) },
	} {
		h, r := newHistogram(), rand.New(rand.NewPCG(1, 2))
		var most, total float64
		for range 5000 {
			ns := next(r)
			h.record(ns)
			us := float64(min(max(ns/1000, 0), maxMicros))
			most, total = max(most, us), total+us
		}
		l := h.latency()
		sum, last := int64(0), 0.0
		for _, b := range l.Bars {
			if b.UpToMS <= last || b.Count < 0 {
				t.Errorf("%s: bars %v", name, l.Bars)
				break
			}
			sum, last = sum+b.Count, b.UpToMS
		}
		if sum != 5000 || l.Count != 5000 || len(l.Bars) > 212 {
			t.Errorf("%s: %d in %d bars, %d in all, want 5000", name, sum, len(l.Bars), l.Count)
		}
		if near := func(a, b float64) bool { return math.Abs(a-b) <= max(b*0.002, 0.001) }; !near(l.MaxMS, most/1e3) || !near(l.MeanMS, total/5000/1e3) {
			t.Errorf("%s: at most %g, on average %g; want %g and %g", name, l.MaxMS, l.MeanMS, most/1e3, total/5e6)
		}
		if list := []float64{l.MinMS, l.P50MS, l.P90MS, l.P95MS, l.P99MS, l.P999MS, l.MaxMS}; !ascending(list) {
			t.Errorf("%s: percentiles %v", name, list)
		}
		other, err := hdrhistogram.Decode([]byte(l.HDR))
		if err != nil || !strings.HasPrefix(l.HDR, "HIST") { // what base64 makes of the cookie
			t.Fatalf("%s: %v in %.20s", name, err, l.HDR)
		}
		if other.TotalCount() != 5000 || other.Max() != h.hdr.Max() || other.ValueAtPercentile(90) != h.hdr.ValueAtPercentile(90) {
			t.Errorf("%s: decoded, %d times up to %d; want 5000 up to %d", name, other.TotalCount(), other.Max(), h.hdr.Max())
		}
	}
}

func ascending(list []float64) bool {
	for i := range list[1:] {
		if list[i] > list[i+1] {
			return false
		}
	}
	return true
}

// Nothing is lost or doubled on the way between processes.
func TestHistogramTravels(t *testing.T) {
	a, b := newHistogram(), newHistogram()
	if a.take() != nil || a.peek() != nil {
		t.Error("there is something in an empty one")
	}
	b.add(nil)
	for i := range int64(100) {
		a.record(i * 1e6)
	}
	b.add(a.peek())
	b.add(a.take())
	b.add(a.take())
	if a.count() != 0 || b.count() != 200 || b.hdr.Max() < 98_900 {
		t.Errorf("%d left, %d arrived, at most %d", a.count(), b.count(), b.hdr.Max())
	}
}

// A stall is as many times as would have been measured meanwhile.
func TestRecordCorrected(t *testing.T) {
	h := newHistogram()
	for range 3000 {
		h.recordCorrected(int64(100*time.Microsecond), int64(time.Millisecond))
	}
	h.recordCorrected(int64(1500*time.Millisecond), int64(time.Millisecond))
	if n, p90 := h.count(), h.ms(90); n != 4500 || p90 < 1000 {
		t.Errorf("%d times, the 90th percentile is %g ms", n, p90)
	}
	h.recordCorrected(maxMicros*1000, 1) // ends soon
	if n := h.count(); n > 4500+10_001 {
		t.Errorf("%d times", n)
	}
}
