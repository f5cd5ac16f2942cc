package host

import (
	"testing"
	"time"
)

func TestParseBusy(t *testing.T) {
	got, err := parseBusy("cpu  1000 200 30 999999 888 4 5 6 77 7\ncpu0 1 1 1 1 1 1 1 1 1 1")
	if err != nil || got != 12450*time.Millisecond {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu0 1 2 3 4 5 6 7 8", "cpu x 2 3 4 5 6 7 8",
		"cpu 461168601842738790 461168601842738790 461168601842738790 4 5 6 7 8"} {
		if got, err := parseBusy(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

func TestKilobytes(t *testing.T) {
	const text = "7f00-7fff ---p 00000000 00:00 0 [rollup]\nRss:               13580 kB\nPss:  12000 kB\n"
	if got, err := kilobytes(text, "Rss"); err != nil || got != 13580<<10 {
		t.Errorf("Rss is %d, %v", got, err)
	}
	for _, bad := range []string{"", "Rss: 1", "Rss: x kB", "Rss: -1 kB", "Rss: 9223372036854775807 kB"} {
		if got, err := kilobytes(bad, "Rss"); err == nil {
			t.Errorf("%q is %d", bad, got)
		}
	}
}

func TestCPUModel(t *testing.T) {
	const info = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: Other\n"
	if got := cpuModel(info); got != "Some CPU @ 2 GHz" {
		t.Errorf("model is %q", got)
	}
	if got := cpuModel("processor: 0\nBogoMIPS: 50\n"); got != "" {
		t.Errorf("model is %q, want none", got)
	}
}

func TestThisMachine(t *testing.T) {
	needLinux(t)
	m := ThisMachine()
	if m.Cores < 1 || m.MemoryBytes < 1<<24 || m.Kernel == "" || m.Arch == "" {
		t.Errorf("this machine is %+v", m)
	}
	if n, err := Available(); err != nil || n <= 0 || n > m.MemoryBytes {
		t.Errorf("available: %d of %d, %v", n, m.MemoryBytes, err)
	}
	if n, err := Slab(); err != nil || n <= 0 || n > m.MemoryBytes {
		t.Errorf("slab: %d of %d, %v", n, m.MemoryBytes, err)
	}
	before, err := Busy()
	if err != nil || before <= 0 {
		t.Errorf("busy: %v, %v", before, err)
	}
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; {
	}
	if after, err := Busy(); err != nil || after < before {
		t.Errorf("busy: %v, then %v, %v", before, after, err)
	}
}

func TestPorts(t *testing.T) {
	if n, err := Ports(); err != nil {
		t.Skip(err)
	} else if n < 1 || n > 65535 {
		t.Errorf("%d ports", n)
	}
}
