package main

import (
	"fmt"
	"strings"

	"stentor/benchmarks/internal/comparison"
)

// Markers of what is generated, by name.
const (
	startMarker = "<!-- generated: %s -->\n"
	endMarker   = "<!-- end of generated -->\n"
)

// section is a part of the document.
type section struct{ name, text string }

// sections returns what a run says in the document.
func sections(f *comparison.File) []section {
	list := []section{{"run", about(f)}}
	for _, t := range f.Tables() {
		var b strings.Builder
		if len(t.Rows) == 0 {
			b.WriteString("Nothing was measured.\n")
		} else if err := t.Write(&b); err != nil {
			panic(err) // a Builder takes all
		}
		list = append(list, section{t.Name, b.String()})
	}
	return list
}

// about tells of the run itself.
func about(f *comparison.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s by `%s` in %.0f minutes, Stentor at commit `%s`, on %d cores of an %s with %.0f GiB, %s, %s, Node %s; load average %.2f before.\n",
		f.Date[:10], f.Command, f.Seconds/60, f.Commit, f.Machine.Cores, f.Machine.CPU,
		float64(f.Machine.MemoryBytes)/(1<<30), f.Machine.Kernel, f.Go, f.Node, f.Load[0])
	rounds, disturbed := 0, 0
	for _, v := range f.Visits {
		for _, r := range v.Rounds {
			if rounds++; r.Disturbed() {
				disturbed++
			}
		}
		if s := v.Failure(); s != "" {
			fmt.Fprintf(&b, "`%s`\n", strings.ReplaceAll(s, "`", "'"))
		}
	}
	fmt.Fprintf(&b, "Other processes disturbed %d of %d rounds.\n", disturbed, rounds)
	return b.String()
}

// fill puts the sections between their markers. Each must be there once.
func fill(document string, list []section) (string, error) {
	for _, s := range list {
		start := fmt.Sprintf(startMarker, s.name)
		before, rest, ok := strings.Cut(document, start)
		if !ok {
			return "", fmt.Errorf("there is no line %q", strings.TrimSpace(start))
		}
		_, after, ok := strings.Cut(rest, endMarker)
		if !ok || strings.Contains(rest, start) {
			return "", fmt.Errorf("%q has no end, or is there twice", strings.TrimSpace(start))
		}
		document = before + start + "\n" + s.text + "\n" + endMarker + after
	}
	return document, nil
}
