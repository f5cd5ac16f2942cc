// Package proc reads what Linux tells about processes and the machine in /proc.
package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPU returns the time that all threads of a process have run so far, in user
// and kernel mode, to the nanosecond. A thread that runs at this moment is
// counted up to its last tick or switch, so let the process fall quiet first.
// The time of threads that have ended is not in it.
func CPU(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	if len(tasks) == 0 {
		return 0, fmt.Errorf("process %d: no schedstat of its threads in /proc", pid)
	}
	var sum time.Duration
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended since
		}
		run, err := parseSchedstat(string(b))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		sum += run
	}
	return sum, nil
}

// parseSchedstat returns the first of the three numbers: nanoseconds on a CPU.
func parseSchedstat(text string) (time.Duration, error) {
	f := strings.Fields(text)
	if len(f) != 3 {
		return 0, fmt.Errorf("want three numbers: %q", text)
	}
	ns, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("want three numbers: %q", text)
	}
	return time.Duration(ns), nil
}

// CountsCPU tells why CPU cannot be relied on here, or nil: some kernels leave
// schedstat out or at 0.
func CountsCPU() error {
	before, err := CPU(os.Getpid())
	if err != nil {
		return err
	}
	const (
		enough = 5 * time.Millisecond
		limit  = 3 * time.Second // others may be in the way
	)
	for start := time.Now(); ; {
		after, err := CPU(os.Getpid())
		switch {
		case err != nil:
			return err
		case after-before >= enough:
			return nil
		case time.Since(start) > limit:
			return fmt.Errorf("the kernel counts no run time in /proc/PID/schedstat (%v after %v of work)", after-before, limit)
		}
	}
}
