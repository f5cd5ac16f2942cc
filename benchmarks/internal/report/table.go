package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the figures for people, and then why some are missing.
func WriteTable(w io.Writer, figures []*Figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tmeasured\tmin\tmax\tgoal\tlimit\t\tabsolute")
	for _, f := range figures {
		measured, low, high, goal, sign := "-", "-", "-", "-", "<= "
		if f.Skipped == "" {
			measured = f.Unit.format(f.Median, false)
			low, high = f.Unit.format(f.Min, false), f.Unit.format(f.Max, false)
		}
		if f.Goal != 0 {
			goal = f.Unit.format(f.Goal, true)
		}
		if f.AtLeast {
			sign = ">= "
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s%s\t%s\t%s\n",
			f.Name, measured, low, high, goal, sign, f.Unit.format(f.Limit, true), f.verdict(), f.Absolute)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, reason := range reasons(figures) {
		var names []string
		for _, f := range figures {
			if f.Skipped == reason {
				names = append(names, f.Name)
			}
		}
		if _, err := fmt.Fprintf(w, "cannot be measured here: %s: %s\n", strings.Join(names, ", "), reason); err != nil {
			return err
		}
	}
	return nil
}

// reasons returns why figures were skipped, each once.
func reasons(figures []*Figure) (list []string) {
	for _, f := range figures {
		if f.Skipped != "" && !slices.Contains(list, f.Skipped) {
			list = append(list, f.Skipped)
		}
	}
	return list
}

// WriteLines writes the figures for programs.
func WriteLines(w io.Writer, figures []*Figure) error {
	for _, f := range figures {
		if _, err := fmt.Fprintln(w, f.Line()); err != nil {
			return err
		}
	}
	return nil
}
