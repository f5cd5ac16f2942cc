package proc

import (
	"os"
	"testing"
	"time"
)

func TestParseSchedstat(t *testing.T) {
	got, err := parseSchedstat("1234567890 48453 17\n")
	if err != nil || got != 1234567890*time.Nanosecond {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "1 2", "x 2 3"} {
		if _, err := parseSchedstat(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestKilobytes(t *testing.T) {
	const text = "7f00-7fff ---p 00000000 00:00 0 [rollup]\nRss:               13580 kB\nPss:  12000 kB\n"
	if got, err := kilobytes(text, "Rss"); err != nil || got != 13580<<10 {
		t.Errorf("Rss is %d, %v", got, err)
	}
	if _, err := kilobytes(text, "Swap"); err == nil {
		t.Error("found a line that is not there")
	}
}

func TestParseLoad(t *testing.T) {
	if got := parseLoad("0.54 0.42 0.24 1/123 4567\n"); got != 0.54 {
		t.Errorf("load is %v", got)
	}
}

// This process has run and takes memory: what is read of it is not 0.
func TestOfThisProcess(t *testing.T) {
	if rss, err := RSS(os.Getpid()); err != nil {
		t.Skip("smaps_rollup:", err)
	} else if rss < 1<<20 {
		t.Errorf("Rss is %d", rss)
	}
	if err := CountsCPU(); err != nil {
		t.Skip(err)
	}
	cpu, err := CPU(os.Getpid())
	if err != nil || cpu <= 0 {
		t.Errorf("CPU is %v, %v", cpu, err)
	}
}
