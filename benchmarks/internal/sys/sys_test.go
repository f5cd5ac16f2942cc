package sys

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Wait reports what is ready by its token, and nothing when its limit is over.
func TestEpoll(t *testing.T) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	e, err := NewEpoll()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Add(p[0], 42, unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	if err := e.Add(p[0], 42, unix.EPOLLIN); err != unix.EEXIST {
		t.Errorf("adding it twice: %v", err)
	}
	start := Monotonic()
	if ready, err := e.Wait(20 * time.Millisecond); err != nil || len(ready) != 0 {
		t.Errorf("an empty pipe is ready: %v, %v", ready, err)
	}
	if waited := Monotonic() - start; waited < 20*time.Millisecond {
		t.Errorf("waited %v of 20ms", waited)
	}
	if n, err := Write(p[1], []byte("abc")); n != 3 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	for _, limit := range []time.Duration{0, time.Minute, Forever} {
		if ready, err := e.Wait(limit); err != nil || len(ready) != 1 || ready[0].Fd != 42 {
			t.Errorf("limit %v: %v, %v", limit, ready, err)
		}
	}
	b := make([]byte, 8)
	if n, err := Read(p[0], b); string(b[:max(n, 0)]) != "abc" || err != nil {
		t.Errorf("read %q, %v", b[:max(n, 0)], err)
	}
	if _, err := Read(p[0], b); err != unix.EAGAIN {
		t.Errorf("reading an empty pipe: %v", err)
	}
}
