package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Usage is what processes have taken.
type Usage struct {
	CPU time.Duration // user and kernel time of all threads, ended ones included
	RSS int64         // resident memory in bytes; pages that processes share count for each
}

// Tree returns these processes and all their descendants, in ascending order,
// each once. A child whose parent has ended belongs to init or a subreaper, and
// is not found. Where processes cannot be listed, it returns the given ones.
func Tree(pids ...int) []int {
	return real.tree(pids)
}

func (r root) tree(pids []int) []int {
	children := make(map[int][]int)
	entries, _ := os.ReadDir(r.path("/proc"))
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if st, err := r.stat(pid); err == nil {
			children[st.parent] = append(children[st.parent], pid)
		}
	}
	seen := make(map[int]bool)
	var all []int
	for queue := slices.Clone(pids); len(queue) > 0; queue = queue[1:] {
		if pid := queue[0]; !seen[pid] {
			seen[pid] = true
			all = append(all, pid)
			queue = append(queue, children[pid]...)
		}
	}
	slices.Sort(all)
	return all
}

// Processes returns what these processes have taken so far, all together. CPU
// time is exact to the nanosecond where the kernel has a clock for each process,
// and in hundredths of a second elsewhere; a thread that runs at this moment is
// counted up to its last tick or switch. A process that has gone is left out,
// with all it has taken, so sums fall when one goes. It returns an error if not
// one could be read.
func Processes(pids []int) (Usage, error) {
	return real.processes(pids)
}

func (r root) processes(pids []int) (Usage, error) {
	var sum Usage
	var failed error
	read := 0
	for _, pid := range pids {
		u, err := r.process(pid)
		if err != nil {
			if failed == nil {
				failed = err
			}
			continue
		}
		sum.CPU += u.CPU
		sum.RSS += u.RSS
		read++
	}
	if read == 0 {
		if failed == nil {
			failed = errors.New("no processes given")
		}
		return Usage{}, fmt.Errorf("host: no process could be read: %w", failed)
	}
	return sum, nil
}

func (r root) process(pid int) (Usage, error) {
	st, err := r.stat(pid)
	if err != nil {
		return Usage{}, err
	}
	if st.ended {
		return Usage{}, fmt.Errorf("process %d has ended, but its parent has not asked how", pid)
	}
	rss, err := r.rss(pid)
	if err != nil {
		return Usage{}, err
	}
	return Usage{CPU: max(st.cpu, r.exactCPU(pid)), RSS: rss}, nil
}

// exactCPU returns a process's CPU time in nanoseconds, or 0 if the kernel tells
// none: by its clock, which counts ended threads, or by those threads that it has.
func (r root) exactCPU(pid int) time.Duration {
	if r == real {
		if d, err := processClock(pid); err == nil {
			return d
		}
	}
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, _ := os.ReadDir(r.path(dir))
	var sum time.Duration
	for _, task := range tasks {
		text, err := r.head(dir + "/" + task.Name() + "/schedstat")
		if err != nil {
			continue // the thread has ended since
		}
		if d, err := parseSchedstat(text); err == nil {
			sum += d
		}
	}
	return sum
}

// parseSchedstat returns the first of the three numbers: nanoseconds on a CPU.
func parseSchedstat(text string) (time.Duration, error) {
	f := strings.Fields(text)
	if len(f) == 3 {
		if ns, err := strconv.ParseInt(f[0], 10, 64); err == nil && ns >= 0 {
			return time.Duration(ns), nil
		}
	}
	return 0, fmt.Errorf("want three numbers: %q", clip(text))
}

// userHZ is the unit of times in /proc: hundredths of a second on all machines
// that Go runs on.
const userHZ = 100

// ticks parses a time in units of userHZ.
func ticks(s string) (time.Duration, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	const most = int64(1<<62) / int64(time.Second/userHZ)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("not a time: %q", clip(s))
	}
	return time.Duration(n) * (time.Second / userHZ), nil
}

// Ended reports whether a process has gone with all that it had open: ports, for
// example, are free then. One that was killed is a zombie before that, while its
// other threads still run or close what they have.
func Ended(pid int) bool {
	st, err := real.stat(pid)
	return err != nil || st.ended && st.threads <= 1
}

// status is what /proc/PID/stat tells.
type status struct {
	ended   bool // a zombie: of its first thread nothing is left but its number
	parent  int
	threads int
	cpu     time.Duration // in ticks; of ended threads too
}

func (r root) stat(pid int) (status, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := r.head(name)
	if err != nil {
		return status{}, err
	}
	st, err := parseStat(text)
	if err != nil {
		return status{}, fmt.Errorf("%s: %w", r.path(name), err)
	}
	return st, nil
}

// parseStat parses "PID (NAME) STATE PPID ...". The name may contain anything,
// so the fields are counted from its last parenthesis.
func parseStat(text string) (status, error) {
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 18 {
		return status{}, fmt.Errorf("cannot read %q", clip(text))
	}
	parent, err := strconv.Atoi(f[1])
	if err != nil {
		return status{}, fmt.Errorf("cannot read %q", clip(text))
	}
	user, err := ticks(f[11])
	if err != nil {
		return status{}, err
	}
	kernel, err := ticks(f[12])
	if err != nil {
		return status{}, err
	}
	threads, err := strconv.Atoi(f[17])
	if err != nil {
		return status{}, fmt.Errorf("cannot read %q", clip(text))
	}
	return status{ended: f[0] == "Z" || f[0] == "X", parent: parent, threads: threads, cpu: user + kernel}, nil
}

// rss returns a process's resident memory. smaps_rollup counts page by page, but
// is for the process's own user; the counter in statm is for all, and lags
// behind by some pages a thread.
func (r root) rss(pid int) (int64, error) {
	if text, err := r.head(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
		if n, err := kilobytes(text, "Rss"); err == nil {
			return n, nil
		}
	}
	name := fmt.Sprintf("/proc/%d/statm", pid)
	text, err := r.head(name)
	if err != nil {
		return 0, err
	}
	pages, err := parseStatm(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.path(name), err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// parseStatm returns the second number: resident pages.
func parseStatm(text string) (int64, error) {
	if f := strings.Fields(text); len(f) >= 2 {
		if n, err := strconv.ParseInt(f[1], 10, 64); err == nil && n >= 0 && n <= maxBytes>>12 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("cannot read %q", clip(text))
}
