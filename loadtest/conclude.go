package loadtest

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"stentor/loadtest/host"
	"stentor/loadtest/swarm"
)

// conclude asks the workers for their accounts and makes the result.
func (r *run) conclude(ctx context.Context, interrupted bool) (*Result, error) {
	if p := r.publisher.Load(); p != nil {
		p.halt()
		<-p.done
	}
	finish := r.account()
	if err := r.halt(); err != nil {
		return nil, err
	}
	if interrupted {
		if err := r.settle(ctx); err != nil {
			return nil, err
		}
	}
	if p := r.publisher.Load(); p != nil {
		p.end()
	}
	r.mu.Lock()
	r.closePhase(r.since(swarm.Now()))
	r.mu.Unlock()
	if err := r.watch.lookAgain(); err != nil {
		return nil, err
	}
	answers, err := r.all(&order{Finish: finish})
	if err != nil {
		return nil, err
	}
	sum := &final{}
	for _, a := range answers {
		sum.add(a.Final)
	}
	c := r.watch.state()
	result := &Result{
		Format: Format, Version: r.plan.Version, Command: r.plan.Command, Started: r.startedAt, Machine: Machine{host.ThisMachine(), runtime.Version()},
		Run: r.plan.runConfig(), Phases: r.phases, Errors: r.watch.causes(), Series: r.watch.series,
		Connect: r.connectResult(&c, restored(sum.Connect)),
	}
	switch r.plan.Scenario {
	case ScenarioBroadcast, ScenarioEcho, ScenarioStorm:
		result.Messages = r.messages(&c, sum)
	case ScenarioChurn:
		result.Churn = r.churnResult(&c, result.Connect.Succeeded, restored(sum.Churn))
	}
	if r.plan.Scenario == ScenarioStorm {
		result.Storm = r.stormResult(&c, sum)
	}
	if p := r.publisher.Load(); p != nil {
		sum.SendLag, sum.Stall = merged(sum.SendLag, p.lag.peek()), sum.Stall.longer(p.stall)
		// A stall of this tool while it waits for an answer looks like the server's.
		if d := time.Duration(p.waited); d > time.Second && p.took.count() > 0 && sum.Stall.Length < p.waited/2 {
			r.note("the server did not take publications at this rate: each waits for the answer to the one before, which made some %.1f s late", d.Seconds())
		}
	}
	r.usageResult(result, sum)
	result.Notes = r.notes
	for i := range r.plan.thresholds {
		result.Thresholds = append(result.Thresholds, r.plan.thresholds[i].judge(result))
	}
	return result, nil
}

// nothing says why a run that went to its end has come to nothing, if it has.
func (r *run) nothing(result *Result) string {
	c, m := &result.Connect, result.Messages
	switch {
	case m != nil && m.Due == 0 && len(m.Failures) > 0:
		return "no publication was accepted: " + m.Failures[0].Cause
	case r.plan.Scenario != ScenarioStorm && c.Open == 0 && c.Dropped > 0:
		return fmt.Sprintf("the server, or the network, has ended all connections, the last one at %.1f s", r.since(r.watch.state().DroppedLast))
	case r.plan.Scenario != ScenarioStorm && c.Open == 0:
		return "no client was connected at the end"
	case m != nil && m.Due == 0:
		return "no message was sent"
	case m != nil && m.Received == 0 && m.Lost > 0:
		return fmt.Sprintf("of %d messages that were due none came", m.Due)
	}
	return ""
}

func (p *plan) runConfig() RunConfig {
	c := RunConfig{
		Scenario: p.Scenario, URL: MaskURL(p.URL), Dialect: p.dialect.Name, Connections: p.Connections, Rate: p.Rate,
		Concurrency: p.Concurrency, WarmUp: p.WarmUp, DurationS: p.Duration.Seconds(), ConnectRate: p.ConnectRate,
		Workers: p.workers, Publish: p.Publish, Seed: p.Seed,
	}
	switch p.Scenario {
	case ScenarioBroadcast, ScenarioStorm:
		c.Channels, c.Messages, c.Size = p.Channels, p.Messages, p.Size
		if p.Scenario == ScenarioStorm && p.Kill == "" {
			c.Drop = p.Drop
		}
		if p.Burst > 1 {
			c.Burst = p.Burst
		}
		if len(p.Publish) == 0 {
			c.Publish = []string{"by a WebSocket"}
			if !p.PublishWS {
				c.Publish = []string{p.dialect.Publish.URL}
			}
		}
	case ScenarioEcho:
		c.Messages, c.Size = p.Messages, p.Size
	}
	return c
}

func (r *run) connectResult(c *counts, h histogram) Connect {
	x := Connect{
		Asked: r.plan.Connections, Succeeded: int(h.count()), Failed: int(c.Failed), Open: int(c.Open),
		Dropped: int(c.Dropped), Latency: h.latency(), Pings: c.Pings,
	}
	if r.plan.Scenario == ScenarioChurn || r.plan.Scenario == ScenarioStorm {
		x.Failed = int(r.atBegin.Failed) // what fails later is of the churn or the storm
		if r.begin.at == 0 {
			x.Failed = int(c.Failed)
		}
	}
	if took := c.ReadyLast - c.ReadyFirst; took > 0 {
		x.TookS = float64(took) / 1e9
		x.RateS = float64(x.Succeeded) / x.TookS
	}
	return x
}

func (r *run) messages(c *counts, f *final) *Messages {
	m := &Messages{
		Sent: c.Sent, Unsent: c.Unsent + r.givenUp, Due: f.Due, Received: c.Received, Lost: f.Lost, Duplicated: c.Duplicated, Reordered: c.Reordered,
		Corrupted: c.Corrupted, Unexpected: c.Unexpected, Missed: f.Missed,
		ReceivedBytes: c.ReceivedBytes, SentBytes: c.SentBytes, Latency: restored(f.Latency).latency(),
	}
	if p := r.publisher.Load(); p != nil {
		p.results(m)
	}
	if took := c.Last - c.First; c.First != 0 && took > 0 {
		m.TookS = float64(took) / 1e9
		m.RateS = float64(c.Received-c.Warm) / m.TookS
	}
	return m
}

// churnResult makes the account of a churn, after some first connections.
func (r *run) churnResult(c *counts, first int, h histogram) *Churn {
	x := &Churn{
		Connects: c.Succeeded - int64(first), Disconnects: c.Disconnects, Behind: c.Behind, Failed: max(0, c.Failed-r.atBegin.Failed), Latency: h.latency(),
	}
	if wall := min(r.window(), r.plan.Duration).Seconds(); wall > 0 {
		x.RateS = float64(x.Connects) / wall
	}
	if c.Behind > 0 {
		r.note("%d times a client was not back yet when its turn came again: the server, or this tool, cannot follow at this rate", c.Behind)
	}
	return x
}

// Bounds beyond which the tool may have set the figures.
const (
	busyShare  = 0.9
	lagBound   = 50.0 // ms, at the 99th percentile
	sendBound  = 20.0
	lagPart    = 0.1 // less of the messages' 99th percentile than this does not matter
	wholeShare = 0.95
)

// matters reports whether a lateness of the tool's is large by itself, and beside
// the latency of messages where there are any.
func matters(lag *Latency, bound float64, m *Messages) bool {
	if lag == nil || lag.P99MS <= bound {
		return false
	}
	return m == nil || m.Latency == nil || lag.P99MS > lagPart*m.Latency.P99MS
}

// standstill says that the tool did not go on for a time, if that is a large part of
// the longest latency.
func (r *run) standstill(s stall, result *Result) string {
	var longest *Latency
	switch {
	case result.Messages != nil:
		longest = result.Messages.Latency
	case result.Churn != nil:
		longest = result.Churn.Latency
	}
	ms := float64(s.Length) / 1e6
	if longest == nil || ms <= lagBound || ms <= lagPart*longest.MaxMS {
		return ""
	}
	return fmt.Sprintf("it stood still for %v, or had too much to do, at %.1f s", time.Duration(s.Length).Round(time.Millisecond), r.since(s.From))
}

// window is how long was measured, and how long what is in done took.
func (r *run) window() time.Duration {
	if r.begin.at == 0 || r.done.at == 0 {
		return 0
	}
	return time.Duration(r.done.at - r.begin.at)
}

// shares are those of the tool, and of everybody, in the machine's processors
// between two moments. The kernel finds out who is busy by its ticks and misses
// short turns; the clocks of processes do not.
func shares(from, to *usage, cores int) (own, machine float64) {
	wall := float64(to.at-from.at) * float64(cores)
	if wall <= 0 {
		return 0, 0
	}
	part := func(a, b time.Duration) float64 { return max(0, float64(b-a)/wall) }
	own = part(from.own.CPU, to.own.CPU)
	return own, max(part(from.busy, to.busy), own+part(from.server.CPU, to.server.CPU))
}

// usageResult tells what tool and server took.
func (r *run) usageResult(result *Result, sum *final) {
	u := &result.Client
	u.LoopLag, u.SendLag = restored(sum.Lag).latency(), restored(sum.SendLag).latency()
	u.PeakShare = r.watch.peakCPU
	end := r.measure(context.Background(), false)
	u.CPUSeconds, u.RSSBytes = end.own.CPU.Seconds(), r.connected.own.RSS
	if n := result.Connect.Succeeded; n > 0 && r.connected.at != 0 {
		u.RSSEach = float64(r.connected.own.RSS-r.empty.own.RSS) / float64(n)
	}
	if r.window() > 0 {
		u.CPUShare, u.MachineShare = shares(&r.begin, &r.done, result.Machine.Cores)
	}
	switch {
	case u.PeakShare > busyShare:
		u.Bottleneck = fmt.Sprintf("a worker of this tool used %.0f %% of the processors that it may use", u.PeakShare*100)
	case matters(u.LoopLag, lagBound, result.Messages):
		u.Bottleneck = fmt.Sprintf("its event loops came %.0f ms late (99th percentile)", u.LoopLag.P99MS)
	case matters(u.SendLag, sendBound, result.Messages):
		u.Bottleneck = fmt.Sprintf("it sent %.0f ms late (99th percentile)", u.SendLag.P99MS)
	}
	if s := r.standstill(sum.Stall, result); s != "" {
		if u.Bottleneck != "" {
			s = u.Bottleneck + "; " + s
		}
		u.Bottleneck = s
	}
	if u.MachineShare > wholeShare {
		r.note("all processors of this machine were busy while it was measured, %.0f %% of them with this tool: times are those of a machine that both share", u.CPUShare*100)
	}
	r.serverResult(result)
}

func (r *run) serverResult(result *Result) {
	ok := r.connected.at != 0 && (len(r.plan.PIDs) == 0 || r.connected.server.RSS > 0) // it may have crashed
	n := float64(result.Connect.Succeeded)
	if !ok || n == 0 || len(r.plan.PIDs) == 0 && len(r.plan.Metrics) == 0 {
		return
	}
	s := &Server{PIDs: host.Tree(r.plan.PIDs...), RSSEmpty: r.empty.server.RSS, RSSConnected: r.connected.server.RSS}
	s.RSSPeak = max(r.watch.rssPeak, s.RSSConnected)
	if r.connected.heap > 0 && r.empty.heap > 0 {
		s.HeapEach = new(float64(r.connected.heap-r.empty.heap) / n)
	}
	if r.connected.slab > r.empty.slab {
		s.KernelEach, s.KernelEnds = float64(r.connected.slab-r.empty.slab)/n, 1
		if r.plan.target.Addr().IsLoopback() {
			s.KernelEnds = 2
		}
	}
	if len(s.PIDs) > 0 {
		s.RSSEach = new(float64(s.RSSConnected-s.RSSEmpty) / n)
		s.CPUConnectUS = new(max(0, (r.connected.server.CPU-r.empty.server.CPU).Seconds()*1e6/n))
		if k := r.atDone.Received - r.atBegin.Received; k > 0 && r.plan.Scenario != ScenarioChurn {
			s.CPUMessageUS = new(max(0, (r.done.server.CPU-r.begin.server.CPU).Seconds()*1e6/float64(k)))
		}
	}
	if !r.down {
		end, _ := host.Processes(s.PIDs)
		s.CPUSeconds = max(0, (end.CPU - r.empty.server.CPU).Seconds())
	}
	result.Server = s
}
