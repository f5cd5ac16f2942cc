package rig

import (
	"errors"
	"reflect"
	"strings"
	"testing"
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
	if want := (Metrics{"x": 1.5, `y{a="b c",d="e"}`: 2e6}); !reflect.DeepEqual(m, want) {
		t.Errorf("got %v, want %v", m, want)
	}
	if err := m.Expect(map[string]int{`y{a="b c",d="e"}`: 2_000_000}); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]int{"x": 1, "absent": 0} {
		if m.Expect(map[string]int{name: want}) == nil {
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
	enough := Machine{Files: 20_000, Ports: 28_232, Cores: 2}
	all := Needs{Connections: 19_000, CPU: true, RSS: true, Cores: 2}
	if why := enough.Refuses(all); why != "" {
		t.Errorf("a good machine refuses: %s", why)
	}
	for _, c := range []struct {
		word   string
		change func(*Machine)
	}{
		{"19100", func(m *Machine) { m.Files = 19_000 }},
		{"ip_local_port_range", func(m *Machine) { m.Ports = 2_374 }},
		{"loopback", func(m *Machine) { m.Sources = errors.New("no") }},
		{"no run times", func(m *Machine) { m.CPU = errors.New("no run times") }},
		{"resident", func(m *Machine) { m.RSS = errors.New("no") }},
		{"2 cores", func(m *Machine) { m.Cores = 1 }},
	} {
		m := enough
		c.change(&m)
		if why := m.Refuses(all); !strings.Contains(why, c.word) {
			t.Errorf("%q does not name %q", why, c.word)
		}
		if why := m.Refuses(Needs{}); why != "" {
			t.Errorf("what needs nothing is refused: %s", why)
		}
	}
}
