package gateway

import (
	"sync"
	"time"
)

// quota bounds how often something may happen: as often in a burst as in a
// second. The zero value is full. Its methods may be called from any goroutine.
type quota struct {
	mu   sync.Mutex
	owed float64   // what has been taken and has not come back yet
	last time.Time // when that was
}

// take takes one, if there may be rate a second; 0 is no limit. If there is none
// it reports false, and after how long there will be one.
func (q *quota) take(rate int, now time.Time) (wait time.Duration, ok bool) {
	if rate <= 0 {
		return 0, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if passed := now.Sub(q.last).Seconds(); passed > 0 {
		q.owed = max(0, q.owed-passed*float64(rate))
		q.last = now
	}
	if over := q.owed + 1 - float64(rate); over > 0 {
		return time.Duration(over / float64(rate) * float64(time.Second)), false
	}
	q.owed++
	return 0, true
}
