package host

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// MaxConnections is the largest number that Diagnose takes.
const MaxConnections = 1_000_000_000

// Format is the version of Report's JSON form. It rises when a field changes its
// meaning or goes; new fields do not raise it.
const Format = 1

// Status is how a check has come out.
type Status string

const (
	OK      Status = "ok"      // what there is, is enough, or does not matter
	Short   Status = "short"   // the connections do not fit
	Warning Status = "warning" // they fit, but a reader should know, or it could not be read
)

// Report tells whether a host allows a number of connections.
type Report struct {
	Format      int     `json:"format"`
	Connections int     `json:"connections"` // that were asked for
	Short       int     `json:"short"`       // checks
	Warnings    int     `json:"warnings"`    // checks
	Container   bool    `json:"container"`   // limits of the kernel are set outside of it
	Checks      []Check `json:"checks"`
	Holds       Holds   `json:"holds"`
}

// Holds is what a host allows as it is now. Connections is the smallest number
// that a check allows, ByMemory the smallest one of those for memory. Either is
// absent if nothing that could bound it was readable.
type Holds struct {
	Connections *int64 `json:"connections,omitempty"`
	BoundBy     string `json:"bound_by,omitempty"` // name of that check
	ByMemory    *int64 `json:"by_memory,omitempty"`
}

// Check is one thing that was looked at.
type Check struct {
	Name    string    `json:"name"` // the sysctl's, or words
	Status  Status    `json:"status"`
	Current string    `json:"current"`          // for people, with its unit
	Needed  string    `json:"needed,omitempty"` // likewise; empty if it does not matter
	Allows  *int64    `json:"allows,omitempty"` // connections of one process; absent if it sets no bound
	Soft    *int64    `json:"soft,omitempty"`   // descriptors: the limits as they are; absent if there is none
	Hard    *int64    `json:"hard,omitempty"`
	Why     string    `json:"why"`           // one sentence
	Set     []Setting `json:"set,omitempty"` // ways to get what is needed
}

// Setting is one way to change a limit.
type Setting struct {
	How  string `json:"how"`  // "shell", "systemd", "docker", "sysctl" (until the next start), "sysctl.d" (for good)
	Line string `json:"line"` // as it is to be written there
}

// Diagnose finds out whether this host, with the limits of this process, allows
// one Stentor process to hold this many connections. With a dir, it reads
// dir/proc and dir/sys in place of /proc and /sys. A file that is missing or
// cannot be read is a warning in the report. It returns an error if the number
// is not from 1 to MaxConnections, if dir has no folder proc, and ErrNotLinux
// where there is no such host.
func Diagnose(dir string, connections int) (Report, error) {
	if connections < 1 || connections > MaxConnections {
		return Report{}, fmt.Errorf("%d connections: the number must be from 1 to %d", connections, MaxConnections)
	}
	d := diagnosis{root: real, n: int64(connections), cores: int64(runtime.GOMAXPROCS(0))}
	if dir == "" {
		if runtime.GOOS != "linux" {
			return Report{}, ErrNotLinux
		}
	} else {
		dir, err := filepath.Abs(dir) // so that it is not taken for the real one
		if err != nil {
			return Report{}, err
		}
		if st, err := os.Stat(filepath.Join(dir, "proc")); err != nil {
			return Report{}, err
		} else if !st.IsDir() {
			return Report{}, fmt.Errorf("%s is not a folder", filepath.Join(dir, "proc"))
		}
		d.root = root(dir)
		d.cores = d.root.cores()
	}
	d.container = d.root.container()
	d.room = math.MaxInt64
	return d.report(), nil
}

// diagnosis is one under way.
type diagnosis struct {
	root      root
	n         int64 // connections
	cores     int64 // event loops
	container bool
	room      int64 // bytes of memory that TCP can have, as far as it is known yet
}

func (d *diagnosis) report() Report {
	r := Report{Format: Format, Connections: int(d.n), Container: d.container}
	for _, check := range []func() Check{
		d.descriptors, d.nrOpen, d.fileMax, d.watches,
		d.memory, d.groupMemory,
		d.conntrack,
		d.somaxconn, d.synBacklog, d.tcpMem, d.receiveBuffers, d.sendBuffers,
		d.ports,
	} {
		c := check()
		switch c.Status {
		case Short:
			r.Short++
		case Warning:
			r.Warnings++
		}
		if c.Allows != nil {
			if r.Holds.Connections == nil || *c.Allows < *r.Holds.Connections {
				r.Holds.Connections, r.Holds.BoundBy = c.Allows, c.Name
			}
			if of := r.Holds.ByMemory; c.Name == nameMemory || c.Name == nameGroup {
				if of == nil || *c.Allows < *of {
					r.Holds.ByMemory = c.Allows
				}
			}
		}
		r.Checks = append(r.Checks, c)
	}
	return r
}

// bound makes the check of something that bounds the number of connections.
func (d *diagnosis) bound(name, current, needed string, allows int64, why string, set []Setting) Check {
	c := Check{Name: name, Status: OK, Current: current, Needed: needed, Allows: &allows, Why: why}
	if allows < d.n {
		c.Status, c.Set = Short, set
	}
	return c
}

// advice makes the check of something that connections fit without.
func advice(name, current, needed string, good bool, why string, set []Setting) Check {
	c := Check{Name: name, Status: OK, Current: current, Needed: needed, Why: why}
	if !good {
		c.Status, c.Set = Warning, set
	}
	return c
}

func unreadable(name string, err error) Check {
	return Check{Name: name, Status: Warning, Current: "not readable", Why: err.Error()}
}

// sysctl tells how to set one. A container has those of the network for itself,
// and gets them from outside; all others are the host's.
func (d *diagnosis) sysctl(name, value string, network bool) []Setting {
	quoted := name + "=" + value
	if strings.Contains(value, " ") {
		quoted = name + `="` + value + `"`
	}
	if d.container && network {
		return []Setting{{"docker", "docker run --sysctl " + quoted}}
	}
	return []Setting{{"sysctl", "sysctl -w " + quoted}, {"sysctl.d", name + " = " + value}}
}

// cores counts the CPUs in /proc/stat; 1 if there is none to see.
func (r root) cores() int64 {
	text, _ := r.head("/proc/stat")
	n := int64(0)
	for line := range strings.Lines(text) {
		if len(line) > 3 && strings.HasPrefix(line, "cpu") && line[3] >= '0' && line[3] <= '9' {
			n++
		}
	}
	return max(n, 1)
}

// container reports whether what runs here is in a container, whose limits are
// set from outside.
func (r root) container() bool {
	for _, name := range []string{"/.dockerenv", "/run/.containerenv", "/run/systemd/container",
		"/sys/fs/cgroup/cgroup.type"} { // the real root group has no type
		if _, err := os.Stat(r.path(name)); err == nil {
			return true
		}
	}
	text, _ := r.head("/proc/self/cgroup")
	for _, word := range []string{"/docker", "/kubepods", "/libpod", "/lxc", "containerd"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// limited returns a number, and nil for one that stands for no limit.
func limited(n int64) *int64 {
	if n >= 1<<62 {
		return nil
	}
	return &n
}

// amount writes a number, and one that stands for no limit as such.
func amount(n int64) string {
	if n >= 1<<62 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// size writes bytes for people.
func size(bytes int64) string {
	const kibi, mebi, gibi = 1 << 10, 1 << 20, 1 << 30
	switch {
	case bytes >= 10*gibi:
		return fmt.Sprintf("%d GiB", bytes/gibi)
	case bytes >= gibi:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/gibi)
	case bytes >= mebi:
		return fmt.Sprintf("%d MiB", bytes/mebi)
	}
	return fmt.Sprintf("%d KiB", bytes/kibi)
}
