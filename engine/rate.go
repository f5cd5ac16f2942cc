package engine

import (
	"sync"
	"time"
)

// rate is a token bucket for accepting, shared by the loops. It holds a tenth
// of a second's tokens, at least one.
type rate struct {
	perSecond float64 // 0 is no limit
	mu        sync.Mutex
	tokens    float64
	last      time.Time
}

func newRate(perSecond int) *rate {
	return &rate{perSecond: float64(perSecond), last: time.Now(), tokens: 1}
}

// take takes a token, or tells how long there will be none.
func (r *rate) take() time.Duration {
	if r.perSecond == 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.tokens = min(r.tokens+now.Sub(r.last).Seconds()*r.perSecond, max(1, r.perSecond/10))
	r.last = now
	if r.tokens >= 1 {
		r.tokens--
		return 0
	}
	wait := time.Duration((1 - r.tokens) / r.perSecond * float64(time.Second))
	return max(wait, time.Millisecond)
}

// giveBack returns a token that was not used.
func (r *rate) giveBack() {
	if r.perSecond == 0 {
		return
	}
	r.mu.Lock()
	r.tokens++
	r.mu.Unlock()
}
