package loadtest

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unit is what a metric is measured in.
type unit uint8

const (
	unitCount  unit = iota
	unitTime        // milliseconds
	unitBytes       //
	unitShare       // 0 to 1
	unitRate        // a second
	unitMicros      // microseconds of CPU
)

// metric is something that a threshold may name. value reports false if the run
// has not measured it.
type metric struct {
	name      string
	unit      unit
	about     string
	scenarios []string
	value     func(r *Result) (float64, bool)
}

var (
	everywhere = []string{ScenarioIdle, ScenarioBroadcast, ScenarioEcho, ScenarioChurn, ScenarioStorm}
	messaging  = []string{ScenarioBroadcast, ScenarioEcho, ScenarioStorm}
	publishing = []string{ScenarioBroadcast, ScenarioStorm}
	churning   = []string{ScenarioChurn}
	storming   = []string{ScenarioStorm}
)

// metrics are all that a threshold may name.
var metrics = slices.Concat(
	latencyMetrics("", "latency of messages", messaging, func(r *Result) *Latency {
		if r.Messages == nil {
			return nil
		}
		return r.Messages.Latency
	}),
	latencyMetrics("connect.", "time until a connection is ready", everywhere, func(r *Result) *Latency { return r.Connect.Latency }),
	latencyMetrics("publish.", "time until a publication is accepted", publishing, func(r *Result) *Latency {
		if r.Messages == nil {
			return nil
		}
		return r.Messages.Publish
	}),
	latencyMetrics("churn.", "time from when a connection was to be replaced until another is ready", churning, func(r *Result) *Latency {
		if r.Churn == nil {
			return nil
		}
		return r.Churn.Latency
	}),
	messageCounts(),
	[]metric{
		{"failed", unitCount, "connections that never became ready (publications: publish_failed)", everywhere, func(r *Result) (float64, bool) { return float64(r.Connect.Failed), true }},
		{"dropped", unitCount, "connections that the server or the network ended", everywhere, func(r *Result) (float64, bool) { return float64(r.Connect.Dropped), true }},
		{"connected", unitCount, "connections that became ready", everywhere, func(r *Result) (float64, bool) { return float64(r.Connect.Succeeded), true }},
		{"connect_rate", unitRate, "connections ready a second", everywhere, func(r *Result) (float64, bool) { return r.Connect.RateS, r.Connect.Succeeded > 0 }},
		{"rate", unitRate, "messages received a second", messaging, func(r *Result) (float64, bool) {
			if r.Messages == nil {
				return 0, false
			}
			return r.Messages.RateS, true
		}},
		{"churn_rate", unitRate, "connects a second", churning, func(r *Result) (float64, bool) {
			if r.Churn == nil {
				return 0, false
			}
			return r.Churn.RateS, true
		}},
		{"churn_behind", unitCount, "turns at which a client was not back yet", churning, func(r *Result) (float64, bool) {
			if r.Churn == nil {
				return 0, false
			}
			return float64(r.Churn.Behind), true
		}},
		{"churn_failed", unitCount, "attempts to connect again that failed", churning, func(r *Result) (float64, bool) {
			if r.Churn == nil {
				return 0, false
			}
			return float64(r.Churn.Failed), true
		}},
		{"return.p50", unitTime, "storm: until half are back", storming, stormTime(func(s *Storm) float64 { return s.P50S })},
		{"return.p95", unitTime, "storm: until 95 % are back", storming, stormTime(func(s *Storm) float64 { return s.P95S })},
		{"return.p100", unitTime, "storm: until all are back", storming, stormTime(func(s *Storm) float64 { return s.P100S })},
		{"returned", unitShare, "storm: share that came back", storming, func(r *Result) (float64, bool) {
			if r.Storm == nil || r.Storm.Dropped == 0 {
				return 0, false
			}
			return float64(r.Storm.Returned) / float64(r.Storm.Dropped), true
		}},
		{"rss_each", unitBytes, "server: resident memory a connection", everywhere, serverValue(func(s *Server) *float64 { return s.RSSEach })},
		{"heap_each", unitBytes, "server: live heap a connection", everywhere, serverValue(func(s *Server) *float64 { return s.HeapEach })},
		{"cpu_connect", unitMicros, "server: CPU a connection until ready", everywhere, serverValue(func(s *Server) *float64 { return s.CPUConnectUS })},
		{"cpu_message", unitMicros, "server: CPU a delivery or an echo", messaging, serverValue(func(s *Server) *float64 { return s.CPUMessageUS })},
		{"loop_lag.p99", unitTime, "how late this tool's event loops come", everywhere, func(r *Result) (float64, bool) {
			if r.Client.LoopLag == nil {
				return 0, false
			}
			return r.Client.LoopLag.P99MS, true
		}},
		{"client_cpu", unitShare, "share of the machine that this tool takes", everywhere, func(r *Result) (float64, bool) { return r.Client.CPUShare, true }},
	},
)

func latencyMetrics(prefix, about string, scenarios []string, of func(r *Result) *Latency) (list []metric) {
	for _, x := range []struct {
		name string
		get  func(l *Latency) float64
	}{
		{"min", func(l *Latency) float64 { return l.MinMS }}, {"mean", func(l *Latency) float64 { return l.MeanMS }},
		{"p50", func(l *Latency) float64 { return l.P50MS }}, {"p90", func(l *Latency) float64 { return l.P90MS }},
		{"p95", func(l *Latency) float64 { return l.P95MS }}, {"p99", func(l *Latency) float64 { return l.P99MS }},
		{"p99.9", func(l *Latency) float64 { return l.P999MS }}, {"max", func(l *Latency) float64 { return l.MaxMS }},
	} {
		list = append(list, metric{prefix + x.name, unitTime, about, scenarios, func(r *Result) (float64, bool) {
			l := of(r)
			if l == nil {
				return 0, false
			}
			return x.get(l), true
		}})
	}
	return list
}

func messageCounts() (list []metric) {
	for _, x := range []struct {
		name, about string
		get         func(m *Messages) int64
	}{
		{"lost", "messages that never came", func(m *Messages) int64 { return m.Lost }},
		{"duplicated", "messages that came again", func(m *Messages) int64 { return m.Duplicated }},
		{"reordered", "messages that came after a later one", func(m *Messages) int64 { return m.Reordered }},
		{"corrupted", "messages that came changed", func(m *Messages) int64 { return m.Corrupted }},
		{"unexpected", "messages that are nobody's", func(m *Messages) int64 { return m.Unexpected }},
		{"missed", "messages published while a client was away", func(m *Messages) int64 { return m.Missed }},
		{"publish_failed", "publications that were not accepted", func(m *Messages) int64 { return m.Failed }},
		{"publish_partly", "publications that were accepted at some addresses only", func(m *Messages) int64 { return m.Partly }},
		{"unsent", "messages that were to be sent, and were not: nobody was connected, say", func(m *Messages) int64 { return m.Unsent }},
		{"received", "messages received", func(m *Messages) int64 { return m.Received }},
	} {
		list = append(list, metric{x.name, unitCount, x.about, messaging, func(r *Result) (float64, bool) {
			if r.Messages == nil || r.Messages.Due == 0 && !slices.Contains([]string{"publish_failed", "publish_partly", "unsent"}, x.name) {
				return 0, false // that nothing was lost of nothing says nothing
			}
			return float64(x.get(r.Messages)), true
		}})
	}
	return list
}

func stormTime(get func(s *Storm) float64) func(r *Result) (float64, bool) {
	return func(r *Result) (float64, bool) {
		if r.Storm == nil || get(r.Storm) == 0 {
			return math.Inf(1), r.Storm != nil // they never were
		}
		return get(r.Storm) * 1e3, true
	}
}

func serverValue(get func(s *Server) *float64) func(r *Result) (float64, bool) {
	return func(r *Result) (float64, bool) {
		if r.Server == nil || get(r.Server) == nil {
			return 0, false
		}
		return *get(r.Server), true
	}
}

// rule is a parsed threshold.
type rule struct {
	text   string
	metric *metric
	op     string
	value  float64
}

// near returns the metrics that are spelled most like a name, if any is.
func near(name string) (list []string) {
	least := min(2, len(name)/2) + 1
	for _, m := range metrics {
		if d := distance(strings.ToLower(name), m.name); d < least {
			least, list = d, []string{m.name}
		} else if d == least && list != nil {
			list = append(list, m.name)
		}
	}
	return list
}

// distance is how many letters are to be put in, taken out or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := before
			if a[i] != b[j] {
				d = min(before, row[j], row[j+1]) + 1
			}
			before, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

// parseThreshold checks a rule of the form METRIC OP VALUE, such as p99>250ms,
// lost>0 or rss_each >= 1KB: a run fails if it applies. The error names what is
// wrong, and what there is.
func parseThreshold(s string) (rule, error) {
	at := strings.IndexAny(s, "<>=!")
	if at < 0 {
		return rule{}, fmt.Errorf("threshold %q: want METRIC OP VALUE, such as p99>250ms", s)
	}
	end := at + 1
	if end < len(s) && s[end] == '=' {
		end++
	}
	r := rule{text: s, op: s[at:end]}
	if !slices.Contains([]string{"<", "<=", ">", ">=", "==", "!="}, r.op) {
		if end < len(s) && (s[end] == '<' || s[end] == '>') {
			end++
		}
		return rule{}, fmt.Errorf("threshold %q: %s is none of < <= > >= == !=", s, s[at:end])
	}
	name := strings.TrimSpace(s[:at])
	i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name })
	if i < 0 {
		if list := near(name); list != nil {
			return rule{}, fmt.Errorf("threshold %q: there is no metric %q: is it %s?", s, name, strings.Join(list, " or "))
		}
		return rule{}, fmt.Errorf("threshold %q: there is no metric %q: --list-metrics tells what there is", s, name)
	}
	r.metric = &metrics[i]
	var err error
	if r.value, err = r.metric.unit.parse(strings.TrimSpace(s[end:])); err != nil {
		return rule{}, fmt.Errorf("threshold %q: %w", s, err)
	}
	return r, nil
}

// checkMeasured names a threshold that needs what is not measured.
func (p *plan) checkMeasured() error {
	for _, r := range p.thresholds {
		switch name := r.metric.name; {
		case name == "heap_each" && len(p.Metrics) == 0:
			return faultf("threshold %q: that is measured with --metrics only", r.text)
		case slices.Contains([]string{"rss_each", "cpu_connect", "cpu_message"}, name) && len(p.PIDs) == 0:
			return faultf("threshold %q: that is measured with --pid only", r.text)
		}
	}
	for _, base := range p.Metrics {
		if u, err := url.Parse(base); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return faultf("--metrics: %q is no http://host:port", base)
		}
	}
	return nil
}

// parse reads a value.
func (u unit) parse(s string) (v float64, err error) {
	switch u {
	case unitTime, unitMicros:
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("%q is no time: write 250ms, 1.5s or 800us", s)
		}
		if u == unitMicros {
			return float64(d) / 1e3, nil
		}
		return float64(d) / 1e6, nil
	case unitShare:
		if number, ok := strings.CutSuffix(s, "%"); ok {
			v, err = strconv.ParseFloat(strings.TrimSpace(number), 64)
			v /= 100
		} else {
			v, err = strconv.ParseFloat(s, 64)
		}
		if err != nil {
			return 0, fmt.Errorf("%q is no share: write 50%% or 0.5", s)
		}
	case unitBytes:
		factor := 1.0
		for _, x := range []struct {
			suffix string
			factor float64
		}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
			if number, ok := strings.CutSuffix(s, x.suffix); ok {
				s, factor = strings.TrimSpace(number), x.factor
				break
			}
		}
		v, err = strconv.ParseFloat(s, 64)
		v *= factor
		if err != nil {
			return 0, fmt.Errorf("%q is no size: write 300B, 1KiB or 2MB", s)
		}
	default:
		if v, err = strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64); err != nil {
			return 0, fmt.Errorf("%q is no number", s)
		}
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return v, nil
}

func (u unit) show(v float64) string {
	switch u {
	case unitTime:
		if math.IsInf(v, 0) {
			return "never"
		}
		if v >= 1000 {
			return strconv.FormatFloat(v, 'f', 0, 64) + " ms"
		}
		return strconv.FormatFloat(v, 'g', 4, 64) + " ms"
	case unitMicros:
		return strconv.FormatFloat(v, 'f', 2, 64) + " µs"
	case unitBytes:
		return strconv.FormatFloat(v, 'f', 0, 64) + " B"
	case unitShare:
		return strconv.FormatFloat(v*100, 'f', 1, 64) + " %"
	case unitRate:
		return strconv.FormatFloat(v, 'f', 0, 64) + "/s"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// judge tells how a rule came out. What was not measured has failed: a rule that
// nothing can break would be worse than none.
func (r *rule) judge(result *Result) Threshold {
	v, ok := r.metric.value(result)
	if !ok {
		return Threshold{Rule: r.text, Shown: "not measured", Missed: true}
	}
	t := Threshold{Rule: r.text, Value: v, Shown: r.metric.unit.show(v)}
	if math.IsInf(v, 0) {
		t.Value = math.MaxFloat64
	}
	switch r.op {
	case "<":
		t.Missed = v < r.value
	case "<=":
		t.Missed = v <= r.value
	case ">":
		t.Missed = v > r.value
	case ">=":
		t.Missed = v >= r.value
	case "==":
		t.Missed = v == r.value
	case "!=":
		t.Missed = v != r.value
	}
	return t
}

// Metrics tells what a threshold may name, a line each: name, unit, meaning.
func Metrics() (list [][3]string) {
	units := [...]string{"number", "time", "size", "share", "a second", "time of a processor"}
	for _, m := range metrics {
		list = append(list, [3]string{m.name, units[m.unit], m.about})
	}
	return list
}
