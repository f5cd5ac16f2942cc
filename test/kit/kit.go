// Package kit is what the tests of several packages need.
package kit

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package and returns the exit status. It fails if
// goroutines or descriptors are left over.
func Main(m *testing.M) int {
	if r, w, err := os.Pipe(); err == nil { // the runtime's own poller opens two
		r.Close()
		w.Close()
	}
	ignore := goleak.IgnoreCurrent() // what importing ants starts
	before := Descriptors()
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code != 0 {
		return code
	}
	if err := goleak.Find(ignore); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left over:", err)
		code = 1
	}
	if n := Descriptors(); n > before {
		fmt.Fprintf(os.Stderr, "%d descriptors are open after the tests, %d were before\n", n, before)
		code = 1
	}
	return code
}

// Descriptors counts this process's descriptors; 0 where there is no /proc.
func Descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// Buffer is a buffer for any goroutine, such as a logger's.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written until now.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
