package loadtest

import (
	"time"

	"stentor/loadtest/swarm"
)

// echoPlan is what a lane has to send in an echo test.
type echoPlan struct {
	on     bool
	closed bool // a closed loop: an answer sends the next
	start  int64
	every  float64 // open loop: nanoseconds between two messages
	until  int64
	count  int64 // messages in all
	warmUp int64 // of them
	sent   int64 // or due while nobody was there
	next   int   // index among the lane's clients
	active []int // closed loop: clients with a message under way
	check  int64 // when to look for answers that do not come
}

// echoPatience is how long a closed loop waits for an answer before its client
// sends the next message.
const echoPatience = 5 * time.Second

// slowEcho is a rate of a loop below which it is woken when an echo is due, and
// seldom else.
const slowEcho = 1000

// echo divides an order among the lanes by their clients that are ready.
func (w *worker) echo(o *echoOrder) {
	lanes := len(w.lanes)
	slow := o.Rate < slowEcho*float64(lanes) // each lane has ticks of its own
	switch {
	case slow:
		w.pace(0)
	case o.Rate > 0:
		w.pace(min(time.Millisecond, time.Duration(1e9/o.Rate/4)))
	}
	there := w.tally((*lane).ready)
	senders := there
	if o.Rate == 0 {
		senders = portions(int64(o.Concurrency), there)
	}
	counts, warmUps := portions(o.Count, senders), portions(o.WarmUp, senders)
	all := sum(there)
	w.each(func(n *lane) {
		p := &n.echoing
		*p = echoPlan{
			on: senders[n.index] > 0, closed: o.Rate == 0, start: o.Start, until: o.Until,
			count: counts[n.index], warmUp: warmUps[n.index], check: swarm.Now() + int64(echoPatience),
		}
		if !p.closed {
			p.every = 1e9 / o.Rate * float64(all) / float64(max(1, there[n.index]))
			p.start += int64(float64(n.index) * p.every / float64(lanes))
			if slow && p.on {
				n.loop.SetTicks(p.start, p.every)
			}
			return
		}
		left := senders[n.index]
		n.clients(func(number int, c *client) {
			if left > 0 && c.stage == ready {
				left--
				p.active = append(p.active, number)
				n.say(number, swarm.Now())
			}
		})
	})
}

// portions divides n among some in proportion to their weights. Who has none
// gets nothing, and if nobody has nothing is divided.
func portions(n int64, weights []int64) []int64 {
	parts, all, before := make([]int64, len(weights)), max(1, sum(weights)), int64(0)
	for i, w := range weights {
		parts[i] = n*(before+w)/all - n*before/all
		before += w
	}
	return parts
}

func sum(list []int64) (n int64) {
	for _, v := range list {
		n += v
	}
	return n
}

// proceed sends what is due, in an open loop; in a closed one it gives up answers
// that do not come.
func (p *echoPlan) proceed(n *lane, now int64) {
	switch {
	case !p.on:
	case p.closed:
		if now < p.check {
			return
		}
		p.check = now + int64(time.Second)
		for _, number := range p.active {
			cl := &n.worker.clients[number]
			if cl.stage == ready && cl.sentAt != 0 && cl.sentAt < now-int64(echoPatience) {
				n.say(number, now)
			}
		}
	default:
		for p.sent < p.count {
			due := p.start + int64(float64(p.sent)*p.every)
			if due > now || p.until != 0 && due > p.until {
				return
			}
			number, found := p.turn(n)
			if !found { // nobody is there
				p.sent++
				n.counts.Unsent++
				continue
			}
			n.sendLag.record(swarm.Now() - due)
			n.say(number, due)
		}
	}
}

// turn finds the next client that is ready.
func (p *echoPlan) turn(n *lane) (number int, found bool) {
	for range n.size() {
		number = n.index + p.next*len(n.worker.lanes)
		p.next = (p.next + 1) % n.size()
		if n.worker.clients[number].stage == ready {
			return number, true
		}
	}
	return 0, false
}

// say sends a client's next message, if there are any left.
func (n *lane) say(number int, due int64) {
	p, w := &n.echoing, n.worker
	cl := &w.clients[number]
	cl.sentAt = 0
	if !p.on || p.sent >= p.count || p.until != 0 && due > p.until {
		return
	}
	cl.sent++
	t := token{run: w.setup.Run, stream: w.stream(number), seq: cl.sent, due: due, warmUp: p.sent < p.warmUp}
	p.sent++
	n.counts.Sent++
	n.payload = appendToken(n.payload[:0], t, w.setup.Size)
	if p.closed {
		cl.sentAt = due
	}
	n.write(w.swarm.Conn(number), &w.send, n.payload)
}

// answered goes on in a closed loop.
func (n *lane) answered(c *swarm.Conn, cl *client, now int64) {
	if n.echoing.closed && n.echoing.on && cl.sentAt != 0 {
		n.say(c.Number(), now)
	}
}
