package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// group is a limit of the memory of a control group.
type group struct {
	path  string // of the group, below the controller's root
	file  string // that has the limit; empty if there is no limit
	limit int64
	used  int64 // without what the kernel would give back at once
}

// room returns how many bytes are left.
func (g group) room() int64 { return max(g.limit-g.used, 0) }

// systemd returns the name of a unit's setting for this limit.
func (g group) systemd() string {
	switch g.file {
	case "memory.high":
		return "MemoryHigh"
	case "memory.limit_in_bytes":
		return "MemoryLimit"
	}
	return "MemoryMax"
}

// version says how a version of control groups names things.
type version struct {
	dir      string
	limits   []string
	used     string
	inactive string // in memory.stat: pages of files that nobody uses
}

var (
	version1 = version{"/sys/fs/cgroup/memory", []string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_inactive_file"}
	version2 = version{"/sys/fs/cgroup", []string{"memory.max", "memory.high"}, "memory.current", "inactive_file"}
)

// maxDepth bounds how many groups are looked at.
const maxDepth = 64

// tightest finds the limit that leaves least room, among those of the control
// group of this process and of all groups around it.
func (r root) tightest() (group, error) {
	const file = "/proc/self/cgroup"
	text, err := r.head(file)
	if err != nil {
		return group{}, err
	}
	name, one, err := parseCgroup(text)
	if err != nil {
		return group{}, fmt.Errorf("%s: %w", r.path(file), err)
	}
	v := version2
	if one {
		v = version1
	}
	if _, err := os.Stat(r.path(v.dir)); err != nil {
		return group{}, err
	}
	var found group
	for range maxDepth {
		for _, limit := range v.limits {
			g, err := r.group(v, name, limit)
			if err != nil {
				return group{}, err
			}
			if g.file != "" && (found.file == "" || g.room() < found.room()) {
				found = g
			}
		}
		if name == "/" {
			break
		}
		name = path.Dir(name)
	}
	return found, nil
}

// group reads one limit. Where there is none, file is empty: the outermost
// group has no files for it, and a container does not see those around it.
func (r root) group(v version, name, limit string) (group, error) {
	dir := path.Join(v.dir, name)
	text, err := r.head(path.Join(dir, limit))
	if errors.Is(err, fs.ErrNotExist) {
		return group{}, nil
	} else if err != nil {
		return group{}, err
	}
	g := group{path: name, file: limit}
	if g.limit, err = parseGroupLimit(text); err != nil {
		return group{}, fmt.Errorf("%s: %w", r.path(path.Join(dir, limit)), err)
	}
	if g.limit == noLimit {
		return group{}, nil
	}
	if g.used, err = r.number(path.Join(dir, v.used)); err != nil {
		return group{}, err
	}
	if text, err := r.head(path.Join(dir, "memory.stat")); err == nil {
		g.used = max(g.used-parseInactive(text, v.inactive), 0)
	}
	return g, nil
}

// parseCgroup finds the path of the group that counts memory in the lines
// "ID:CONTROLLERS:PATH" of /proc/PID/cgroup, and whether it is one of version 1.
func parseCgroup(text string) (name string, one bool, err error) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") {
			return "", false, fmt.Errorf("cannot read %q", clip(line))
		}
		for c := range strings.SplitSeq(f[1], ",") {
			if c == "memory" {
				return path.Clean(f[2]), true, nil
			}
		}
		if f[0] == "0" && f[1] == "" {
			name = path.Clean(f[2])
		}
	}
	if name == "" {
		return "", false, errors.New("there is no group in it that counts memory")
	}
	return name, false, nil
}

const noLimit = -1

// parseGroupLimit parses bytes, or "max". Version 1 writes a number close to
// 1<<63 for no limit.
func parseGroupLimit(text string) (int64, error) {
	if text == "max" {
		return noLimit, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("cannot read %q", clip(text))
	}
	if n > maxBytes {
		return noLimit, nil
	}
	return n, nil
}

// parseInactive finds a line "name N" in memory.stat; 0 if it is not there.
func parseInactive(text, name string) int64 {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return max(n, 0)
		}
	}
	return 0
}
