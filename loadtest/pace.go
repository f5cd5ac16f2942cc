package loadtest

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"stentor/loadtest/swarm"
)

// Tick goes on with all that is due.
func (w *worker) Tick(l *swarm.Loop, now int64) {
	n := w.lanes[l.Index]
	n.expire(now)
	if n.halted {
		return
	}
	n.dials.proceed(n, now)
	n.redials.proceed(n, now)
	n.echoing.proceed(n, now)
	n.churning.proceed(n, now)
}

// halt ends what goes on by itself. Who is not ready by now will not be.
func (n *lane) halt() {
	n.halted = true
	n.loop.Forget()
	n.loop.SetTicks(0, 0)
	n.dials, n.redials = dialPlan{}, nil
	n.echoing.on, n.churning.on, n.returning = false, false, false
	n.clients(func(number int, cl *client) {
		if cl.stage != ready {
			n.worker.swarm.Conn(number).Abort()
		}
	})
}

// closeAll begins the closing handshake of each connection.
func (n *lane) closeAll() {
	n.halt()
	n.loop.Clients(func(c *swarm.Conn) {
		if c.Open() {
			c.Close(1000)
		} else {
			c.Abort()
		}
	})
}

// dialPlan is when clients are to be dialled for the first time.
type dialPlan struct {
	start int64
	every float64 // nanoseconds between two clients of the worker
	next  int     // number of the next client; of this lane
	on    bool
}

func (n *lane) connect(o *connectOrder) {
	n.halted = false
	n.dials = dialPlan{start: o.Start, every: o.Every, next: n.index, on: true}
	n.dials.proceed(n, swarm.Now())
}

// proceed dials who is due.
func (p *dialPlan) proceed(n *lane, now int64) {
	for p.on && p.next < len(n.worker.clients) {
		due := p.start + int64(float64(p.next)*p.every)
		if due > now {
			return
		}
		if p.every == 0 {
			// There is no time at which it is due but the one when there is room.
			if waiting, _ := n.loop.Waiting(); waiting > 2*dialAhead {
				return
			}
			due = 0
		}
		n.dial(n.worker.swarm.Conn(p.next), due)
		p.next += len(n.worker.lanes)
	}
	p.on = false
}

// dialAhead is how many dials are handed to a loop beforehand.
const dialAhead = 256

// dial connects a client. due 0 is when it begins.
func (n *lane) dial(c *swarm.Conn, due int64) {
	n.counts.Attempts++
	c.Dial(due)
}

// left is how many clients were not dialled yet.
func (p *dialPlan) left(n *lane) int {
	if !p.on {
		return 0
	}
	return (len(n.worker.clients) - p.next + len(n.worker.lanes) - 1) / len(n.worker.lanes)
}

// deadline is that of a subscription.
type deadline struct {
	number int32
	due    int64 // Conn.Due, to know the attempt
	at     int64
}

// expire ends subscriptions that take too long.
func (n *lane) expire(now int64) {
	for q := &n.subscribing; q.Len() > 0 && q.Front().at <= now; {
		x := q.Pop()
		c := n.worker.swarm.Conn(int(x.number))
		if n.worker.clients[x.number].stage == subscribing && c.Due() == x.due {
			c.Fail(silentCause)
		}
	}
}

// redials are clients that come back, by the time of it.
type redials []redial

type redial struct {
	at     int64
	number int32
}

func (r redials) Len() int           { return len(r) }
func (r redials) Less(i, j int) bool { return r[i].at < r[j].at }
func (r redials) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *redials) Push(x any)        { *r = append(*r, x.(redial)) }

func (r *redials) Pop() any {
	old := *r
	x := old[len(old)-1]
	*r = old[:len(old)-1]
	return x
}

func (r *redials) proceed(n *lane, now int64) {
	for len(*r) > 0 && (*r)[0].at <= now {
		x := heap.Pop(r).(redial)
		n.counts.Tries++
		n.dial(n.worker.swarm.Conn(int(x.number)), x.at)
	}
}

// lostConnection: the server has ended a connection.
func (n *lane) lostConnection(c *swarm.Conn, cl *client, now int64) {
	if n.returning && !n.halted {
		n.goes(c, cl, now)
		return
	}
	if n.churning.on {
		if cl.since == 0 { // else it was to be closed: the server did not answer that
			cl.since = now
		}
		n.tryAgain(c, cl, now)
	}
}

// goes notes that a client has lost its connection in a storm, and plans its
// return.
func (n *lane) goes(c *swarm.Conn, cl *client, now int64) {
	cl.gone, cl.tries = true, 0
	n.counts.Gone++
	n.counts.GoneFirst = earliest(n.counts.GoneFirst, now)
	spread := n.worker.setup.Return.Spread
	heap.Push(&n.redials, redial{now + jitter(n.loop.Random(), spread), int32(c.Number())})
}

// tryAgain plans another attempt, after a time that doubles and is random from
// half of it on, so that they do not all come at once.
func (n *lane) tryAgain(c *swarm.Conn, cl *client, now int64) {
	if n.halted {
		return
	}
	p := &n.worker.setup.Return
	wait := min(p.Backoff<<min(cl.tries, 16), p.Most)
	cl.tries = min(cl.tries+1, 16)
	heap.Push(&n.redials, redial{now + int64(wait/2) + jitter(n.loop.Random(), wait/2), int32(c.Number())})
}

func jitter(r *rand.Rand, most time.Duration) int64 {
	if most <= 0 {
		return 0
	}
	return r.Int64N(int64(most))
}

// drop drops a share of the connections, and has all come back that are lost
// from here on.
func (w *worker) drop(o *dropOrder) {
	w.pace(time.Millisecond)
	w.each(func(n *lane) {
		n.returning = true
		now := swarm.Now()
		n.clients(func(i int, cl *client) {
			if cl.stage == ready && n.loop.Random().Float64() < o.Share {
				c := w.swarm.Conn(i)
				c.Abort()
				n.goes(c, cl, now)
			}
		})
	})
}

// churnPlan ends connections and opens them again.
type churnPlan struct {
	on    bool
	start int64
	every float64
	until int64
	k     int64 // turns so far; turn k is of the lane's client k modulo their number
}

func (p *churnPlan) due(k int64) int64 { return p.start + int64(float64(k)*p.every) }

func (w *worker) churn(o *churnOrder) {
	w.pace(time.Millisecond)
	w.each(func(n *lane) {
		rate := o.Rate * float64(n.size()) / float64(len(w.clients))
		n.churning = churnPlan{on: rate > 0, start: o.Start, every: 1e9 / rate, until: o.Until}
	})
}

func (p *churnPlan) proceed(n *lane, now int64) {
	if !p.on || p.until != 0 && now > p.until {
		return
	}
	for {
		due := p.due(p.k)
		if due > now {
			return
		}
		number := n.index + int(p.k%int64(n.size()))*len(n.worker.lanes)
		p.k++
		c, cl := n.worker.swarm.Conn(number), &n.worker.clients[number]
		switch {
		case cl.since != 0: // not back yet, or not even closed
			n.counts.Behind++
		case cl.stage == ready:
			cl.since = due
			n.counts.Disconnects++
			c.Close(1000)
		}
	}
}

// waited records how long a client of the churn has been away, and how long it
// has kept waiting the turns of its own that came meanwhile.
func (p *churnPlan) waited(n *lane, number int, now int64) {
	cl := &n.worker.clients[number]
	n.churned.record(now - cl.since)
	size := int64(n.size())
	mine := int64((number - n.index) / len(n.worker.lanes))
	for k := p.k - 1 - ((p.k-1-mine)%size+size)%size; k >= 0 && p.due(k) > cl.since; k -= size {
		n.churned.record(now - p.due(k))
	}
}

// closedAsAsked: a connection has ended because the run ended it.
func (n *lane) closedAsAsked(c *swarm.Conn, now int64) {
	if n.churning.on && !n.halted {
		n.dial(c, now)
	}
}
