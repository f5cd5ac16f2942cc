package loadtest

import "stentor/loadtest/swarm"

// snapshot tells the lane's state.
func (n *lane) snapshot(s *snapshot, intervals bool) {
	s.Counts = n.counts
	waiting, inFlight := n.loop.Waiting()
	s.Counts.Connecting = int64(waiting + inFlight + n.dials.left(n) + n.subscribers)
	s.Counts.Pings, s.Counts.SentBytes, s.Counts.ReceivedBytes = n.loop.Pings, n.loop.SentBytes, n.loop.ReceivedBytes
	s.Errors = make(map[string]told, len(n.errors))
	for cause, k := range n.errors {
		s.Errors[string(cause)] = k
	}
	if intervals {
		s.Latency, s.Lag = n.interval.take(), n.lag.interval.take()
	}
}

// ready is how many clients are ready.
func (n *lane) ready() (k int64) {
	n.clients(func(_ int, cl *client) {
		if cl.stage == ready {
			k++
		}
	})
	return k
}

// begin marks the clients that are ready as those that messages are due to, and
// returns how many they are.
func (n *lane) begin() int64 {
	n.clients(func(_ int, cl *client) { cl.counted = cl.counted || cl.stage == ready })
	return n.ready()
}

// busy is how many clients have a connection, or are about to.
func (n *lane) busy() (k int64) {
	n.loop.Clients(func(c *swarm.Conn) {
		if !c.Idle() {
			k++
		}
	})
	return k
}

// owed is what a client's account is judged by: the last number that was sent to
// it, and those that were not sent. due is false if messages are not due to it.
func (n *lane) owed(number int, cl *client, o *finishOrder) (last uint32, unsent []uint32, due bool) {
	w := n.worker
	if w.setup.Scenario == ScenarioEcho {
		return cl.sent, nil, true
	}
	ch := w.channelOf(number)
	return o.Published[ch], o.Unsent[ch], cl.counted
}

// firstOwed is the first number that is due to a client that has received nothing
// since it was back.
func (n *lane) firstOwed(number int, cl *client, o *finishOrder, last uint32) uint32 {
	if cl.gone {
		return last + 1
	}
	w := n.worker
	return w.setup.Schedule.firstAfter(o.Start, w.channelOf(number), cl.account.expected(), last+1, cl.since)
}

// missing is how many messages have not come yet to clients that are there.
func (n *lane) missing(o *finishOrder) (sum int64) {
	n.clients(func(i int, cl *client) {
		last, unsent, due := n.owed(i, cl, o)
		switch {
		case !due || cl.stage != ready:
		case cl.rejoin:
			sum += int64(last) + 1 - int64(n.firstOwed(i, cl, o, last))
		default:
			sum += cl.account.missing(last, unsent)
		}
	})
	return sum
}

// finish makes the lane's account.
func (n *lane) finish(f *final, o *finishOrder) {
	n.clients(func(i int, cl *client) {
		last, unsent, due := n.owed(i, cl, o)
		if !due {
			return
		}
		f.Due += int64(last) - int64(len(unsent))
		if cl.gone || cl.rejoin {
			cl.account.skip(n.firstOwed(i, cl, o, last))
		}
		missed := cl.account.missed(unsent)
		f.Missed += missed
		f.MissedMax = max(f.MissedMax, missed)
		f.Lost += cl.account.lost(last, unsent)
	})
	if now := swarm.Now(); n.churning.every != 0 { // who is not back has waited until now
		n.clients(func(i int, cl *client) {
			if cl.since != 0 {
				n.churning.waited(n, i, now)
				cl.since = 0
			}
		})
	}
	f.Connect, f.Latency, f.Churn = n.connects.peek(), n.total.peek(), n.churned.peek()
	f.Lag, f.SendLag = n.lag.total.peek(), n.sendLag.peek()
	f.Returns, f.Stall = n.returns, n.lag.worst
}
