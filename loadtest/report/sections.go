package report

import (
	"fmt"
	"math"
	"strings"

	"stentor/loadtest"
)

// section is a table of a report: rows of a label and a value, or, where it has
// a head, columns. Terminals and pages show the same ones.
type section struct {
	ID    string
	Title string
	Head  []string // names of the columns, the first one that of the labels
	Words bool     // columns are words, and not figures
	Rows  []row
}

// row is a line of a section.
type row struct {
	Label string
	Cells []string // one where the section has no head
	Bad   bool     // has to stand out
}

// add adds a row with one value.
func (s *section) add(label, format string, args ...any) {
	s.Rows = append(s.Rows, row{Label: label, Cells: []string{fmt.Sprintf(format, args...)}})
}

// bad adds a row that has to stand out.
func (s *section) bad(label, format string, args ...any) {
	s.add(strings.ToUpper(label), format, args...)
	s.Rows[len(s.Rows)-1].Bad = true
}

// fault adds a count that should be 0.
func (s *section) fault(label string, n int64, more string) {
	if n == 0 {
		s.add(label, "0")
	} else {
		s.bad(label, "%s%s", count(n), more)
	}
}

// sections returns all tables that apply, in order, but for the one of the run.
func sections(r *loadtest.Result) []section {
	var list []section
	for _, s := range []section{
		connections(r), causes("errors", "Errors of connections", r.Errors), messages(r), failures(r),
		storm(r.Storm), churn(r.Churn), latencies(r), server(r.Server), tool(r), phases(r.Phases), thresholds(r),
	} {
		if len(s.Rows) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// about returns the table that says what was run, where and when.
func about(r *loadtest.Result) section {
	s := section{ID: "run", Title: "Run"}
	c := r.Run
	s.add("load", "%s", load(c))
	s.add("server", "%s", joined(clean(c.URL), when(c.Dialect != "", clean(c.Dialect)+" dialect")))
	if len(c.Publish) > 0 {
		s.add("published to", "%s", clean(strings.Join(c.Publish, ", ")))
	}
	s.add("started", "%s", joined(started(r), when(end(r) > 0, "took "+seconds(end(r)))))
	s.add("machine", "%s", machine(r.Machine))
	s.add("tool", "%s", joined(tools(r), when(c.Workers > 0, fmt.Sprintf("%d worker processes", c.Workers)), fmt.Sprintf("seed %d", c.Seed)))
	s.add("command", "%s", commandLine(r.Command))
	var rows []row
	for _, row := range s.Rows {
		if row.Cells[0] != "" {
			rows = append(rows, row)
		}
	}
	s.Rows = rows
	return s
}

func started(r *loadtest.Result) string {
	if r.Started.IsZero() {
		return ""
	}
	if _, offset := r.Started.Zone(); offset == 0 {
		return r.Started.Format("2006-01-02 15:04:05 UTC")
	}
	return r.Started.Format("2006-01-02 15:04:05 -07:00")
}

func machine(m loadtest.Machine) string {
	return joined(clean(m.CPU), when(m.Cores > 0, counted(int64(m.Cores), "core")),
		when(m.MemoryBytes > 0, size(float64(m.MemoryBytes))+" of memory"), clean(m.Kernel), clean(m.Arch))
}

func tools(r *loadtest.Result) string {
	return joined(when(r.Version != "", "stentor "+clean(r.Version)), clean(r.Machine.Go))
}

// load says in a line what was asked for.
func load(c loadtest.RunConfig) string {
	noun, pace := "publication", ""
	switch c.Scenario {
	case "echo":
		noun = "message"
	case "churn":
		noun, pace = "", when(c.Rate > 0, digits(c.Rate)+" new connections a second")
	}
	sends := ""
	if noun != "" && (c.Messages > 0 || c.Rate > 0) {
		sends = strings.TrimSpace(when(c.Messages > 0, counted(int64(c.Messages), noun)) +
			when(c.Messages == 0, noun+"s") + when(c.Size > 0, " of "+size(float64(c.Size))) + when(c.Rate > 0, " at "+rate(c.Rate)))
	}
	return joined(
		counted(int64(c.Connections), "connection")+when(c.ConnectRate > 0, " at "+rate(c.ConnectRate))+
			when(c.Channels > 0, " on "+counted(int64(c.Channels), "channel")),
		sends, pace,
		when(c.Concurrency > 0, fmt.Sprintf("%s at a time", count(int64(c.Concurrency)))),
		when(c.Scenario == "storm" && c.Drop > 0, percent(c.Drop)+" dropped at once"),
		when(c.WarmUp > 0, "after "+count(int64(c.WarmUp))+" to warm up"),
		when(c.DurationS > 0, "for "+seconds(c.DurationS)))
}

func connections(r *loadtest.Result) section {
	s, c := section{ID: "connections", Title: "Connections"}, r.Connect
	if c.Asked == 0 && c.Succeeded == 0 && c.Failed == 0 {
		return s
	}
	ready := fmt.Sprintf("%s of %s", count(int64(c.Succeeded)), count(int64(c.Asked)))
	if c.TookS > 0 {
		ready += fmt.Sprintf(", in %s (%s)", seconds(c.TookS), rate(c.RateS))
	}
	s.add("ready", "%s", ready)
	s.fault("failed", int64(c.Failed), "")
	s.fault("dropped", int64(c.Dropped), "")
	s.add("open at the end", "%s", count(int64(c.Open)))
	if c.Pings > 0 {
		s.add("pings answered", "%s", count(c.Pings))
	}
	return s
}

// most is how many causes are shown.
const most = 12

// causes returns the table of why something failed.
func causes(id, title string, list []loadtest.Count) section {
	s := section{ID: id, Title: title, Head: []string{"count", "cause"}, Words: true}
	var rest int64
	for i, c := range list {
		if i >= most && len(list) > most+1 {
			rest += c.Count
			continue
		}
		s.Rows = append(s.Rows, row{Label: count(c.Count), Cells: []string{clean(c.Cause) + when(c.Example != "", ": "+clean(c.Example))}})
	}
	if rest > 0 {
		s.Rows = append(s.Rows, row{Label: count(rest), Cells: []string{fmt.Sprintf("%d other causes", len(list)-most)}})
	}
	return s
}

// end is how long the run was, in seconds.
func end(r *loadtest.Result) (s float64) {
	for _, p := range r.Phases {
		s = math.Max(s, p.ToS)
	}
	for _, m := range r.Series {
		s = math.Max(s, m.AtS)
	}
	return s
}

// when returns a text if it applies.
func when(applies bool, text string) string {
	if applies {
		return text
	}
	return ""
}

// joined puts commas between the parts that are not empty.
func joined(parts ...string) string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, ", ")
}
