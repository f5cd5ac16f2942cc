package comparison

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"stentor/benchmarks/internal/report"
)

// round makes a round of 1,000 events that took so many microseconds of CPU
// each, in as long a time.
func round(work string, micros int, others float64) Round {
	d := time.Duration(micros) * time.Millisecond
	size := 0
	if work == Serial || work == Burst {
		size = 128
	}
	return Round{Work: work, Size: size, Events: 1000, Sample: report.Sample{CPU: d, Wall: d, Others: others}}
}

func sample() *File {
	f := &File{
		Date: "2026-11-21T10:00:00Z", Plan: Plan{Levels: []Level{{Connections: 1000}, {Connections: 50}}, Size: 128, LargeSize: 1024},
		Servers: []Server{{Name: "stentor", Label: "Stentor", Kind: Stentor}, {Name: "a", Label: "A", Kind: Go}, {Name: "b", Label: "B", Kind: Node}},
	}
	for i, micros := range []int{5, 7, 6} {
		f.Visits = append(f.Visits,
			&Visit{Server: "stentor", Connections: 1000, Repetition: i,
				Memory: []Memory{
					{Client: Idle, EmptyRSS: 1000, RSS: 301_000, Freed: false},
					{Client: Subscriber, EmptyRSS: 1000, RSS: 401_000, Freed: true, EmptyLive: 500, Live: 200_500},
				},
				Rounds: []Round{round(Serial, micros, 0), round(Serial, micros, 0), round(Serial, 100, 0.5), round(Handshake, 20, 0)}},
			&Visit{Server: "a", Connections: 1000, Repetition: i,
				Memory: []Memory{{Client: Idle, EmptyRSS: 0, RSS: 1_200_000}},
				Rounds: []Round{round(Serial, 2*micros, 0), round(Handshake, 10, 0)}},
			&Visit{Server: "b", Connections: 1000, Repetition: i, Error: "out of luck"},
		)
	}
	return f
}

// A visit's value is the median of its rounds that nobody disturbed, a figure's
// the median of its visits.
func TestFigures(t *testing.T) {
	f := sample()
	f.Evaluate()
	for _, want := range []Figure{
		{"stentor", 1000, "serial_us_128", 6, 5, 7, 3, 0, nil},
		{"stentor", 1000, HandshakeCPU, 20, 20, 20, 3, 0, nil},
		{"stentor", 1000, HandshakeRate, 50_000, 50_000, 50_000, 3, 0, nil},
		{"stentor", 1000, IdleRSS, 300, 300, 300, 3, 0, nil},
		{"stentor", 1000, SubscriberFreed, 400, 400, 400, 3, 0, nil},
		{"stentor", 1000, SubscriberLive, 200, 200, 200, 3, 0, nil},
		{"a", 1000, "serial_us_128", 12, 10, 14, 3, 0, nil},
	} {
		got := f.Figure(want.Server, want.Connections, want.Name)
		if got == nil {
			t.Errorf("there is no %+v", want)
			continue
		}
		if len(got.Values) != 3 || got.Values[0] == 0 {
			t.Errorf("%s: values by repetition are %v", want.Name, got.Values)
		}
		got.Values = nil
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if got := f.Figure("b", 1000, "serial_us_128"); got != nil {
		t.Errorf("a server that failed has a figure: %+v", got)
	}
}

// Visits that others disturbed count only where too few are left.
func TestDisturbed(t *testing.T) {
	for _, c := range []struct {
		others        []float64
		median        float64
		visits, noted int
	}{
		{[]float64{0, 0, 0, 0.5}, 2, 3, 1},
		{[]float64{0, 0, 0.5, 0.5}, 2.5, 4, 2},
		{[]float64{0.5}, 1, 1, 1},
	} {
		f := &File{Plan: Plan{Levels: []Level{{Connections: 1000}}}, Servers: []Server{{Name: "a"}}}
		for i, others := range c.others {
			f.Visits = append(f.Visits, &Visit{Server: "a", Connections: 1000, Rounds: []Round{round(Echo, i+1, others)}})
		}
		f.Evaluate()
		got := f.Figure("a", 1000, EchoCPU)
		if got == nil || got.Median != c.median || got.Visits != c.visits || got.Disturbed != c.noted {
			t.Errorf("%v: got %+v", c.others, got)
		}
	}
}

func TestTargets(t *testing.T) {
	f := sample()
	f.Evaluate()
	lines := map[string]bool{}
	for i := range f.Targets {
		lines[f.Targets[i].Line()] = true
	}
	for _, want := range []string{
		"TARGET idle_memory_vs_go 0.25 <=0.33 met",
		"TARGET idle_memory_bytes 300 <=457 met",
		"TARGET serial_cpu_vs_peers 0.50 <=1.00 met",
		"TARGET delivery_rate_vs_peers 2.00 >=1.00 met",
		"TARGET handshake_cpu_vs_peers 2.00 <=1.00 missed",
		"TARGET echo_rate_vs_go - >=1.40 skipped",
	} {
		if !lines[want] {
			t.Errorf("there is no line %q in %v", want, lines)
		}
	}
}

func TestTables(t *testing.T) {
	f := sample()
	f.Evaluate()
	var b strings.Builder
	if err := f.WriteTables(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| Stentor             | –              | 300               |",
		"| Stentor, subscribed | –              | –                 | 400   | 200  |",
		"6.00 (5.00–7.00)", "| A ", "50,000",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -100: "-100"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %s", n, got)
		}
	}
}

// What is written can be read again.
func TestFile(t *testing.T) {
	f := sample()
	f.Evaluate()
	path := filepath.Join(t.TempDir(), "peers.json")
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, f) {
		t.Errorf("got %+v, want %+v", got, f)
	}
}
