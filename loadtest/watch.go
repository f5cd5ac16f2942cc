package loadtest

import (
	"cmp"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"stentor/loadtest/host"
	"stentor/loadtest/swarm"
)

// watch follows a run: it asks the workers how things are, some times a second,
// and makes the series of it.
type watch struct {
	run *run

	mu      sync.Mutex // guards all below; snapshots are taken one at a time
	last    reading
	series  []Moment
	peakCPU float64
	now     counts
	errors  map[string]told
	rssPeak int64
	free    int64 // memory of the machine
}

// reading is what a moment of the series is compared with.
type reading struct {
	at        int64
	counts    counts
	sent      int64
	clientCPU []time.Duration // of each process with clients
	ownCPU    time.Duration
	serverCPU time.Duration
}

const (
	lookEvery   = 250 * time.Millisecond
	momentEvery = time.Second
)

// look asks all workers. Every second it adds a moment to the series.
func (w *watch) look() error { return w.ask(false) }

// lookAgain does the same and adds a moment in any case: the last one.
func (w *watch) lookAgain() error { return w.ask(true) }

func (w *watch) ask(full bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := swarm.Now()
	full = full || now-w.last.at >= int64(momentEvery-lookEvery/2)
	answers, err := w.run.all(&order{Snapshot: &snapshotOrder{Intervals: full}})
	if err != nil {
		return err
	}
	var all snapshot
	cpu, procs := make([]time.Duration, len(answers)), make([]int, len(answers))
	for i, a := range answers {
		all.add(a.Snapshot)
		cpu[i], procs[i] = a.Snapshot.CPU, a.Snapshot.Procs
	}
	w.now, w.errors, w.free = all.Counts, all.Errors, math.MaxInt64
	if free, err := host.Available(); err == nil {
		w.free = free
	}
	if full && w.run.gone == nil { // else it would have less than the one before
		w.moment(now, restored(all.Latency), restored(all.Lag), cpu, procs)
	}
	return nil
}

// moment adds a point to the series.
func (w *watch) moment(now int64, latency, lag histogram, cpu []time.Duration, procs []int) {
	r, prev, c := w.run, &w.last, &w.now
	sent := w.sent()
	m := Moment{
		AtS: r.since(now), Phase: r.phase(), Open: int(c.Open), Connecting: int(c.Connecting),
		Faults: c.Duplicated + c.Corrupted + c.Unexpected,
	}
	var usage host.Usage
	if len(r.plan.PIDs) > 0 {
		if u, err := host.Processes(host.Tree(r.plan.PIDs...)); err == nil {
			usage = u
			m.ServerRSS = u.RSS
			w.rssPeak = max(w.rssPeak, u.RSS)
		}
	}
	own := processCPU()
	if prev.at != 0 {
		s := float64(now-prev.at) / 1e9
		m.Connects = float64(c.Succeeded-prev.counts.Succeeded) / s
		m.Failures = float64(c.Failed-prev.counts.Failed) / s
		m.Drops = float64(c.Dropped-prev.counts.Dropped) / s
		m.Sent = float64(sent-prev.sent) / s
		m.Received = float64(c.Received-prev.counts.Received) / s
		total := time.Duration(0)
		for i := range cpu {
			d := cpu[i] - prev.clientCPU[i]
			total += d
			w.peakCPU = max(w.peakCPU, d.Seconds()/s/float64(min(procs[i], max(1, r.plan.loops()))))
		}
		if r.plan.workers > 0 {
			total += own - prev.ownCPU
		}
		m.ClientCPU = total.Seconds() / s
		if usage.CPU > 0 && prev.serverCPU > 0 {
			m.ServerCPU = max(0, (usage.CPU-prev.serverCPU).Seconds()/s)
		}
	}
	if latency.count() > 0 {
		m.P50MS, m.P99MS, m.MaxMS = latency.ms(50), latency.ms(99), float64(latency.hdr.Max())/1e3
	}
	if lag.count() > 0 {
		m.ClientLagMS = float64(lag.hdr.Max()) / 1e3
	}
	w.series = append(w.series, m)
	w.last = reading{now, *c, sent, cpu, own, usage.CPU}
}

// restart forgets how busy the workers were until now.
func (w *watch) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peakCPU = 0
}

// memory is how much the machine had left at the last look.
func (w *watch) memory() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.free
}

// sent is how many messages were sent so far.
func (w *watch) sent() int64 {
	if p := w.run.publisher.Load(); p != nil {
		return p.published()
	}
	return w.now.Sent
}

// state returns the newest counts.
func (w *watch) state() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// causes returns the errors so far, most frequent first.
func (w *watch) causes() []Count {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sorted(w.errors)
}

// progress tells how things stand.
func (w *watch) progress() Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := Progress{Phase: w.run.phase(), Elapsed: time.Duration(swarm.Now() - w.run.started), Errors: sorted(w.errors)}
	if len(w.series) > 0 {
		p.Moment = w.series[len(w.series)-1]
	}
	p.Moment.Open, p.Moment.Connecting = int(w.now.Open), int(w.now.Connecting)
	p.Done, p.Total, p.Unit = w.run.extent(&w.now, w.sent())
	return p
}

// sorted lists counts, greatest first.
func sorted(m map[string]told) []Count {
	list := make([]Count, 0, len(m))
	for cause, x := range m {
		list = append(list, Count{Cause: cause, Count: x.Count, Example: x.Example})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause, b.Cause))
	})
	return list
}

// ownPIDs are the processes of the tool.
func (r *run) ownPIDs() []int {
	pids := []int{os.Getpid()}
	for _, c := range r.crews {
		if x, ok := c.(*remote); ok {
			pids = append(pids, x.cmd.Process.Pid)
		}
	}
	return pids
}
