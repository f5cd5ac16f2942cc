package host

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine describes a machine. What cannot be found out is left empty.
type Machine struct {
	CPU         string `json:"cpu"`   // model
	Cores       int    `json:"cores"` // that this process may use
	MemoryBytes int64  `json:"memory_bytes"`
	Kernel      string `json:"kernel"` // name and release
	Arch        string `json:"arch"`   // as Go names it
}

// ThisMachine describes the machine that the process runs on.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Arch: runtime.GOARCH}
	if text, err := real.head("/proc/cpuinfo"); err == nil {
		m.CPU = cpuModel(text)
	}
	m.MemoryBytes, _ = real.memory("MemTotal")
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// cpuModel returns the first model name in /proc/cpuinfo; some architectures
// have none.
func cpuModel(text string) string {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Slab returns the bytes that the kernel's slab allocator holds: sockets, files
// and the like, and caches that it would give back.
func Slab() (int64, error) { return real.memory("Slab") }

// Available returns how many bytes programs could still take without swapping,
// as the kernel estimates it. Limits of a control group are not in it.
func Available() (int64, error) { return real.memory("MemAvailable") }

// memory returns a line of /proc/meminfo in bytes.
func (r root) memory(name string) (int64, error) {
	const file = "/proc/meminfo"
	text, err := r.head(file)
	if err != nil {
		return 0, err
	}
	n, err := kilobytes(text, name)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.path(file), err)
	}
	return n, nil
}

// Busy returns the time that the machine's CPUs have worked so far, all
// together, in units of a hundredth of a second. Time that a hypervisor gave to
// others (steal) counts as worked: it was not there to use.
func Busy() (time.Duration, error) {
	const file = "/proc/stat"
	text, err := real.head(file)
	if err != nil {
		return 0, err
	}
	d, err := parseBusy(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

// parseBusy adds up the first line of /proc/stat without idle, iowait, and
// guests, which are counted as user too.
func parseBusy(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, fmt.Errorf("cannot read %q", clip(line))
	}
	var sum time.Duration
	for _, i := range []int{1, 2, 3, 6, 7, 8} { // user, nice, system, irq, softirq, steal
		d, err := ticks(f[i])
		if err != nil || sum+d < 0 {
			return 0, fmt.Errorf("cannot read %q", clip(line))
		}
		sum += d
	}
	return sum, nil
}
