package comparison

import (
	"fmt"
	"math"

	"stentor/benchmarks/internal/report"
)

// Target is something that Stentor is to reach beside its peers.
type Target struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	Value   *float64 `json:"value"` // nil if it cannot be told from this run
	Limit   float64  `json:"limit"`
	AtLeast bool     `json:"at_least,omitempty"`
	Against string   `json:"against,omitempty"` // the peer that it is measured by
}

// Verdict is the last word of a target's line.
func (t *Target) Verdict() string {
	switch {
	case t.Value == nil:
		return "skipped"
	case t.AtLeast && *t.Value >= t.Limit, !t.AtLeast && *t.Value <= t.Limit:
		return "met"
	}
	return "missed"
}

// Line is the target for programs: TARGET name value limit verdict.
func (t *Target) Line() string {
	value := "-"
	if t.Value != nil {
		value = Short(*t.Value)
	}
	sign := "<="
	if t.AtLeast {
		sign = ">="
	}
	return fmt.Sprintf("TARGET %s %s %s%s %s", t.Name, value, sign, Short(t.Limit), t.Verdict())
}

// Short writes a value with three digits or all of its whole ones.
func Short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// uwsBytes is the memory of an idle connection of uWebSockets in C++, as it was
// measured before this benchmark: it is in no registry to be measured here.
const uwsBytes = 457

// level is the number of connections that figure name is judged at: the most
// that Stentor has it of.
func (f *File) level(name string) (n int) {
	for _, x := range f.Figures {
		if x.Name == name && f.kind(x.Server) == Stentor {
			n = max(n, x.Connections)
		}
	}
	return n
}

func (f *File) kind(server string) Kind {
	for _, s := range f.Servers {
		if s.Name == server {
			return s.Kind
		}
	}
	return ""
}

// ratio is Stentor's figure in units of a peer's, the one of some that it looks
// worst beside: the median over the repetitions, in each of which both were
// measured within a minute or two. The machine's speed moves more between them.
func (f *File) ratio(t Target, figure string, less bool, peer func(*Server) bool) Target {
	n := f.level(figure)
	var own *Figure
	for _, s := range f.Servers {
		if s.Kind == Stentor {
			own = f.Figure(s.Name, n, figure)
		}
	}
	for i := range f.Servers {
		s := &f.Servers[i]
		x := f.Figure(s.Name, n, figure)
		if own == nil || x == nil || !peer(s) {
			continue
		}
		v, ok := own.in(x)
		if ok && (t.Value == nil || (v > *t.Value) == less) {
			t.Value, t.Against = &v, s.Label
		}
	}
	return t
}

// in is a figure in units of another one's. ok is false if they have no
// repetition in common.
func (x *Figure) in(other *Figure) (ratio float64, ok bool) {
	var list []float64
	for repetition, v := range x.Values {
		if o := other.Values[repetition]; o > 0 {
			list = append(list, v/o)
		}
	}
	if len(list) == 0 {
		return 0, false
	}
	return report.SpreadOf(list, func(v float64) float64 { return v }).Median, true
}

func (f *File) targets() []Target {
	size, large := f.Plan.Size, f.Plan.LargeSize
	anyPeer := (*Server).Peer
	goPeer := func(s *Server) bool { return s.Kind == Go }
	uws := func(s *Server) bool { return s.Name == "uws" }
	list := []Target{
		f.ratio(Target{Name: "idle_memory_vs_go", Limit: 1. / 3, About: "memory of an idle connection, in units of the best Go peer's"},
			IdleRSS, true, goPeer),
		{Name: "idle_memory_bytes", Limit: uwsBytes, About: "memory of an idle connection, against uWebSockets in C++", Against: "uWebSockets (C++), measured earlier"},
		f.ratio(Target{Name: "serial_cpu_vs_peers", Limit: 1, About: "CPU of a single delivery, in units of the best peer's"},
			Sized(SerialCPU, size), true, anyPeer),
		f.ratio(Target{Name: "serial_cpu_vs_peers_1k", Limit: 1, About: "the same with 1 KiB"},
			Sized(SerialCPU, large), true, anyPeer),
		f.ratio(Target{Name: "burst_cpu_vs_go", Limit: 0.1, About: "CPU of a delivery in a burst, in units of the best Go peer's"},
			Sized(BurstCPU, size), true, goPeer),
		f.ratio(Target{Name: "burst_cpu_vs_go_1k", Limit: 0.1, About: "the same with 1 KiB"},
			Sized(BurstCPU, large), true, goPeer),
		f.ratio(Target{Name: "delivery_rate_vs_peers", Limit: 1, AtLeast: true, About: "deliveries a second, one publication at a time, in units of the best peer's"},
			Sized(SerialRate, size), false, anyPeer),
		f.ratio(Target{Name: "handshake_cpu_vs_peers", Limit: 1, About: "CPU of a handshake, in units of the best peer's"},
			HandshakeCPU, true, anyPeer),
		f.ratio(Target{Name: "echo_rate_vs_go", Limit: 1.4, AtLeast: true, About: "echoed messages a second, in units of the best Go peer's"},
			EchoRate, false, goPeer),
		f.ratio(Target{Name: "echo_cpu_vs_go", Limit: 1 / 1.4, About: "CPU of an echoed message, in units of the best Go peer's"},
			EchoCPU, true, goPeer),
		f.ratio(Target{Name: "echo_rate_vs_uws", Limit: 0.95, AtLeast: true, About: "echoed messages a second, in units of uWebSockets.js's"},
			EchoRate, false, uws),
	}
	for _, s := range f.Servers {
		if x := f.Figure(s.Name, f.level(IdleRSS), IdleRSS); x != nil && s.Kind == Stentor {
			list[1].Value = &x.Median
		}
	}
	return list
}
