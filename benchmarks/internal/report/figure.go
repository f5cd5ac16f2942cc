package report

import (
	"fmt"
	"math"
	"strconv"
)

// Unit says what a figure counts, and with that how it is written.
type Unit int

// Units.
const (
	Bytes  Unit = iota // for each connection
	Ratio              // to the floor
	Allocs             // for each message or delivery
)

// format writes a value of the unit; limits have fewer digits than what is
// measured.
func (u Unit) format(v float64, limit bool) string {
	digits := map[Unit][2]int{Bytes: {1, 0}, Ratio: {3, 2}, Allocs: {2, 0}}[u]
	n := digits[0]
	if limit {
		n = digits[1]
	}
	return strconv.FormatFloat(v, 'f', n, 64)
}

// Budget is a figure's promise.
type Budget struct {
	Name    string  `json:"name"`
	Unit    Unit    `json:"-"`
	Limit   float64 `json:"limit"`
	Goal    float64 `json:"goal,omitempty"` // 0 is none
	AtLeast bool    `json:"at_least,omitempty"`
}

// Figure is a budget with what was measured for it.
type Figure struct {
	Budget
	Spread
	// Skipped says why it could not be measured here, empty if it was.
	Skipped string
	// Absolute is the values behind a ratio, in words.
	Absolute string
}

// OK reports whether the median keeps the budget. Allocations are rounded as
// they are printed: a few in a whole run are not one each.
func (f *Figure) OK() bool {
	v := f.Median
	if f.Unit == Allocs {
		v = math.Round(v*100) / 100
	}
	if f.AtLeast {
		return v >= f.Limit
	}
	return v <= f.Limit
}

// verdict is the last word of a figure's line.
func (f *Figure) verdict() string {
	switch {
	case f.Skipped != "":
		return "skipped"
	case f.OK():
		return "ok"
	}
	return "over"
}

// Line is the figure for programs: BUDGET name measured limit verdict.
func (f *Figure) Line() string {
	measured := "-"
	if f.Skipped == "" {
		measured = f.Unit.format(f.Median, false)
	}
	return fmt.Sprintf("BUDGET %s %s %s %s", f.Name, measured, f.Unit.format(f.Limit, true), f.verdict())
}

// Over counts the figures that were measured and break their budget.
func Over(figures []*Figure) (n int) {
	for _, f := range figures {
		if f.Skipped == "" && !f.OK() {
			n++
		}
	}
	return n
}
