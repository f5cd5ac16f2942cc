package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{5, 1, 3}, Spread{3, 1, 5}},
		{[]float64{4, 1, 2, 9}, Spread{3, 1, 9}},
	} {
		if got := SpreadOf(c.values, func(v float64) float64 { return v }); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
	}
}

// The CPU ratio is Stentor by floor; the rate, being the inverse of time, is
// floor by Stentor.
func TestRatios(t *testing.T) {
	p := Pair{
		Floor:   Sample{CPU: 100 * time.Millisecond, Wall: 300 * time.Millisecond},
		Stentor: Sample{CPU: 110 * time.Millisecond, Wall: 200 * time.Millisecond},
	}
	if got := p.CPURatio(); got != 1.1 {
		t.Errorf("CPU ratio is %v", got)
	}
	if got := p.RateRatio(); got != 1.5 {
		t.Errorf("rate ratio is %v", got)
	}
}

// Disturbed pairs are left out, unless too few would be left.
func TestUndisturbed(t *testing.T) {
	quiet := Pair{Stentor: Sample{Others: 0.05}}
	loud := Pair{Floor: Sample{Others: 0.5}}
	if got := Undisturbed([]Pair{quiet, loud, quiet}, 2); len(got) != 2 || got[0].Disturbed() || got[1].Disturbed() {
		t.Errorf("got %+v", got)
	}
	if got := Undisturbed([]Pair{quiet, loud, quiet}, 3); len(got) != 3 {
		t.Errorf("%d of 3 pairs are left, none should be missing", len(got))
	}
}

func figure(unit Unit, limit, measured float64) *Figure {
	return &Figure{Budget: Budget{Name: "name", Unit: unit, Limit: limit}, Spread: Spread{measured, measured - 1, measured + 1}}
}

func TestLine(t *testing.T) {
	atLeast := func(measured float64) *Figure {
		f := figure(Ratio, 1.1, measured)
		f.AtLeast = true
		return f
	}
	skipped := figure(Ratio, 1.1, 0)
	skipped.Skipped = "no reason"
	for _, c := range []struct {
		figure *Figure
		want   string
	}{
		{figure(Bytes, 300, 299.96), "BUDGET name 300.0 300 ok"},
		{figure(Bytes, 300, 300.5), "BUDGET name 300.5 300 over"},
		{figure(Ratio, 0.15, 0.0934), "BUDGET name 0.093 0.15 ok"},
		{figure(Ratio, 1.05, 1.0512), "BUDGET name 1.051 1.05 over"},
		{figure(Allocs, 0, 0.004), "BUDGET name 0.00 0 ok"},
		{figure(Allocs, 0, 0.006), "BUDGET name 0.01 0 over"},
		{atLeast(1.2), "BUDGET name 1.200 1.10 ok"},
		{atLeast(1.0), "BUDGET name 1.000 1.10 over"},
		{skipped, "BUDGET name - 1.10 skipped"},
	} {
		if got := c.figure.Line(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if n := Over([]*Figure{skipped, atLeast(1), atLeast(2), figure(Bytes, 1, 2)}); n != 2 {
		t.Errorf("%d over, want 2", n)
	}
}

func TestTable(t *testing.T) {
	skipped := figure(Ratio, 1.1, 0)
	skipped.Skipped = "no reason"
	over := figure(Bytes, 300, 310)
	over.Goal, over.Absolute = 260, "5,890,000 B in all"
	var b strings.Builder
	if err := WriteTable(&b, []*Figure{over, skipped, skipped}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"310.0     309.0  311.0  260   <= 300   over     5,890,000 B in all", "cannot be measured here: name, name: no reason\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q in\n%s", want, b.String())
		}
	}
}

// A file holds what was measured, and no values for what was not.
func TestFile(t *testing.T) {
	skipped := figure(Ratio, 1.1, 0)
	skipped.Skipped = "no reason"
	path := filepath.Join(t.TempDir(), "results", "run.json")
	f := File{Benchmark: "core", Figures: []*Figure{figure(Bytes, 300, 250), skipped}}
	for range 2 { // the second replaces the first
		if err := f.Write(path); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Figures []struct {
			Median, Limit *float64
			Verdict       string
		}
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Figures[0]; got.Verdict != "ok" || *got.Median != 250 || *got.Limit != 300 {
		t.Errorf("first figure is %+v", got)
	}
	if got := back.Figures[1]; got.Verdict != "skipped" || got.Median != nil {
		t.Errorf("second figure is %+v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
