package swarm

import "time"

var (
	clockBase   = time.Now()
	clockOffset = systemClock()
)

// Now returns the time in nanoseconds of the system's monotonic clock, which
// all processes of a machine share. Any goroutine may call it.
func Now() int64 { return clockOffset + int64(time.Since(clockBase)) }
