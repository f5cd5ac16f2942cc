package loadtest

// snapshot tells the lane's state.
func (n *lane) snapshot(s *snapshot, intervals bool) {
	s.Counts = n.counts
	waiting, inFlight := n.loop.Waiting()
	s.Counts.Connecting = int64(waiting + inFlight + n.dials.left(n) + n.subscribers())
	s.Counts.Pings, s.Counts.SentBytes, s.Counts.ReceivedBytes = n.loop.Pings, n.loop.SentBytes, n.loop.ReceivedBytes
	s.Errors = make(map[string]int64, len(n.errors))
	for cause, k := range n.errors {
		s.Errors[string(cause)] = k
	}
	if intervals {
		s.Latency, s.Lag = n.interval.take(), n.lag.interval.take()
	}
}

// subscribers is how many clients are between the handshake and ready.
func (n *lane) subscribers() (k int) {
	for _, d := range n.subscribing.list[n.subscribing.head:] {
		c := n.worker.swarm.Conn(int(d.number))
		if n.worker.clients[d.number].stage == subscribing && c.Due() == d.tries {
			k++
		}
	}
	return k
}

// finish makes the lane's account.
func (n *lane) finish(f *final, o *finishOrder) {
	w := n.worker
	n.clients(func(i int, cl *client) {
		last, unsent := cl.sent, []uint32(nil)
		if w.setup.Scenario != ScenarioEcho {
			if !cl.counted {
				return
			}
			ch := w.channelOf(i)
			last, unsent = o.Published[ch], o.Unsent[ch]
		}
		f.Due += int64(last) - int64(len(unsent))
		if cl.gone || cl.rejoin {
			cl.account.skip(last + 1)
		}
		missed := cl.account.missed(unsent)
		f.Missed += missed
		f.MissedMax = max(f.MissedMax, missed)
		f.Lost += cl.account.lost(last, unsent)
	})
	f.Connect, f.Latency, f.Churn = n.connects.peek(), n.total.peek(), n.churned.peek()
	f.Lag, f.SendLag = n.lag.total.peek(), n.sendLag.peek()
	f.Returns = n.returns
}
