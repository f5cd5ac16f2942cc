package loadtest

import (
	"context"
	"slices"
	"syscall"
	"time"

	"stentor/loadtest/host"
	"stentor/loadtest/swarm"
)

// calm is how long publications go on before a storm and after it.
const calm = 2 * time.Second

// stormRest is how long a storm takes at most besides Config.Duration: to be calm
// twice, and to end and start a server.
const stormRest = 2*calm + 2*time.Minute

// storm has many connections go at once, and watches them come back.
func (r *run) storm(ctx context.Context) error {
	p, err := r.publish(ctx)
	if err != nil {
		return err
	}
	r.enter("measure")
	r.opens(ctx)
	if err := pause(ctx, calm); err != nil {
		return err
	}
	if err := r.wait(ctx, func(*counts) bool { return true }); err != nil {
		return err
	}
	r.closes(ctx)
	if err := r.drop(ctx); err != nil {
		return err
	}
	r.enter("return")
	end, cancel := context.WithTimeout(ctx, r.plan.Duration)
	defer cancel()
	err = r.wait(end, func(c *counts) bool { return c.Gone > 0 && c.Returned >= c.Gone })
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case end.Err() != nil:
		switch c := r.watch.state(); {
		case c.Gone == 0:
			r.note("no connection was lost within %v", r.plan.Duration)
		case c.Returned == 0 && r.server.ended():
			return failf("not one client was back after %v, and the restart command has ended", r.plan.Duration)
		case c.Returned == 0:
			return failf("not one client was back after %v", r.plan.Duration)
		default:
			r.note("%d of %d clients were not back after %v", c.Gone-c.Returned, c.Gone, r.plan.Duration)
		}
	case err != nil:
		return err
	}
	r.enter("calm")
	if err := pause(ctx, calm); err != nil {
		return err
	}
	p.halt()
	<-p.done
	return r.quiet(ctx, r.plan.Grace)
}

// drop has the clients or the server go.
func (r *run) drop(ctx context.Context) error {
	r.enter("drop")
	if r.plan.Drop == 0 || r.plan.Kill != "" {
		r.down = true
		if _, err := r.all(&order{Drop: &dropOrder{}}); err != nil {
			return err
		}
		if r.plan.Kill != "" {
			return r.kill(ctx)
		}
		return nil // whoever ends the server will do so
	}
	r.dropAt = swarm.Now()
	_, err := r.all(&order{Drop: &dropOrder{Share: r.plan.Drop}})
	return err
}

// kill ends the server, and starts it again if there is a command for that.
func (r *run) kill(ctx context.Context) error {
	signal := syscall.SIGTERM
	if r.plan.Kill == "KILL" {
		signal = syscall.SIGKILL
	}
	for _, pid := range r.plan.PIDs {
		if err := syscall.Kill(pid, signal); err != nil {
			return failf("cannot end process %d: %w", pid, err)
		}
	}
	if r.plan.Restart == "" {
		return nil
	}
	for end := time.Now().Add(time.Minute); ; {
		if !slices.ContainsFunc(r.plan.PIDs, func(pid int) bool { return !host.Ended(pid) }) {
			break
		}
		if time.Now().After(end) {
			return failf("the server (process %v) has not ended a minute after signal %s", r.plan.PIDs, r.plan.Kill)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	var err error
	r.server, err = restart(r.plan.Restart, r.lose)
	return err
}

// stormResult makes the account of the way back.
func (r *run) stormResult(c *counts, f *final) *Storm {
	s := &Storm{Dropped: int(c.Gone), Returned: int(c.Returned), Attempts: c.Tries, Missed: f.Missed, MissedMax: f.MissedMax}
	from := r.dropAt
	if r.down {
		from = c.GoneFirst
		if c.ReturnedFirst != 0 {
			s.DownS = float64(c.ReturnedFirst-c.GoneFirst) / 1e9
		}
	}
	slices.Sort(f.Returns)
	at := func(share float64) float64 {
		i := int(share*float64(c.Gone)+0.999999) - 1
		if i < 0 || i >= len(f.Returns) {
			return 0
		}
		return float64(f.Returns[i]-from) / 1e9
	}
	s.P50S, s.P95S, s.P100S = at(0.5), at(0.95), at(1)
	return s
}
