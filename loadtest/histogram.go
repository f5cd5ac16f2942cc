package loadtest

import (
	"cmp"
	"encoding/base64"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// histogram holds times in microseconds, to three digits.
type histogram struct{ hdr *hdrhistogram.Histogram }

// maxMicros is the longest time that is told apart: what takes longer counts as
// this.
const maxMicros = 10 * 60 * 1e6

func newHistogram() histogram { return histogram{hdrhistogram.New(1, maxMicros, 3)} }

// record adds a time in nanoseconds.
func (h histogram) record(ns int64) {
	h.hdr.RecordValue(min(max(ns/1000, 0), maxMicros)) // never fails within the range
}

// recordCorrected adds a lateness in nanoseconds of something that comes every so
// many, and that of those which did not come meanwhile.
func (h histogram) recordCorrected(ns, every int64) {
	v := min(max(ns/1000, 0), maxMicros)
	h.hdr.RecordCorrectedValue(v, max(every/1000, v/10_000, 1))
}

// stall is a time in which something did not go on.
type stall struct{ From, Length int64 }

// longer returns the longer of two.
func (s stall) longer(t stall) stall {
	if t.Length > s.Length {
		return t
	}
	return s
}

// take returns what is in h for another process, and empties h. It is nil if
// there is nothing.
func (h histogram) take() *hdrhistogram.Snapshot {
	s := h.peek()
	if s != nil {
		h.hdr.Reset()
	}
	return s
}

// peek returns what is in h for another process.
func (h histogram) peek() *hdrhistogram.Snapshot {
	if h.hdr.TotalCount() == 0 {
		return nil
	}
	return h.hdr.Export()
}

// merged returns the sum of two snapshots, either of which may be nil.
func merged(a, b *hdrhistogram.Snapshot) *hdrhistogram.Snapshot {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	h := histogram{hdrhistogram.Import(a)}
	h.add(b)
	return h.peek()
}

// restored makes a histogram of a snapshot, which may be nil.
func restored(s *hdrhistogram.Snapshot) histogram {
	h := newHistogram()
	h.add(s)
	return h
}

// add merges what take or peek has returned.
func (h histogram) add(s *hdrhistogram.Snapshot) {
	if s != nil {
		h.hdr.Merge(hdrhistogram.Import(s))
	}
}

func (h histogram) count() int64 { return h.hdr.TotalCount() }

// ms returns a percentile in milliseconds.
func (h histogram) ms(percentile float64) float64 {
	return float64(h.hdr.ValueAtPercentile(percentile)) / 1e3
}

// latency makes the result of a histogram, nil if it is empty.
func (h histogram) latency() *Latency {
	if h.count() == 0 {
		return nil
	}
	l := &Latency{
		Count: h.count(), MinMS: float64(h.hdr.Min()) / 1e3, MeanMS: h.hdr.Mean() / 1e3,
		P50MS: h.ms(50), P90MS: h.ms(90), P95MS: h.ms(95), P99MS: h.ms(99), P999MS: h.ms(99.9),
		MaxMS: float64(h.hdr.Max()) / 1e3, Bars: h.bars(),
	}
	if b, err := h.hdr.Encode(hdrhistogram.V2CompressedEncodingCookieBase); err == nil {
		l.HDR = string(b)
		if _, err := base64.StdEncoding.DecodeString(l.HDR); err != nil {
			l.HDR = base64.StdEncoding.EncodeToString(b)
		}
	}
	return l
}

// bars divides the range from the least to the greatest time into bars of the
// same width on a logarithmic scale: 24 a decade, so 212 at most.
func (h histogram) bars() (list []Bar) {
	bound, factor := 1.0, 1.1006941712522096 // 10 to the power of 1/24
	var sum int64
	for _, b := range h.hdr.Distribution() {
		if b.Count == 0 {
			continue
		}
		for float64(b.From) > bound {
			if sum > 0 || len(list) > 0 {
				list = append(list, Bar{UpToMS: bound / 1e3, Count: sum})
				sum = 0
			}
			bound *= factor
		}
		sum += b.Count
	}
	if sum > 0 {
		list = append(list, Bar{UpToMS: bound / 1e3, Count: sum})
	}
	return list
}
