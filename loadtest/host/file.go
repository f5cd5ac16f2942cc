package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// maxFile is how many bytes of a file are read at most.
const maxFile = 64 << 10

// ErrNotLinux is the error of whatever reads this host on another system.
var ErrNotLinux = errors.New("this can be read on Linux only")

// root is the folder that stands for /. Empty means the real one.
type root string

// real is the host that the process runs on.
const real root = ""

func (r root) path(name string) string {
	if r == real {
		return name
	}
	return filepath.Join(string(r), name)
}

// head returns the first maxFile bytes of a file, without line ends at its end.
// Its errors name the file.
func (r root) head(name string) (string, error) {
	if r == real && runtime.GOOS != "linux" {
		return "", ErrNotLinux
	}
	f, err := os.OpenFile(r.path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not hold us up
	if err != nil {
		return "", err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return "", err
	} else if !st.Mode().IsRegular() {
		return "", fmt.Errorf("%s: not a regular file", r.path(name))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", err
	}
	return string(bytes.TrimRight(b, "\n")), nil
}

// numbers returns the numbers of a file that has exactly n of them in its one
// line. Those that are too large for an int64 become the largest one.
func (r root) numbers(name string, n int) ([]int64, error) {
	text, err := r.head(name)
	if err != nil {
		return nil, err
	}
	list, err := parseNumbers(text, n)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.path(name), err)
	}
	return list, nil
}

// number returns the only number of a file.
func (r root) number(name string) (int64, error) {
	list, err := r.numbers(name, 1)
	if err != nil {
		return 0, err
	}
	return list[0], nil
}

func parseNumbers(text string, n int) ([]int64, error) {
	f := strings.Fields(text)
	if len(f) != n {
		return nil, fmt.Errorf("want %d numbers, have %q", n, clip(text))
	}
	list := make([]int64, n)
	for i, s := range f {
		u, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("want %d numbers, have %q", n, clip(text))
		}
		list[i] = int64(min(u, math.MaxInt64))
	}
	return list, nil
}

// kilobytes finds "name: N kB" in text, as /proc/meminfo has it, and returns N
// in bytes.
func kilobytes(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == name+":" && f[2] == "kB" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil || n < 0 || n > maxBytes>>10 {
				return 0, fmt.Errorf("cannot read %q", clip(line))
			}
			return n << 10, nil
		}
	}
	return 0, fmt.Errorf("there is no %s in it", name)
}

// maxBytes is more than any machine has: larger numbers are garbage.
const maxBytes = 1 << 56

// clip shortens what a file contains for a message.
func clip(s string) string {
	s = strings.TrimSpace(s)
	const most = 60
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
