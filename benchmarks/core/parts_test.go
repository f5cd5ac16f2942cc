package main

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"stentor/benchmarks/internal/report"
)

func TestParseReady(t *testing.T) {
	public, admin, err := parseReady("stentor: ready, listening on 127.0.0.1:38517, admin 127.0.0.1:45543")
	if err != nil || public != "127.0.0.1:38517" || admin != "127.0.0.1:45543" {
		t.Errorf("got %q, %q, %v", public, admin, err)
	}
	for _, bad := range []string{"", "stentor: ready", "stentor: ready, listening on [::1]:1, admin 127.0.0.1:2"} {
		if _, _, err := parseReady(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestParseMetrics(t *testing.T) {
	m, err := parseMetrics("# HELP x words\n# TYPE x gauge\nx 1.5\ny{a=\"b c\",d=\"e\"} 2e+06\n\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := (metrics{"x": 1.5, `y{a="b c",d="e"}`: 2e6}); !reflect.DeepEqual(m, want) {
		t.Errorf("got %v, want %v", m, want)
	}
	if err := m.expect(map[string]int{`y{a="b c",d="e"}`: 2_000_000}); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]int{"x": 1, "absent": 0} {
		if m.expect(map[string]int{name: want}) == nil {
			t.Errorf("%s is taken for %d", name, want)
		}
	}
	for _, bad := range []string{"x", "x one"} {
		if _, err := parseMetrics(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

// Each thing that a machine may lack keeps those figures from being measured
// that need it, and the reason names it.
func TestMachineRefuses(t *testing.T) {
	enough := machine{files: 20_000, ports: 28_232, cores: 2}
	all := needs{connections: 19_000, cpu: true, rss: true, cores: 2}
	if why := enough.refuses(all); why != "" {
		t.Errorf("a good machine refuses: %s", why)
	}
	for _, c := range []struct {
		word   string
		change func(*machine)
	}{
		{"19100", func(m *machine) { m.files = 19_000 }},
		{"ip_local_port_range", func(m *machine) { m.ports = 2_374 }},
		{"loopback", func(m *machine) { m.sources = errors.New("no") }},
		{"no run times", func(m *machine) { m.cpu = errors.New("no run times") }},
		{"resident", func(m *machine) { m.rss = errors.New("no") }},
		{"2 cores", func(m *machine) { m.cores = 1 }},
	} {
		m := enough
		c.change(&m)
		if why := m.refuses(all); !strings.Contains(why, c.word) {
			t.Errorf("%q does not name %q", why, c.word)
		}
		if why := m.refuses(needs{}); why != "" {
			t.Errorf("what needs nothing is refused: %s", why)
		}
	}
}

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
