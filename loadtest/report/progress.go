package report

import (
	"fmt"
	"math"
	"time"

	"stentor/loadtest"
)

// Step says in words how far the phase of a run has come, as "1,200 of 5,000
// connections", and after spent in this phase, if it can be told, how much is
// left: ", 3 s left". It is a line without control characters, as State is.
func Step(p loadtest.Progress, spent time.Duration) string {
	if p.Unit == "" {
		return "under way"
	}
	if p.Total <= 0 {
		return count(p.Done) + " " + clean(p.Unit)
	}
	text := fmt.Sprintf("%s of %s %s", count(p.Done), count(p.Total), clean(p.Unit))
	if p.Done > 0 && p.Done < p.Total && spent > 0 {
		if left := spent.Seconds() * float64(p.Total-p.Done) / float64(p.Done); left >= 1 {
			text += ", " + seconds(math.Ceil(left)) + " left"
		}
	}
	return text
}

// State says in words how a run goes at the moment: connections, rates, latencies
// and errors, as far as there are any.
func State(p loadtest.Progress) string {
	m := p.Moment
	text := joined(
		count(int64(m.Open))+" open",
		when(m.Connects > 0, "connecting "+rate(m.Connects)),
		when(m.Received > 0, "receiving "+rate(m.Received)),
		when(m.P50MS > 0, "p50 "+millis(m.P50MS)),
		when(m.P99MS > 0, "p99 "+millis(m.P99MS)),
		when(m.Faults > 0, counted(m.Faults, "FAULTY message")),
		when(m.Drops > 0, "DROPPED "+rate(m.Drops)),
	)
	var errors int64
	for _, e := range p.Errors {
		errors += e.Count
	}
	if errors == 0 {
		return text
	}
	text += ", " + counted(errors, "error") + ": " + clean(p.Errors[0].Cause)
	if n := len(p.Errors) - 1; n > 0 {
		text += fmt.Sprintf(" (and %s)", counted(int64(n), "other cause"))
	}
	return text
}
