package loadtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"stentor/loadtest/swarm"
)

// publisher publishes on a schedule: publication k, from 1, to channel k-1
// modulo their number. Each of its outlets gets all of them, in order.
type publisher struct {
	plan    *plan
	run     uint32
	outlets []outlet

	began   int64 // when the first publication is due; set by start
	until   int64 // what is due from then on is not published, 0: all is; set by start
	halted  chan struct{}
	stopped atomic.Int64 // when that was
	once    sync.Once
	ctx     context.Context // of publications; ends some time after halt
	cancel  context.CancelFunc
	done    chan struct{} // closed when all outlets have ended
	highest atomic.Int64  // the last publication that any outlet has begun

	mu       sync.Mutex // guards what follows
	accepted numbers    // publications that some outlet's server has accepted
	refused  numbers    // those that some outlet's server has not
	rejected int64      // publications by a WebSocket that the server has refused: which ones it does not say
	failures map[string]told
	took     histogram // until a server has answered
	lag      histogram // how late this tool was to begin them
	stall    stall     // the longest such lateness
	waited   int64     // how late the server's answers made one at most
}

// outlet is one way to publish: a server's address.
type outlet interface {
	publish(ctx context.Context, channel string, payload []byte) error
	close()
}

// requestTimeout bounds one publication.
const requestTimeout = 30 * time.Second

func newPublisher(ctx context.Context, p *plan, run uint32) (*publisher, error) {
	pub := &publisher{
		plan: p, run: run, halted: make(chan struct{}), done: make(chan struct{}),
		failures: map[string]told{}, took: newHistogram(), lag: newHistogram(),
	}
	pub.ctx, pub.cancel = context.WithCancel(context.Background())
	if p.PublishWS {
		o, err := dialOutlet(ctx, p, pub.refuse)
		if err != nil {
			return nil, fmt.Errorf("the publishing client: %w", err)
		}
		pub.outlets = append(pub.outlets, o)
		return pub, nil
	}
	bases := p.Publish
	if len(bases) == 0 {
		bases = []string{""}
	}
	for _, base := range bases {
		o, err := newHTTPOutlet(p.dialect.Publish, base)
		if err != nil {
			return nil, err
		}
		pub.outlets = append(pub.outlets, o)
	}
	return pub, nil
}

// start publishes from start on, Config.messages times, but no longer than
// Config.Duration after the warm-up, or until halt.
func (p *publisher) start(start int64) {
	p.began = start
	if s := p.plan.schedule(); p.plan.Scenario == ScenarioBroadcast && p.plan.Duration > 0 {
		p.until = start + s.due(int64(p.plan.WarmUp)+1) + int64(p.plan.Duration)
	}
	var wg sync.WaitGroup
	for _, o := range p.outlets {
		wg.Go(func() { p.serve(o) })
	}
	go func() {
		wg.Wait()
		close(p.done)
	}()
}

// serve goes through the schedule for one outlet, one publication at a time, so
// that they stay in order.
func (p *publisher) serve(o outlet) {
	s := p.plan.schedule()
	var payload []byte
	var free int64 // when the outlet had done with the publication before
	var busy backlog
	for k := int64(1); p.plan.messages == 0 || k <= int64(p.plan.messages); k++ {
		due := p.began + s.due(k)
		if p.until != 0 && due >= p.until || !p.wait(due) {
			return
		}
		select {
		case <-p.halted:
			return
		default:
		}
		began := swarm.Now()
		raise(&p.highest, k)
		channel, seq := s.place(k)
		t := token{run: p.run, stream: uint32(channel), seq: seq, due: due, warmUp: k <= int64(p.plan.WarmUp)}
		payload = appendToken(payload[:0], t, p.plan.Size)
		one, stop := context.WithTimeout(p.ctx, requestTimeout)
		err := o.publish(one, p.plan.channels[channel], payload)
		stop()
		ended := swarm.Now()
		p.note(k, timing{due, began, ended, began - max(due, free), busy.add(due, ended-began)}, err)
		free = ended
	}
}

// timing is when a publication was due, begun, and answered.
type timing struct {
	due, began, ended int64
	lag               int64 // how late this tool was with it
	waited            int64 // how late the server was, with those before it
}

// backlog is when a server is done with all so far, if it is never this tool that
// is late.
type backlog int64

// add adds a publication, and returns how long it waits for those before it.
func (b *backlog) add(due, took int64) (waited int64) {
	waited = max(0, int64(*b)-due)
	*b = backlog(due + waited + took)
	return waited
}

// wait sleeps until due and reports whether the publisher goes on.
func (p *publisher) wait(due int64) bool {
	for {
		left := time.Duration(due - swarm.Now())
		if left <= 0 {
			return true
		}
		if left <= 2*time.Millisecond {
			swarm.Sleep(left)
			return true
		}
		select {
		case <-p.halted:
			return false
		case <-time.After(left - 2*time.Millisecond):
		}
	}
}

func raise(v *atomic.Int64, to int64) {
	for old := v.Load(); old < to; old = v.Load() {
		if v.CompareAndSwap(old, to) {
			return
		}
	}
}

// note keeps how a publication went.
func (p *publisher) note(k int64, t timing, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag.recordCorrected(t.lag, int64(1e9*float64(p.plan.Burst)/p.plan.Rate))
	p.stall = p.stall.longer(stall{t.began - t.lag, t.lag})
	p.waited = max(p.waited, t.waited)
	if err != nil {
		p.refused.set(k)
		p.failedLocked(publishCause(err), "")
		return
	}
	if k > int64(p.plan.WarmUp) {
		p.took.record(t.ended - t.due)
	}
	p.accepted.set(k)
}

// refuse counts a publication that the server has refused after it was sent.
func (p *publisher) refuse(said string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rejected++
	p.failedLocked("refused by the server", said)
}

// failedLocked counts a failure by its cause.
func (p *publisher) failedLocked(cause, example string) {
	if _, ok := p.failures[cause]; !ok && len(p.failures) >= mostCauses {
		cause = "other causes"
	}
	p.failures[cause] = told{p.failures[cause].Count + 1, cmp.Or(p.failures[cause].Example, example)}
}

// numbers is a set of numbers from 1.
type numbers []uint64

func (b *numbers) set(k int64) {
	for int((k-1)/64) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[(k-1)/64] |= 1 << ((k - 1) % 64)
}

func (b numbers) has(k int64) bool {
	i := int((k - 1) / 64)
	return i < len(b) && b[i]>>((k-1)%64)&1 == 1
}

// mercy is how long a publication under way has after halt.
const mercy = time.Second

// halt ends the schedule, and soon the publication under way.
func (p *publisher) halt() {
	p.once.Do(func() {
		p.stopped.Store(swarm.Now())
		close(p.halted)
		time.AfterFunc(mercy, p.cancel)
	})
}

// end ends the schedule and the outlets. What the server has to say to the last
// publications may come until then.
func (p *publisher) end() {
	p.halt()
	<-p.done
	for _, o := range p.outlets {
		o.close()
	}
}

// published returns how many publications were begun.
func (p *publisher) published() int64 { return p.highest.Load() }

// tardiness is how late a publication may be when the schedule is ended, and is
// not missed.
const tardiness = 200 * time.Millisecond

// unsent is how many publications were due when the schedule was ended, and had
// not been begun.
func (p *publisher) unsent() int64 {
	s, end := p.plan.schedule(), p.stopped.Load()-int64(tardiness)
	if p.until != 0 {
		end = min(end, p.until)
	}
	asked := max(0, int(float64(end-p.began)/1e9*s.Rate)) + s.Burst + 1 // at most
	if p.plan.messages > 0 {
		asked = min(asked, p.plan.messages)
	}
	asked = sort.Search(asked, func(i int) bool { return p.began+s.due(int64(i)+1) >= end })
	return max(0, int64(asked)-p.published())
}

// account returns the last number of each channel, and the numbers that nobody
// has accepted.
func (p *publisher) account() (published []uint32, unsent map[int][]uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.plan.schedule()
	published, unsent = make([]uint32, s.Channels), map[int][]uint32{}
	for k := int64(1); k <= p.published(); k++ {
		channel, seq := s.place(k)
		published[channel] = seq
		if !p.accepted.has(k) {
			unsent[channel] = append(unsent[channel], seq)
		}
	}
	return published, unsent
}

// results fills in what the publisher knows.
func (p *publisher) results(m *Messages) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.Sent, m.Publish = p.published(), p.took.latency()
	for k := int64(1); k <= m.Sent; k++ {
		switch {
		case !p.accepted.has(k):
			m.Failed++
		case p.refused.has(k):
			m.Partly++
		}
	}
	m.Failed += p.rejected
	m.Unsent = p.unsent()
	m.Failures = sorted(p.failures)
}

// publishCause names an error so that equal ones can be counted.
func publishCause(err error) string {
	var status *statusError
	var sys *net.OpError
	var request *url.Error // its text has the URL, with a signature perhaps
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer within " + requestTimeout.String()
	case errors.Is(err, context.Canceled):
		return "no answer when the run ended"
	case errors.As(err, &sys):
		return sys.Op + ": " + sys.Err.Error()
	case errors.As(err, &request):
		return request.Err.Error()
	}
	return err.Error()
}
