package hub

import (
	"context"
	"sync"
	"sync/atomic"
)

// Tracker counts what becomes of one or several publications. Make it with
// NewTracker, give it in Options, then Wait.
type Tracker struct {
	open    atomic.Int64 // lanes that have not served it, and 1 for Wait
	counts  [Stale + 1]atomic.Int64
	done    chan struct{}
	then    func() // the hub's own: called instead of done, by a worker
	waiting sync.Once
}

// Result is the count of deliveries by outcome.
type Result struct{ Written, Queued, Dropped int64 }

// NewTracker makes a Tracker.
func NewTracker() *Tracker {
	t := &Tracker{done: make(chan struct{})}
	t.open.Store(1)
	return t
}

func (t *Tracker) begin()          { t.open.Add(1) }
func (t *Tracker) count(o Outcome) { t.counts[o].Add(1) }

// end reports whether it was the last.
func (t *Tracker) end() bool { return t.open.Add(-1) == 0 }

// Wait waits until every delivery of what was published with t has been tried,
// and counts them. It is called after the last publication. The error is ctx's;
// the counts are those so far then.
func (t *Tracker) Wait(ctx context.Context) (Result, error) {
	t.waiting.Do(func() {
		if t.end() {
			close(t.done)
		}
	})
	var err error
	select {
	case <-t.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return Result{
		Written: t.counts[Written].Load(),
		Queued:  t.counts[Queued].Load(),
		Dropped: t.counts[Dropped].Load(),
	}, err
}
