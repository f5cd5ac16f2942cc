package report

import (
	"testing"
	"time"

	"stentor/loadtest"
)

func TestStep(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		spent       time.Duration
		want        string
	}{
		{0, 0, 0, "0 messages"},
		{1200, 0, time.Second, "1,200 messages"},
		{0, 5000, time.Second, "0 of 5,000 messages"},
		{1250, 5000, time.Second, "1,250 of 5,000 messages, 3 s left"},
		{1250, 5000, 0, "1,250 of 5,000 messages"},
		{4999, 5000, time.Second, "4,999 of 5,000 messages"},
		{1, 5000, time.Second, "1 of 5,000 messages, 83 min 19 s left"},
		{5000, 5000, time.Second, "5,000 of 5,000 messages"},
		{6000, 5000, time.Second, "6,000 of 5,000 messages"},
	} {
		if got := Step(loadtest.Progress{Done: c.done, Total: c.total, Unit: "messages"}, c.spent); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestState(t *testing.T) {
	if got := State(loadtest.Progress{}); got != "0 open" {
		t.Errorf("%q", got)
	}
	full := loadtest.Progress{
		Moment: loadtest.Moment{Open: 20_000, Connects: 4878, Received: 182_345, P50MS: .31, P99MS: 12.34, Faults: 1, Drops: 3},
		Errors: []loadtest.Count{{Cause: hostile, Count: 9}, {Cause: "b", Count: 3}, {Cause: "c", Count: 1}},
	}
	const want = "20,000 open, connecting 4,878/s, receiving 182 k/s, p50 310 µs, p99 12.3 ms, 1 FAULTY message, DROPPED 3/s, 13 errors: "
	if got := State(full); got != want+clean(hostile)+" (and 2 other causes)" {
		t.Errorf("%q", got)
	}
}
