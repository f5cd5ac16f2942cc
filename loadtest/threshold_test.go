package loadtest

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"stentor/loadtest/faulty"
)

func TestParseThreshold(t *testing.T) {
	for s, want := range map[string]struct {
		metric, op string
		value      float64
	}{
		"p99>250ms":              {"p99", ">", 250},
		" p99.9 >= 1.5s ":        {"p99.9", ">=", 1500},
		"connect.p50<800us":      {"connect.p50", "<", 0.8},
		"lost>0":                 {"lost", ">", 0},
		"lost != 0":              {"lost", "!=", 0},
		"connected==100":         {"connected", "==", 100},
		"rate<1000/s":            {"rate", "<", 1000},
		"returned<=99.5%":        {"returned", "<=", 0.995},
		"returned<0.5":           {"returned", "<", 0.5},
		"rss_each>=1KB":          {"rss_each", ">=", 1000},
		"heap_each>1.5KiB":       {"heap_each", ">", 1536},
		"heap_each>300 B":        {"heap_each", ">", 300},
		"cpu_message>12us":       {"cpu_message", ">", 12},
		"churn.max>1m":           {"churn.max", ">", 60_000},
		"publish.mean>0.000001s": {"publish.mean", ">", 0.001},
	} {
		r, err := parseThreshold(s)
		if err != nil || r.metric.name != want.metric || r.op != want.op || math.Abs(r.value-want.value) > 1e-9*want.value || r.text != s {
			t.Errorf("%q: %+v, %v; want %v", s, r, err, want)
		}
	}
	for s, want := range map[string]string{
		"": "METRIC OP VALUE", "p99": "METRIC OP VALUE", "p99=5ms": "= is none of", "p99!5ms": "! is none of", "p99=>5ms": "=> is none of < <= > >=",
		"p98>1ms": `no metric "p98": is it p90 or p95 or p99?`, "P99>1ms": `no metric "P99": is it p99?`, "publish_faild>0": "is it publish_failed?",
		"p999>1ms": "is it p99 or p99.9?", "speed>1": "--list-metrics", "x>1": "--list-metrics", ">5": `no metric ""`, "p99>": "no time", "p99>5": "250ms", "lost>x": "no number", "lost>NaN": "no number",
		"lost>Inf": "no number", "rss_each>x": "no size", "rss_each>1e308GB": "no number", "returned<x": "no share", "returned<x%": "no share", "lost>>1": "no number", "lost>1e999": "no number",
	} {
		if _, err := parseThreshold(s); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+s+`"`) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
}

func FuzzParseThreshold(f *testing.F) {
	for _, s := range []string{"p99>250ms", "returned<99.5%", "rss_each>=1KiB", "rate<5/s", "lost!=0", "cpu_message==1us"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseThreshold(s)
		if err != nil {
			return
		}
		if r.metric == nil || r.text != s || math.IsNaN(r.value) || math.IsInf(r.value, 0) || !strings.Contains(s, r.op) {
			t.Errorf("%q: %+v", s, r)
		}
		r.judge(&Result{Messages: &Messages{Latency: &Latency{}}, Storm: &Storm{}, Churn: &Churn{}, Server: &Server{}})
	})
}

// Each metric is of the field that its name says.
func TestMetricsTell(t *testing.T) {
	latency := func(base float64) *Latency {
		return &Latency{MinMS: base + 1, MeanMS: base + 2, P50MS: base + 3, P90MS: base + 4, P95MS: base + 5, P99MS: base + 6, P999MS: base + 7, MaxMS: base + 8}
	}
	r := &Result{
		Connect:  Connect{Succeeded: 101, Failed: 102, Dropped: 103, RateS: 104, Latency: latency(200)},
		Messages: &Messages{Due: 20, Lost: 1, Duplicated: 2, Reordered: 3, Corrupted: 4, Unexpected: 5, Missed: 6, Failed: 7, Received: 8, Unsent: 21, Partly: 24, RateS: 9, Latency: latency(300), Publish: latency(400)},
		Churn:    &Churn{RateS: 10, Behind: 22, Failed: 23, Latency: latency(500)},
		Storm:    &Storm{Dropped: 4, Returned: 3, P50S: 1, P95S: 2, P100S: 3},
		Server:   &Server{RSSEach: new(11.0), HeapEach: new(12.0), CPUConnectUS: new(13.0), CPUMessageUS: new(14.0)},
		Client:   Client{CPUShare: 0.15, LoopLag: latency(600)},
	}
	want := map[string]float64{
		"connected": 101, "failed": 102, "dropped": 103, "connect_rate": 104, "lost": 1, "duplicated": 2, "reordered": 3, "corrupted": 4, "unexpected": 5,
		"missed": 6, "publish_failed": 7, "unsent": 21, "publish_partly": 24, "received": 8, "rate": 9, "churn_rate": 10, "churn_behind": 22, "churn_failed": 23, "returned": 0.75, "return.p50": 1000, "return.p95": 2000, "return.p100": 3000,
		"rss_each": 11, "heap_each": 12, "cpu_connect": 13, "cpu_message": 14, "client_cpu": 0.15, "loop_lag.p99": 606,
	}
	for prefix, base := range map[string]float64{"": 300, "connect.": 200, "publish.": 400, "churn.": 500} {
		for i, name := range []string{"min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"} {
			want[prefix+name] = base + float64(i+1)
		}
	}
	for _, m := range metrics {
		v, ok := m.value(r)
		if w, known := want[m.name]; !ok || !known || v != w {
			t.Errorf("%s: %g (%v), want %g (%v)", m.name, v, ok, w, known)
		}
		delete(want, m.name)
		if m.about == "" || len(m.scenarios) == 0 {
			t.Errorf("%s says nothing", m.name)
		}
		// What was not measured fails, whatever the rule.
		if x := (&rule{metric: &m, op: ">", value: math.MaxFloat64}).judge(&Result{}); !x.Missed && m.name != "failed" && m.name != "dropped" && m.name != "connected" && m.name != "client_cpu" {
			t.Errorf("%s, not measured: %+v", m.name, x)
		}
	}
	if len(want) > 0 || len(Metrics()) != len(metrics) {
		t.Errorf("there is no %v", want)
	}
}

func TestJudge(t *testing.T) {
	r := &Result{Messages: &Messages{Due: 9, Lost: 5}, Storm: &Storm{Dropped: 1}}
	for rule, missed := range map[string]bool{
		"lost<5": false, "lost<6": true, "lost<=5": true, "lost<=4": false, "lost>5": false, "lost>4": true, "lost>=5": true, "lost>=6": false,
		"lost==5": true, "lost==4": false, "lost!=5": false, "lost!=4": true,
		"return.p95>1h": true, "returned<100%": true, // they never were
	} {
		x, err := parseThreshold(rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := x.judge(r); got.Missed != missed || got.Rule != rule || math.IsInf(got.Value, 0) {
			t.Errorf("%+v, want missed %v", got, missed)
		}
	}
}

// That nothing was lost of nothing is no success.
func TestJudgeNothing(t *testing.T) {
	for rule, missed := range map[string]bool{"lost>0": true, "received<1": true, "publish_failed>0": true, "publish_failed>5": false} {
		x, err := parseThreshold(rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := x.judge(&Result{Messages: &Messages{Sent: 5, Failed: 5}}); got.Missed != missed {
			t.Errorf("%+v, want missed %v", got, missed)
		}
	}
}

// Nothing, and less than before, are values; what was not measured is none.
func TestJudgeServer(t *testing.T) {
	for name, c := range map[string]struct {
		server *Server
		missed bool
		shown  string
	}{
		"zero":         {&Server{RSSEach: new(0.0)}, false, "0 B"},
		"less":         {&Server{RSSEach: new(-41.0)}, false, "-41 B"},
		"too much":     {&Server{RSSEach: new(1e7)}, true, "10000000 B"},
		"not measured": {&Server{HeapEach: new(5.0)}, true, "not measured"},
		"no server":    {nil, true, "not measured"},
	} {
		x, err := parseThreshold("rss_each>1MB")
		if err != nil {
			t.Fatal(err)
		}
		if got := x.judge(&Result{Server: c.server}); got.Missed != c.missed || got.Shown != c.shown {
			t.Errorf("%s: %+v, want %q, missed %v", name, got, c.shown, c.missed)
		}
	}
}

// A rule about what is not measured is refused before the run, and so are metrics
// that cannot be read.
func TestMeasures(t *testing.T) {
	s := faulty.Start(t, faulty.Plan{})
	for want, cfg := range map[string]Config{
		"--pid only":        {FailIf: []string{"lost>0", "rss_each>1KB"}},
		"with --pid":        {FailIf: []string{"cpu_message>1us"}},
		"--metrics only":    {FailIf: []string{"heap_each>1KB"}, PIDs: []int{os.Getpid()}},
		"no http://":        {Metrics: []string{"127.0.0.1:8081"}},
		"does not tell its": {Metrics: []string{"http://" + s.Address()}},
	} {
		cfg.Scenario, cfg.URL, cfg.Connections, cfg.Secret = ScenarioBroadcast, "ws://"+s.Address()+"/ws", 2, faulty.Secret
		var fault *Error
		if _, err := Run(t.Context(), cfg); !errors.As(err, &fault) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want a fault with %q", err, want)
		}
	}
	if n := s.Truth().Handshakes; n != 0 {
		t.Errorf("%d clients have connected before", n)
	}
}

func TestParseHeap(t *testing.T) {
	for text, want := range map[string]int64{
		"# HELP x\ngo_memstats_heap_alloc_bytes 1.5e+06\n":                     1_500_000,
		"go_memstats_heap_alloc_bytes_total 7\ngo_memstats_heap_alloc_bytes 8": 8,
		"": -1, "go_memstats_heap_alloc_bytes": -1, "go_memstats_heap_alloc_bytes x": -1,
		"go_memstats_heap_alloc_bytes NaN": -1, "go_memstats_heap_alloc_bytes -1": -1, "go_memstats_heap_alloc_bytes +Inf": -1,
	} {
		v, err := parseHeap(strings.NewReader(text))
		if (err != nil) != (want < 0) || err == nil && v != want {
			t.Errorf("%q: %d, %v; want %d", text, v, err, want)
		}
	}
}

func FuzzParseHeap(f *testing.F) {
	f.Add("go_memstats_heap_alloc_bytes 1.5e+06\n")
	f.Add("a\n\ngo_memstats_heap_alloc_bytes NaN")
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := parseHeap(strings.NewReader(text)); v < 0 || err != nil && v != 0 {
			t.Errorf("%q: %d, %v", text, v, err)
		}
	})
}
