package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// processClock reads the CPU-time clock of a process. Its number is made as
// clock_getcpuclockid(3) does: the inverted id, and 2 for the scheduler's count.
func processClock(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}
