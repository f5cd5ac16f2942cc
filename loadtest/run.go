package loadtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stentor/loadtest/host"
	"stentor/loadtest/swarm"
)

// run is a load test that goes on.
type run struct {
	plan      *plan
	id        uint32
	started   int64 // swarm.Now
	startedAt time.Time
	crews     []crew
	watch     *watch
	enough    int64 // bytes of memory that have to stay free
	publisher atomic.Pointer[publisher]
	lose      context.CancelCauseFunc // ends what is played

	mu     sync.Mutex // guards phases and notes
	phases []Phase
	notes  []string

	empty, connected, begin, done usage // at those moments
	atBegin, atDone               counts
	dropAt                        int64
	down                          bool  // the server went, not the clients
	gone                          error // a worker that has, while others have not
	server                        *restarted
	givenUp                       int64 // echoes that were not sent since nothing went on
}

// failure is what ends a run early, with a result that tells of it.
type failure struct{ error }

func failf(format string, args ...any) error { return &failure{fmt.Errorf(format, args...)} }

var (
	errNobody = failf("no connection became ready")
	errMemory = failf("the memory of this machine ran out: the run was stopped before the kernel would")
)

// Run runs a load test. A fault of the configuration is an *Error. When ctx is
// cancelled the run ends early, and the result tells what there was until then.
// A run that could not go on, for want of a server or of memory for example, or
// because a worker process has died, has a result with Failed set, and no error.
//
// Run may be called from any goroutine, but one at a time in a process: what a
// process takes is measured as a whole.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	p, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(p.checkDialect(), p.checkMeasured()); err != nil {
		return nil, &Error{err}
	}
	if err := p.checkHost(); err != nil {
		return nil, err
	}
	r := &run{plan: p, started: swarm.Now(), startedAt: time.Now()}
	r.id = uint32(r.started ^ r.started>>32 ^ int64(p.Seed))
	r.watch, r.enough = &watch{run: r}, enoughMemory()
	defer r.end()
	if err := r.setUp(); err != nil {
		return nil, err
	}
	playing, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	r.lose = lose
	stop := r.follow(lose)
	err = r.play(playing)
	interrupted := ctx.Err() != nil
	if interrupted && errors.Is(err, context.Cause(ctx)) {
		err = nil
	}
	if lost := stop(); err == nil {
		err = lost
	}
	var failed *failure
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	result, finishErr := r.conclude(context.WithoutCancel(ctx), interrupted)
	if finishErr != nil {
		return nil, finishErr
	}
	result.Interrupted = interrupted
	if err == nil && r.gone != nil {
		err = r.gone
		errors.As(err, &failed)
	}
	if err != nil && !interrupted {
		result.Failed = failed.Error()
		if errors.Is(err, errNobody) && len(result.Errors) > 0 {
			result.Failed += ": " + result.Errors[0].Cause
			if said := result.Errors[0].Example; said != "" {
				result.Failed += ": " + said
			}
			if swarm.Cause(result.Errors[0].Cause) == silentCause {
				result.Failed += fmt.Sprintf(" (it was spoken to in the dialect %s: is that the server's?)", r.plan.dialect.Name)
			}
			if path, _, _ := strings.Cut(r.plan.path, "?"); path == "/" && result.Errors[0].Cause == "HTTP status 404" {
				result.Failed += " (there is no path in the URL: is it /ws, or /raw/CHANNEL?)"
			}
		}
	}
	if result.Failed == "" && !interrupted {
		result.Failed = r.nothing(result)
	}
	return result, nil
}

// setUp starts the workers.
func (r *run) setUp() error {
	p := r.plan
	for i := range p.processes() {
		if p.workers == 0 {
			r.crews = append(r.crews, &local{worker: new(worker)})
		} else {
			w, err := startRemote(p.WorkerCommand, i)
			if err != nil {
				return err
			}
			r.crews = append(r.crews, w)
		}
	}
	if p.workers > 0 && p.Workers == 0 {
		r.note("%d worker processes, since one may have %d descriptors", p.workers, p.limit)
	}
	_, err := r.each(func(i int) *order {
		first, count := p.share(i)
		return &order{Setup: &setup{
			Scenario: p.Scenario, Run: r.id, Seed: p.Seed + uint64(i)<<32, Target: p.target, Sources: p.sources(i), Host: p.hostHeader(), Path: p.path,
			First: first, Clients: count, Loops: min(p.loops(), count), Workers: p.processes(), InFlight: max(1, p.InFlight/p.processes()), Timeout: p.Timeout,
			Dialect: *p.dialect, Channels: p.channels, Size: p.Size, MaxSeq: p.maxSeq(), Schedule: p.schedule(),
			Return: returnPolicy{p.Spread, p.Backoff, max(p.Backoff, 5*time.Second)},
		}}
	})
	return err
}

func (p *plan) hostHeader() string {
	if h := p.dialect.Headers["Host"]; h != "" {
		return h
	}
	return p.host
}

// maxSeq bounds the numbers of publications.
func (p *plan) maxSeq() uint32 {
	most := float64(p.messages)
	if p.Scenario == ScenarioStorm {
		most = p.Rate * (p.Duration + stormRest).Seconds()
	}
	return uint32(min(most/float64(len(p.channels)), math.MaxUint32-2)) + 1
}

func (p *plan) schedule() schedule { return schedule{p.Rate, p.Burst, len(p.channels)} }

// each gives every worker its order, all at once, and returns their answers.
func (r *run) each(f func(i int) *order) ([]*answer, error) {
	answers, errs := make([]*answer, len(r.crews)), make([]error, len(r.crews))
	var wg sync.WaitGroup
	for i, c := range r.crews {
		wg.Go(func() { answers[i], errs[i] = c.do(f(i)) })
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}

// all gives all workers the same order.
func (r *run) all(o *order) ([]*answer, error) { return r.each(func(int) *order { return o }) }

// halt stops all that goes on. Workers that have gone are left out from here on.
func (r *run) halt() error {
	_, err := r.all(&order{Halt: true})
	all := len(r.crews)
	left := slices.DeleteFunc(slices.Clone(r.crews), crew.gone)
	if len(left) == all || len(left) == 0 {
		return err
	}
	r.crews, r.gone = left, err
	r.note("what the clients of %d of %d workers have seen is in no figure: they have gone", all-len(left), all)
	return nil
}

// end lets all processes end.
func (r *run) end() {
	if p := r.publisher.Load(); p != nil {
		p.end()
	}
	var wg sync.WaitGroup
	for _, c := range r.crews {
		wg.Go(c.end)
	}
	wg.Wait()
	r.server.end()
}

// follow looks at the workers and tells the progress, until the function that it
// returns is called. If a worker has gone, or the memory does, lose is called,
// and that function returns the same error.
func (r *run) follow(lose context.CancelCauseFunc) (stop func() error) {
	quit, ended := make(chan struct{}), make(chan error)
	go func() {
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		for {
			select {
			case <-quit:
				ended <- nil
				return
			case <-t.C:
			}
			err := r.watch.look()
			if err == nil && r.watch.memory() < r.enough {
				err = errMemory
			}
			if err != nil {
				lose(err)
				<-quit
				ended <- err
				return
			}
			if r.plan.OnProgress != nil {
				r.plan.OnProgress(r.watch.progress())
			}
		}
	}()
	return func() error {
		close(quit)
		return <-ended
	}
}

func (r *run) since(at int64) float64 { return float64(at-r.started) / 1e9 }

// enter begins a phase.
func (r *run) enter(name string) {
	if r.phase() != "" {
		r.watch.lookAgain() // a worker that has gone is noticed soon enough
	}
	r.begins(name)
	if name == "connect" {
		r.watch.lookAgain()
	}
}

func (r *run) begins(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.since(swarm.Now())
	if n := len(r.phases); n > 0 && r.phases[n-1].Name == name { // an interrupted drain goes on
		return
	}
	r.closePhase(now)
	r.phases = append(r.phases, Phase{Name: name, FromS: now})
}

func (r *run) closePhase(now float64) {
	if n := len(r.phases); n > 0 && r.phases[n-1].ToS == 0 {
		r.phases[n-1].ToS = now
	}
}

func (r *run) phase() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.phases) == 0 {
		return ""
	}
	return r.phases[len(r.phases)-1].Name
}

// phaseTime is how long the phase has lasted.
func (r *run) phaseTime() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.phases) == 0 {
		return 0
	}
	return time.Duration((r.since(swarm.Now()) - r.phases[len(r.phases)-1].FromS) * 1e9)
}

// note keeps something that a reader has to know, once.
func (r *run) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := fmt.Sprintf(format, args...); !slices.Contains(r.notes, s) {
		r.notes = append(r.notes, s)
	}
}

// extent is how far the phase has come.
func (r *run) extent(c *counts, sent int64) (done, total int64, unit string) {
	seconds := func(d time.Duration) (int64, int64, string) {
		return int64(r.phaseTime().Seconds()), int64(d.Seconds()), "seconds"
	}
	switch r.phase() {
	case "connect":
		return c.Succeeded + c.Failed, int64(r.plan.Connections), "connections"
	case "hold":
		return seconds(r.plan.Duration)
	case "return":
		return c.Returned, c.Gone, "connections"
	case "drain":
		return c.Received, 0, "messages"
	case "warm-up", "measure":
		switch {
		case r.plan.Scenario == ScenarioChurn || r.plan.messages == 0 && r.plan.Scenario == ScenarioEcho:
			return seconds(r.plan.Duration)
		case r.plan.Scenario == ScenarioEcho:
			return sent, int64(r.plan.messages), "messages"
		default:
			return sent, int64(r.plan.messages), "publications"
		}
	}
	if sent > 0 {
		return sent, 0, "publications"
	}
	return 0, 0, ""
}

// wait looks until a condition holds or ctx ends. It is told the newest counts.
func (r *run) wait(ctx context.Context, ok func(c *counts) bool) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.watch.look(); err != nil {
			return err
		}
		if c := r.watch.state(); ok(&c) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond * time.Duration(max(1, len(r.crews)/6))):
		}
	}
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// play goes through the scenario.
func (r *run) play(ctx context.Context) error {
	if _, err := r.plan.liveHeap(ctx); err != nil {
		return &Error{err}
	}
	r.empty = r.measure(ctx, true)
	if len(r.plan.Metrics) > 0 { // that took time of the server
		r.empty.server, _ = host.Processes(host.Tree(r.plan.PIDs...))
	}
	if err := r.connect(ctx); err != nil {
		return err
	}
	switch r.plan.Scenario {
	case ScenarioIdle:
		return r.idle(ctx)
	case ScenarioBroadcast:
		return r.broadcast(ctx)
	case ScenarioEcho:
		return r.echo(ctx)
	case ScenarioChurn:
		return r.churn(ctx)
	default:
		return r.storm(ctx)
	}
}

// connect opens all connections.
func (r *run) connect(ctx context.Context) error {
	r.enter("connect")
	start := swarm.Now() + int64(10*time.Millisecond)
	workers := float64(r.plan.processes())
	_, err := r.each(func(i int) *order {
		o := &connectOrder{Start: start}
		if r.plan.ConnectRate > 0 {
			gap := 1e9 / r.plan.ConnectRate
			o.Start, o.Every = start+int64(float64(i)*gap), gap*workers
		}
		return &order{Connect: o}
	})
	if err != nil {
		return err
	}
	err = r.wait(ctx, func(c *counts) bool {
		return c.Connecting == 0 && c.Succeeded+c.Failed >= int64(r.plan.Connections)
	})
	if err != nil {
		return err
	}
	r.connected = r.measure(ctx, true)
	c := r.watch.state()
	if c.Open == 0 {
		return errNobody
	}
	if c.Failed > 0 {
		r.note("%d of %d connections failed; the run goes on with the others", c.Failed, r.plan.Connections)
	}
	return nil
}

// opens marks the beginning of what is measured, and closes the end. While
// clients connect, loops are late because they do nothing else.
func (r *run) opens(ctx context.Context) {
	r.all(&order{Measure: true}) // a worker that has gone is noticed soon enough
	r.watch.restart()
	r.begin, r.atBegin = r.measure(ctx, false), r.watch.state()
}

func (r *run) closes(ctx context.Context) {
	if r.done.at == 0 {
		r.done, r.atDone = r.measure(ctx, false), r.watch.state()
	}
}

// aftermath is how long to listen on when all is there: what comes twice comes
// last.
const aftermath = 300 * time.Millisecond

// quiet waits until nothing is missing any more, or nothing has come for a while.
func (r *run) quiet(ctx context.Context, grace time.Duration) error {
	r.enter("drain")
	last, closed, at := int64(-1), int64(-1), time.Now()
	var lost error
	err := r.wait(ctx, func(c *counts) bool {
		if got := c.Received + c.Corrupted + c.Duplicated; got != last {
			last, at = got, time.Now()
		}
		silent := time.Since(at)
		if silent <= aftermath {
			return false
		}
		if closed != last && r.plan.Scenario != ScenarioStorm {
			closed, r.done.at = last, 0
			r.closes(ctx) // what is waited for in vain is not measured
		}
		var missing int64
		missing, lost = r.missing()
		return missing == 0 || silent > grace || lost != nil
	})
	return errors.Join(err, lost)
}

// account is what the workers' accounts are judged by.
func (r *run) account() *finishOrder {
	o := &finishOrder{Published: make([]uint32, len(r.plan.channels))}
	if p := r.publisher.Load(); p != nil {
		o.Start = p.began
		o.Published, o.Unsent = p.account()
	}
	return o
}

// missing asks how many messages have not come yet.
func (r *run) missing() (n int64, err error) {
	answers, err := r.all(&order{Missing: r.account()})
	if err != nil {
		return 0, err
	}
	for _, a := range answers {
		n += a.Missing
	}
	return n, nil
}

// settle lets come what is under way when a run is interrupted: it is not lost.
func (r *run) settle(ctx context.Context) error {
	if r.plan.Scenario != ScenarioEcho && r.publisher.Load() == nil {
		return nil
	}
	return r.quiet(ctx, min(r.plan.Grace, time.Second))
}
