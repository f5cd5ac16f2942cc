package proc

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Load returns the number of processes that ran or waited for a CPU, as a mean
// over the last minute; 0 if it is not known.
func Load() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	return parseLoad(string(b))
}

func parseLoad(text string) float64 {
	first, _, _ := strings.Cut(text, " ")
	v, _ := strconv.ParseFloat(first, 64)
	return v
}

// FileLimit returns the number of descriptors that a process of this user can
// get at most.
func FileLimit() (uint64, error) {
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	return r.Max, err
}
