package main

import (
	"testing"

	"stentor/benchmarks/internal/report"
)

// -only leaves out all but what it names, and knows the names.
func TestRestrict(t *testing.T) {
	plan := quickPlan()
	b := &bench{}
	for _, one := range budgets(&plan) {
		b.figures = append(b.figures, &report.Figure{Budget: one.Budget})
	}
	if err := b.restrict("no_such_figure"); err == nil {
		t.Error("took an unknown figure")
	}
	if err := b.restrict(echoCPU + "," + idleHeap); err != nil {
		t.Fatal(err)
	}
	for _, f := range b.figures {
		if want := f.Name == echoCPU || f.Name == idleHeap; b.wants(f.Name) != want {
			t.Errorf("%s: wanted is %v", f.Name, !want)
		}
	}
	if n := len(b.told()); n != 2 {
		t.Errorf("%d figures are told of, want 2", n)
	}
}

// Every figure belongs to exactly one step.
func TestSteps(t *testing.T) {
	plan := fullPlan()
	b := &bench{}
	seen := map[string]int{}
	for _, s := range b.steps() {
		for _, name := range s.figures {
			seen[name]++
		}
	}
	for _, one := range budgets(&plan) {
		if seen[one.Name] != 1 {
			t.Errorf("%s is in %d steps", one.Name, seen[one.Name])
		}
		delete(seen, one.Name)
	}
	if len(seen) > 0 {
		t.Errorf("no budget for %v", seen)
	}
}

func TestAllocCount(t *testing.T) {
	if got := (allocCount{Mallocs: 50, Events: 100}).each(); got != 0.5 {
		t.Errorf("50 for 100 events are %v each", got)
	}
	if got := (allocCount{Mallocs: -3, Events: 100}).each(); got != 0 {
		t.Errorf("less than nothing is %v", got)
	}
}
