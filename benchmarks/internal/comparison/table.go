package comparison

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table is a table of figures for people.
type Table struct {
	Name string // for the document's markers
	Head []string
	Rows [][]string
}

// column is a column of a table: a figure at a number of connections.
type column struct {
	head        string
	connections int
	name        string
}

// Tables returns the tables of a run.
func (f *File) Tables() []Table {
	size, large := f.Plan.Size, f.Plan.LargeSize
	levels := f.levels()
	most := 0
	if len(levels) > 0 {
		most = levels[len(levels)-1]
	}
	at := func(n int) string { return thousands(n) + " connections" }
	each := func(name string) (list []column) {
		for _, n := range levels {
			list = append(list, column{at(n), n, name})
		}
		return list
	}
	more := func(list []column, head, name string) []column { return append(list, column{head, most, name}) }

	memory := more(more(each(IdleRSS), "freed", IdleFreed), "live", IdleLive)
	handshake := more(each(HandshakeCPU), "handshakes/s", HandshakeRate)
	serial := more(more(each(Sized(SerialCPU, size)), "1 KiB", Sized(SerialCPU, large)), "deliveries/s", Sized(SerialRate, size))
	burst := more(more(each(Sized(BurstCPU, size)), "1 KiB", Sized(BurstCPU, large)), "deliveries/s", Sized(BurstRate, size))
	var paced, echo []column
	for _, n := range levels {
		paced = append(paced, column{"p50, " + thousands(n), n, Sized(PacedP50, size)}, column{"p99, " + thousands(n), n, Sized(PacedP99, size)})
	}
	echoAt := f.level(EchoRate)
	echo = []column{{"messages/s", echoAt, EchoRate}, {"CPU, µs", echoAt, EchoCPU}}
	return []Table{
		f.servers(),
		f.table("memory", memory, IdleRSS, SubscriberRSS, IdleFreed, SubscriberFreed, IdleLive, SubscriberLive),
		f.table("handshake", handshake, HandshakeCPU, SubscribeCPU, HandshakeRate, SubscribeRate),
		f.table("serial", serial), f.table("burst", burst), f.table("paced", paced), f.table("echo", echo),
		f.verdicts(),
	}
}

// levels returns the numbers of connections, the least first.
func (f *File) levels() (list []int) {
	for _, l := range f.Plan.Levels {
		list = append(list, l.Connections)
	}
	slices.Sort(list)
	return list
}

// table has a row for each server that has one of the figures, and a second
// one for its subscribers where those have figures of their own: subscriber is
// pairs of names, for idle clients and for subscribers.
func (f *File) table(name string, columns []column, subscriber ...string) Table {
	t := Table{Name: name, Head: []string{""}}
	for _, c := range columns {
		t.Head = append(t.Head, c.head)
	}
	add := func(label, server string, translate func(string) string) {
		row, any := []string{label}, false
		for _, c := range columns {
			cell := "–"
			if x := f.Figure(server, c.connections, translate(c.name)); x != nil {
				cell, any = x.cell(), true
			}
			row = append(row, cell)
		}
		if any {
			t.Rows = append(t.Rows, row)
		}
	}
	for _, s := range f.Servers {
		add(s.Label, s.Name, func(name string) string { return name })
		if len(subscriber) > 0 {
			add(s.Label+", subscribed", s.Name, func(name string) string {
				if i := slices.Index(subscriber, name); i >= 0 && i%2 == 0 {
					return subscriber[i+1]
				}
				return name
			})
		}
	}
	return t
}

// servers is a table of what was measured.
func (f *File) servers() Table {
	t := Table{Name: "servers", Head: []string{"", "version", "name for -only"}}
	for _, s := range f.Servers {
		t.Rows = append(t.Rows, []string{s.Label, s.Version, "`" + s.Name + "`"})
	}
	return t
}

// verdicts is a table of the targets.
func (f *File) verdicts() Table {
	t := Table{Name: "targets", Head: []string{"target", "measured", "wanted", "", "closest peer"}}
	for i := range f.Targets {
		x := &f.Targets[i]
		value, sign := "–", "≤ "
		if x.Value != nil {
			value = Short(*x.Value)
		}
		if x.AtLeast {
			sign = "≥ "
		}
		t.Rows = append(t.Rows, []string{x.About, value, sign + Short(x.Limit), x.Verdict(), x.Against})
	}
	return t
}

// cell is a figure in a table: the median, and the ends where there are some.
func (x *Figure) cell() string {
	write := Short
	if strings.Contains(x.Name, "rate") || strings.Contains(x.Name, "bytes") {
		write = func(v float64) string { return thousands(int(v + 0.5)) }
	}
	s := write(x.Median)
	if low, high := write(x.Min), write(x.Max); low != high {
		s += " (" + low + "–" + high + ")"
	}
	return s
}

// thousands writes a whole number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Write writes the table in Markdown, with columns that are straight.
func (t *Table) Write(w io.Writer) error {
	widths := make([]int, len(t.Head))
	all := append([][]string{t.Head}, t.Rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) string {
		var b strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		return b.String() + "|\n"
	}
	var rule strings.Builder
	for _, n := range widths {
		rule.WriteString("|" + strings.Repeat("-", n+2))
	}
	text := line(t.Head) + rule.String() + "|\n"
	for _, row := range t.Rows {
		text += line(row)
	}
	_, err := io.WriteString(w, text)
	return err
}

// WriteTables writes all tables, with their names.
func (f *File) WriteTables(w io.Writer) error {
	for _, t := range f.Tables() {
		if len(t.Rows) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s\n\n", t.Name); err != nil {
			return err
		}
		if err := t.Write(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}
