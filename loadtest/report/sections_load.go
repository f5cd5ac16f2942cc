package report

import (
	"fmt"

	"stentor/loadtest"
)

func messages(r *loadtest.Result) section {
	s, m := section{ID: "messages", Title: "Messages"}, r.Messages
	if m == nil {
		return s
	}
	s.add(when(r.Run.Scenario == "echo", "sent")+when(r.Run.Scenario != "echo", "published"), "%s", count(m.Sent))
	if m.Unsent > 0 {
		s.bad("never sent", "%s", counted(m.Unsent, sent(r)))
	}
	if m.Failed > 0 {
		s.bad("not accepted", "%s", counted(m.Failed, sent(r)))
	}
	if m.Partly > 0 {
		s.bad("accepted in part", "%s, at some of the addresses only", counted(m.Partly, sent(r)))
	}
	s.add("due", "%s", count(m.Due))
	received := count(m.Received)
	if m.TookS > 0 {
		received += fmt.Sprintf(", in %s (%s)", seconds(m.TookS), rate(m.RateS))
	}
	s.add("received", "%s", received)
	s.fault("lost", m.Lost, when(m.Due > 0, ", "+percent(float64(m.Lost)/float64(m.Due))+" of what was due"))
	s.fault("duplicated", m.Duplicated, "")
	s.fault("corrupted", m.Corrupted, "")
	if m.Reordered > 0 {
		s.fault("out of order", m.Reordered, "")
	}
	if m.Unexpected > 0 {
		s.fault("unexpected", m.Unexpected, "")
	}
	if m.Missed > 0 {
		s.add("missed", "%s, published while a client was away; not lost", count(m.Missed))
	}
	if m.ReceivedBytes+m.SentBytes > 0 {
		s.add("traffic", "%s received, %s sent", size(float64(m.ReceivedBytes)), size(float64(m.SentBytes)))
	}
	return s
}

func failures(r *loadtest.Result) section {
	if r.Messages == nil {
		return section{}
	}
	return causes("failures", "Why publications were not accepted", r.Messages.Failures)
}

func storm(t *loadtest.Storm) section {
	s := section{ID: "storm", Title: "Storm"}
	if t == nil {
		return s
	}
	s.add("dropped at once", "%s", counted(int64(t.Dropped), "connection"))
	back := fmt.Sprintf("%s of %s", count(int64(t.Returned)), count(int64(t.Dropped)))
	if t.Returned < t.Dropped {
		s.bad("back", "%s", back)
	} else {
		s.add("back", "%s", back)
	}
	if t.DownS > 0 {
		s.add("server down", "%s, until the first was back", seconds(t.DownS))
	}
	for _, p := range []struct {
		label string
		s     float64
	}{{"half back after", t.P50S}, {"95% back after", t.P95S}, {"all back after", t.P100S}} {
		if p.s > 0 {
			s.add(p.label, "%s", seconds(p.s))
		} else {
			s.add(p.label, "never")
		}
	}
	attempts := count(t.Attempts)
	if t.Returned > 0 {
		attempts += fmt.Sprintf(", %s for each that is back", digits(float64(t.Attempts)/float64(t.Returned)))
	}
	s.add("attempts", "%s", attempts)
	s.add("missed meanwhile", "%s, %s at most by one client", counted(t.Missed, "publication"), count(t.MissedMax))
	return s
}

func churn(c *loadtest.Churn) section {
	s := section{ID: "churn", Title: "Churn"}
	if c == nil {
		return s
	}
	s.add("connects", "%s (%s)", count(c.Connects), rate(c.RateS))
	s.add("disconnects", "%s", count(c.Disconnects))
	s.fault("failed", c.Failed, "")
	s.fault("behind", c.Behind, when(c.Behind > 0, ", turns at which the client was not back yet"))
	return s
}

// latencies has a row for each distribution.
func latencies(r *loadtest.Result) section {
	s := section{ID: "latency", Title: "Latency", Head: []string{"", "min", "p50", "p90", "p95", "p99", "p99.9", "max"}}
	for _, d := range distributions(r) {
		l := d.latency
		cells := make([]string, 0, 7)
		for _, ms := range []float64{l.MinMS, l.P50MS, l.P90MS, l.P95MS, l.P99MS, l.P999MS, l.MaxMS} {
			cells = append(cells, millis(ms))
		}
		s.Rows = append(s.Rows, row{Label: d.label, Cells: cells})
	}
	return s
}

// distribution is a latency with what it is of.
type distribution struct {
	id, label string // for a table
	title     string // for a chart
	latency   *loadtest.Latency
}

// distributions returns those that hold anything, the chief one first.
func distributions(r *loadtest.Result) (list []distribution) {
	add := func(id, label, title string, l *loadtest.Latency) {
		if l != nil && l.Count > 0 {
			list = append(list, distribution{id, label, title, l})
		}
	}
	if m := r.Messages; m != nil {
		what := "delivery"
		if r.Run.Scenario == "echo" {
			what = "echo"
		}
		add("message", what, "until it came", m.Latency)
		add("publish", "publishing", "until a publication was accepted", m.Publish)
	}
	if c := r.Churn; c != nil {
		add("churn", "churn", "until a connection of the churn was ready", c.Latency)
	}
	add("connect", "connecting", "until a connection was ready", r.Connect.Latency)
	add("send-lag", "tool sent late", "", r.Client.SendLag)
	add("loop-lag", "tool's loops", "", r.Client.LoopLag)
	return list
}
