package report

import (
	"math"

	"stentor/loadtest"
)

// shapes returns the charts of how latencies are distributed.
func shapes(r *loadtest.Result) []chart {
	var list []chart
	curve := chart{ID: "percentiles", Title: "Percentiles of latency", Kind: "percentile"}
	largest := int64(0)
	var kept []distribution
	for _, d := range distributions(r) {
		if d.title == "" || len(d.latency.Bars) < 2 {
			continue
		}
		kept = append(kept, d)
		list = append(list, histogram(d))
		largest = max(largest, d.latency.Count)
	}
	if len(kept) == 0 {
		curve.Reason = "There is no distribution of latencies."
		return []chart{curve}
	}
	grid := quantiles(largest)
	for _, q := range grid {
		curve.X = append(curve.X, number(1/(1-q)))
	}
	for i, d := range kept {
		s := series{Label: d.label, Unit: "ms", Color: 1 + i%4}
		least := number(0)
		for _, q := range grid {
			v := quantile(d.latency, q)
			if v < least { // exact ones and those of bars meet
				v = least
			}
			s.Values = append(s.Values, v)
			least = v
		}
		curve.Series = append(curve.Series, s)
		curve.Text += when(i > 0, "; ") + d.label + ": p50 " + millis(d.latency.P50MS) +
			", p99 " + millis(d.latency.P99MS) + ", max " + millis(d.latency.MaxMS)
	}
	curve.Text += "."
	return append([]chart{curve}, list...)
}

// histogram draws the bars of a distribution as one outline.
func histogram(d distribution) chart {
	l := d.latency
	c := chart{ID: "histogram-" + d.id, Title: "Distribution: " + d.label, Kind: "latency"}
	s := series{Label: "number", Unit: "count", Area: true, Steps: true, Color: 1}
	var top loadtest.Bar
	from, at := 0.0, 0.0
	for _, b := range l.Bars {
		if !(b.UpToMS > at) || math.IsInf(b.UpToMS, 0) { // no order: nothing that can be drawn
			continue
		}
		if len(c.X) == 0 { // the scale is logarithmic
			at = l.MinMS
			if !(at > 0 && at < b.UpToMS) {
				at = b.UpToMS / 2
			}
			c.X, s.Values = append(c.X, number(at)), append(s.Values, 0)
		}
		c.X, s.Values = append(c.X, number(b.UpToMS)), append(s.Values, number(b.Count))
		if b.Count > top.Count {
			top, from = b, at
		}
		at = b.UpToMS
	}
	if top.Count == 0 {
		c.Reason = "There is nothing in it."
		return c
	}
	c.Series = []series{s}
	c.Text = "How long it took " + d.title + ", of " + count(l.Count) + " measured. Most frequent: " +
		millis(from) + " to " + millis(top.UpToMS) + "."
	return c
}

// quantiles are those that a curve is drawn through, as far as n values tell.
func quantiles(n int64) []float64 {
	list := []float64{0}
	for scale := 1.0; scale <= 1e5; scale *= 10 {
		for _, q := range []float64{.1, .2, .3, .4, .5, .6, .7, .75, .8, .85, .9} {
			at := 1 - (1-q)/scale
			if at > list[len(list)-1]+1e-12 && float64(n)*(1-at) >= .999 {
				list = append(list, at)
			}
		}
	}
	return list
}

// quantile reads a distribution at q: exactly where the result says it, else
// from the bars.
func quantile(l *loadtest.Latency, q float64) number {
	if float64(l.Count)*(1-q) < .999 {
		return gap
	}
	for _, exact := range []struct{ q, ms float64 }{{0, l.MinMS}, {.5, l.P50MS}, {.9, l.P90MS}, {.95, l.P95MS}, {.99, l.P99MS}, {.999, l.P999MS}} {
		if math.Abs(q-exact.q) < 1e-9 {
			return number(exact.ms)
		}
	}
	total := 0.0
	for _, b := range l.Bars {
		total += float64(b.Count)
	}
	left, low := q*total, l.MinMS
	for _, b := range l.Bars {
		n := float64(b.Count)
		if left <= n && n > 0 { // spread evenly within a bar
			at := low + (b.UpToMS-low)*left/n
			return number(math.Min(math.Max(at, l.MinMS), l.MaxMS))
		}
		left -= n
		low = b.UpToMS
	}
	return number(l.MaxMS)
}
