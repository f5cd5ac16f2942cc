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
	second  reading // at, and clientCPU: of a second
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
	// fineTime is the beginning of a run in which each look adds a moment, unless
	// there are more workers than fineWorkers to ask.
	fineTime    = time.Minute
	fineWorkers = 4
	// leastMoment is a time in which too little happens for a rate.
	leastMoment = 50 * time.Millisecond
)

// look asks all workers. From time to time it adds a moment to the series.
func (w *watch) look() error { return w.ask(false) }

// lookAgain does the same and adds a moment in any case: at the end, and where a
// phase begins.
func (w *watch) lookAgain() error { return w.ask(true) }

// every is the time between two moments.
func (r *run) every(now int64) time.Duration {
	if now-r.started < int64(fineTime) && len(r.crews) <= fineWorkers {
		return lookEvery
	}
	return momentEvery
}

func (w *watch) ask(always bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := swarm.Now()
	passed := time.Duration(now - w.last.at)
	full := always && passed >= leastMoment || passed >= w.run.every(now)*9/10
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
	now = swarm.Now() // workers that were busy have kept this waiting: what they tell is of now
	w.now, w.errors, w.free = all.Counts, all.Errors, math.MaxInt64
	if free, err := host.Available(); err == nil {
		w.free = free
	}
	switch {
	case w.run.gone != nil: // it would have less than the one before
	case full:
		w.moment(now, restored(all.Latency), restored(all.Lag), cpu, procs)
	case always:
		w.glance(now)
	}
	return nil
}

// glance adds a point so soon after another that its rates still hold.
func (w *watch) glance(now int64) {
	m := w.series[len(w.series)-1]
	m.P50MS, m.P99MS, m.MaxMS = 0, 0, 0
	w.series = append(w.series, w.here(m, now))
}

// here puts into a moment how things stand.
func (w *watch) here(m Moment, now int64) Moment {
	c := &w.now
	m.AtS, m.Phase, m.Open, m.Connecting = w.run.since(now), w.run.phase(), int(c.Open), int(c.Connecting)
	m.Faults = c.Duplicated + c.Corrupted + c.Unexpected
	return m
}

// moment adds a point to the series.
func (w *watch) moment(now int64, latency, lag histogram, cpu []time.Duration, procs []int) {
	r, prev, c := w.run, &w.last, &w.now
	sent := w.sent()
	m := w.here(Moment{}, now)
	var usage host.Usage
	if len(r.plan.PIDs) > 0 {
		if u, err := host.Processes(host.Tree(r.plan.PIDs...)); err == nil {
			usage = u
			m.ServerRSS = u.RSS
			w.rssPeak = max(w.rssPeak, u.RSS)
		}
	}
	own := processCPU()
	w.peak(now, cpu, procs)
	if prev.at != 0 {
		s := float64(now-prev.at) / 1e9
		m.Connects = float64(c.Succeeded-prev.counts.Succeeded) / s
		m.Failures = float64(c.Failed-prev.counts.Failed) / s
		m.Drops = float64(c.Dropped-prev.counts.Dropped) / s
		m.Sent = float64(sent-prev.sent) / s
		m.Received = float64(c.Received-prev.counts.Received) / s
		total := time.Duration(0)
		for i := range cpu {
			total += cpu[i] - prev.clientCPU[i]
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

// peak keeps how busy the busiest worker was in a second.
func (w *watch) peak(now int64, cpu []time.Duration, procs []int) {
	s := float64(now-w.second.at) / 1e9
	if s < 0.9 {
		return
	}
	for i := range cpu {
		if w.second.at != 0 {
			d := cpu[i] - w.second.clientCPU[i]
			w.peakCPU = max(w.peakCPU, d.Seconds()/s/float64(min(procs[i], max(1, w.run.plan.loops()))))
		}
	}
	w.second = reading{at: now, clientCPU: cpu}
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
