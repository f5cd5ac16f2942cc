package host

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes a report for people: a table, below each row why it is there
// and how to set it, and a summary in the last line.
func (r Report) WriteText(w io.Writer) error {
	names, currents := len("check"), len("current")
	for _, c := range r.Checks {
		names, currents = max(names, len(c.Name)), max(currents, len(c.Current))
	}
	var b strings.Builder
	row := func(status, name, current, needed string) {
		line := fmt.Sprintf("%-9s%-*s  %-*s  %s", status, names, name, currents, current, needed)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	row("", "check", "current", "needed")
	for _, c := range r.Checks {
		row(string(c.Status), c.Name, c.Current, c.Needed)
		for _, line := range wrap(c.Why, 75) {
			fmt.Fprintf(&b, "           %s\n", line)
		}
		for _, s := range c.Set {
			fmt.Fprintf(&b, "           %-10s%s\n", s.How+":", s.Line)
		}
	}
	b.WriteString("\n")
	if r.Container && strings.Contains(b.String(), " sysctl: ") {
		b.WriteString("This is a container: sysctl lines are for its host.\n")
	}
	b.WriteString(r.Summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks a text into lines of this many bytes, or one word.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Summary says in a line how the checks have come out.
func (r Report) Summary() string {
	s := fmt.Sprintf("%d connections: ", r.Connections)
	if r.Short > 0 {
		s += fmt.Sprintf("short in %d of %d checks", r.Short, len(r.Checks))
	} else {
		s += fmt.Sprintf("fine in %d of %d checks", len(r.Checks)-r.Warnings, len(r.Checks))
	}
	s += fmt.Sprintf(", %d %s.", r.Warnings, plural(r.Warnings, "warning"))
	if h := r.Holds; h.Connections != nil {
		s += fmt.Sprintf(" This host holds %d, bound by %s", *h.Connections, h.BoundBy)
		if h.ByMemory != nil && *h.ByMemory > *h.Connections {
			s += fmt.Sprintf("; its memory is enough for %d", *h.ByMemory)
		}
		s += "."
	}
	return s
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
