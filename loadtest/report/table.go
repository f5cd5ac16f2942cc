package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"stentor/loadtest"
)

// TableOption changes what WriteTable writes.
type TableOption func(*table)

// Color has the table use the colours of a terminal, besides the words that say
// the same.
func Color(on bool) TableOption { return func(t *table) { t.color = on } }

// WriteTable writes what a run has found out as text: what it was, a table for
// each part that applies, notes, and the verdict in the last line. Lines that
// need a look begin with "!".
func WriteTable(w io.Writer, r *loadtest.Result, options ...TableOption) error {
	t := &table{}
	for _, o := range options {
		o(t)
	}
	v := judge(r)
	t.line(bold, "stentor loadtest: %s", clean(r.Run.Scenario))
	t.rows(about(r))
	for _, s := range sections(r) {
		t.out.WriteByte('\n')
		t.line(bold, "%s", s.Title)
		t.rows(s)
	}
	if len(r.Notes) > 0 {
		t.out.WriteByte('\n')
		t.line(bold, "Notes")
		for _, n := range r.Notes {
			t.line("", "  - %s", clean(n))
		}
	}
	t.out.WriteByte('\n')
	if b := r.Client.Bottleneck; b != "" {
		t.line(yellow, "! THE TOOL ITSELF may have been the bottleneck: %s", clean(b))
	}
	t.line(map[string]string{"good": green, "warn": yellow, "bad": red}[v.Kind], "%s", v)
	_, err := w.Write(t.out.Bytes())
	return err
}

// Sequences that terminals obey.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[1;31m"
	green  = "\x1b[1;32m"
	yellow = "\x1b[1;33m"
	reset  = "\x1b[0m"
)

type table struct {
	out   bytes.Buffer
	color bool
}

func (t *table) line(color, format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	if t.color && color != "" {
		text = color + text + reset
	}
	t.out.WriteString(text + "\n")
}

// rows writes the rows of a section in columns. Words stand at the left of their
// column, figures at the right.
func (t *table) rows(s section) {
	all := s.Rows
	if s.Head != nil {
		all = append([]row{{Label: s.Head[0], Cells: s.Head[1:]}}, all...)
	}
	label, widths := 0, []int{}
	for _, r := range all {
		label = max(label, utf8.RuneCountInString(r.Label))
		for i, c := range r.Cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range all {
		mark, color := "  ", ""
		if r.Bad {
			mark, color = "! ", red
		}
		text := mark + fmt.Sprintf("%-*s", label, r.Label)
		for i, c := range r.Cells {
			width := widths[i]
			if s.Head == nil || s.Words {
				width = -width
			}
			text += "  " + fmt.Sprintf("%*s", width, c)
		}
		t.line(color, "%s", text)
	}
}
