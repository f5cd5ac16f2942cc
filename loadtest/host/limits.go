package host

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// own is how many descriptors Stentor has without a client: listeners, pollers,
// standard files.
func own(cores int64) int64 { return 16 + 4*cores }

// reserve is how many descriptors of a limit it keeps for itself, for the admin
// listener first of all (engine: descriptorLimit).
func reserve(limit, cores int64) int64 { return min(limit/8, 64+cores) }

// descriptorsAllow returns how many connections a limit of descriptors allows.
func descriptorsAllow(limit, cores int64) int64 {
	return max(limit-reserve(limit, cores)-own(cores), 0)
}

// descriptorsFor returns a limit that allows n connections, and two more at most,
// whether or not the soft one is as high.
func descriptorsFor(n, cores int64) int64 {
	all := n + own(cores) + 1
	return min(all+64+cores, (8*all+6)/7)
}

// descriptors checks the limit of the process. It is the hard one that counts:
// each Go program raises its soft limit when it starts, to one below the hard one
// if it was lower. So has this one.
func (d *diagnosis) descriptors() Check {
	const name, file = "descriptors", "/proc/self/limits"
	text, err := d.root.head(file)
	if err != nil {
		return unreadable(name, err)
	}
	soft, hard, err := parseLimits(text)
	if err != nil {
		return unreadable(name, fmt.Errorf("%s: %w", d.root.path(file), err))
	}
	current, limit := amount(hard), hard
	if soft < hard-1 {
		current += fmt.Sprintf(" (soft %s)", amount(soft))
	}
	if soft < hard {
		limit--
	}
	needed, allows := descriptorsFor(d.n, d.cores), descriptorsAllow(limit, d.cores)
	why := fmt.Sprintf("a connection takes one, stentor keeps %d for itself", reserve(min(hard, needed), d.cores)+own(d.cores))
	if soft < hard-1 {
		why += ", and raises its soft limit to the hard one"
	}
	if allows < d.n && allows > 0 {
		why += fmt.Sprintf("; as it is, %d processes would have to share the port (reuse_port)", (d.n+allows-1)/allows)
	}
	enough := strconv.FormatInt(needed, 10)
	set := []Setting{{"shell", "ulimit -n " + enough}, {"systemd", "LimitNOFILE=" + enough}}
	if d.container {
		set = []Setting{{"docker", "docker run --ulimit nofile=" + enough + ":" + enough}}
	}
	c := d.bound(name, current, enough, allows, why, set)
	c.Soft, c.Hard = limited(soft), limited(hard)
	return c
}

// parseLimits finds "Max open files SOFT HARD files" in the text of /proc/PID/limits.
func parseLimits(text string) (soft, hard int64, err error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if !ok {
			continue
		}
		var list []int64
		for _, s := range strings.Fields(rest) {
			n, err := strconv.ParseInt(s, 10, 64)
			if s == "unlimited" {
				n, err = math.MaxInt64, nil
			}
			if err != nil || n < 0 {
				break
			}
			list = append(list, n)
		}
		if len(list) != 2 {
			return 0, 0, fmt.Errorf("cannot read %q", clip(line))
		}
		return list[0], list[1], nil
	}
	return 0, 0, fmt.Errorf(`there is no line "Max open files" in it`)
}

func (d *diagnosis) nrOpen() Check {
	const name = "fs.nr_open"
	limit, err := d.root.number("/proc/sys/fs/nr_open")
	if err != nil {
		return unreadable(name, err)
	}
	needed := fmt.Sprint(descriptorsFor(d.n, d.cores))
	return d.bound(name, amount(limit), needed, descriptorsAllow(limit, d.cores),
		"no process may have more descriptors than this, whatever its own limit", d.sysctl(name, needed, false))
}

func (d *diagnosis) fileMax() Check {
	const name = "fs.file-max"
	limit, err := d.root.number("/proc/sys/fs/file-max")
	if err != nil {
		return unreadable(name, err)
	}
	open, err := d.root.numbers("/proc/sys/fs/file-nr", 3) // open, unused, file-max
	if err != nil {
		return unreadable(name, err)
	}
	used := min(open[0], 1<<62)
	needed := fmt.Sprint(used + d.n + own(d.cores))
	return d.bound(name, amount(limit), needed, max(limit-used-own(d.cores), 0),
		fmt.Sprintf("open files of the whole machine, %d at this moment", used), d.sysctl(name, needed, false))
}

func (d *diagnosis) watches() Check {
	const name = "fs.epoll.max_user_watches"
	limit, err := d.root.number("/proc/sys/fs/epoll/max_user_watches")
	if err != nil {
		return unreadable(name, err)
	}
	needed := fmt.Sprint(d.n + own(d.cores))
	return d.bound(name, amount(limit), needed, max(limit-own(d.cores), 0),
		"a connection is watched by epoll, and a user has so many watches in all processes", d.sysctl(name, needed, false))
}
