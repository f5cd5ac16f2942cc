package report

import (
	"fmt"

	"stentor/loadtest"
)

func server(v *loadtest.Server) section {
	s := section{ID: "server", Title: "Server"}
	if v == nil {
		return s
	}
	if v.RSSPeak > 0 {
		s.add("memory", "%s empty, %s connected, %s at most", size(float64(v.RSSEmpty)), size(float64(v.RSSConnected)), size(float64(v.RSSPeak)))
	}
	each := joined(measured(v.RSSEach, size, " resident"), measured(v.HeapEach, size, " live heap"),
		when(v.KernelEach > 0, size(v.KernelEach)+" kernel"+when(v.KernelEnds == 2, " for both ends")))
	if each != "" {
		s.add("for a connection", "%s", each)
	}
	s.add("CPU", "%s", joined(seconds(v.CPUSeconds), measured(v.CPUConnectUS, micros, " for a connect"), measured(v.CPUMessageUS, micros, " for a message")))
	if n := len(v.PIDs); n > 1 {
		s.add("processes", "%d", n)
	}
	return s
}

// measured shows a value with what it is, and nothing if it was not measured.
func measured(v *float64, show func(float64) string, what string) string {
	if v == nil {
		return ""
	}
	return show(*v) + what
}

func micros(us float64) string { return millis(us / 1e3) }

func tool(r *loadtest.Result) section {
	s, c := section{ID: "tool", Title: "The tool itself"}, r.Client
	if c.Bottleneck != "" {
		s.bad("bottleneck", "%s", clean(c.Bottleneck))
	}
	if c.CPUSeconds > 0 {
		s.add("CPU", "%s, %s of the cores while it measured; the busiest process at most %s of what it may use, in a second",
			seconds(c.CPUSeconds), percent(c.CPUShare), percent(c.PeakShare))
	}
	if c.MachineShare > 0 {
		s.add("whole machine", "%s busy while it measured", percent(c.MachineShare))
	}
	if c.RSSBytes > 0 {
		s.add("memory", "%s", size(float64(c.RSSBytes))+when(c.RSSEach > 0, ", "+size(c.RSSEach)+" for a connection"))
	}
	return s
}

func phases(list []loadtest.Phase) section {
	s := section{ID: "phases", Title: "Phases", Head: []string{"", "from", "took"}}
	for _, p := range list {
		s.Rows = append(s.Rows, row{Label: clean(p.Name), Cells: []string{seconds(p.FromS), seconds(p.ToS - p.FromS)}})
	}
	return s
}

func thresholds(r *loadtest.Result) section {
	s := section{ID: "thresholds", Title: "Thresholds", Head: []string{"", "measured", "fails if"}, Words: true}
	for _, t := range r.Thresholds {
		word := "kept" + when(r.Interrupted, " until then")
		if t.Missed {
			word = "MISSED"
		}
		shown := clean(t.Shown)
		if shown == "" {
			shown = fmt.Sprint(t.Value)
		}
		s.Rows = append(s.Rows, row{Label: word, Cells: []string{shown, clean(t.Rule)}, Bad: t.Missed})
	}
	return s
}
