package loadtest

import (
	"context"
	"time"

	"stentor/loadtest/swarm"
)

// soon is when messages begin: all workers must have got their orders.
func soon() int64 { return swarm.Now() + int64(50*time.Millisecond) }

// idle holds the connections.
func (r *run) idle(ctx context.Context) error {
	r.enter("hold")
	r.opens(ctx)
	defer r.closes(ctx)
	return pause(ctx, r.plan.Duration)
}

// publish starts the publications.
func (r *run) publish(ctx context.Context) (*publisher, error) {
	if _, err := r.all(&order{Begin: true}); err != nil {
		return nil, err
	}
	p, err := newPublisher(ctx, r.plan, r.id)
	if err != nil {
		return nil, err
	}
	p.start(soon())
	r.publisher.Store(p)
	return p, nil
}

// broadcast publishes to the subscribers.
func (r *run) broadcast(ctx context.Context) error {
	p, err := r.publish(ctx)
	if err != nil {
		return err
	}
	defer r.closes(ctx)
	if r.plan.WarmUp > 0 {
		r.enter("warm-up")
		if err := r.wait(ctx, func(*counts) bool { return p.published() > int64(r.plan.WarmUp) }); err != nil {
			return err
		}
	}
	r.enter("measure")
	r.opens(ctx)
	var over <-chan time.Time
	if p.until != 0 {
		over = time.After(time.Duration(p.until-swarm.Now()) + 2*tardiness)
	}
	select {
	case <-p.done:
	case <-over:
		p.halt()
		<-p.done
	case <-ctx.Done():
		p.halt()
		<-p.done
	}
	return r.quiet(ctx, r.plan.Grace)
}

// echo sends messages and waits for them.
func (r *run) echo(ctx context.Context) error {
	count := int64(1) << 36 // more than the time allows, and little enough to be divided
	if r.plan.messages > 0 {
		count = int64(r.plan.messages)
	}
	// The workers' shares follow the connections that are open.
	answers, err := r.all(&order{Begin: true})
	if err != nil {
		return err
	}
	ready := make([]int64, len(answers))
	for i, a := range answers {
		ready[i] = a.Ready
	}
	senders := ready
	if r.plan.Rate == 0 {
		senders = portions(int64(r.plan.Concurrency), ready)
	}
	counts, warmUps := portions(count, senders), portions(int64(r.plan.WarmUp), senders)
	r.enter("measure")
	r.opens(ctx)
	defer r.closes(ctx)
	start, until := soon(), int64(0)
	if r.plan.Duration > 0 {
		until = start + int64(r.plan.Duration)
	}
	_, err = r.each(func(i int) *order {
		return &order{Echo: &echoOrder{
			Start: start, Until: until, Count: counts[i], WarmUp: warmUps[i],
			Rate: r.plan.Rate * float64(ready[i]) / float64(sum(ready)), Concurrency: int(senders[i]),
		}}
	})
	if err != nil {
		return err
	}
	if err := r.echoed(ctx, count, until); err != nil {
		return err
	}
	return r.quiet(ctx, r.plan.Grace)
}

// echoed waits until all was sent, or the time is over, or nothing comes back
// any more.
func (r *run) echoed(ctx context.Context, count, until int64) error {
	last, at := int64(-1), time.Now()
	return r.wait(ctx, func(c *counts) bool {
		if c.Sent+c.Unsent >= count || until != 0 && swarm.Now() > until {
			return true
		}
		got := c.Received + c.Corrupted + c.Sent
		if got != last || r.plan.Rate > 0 && c.Open > 0 {
			last, at = got, time.Now()
		}
		if time.Since(at) > r.plan.Grace+2*echoPatience {
			r.note("nothing went on for %v: the rest was not sent", r.plan.Grace+2*echoPatience)
			r.givenUp = max(0, r.plan.echoes()-c.Sent-c.Unsent)
			return true
		}
		return false
	})
}

// echoes is how many echoes are asked for, 0 if it is as many as there is time for.
func (p *plan) echoes() int64 {
	timed := int64(p.Rate * p.Duration.Seconds())
	switch n := int64(p.messages); {
	case p.Duration == 0:
		return n
	case n == 0:
		return timed
	default:
		return min(n, timed)
	}
}

// churn disconnects and connects.
func (r *run) churn(ctx context.Context) error {
	r.enter("measure")
	r.opens(ctx)
	start := soon()
	until := start + int64(r.plan.Duration)
	_, err := r.each(func(i int) *order {
		_, n := r.plan.share(i)
		return &order{Churn: &churnOrder{Start: start, Until: until, Rate: r.plan.Rate * float64(n) / float64(r.plan.Connections)}}
	})
	if err != nil {
		return err
	}
	err = pause(ctx, r.plan.Duration+50*time.Millisecond)
	if err == nil {
		// Those that are on their way still count.
		end, cancel := context.WithTimeout(ctx, r.plan.Timeout)
		defer cancel()
		r.enter("drain")
		r.wait(end, func(c *counts) bool {
			return c.Connecting == 0 && c.Open >= r.atBegin.Open && c.Succeeded-r.atBegin.Succeeded >= c.Disconnects
		})
	}
	r.closes(context.WithoutCancel(ctx))
	return err
}
