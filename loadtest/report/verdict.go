package report

import (
	"strings"

	"stentor/loadtest"
)

// verdict is what a run comes to, in a line.
type verdict struct {
	Kind string // "good", "warn" or "bad"
	Word string
	Text string
}

func (v verdict) String() string {
	if v.Text == "" {
		return v.Word
	}
	return v.Word + ": " + v.Text
}

// judge takes the gravest of what there is for the word, and tells all of it.
func judge(r *loadtest.Result) verdict {
	v := verdict{Kind: "good", Word: "OK"}
	var parts []string
	missed := 0
	for _, t := range r.Thresholds {
		if t.Missed {
			missed++
		}
	}
	faults, trouble := messageFaults(r), connectionFaults(r)
	switch {
	case r.Failed != "":
		v.Kind, v.Word = "bad", "FAILED"
		parts = append(parts, clean(r.Failed))
	case missed > 0:
		v.Kind, v.Word = "bad", "FAILED"
	case r.Interrupted:
		v.Kind, v.Word = "warn", "INTERRUPTED"
		parts = append(parts, "the figures are those until then")
	case len(r.Thresholds) > 0:
		v.Word = "PASSED"
		if len(faults)+len(trouble) > 0 {
			v.Kind = "warn"
		}
	case r.Connect.Succeeded == 0 || r.Messages != nil && r.Messages.Due == 0:
		v.Kind, v.Word = "bad", "NOTHING MEASURED"
	case len(faults) > 0:
		v.Kind, v.Word = "bad", "FAULTS"
	case len(trouble) > 0:
		v.Kind, v.Word = "warn", "TROUBLE"
	}
	switch n := len(r.Thresholds); {
	case missed > 0:
		parts = append(parts, count(int64(missed))+" of "+counted(int64(n), "threshold")+" MISSED")
	case n > 0 && !r.Interrupted: // else they say nothing
		parts = append(parts, count(int64(n))+" of "+counted(int64(n), "threshold")+" kept")
	}
	if r.Interrupted && v.Word != "INTERRUPTED" {
		parts = append(parts, "interrupted")
	}
	parts = append(append(parts, faults...), trouble...)
	if m := r.Messages; m != nil && m.Due > 0 && len(faults) == 0 {
		parts = append(parts, "no message lost, duplicated or corrupted")
	}
	if r.Messages == nil && r.Failed == "" && len(trouble) == 0 && r.Connect.Succeeded > 0 {
		parts = append(parts, "no connection failed or was dropped")
	}
	v.Text = strings.Join(parts, "; ")
	return v
}

// messageFaults says what went wrong with messages, loudly.
func messageFaults(r *loadtest.Result) (list []string) {
	m := r.Messages
	if m == nil {
		return nil
	}
	for _, f := range []struct {
		n    int64
		word string
	}{
		{m.Lost, "LOST"}, {m.Duplicated, "DUPLICATED"}, {m.Corrupted, "CORRUPTED"},
		{m.Reordered, "OUT OF ORDER"}, {m.Unexpected, "UNEXPECTED"},
	} {
		if f.n > 0 {
			list = append(list, counted(f.n, "message")+" "+f.word)
		}
	}
	if m.Unsent > 0 {
		list = append(list, counted(m.Unsent, sent(r))+" NEVER SENT")
	}
	if m.Failed > 0 {
		list = append(list, counted(m.Failed, sent(r))+" NOT ACCEPTED")
	}
	if m.Partly > 0 {
		list = append(list, counted(m.Partly, sent(r))+" NOT ACCEPTED EVERYWHERE")
	}
	return list
}

// sent is what one of the things that were sent is called.
func sent(r *loadtest.Result) string {
	if r.Run.Scenario == "echo" {
		return "message"
	}
	return "publication"
}

// connectionFaults says what went wrong with connections.
func connectionFaults(r *loadtest.Result) (list []string) {
	if n := int64(r.Connect.Failed); n > 0 {
		list = append(list, counted(n, "connection")+" FAILED")
	}
	if n := int64(r.Connect.Dropped); n > 0 {
		list = append(list, counted(n, "connection")+" DROPPED by the server or the network")
	}
	if c := r.Churn; c != nil && c.Failed > 0 {
		list = append(list, counted(c.Failed, "connect")+" of the churn FAILED")
	}
	if c := r.Churn; c != nil && c.Behind > 0 {
		list = append(list, "clients were BEHIND at "+counted(c.Behind, "turn"))
	}
	if n := int64(r.Connect.Succeeded - r.Connect.Open); r.Churn != nil && n > 0 && !r.Interrupted {
		list = append(list, counted(n, "connection")+" NOT BACK")
	}
	if s := r.Storm; s != nil && s.Returned < s.Dropped {
		list = append(list, counted(int64(s.Dropped-s.Returned), "connection")+" NOT BACK")
	}
	return list
}
