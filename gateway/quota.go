package gateway

import (
	"sync/atomic"
	"time"
)

// quota bounds how often something may happen: as often in a burst as in a
// second. All that it keeps is the time until which what was taken is paid for
// (the generic cell rate algorithm), since each Pusher client has one. The zero
// value is full. Its methods may be called from any goroutine.
type quota struct{ paid atomic.Int64 } // nanoseconds after began

// began is what times are counted from, by the clock that never goes back.
var began = time.Now()

// take takes one, if there may be rate a second; 0 is no limit. If there is none
// it reports false, and after how long there will be one.
func (q *quota) take(rate int, now time.Time) (wait time.Duration, ok bool) {
	if rate <= 0 {
		return 0, true
	}
	each := max(1, int64(time.Second)/int64(rate))
	most := int64(now.Sub(began)) + each*int64(rate)
	for {
		paid := q.paid.Load()
		next := max(paid, int64(now.Sub(began))) + each
		if next > most {
			return time.Duration(next - most), false
		}
		if q.paid.CompareAndSwap(paid, next) {
			return 0, true
		}
	}
}

// debt is how much work has been done for somebody lately, whose cost is known
// only when it is done. The zero value is none. One goroutine at a time may use
// it.
type debt struct{ until int64 } // nanoseconds after began when nothing is owed

// owed returns what is owed, if it is paid at rate a second.
func (d *debt) owed(rate int, now time.Time) int {
	return int(max(0, d.until-int64(now.Sub(began))) * int64(rate) / int64(time.Second))
}

// add adds work of a cost.
func (d *debt) add(cost, rate int, now time.Time) {
	d.until = max(d.until, int64(now.Sub(began))) + int64(cost)*int64(time.Second)/int64(rate)
}
