package loadtest

import (
	"os"
	"runtime"
	"testing"
	"time"

	"stentor/loadtest/swarm"
)

// busyCrew is a worker that computes before it answers.
type busyCrew struct{ busy time.Duration }

func (c *busyCrew) do(*order) (*answer, error) {
	for end := time.Now().Add(c.busy); time.Now().Before(end); {
	}
	return &answer{Snapshot: &snapshot{}}, nil
}

func (*busyCrew) gone() bool { return false }
func (*busyCrew) end()       {}

// However long workers keep the watch waiting, no moment has more processor time
// than there are processors.
func TestMomentsOfBusyWorkers(t *testing.T) {
	c := &busyCrew{}
	r := &run{plan: &plan{Config: Config{PIDs: []int{os.Getpid()}}}, started: swarm.Now(), crews: []crew{c}}
	r.watch = &watch{run: r}
	for range 3 {
		for _, c.busy = range []time.Duration{0, 400 * time.Millisecond} {
			time.Sleep(leastMoment + 10*time.Millisecond)
			if err := r.watch.lookAgain(); err != nil {
				t.Fatal(err)
			}
		}
	}
	most := 0.0
	for _, m := range r.watch.series {
		most = max(most, m.ServerCPU)
	}
	if most == 0 || most > 1.5*float64(runtime.NumCPU()) { // the kernel counts in steps
		t.Errorf("%.1f cores in a moment, of %d: %+v", most, runtime.NumCPU(), r.watch.series)
	}
}
