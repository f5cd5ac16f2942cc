package comparison

import (
	"fmt"
	"slices"

	"stentor/benchmarks/internal/report"
)

// Figure is a value of a server with a number of connections: the median over
// the visits, and the ends. A visit's own value is the median of its rounds.
type Figure struct {
	Server      string  `json:"server"`
	Connections int     `json:"connections"`
	Name        string  `json:"name"`
	Median      float64 `json:"median"`
	Min         float64 `json:"min"`
	Max         float64 `json:"max"`
	Visits      int     `json:"visits"`
	// Disturbed is how many of the visits others disturbed. They count only
	// where fewer than three were left alone.
	Disturbed int `json:"disturbed,omitempty"`
	// Values is those of the visits that count, by repetition.
	Values map[int]float64 `json:"values"`
}

// Names of figures. Those with a size end in it: "serial_us_128".
const (
	IdleRSS         = "idle_rss_bytes"       // of a connection
	IdleFreed       = "idle_rss_freed_bytes" // after the server gave back what is free
	IdleLive        = "idle_live_bytes"      // heap and stacks
	SubscriberRSS   = "subscriber_rss_bytes"
	SubscriberFreed = "subscriber_rss_freed_bytes"
	SubscriberLive  = "subscriber_live_bytes"
	HandshakeCPU    = "handshake_us"
	HandshakeRate   = "handshake_rate"
	SubscribeCPU    = "subscribe_us"
	SubscribeRate   = "subscribe_rate"
	SerialCPU       = "serial_us" // of a delivery
	SerialRate      = "serial_rate"
	BurstCPU        = "burst_us"
	BurstRate       = "burst_rate"
	PacedP50        = "paced_p50_ms"
	PacedP99        = "paced_p99_ms"
	EchoCPU         = "echo_us"
	EchoRate        = "echo_rate"
)

// Sized is the name of a figure for a size of payloads.
func Sized(name string, size int) string { return fmt.Sprintf("%s_%d", name, size) }

// Figure finds one, nil if there is none.
func (f *File) Figure(server string, connections int, name string) *Figure {
	for i := range f.Figures {
		if x := &f.Figures[i]; x.Server == server && x.Connections == connections && x.Name == name {
			return x
		}
	}
	return nil
}

// Evaluate makes Figures and Targets of Visits.
func (f *File) Evaluate() {
	f.Figures = nil
	levels := f.levels()
	if n := f.Plan.EchoConnections; n > 0 && !slices.Contains(levels, n) {
		levels = append(levels, n)
	}
	for _, connections := range levels {
		for _, s := range f.Servers {
			c := collection{}
			for _, v := range f.Visits {
				if v.Server == s.Name && v.Connections == connections {
					c.visit(v)
				}
			}
			f.Figures = append(f.Figures, c.figures(s.Name, connections)...)
		}
	}
	f.Targets = f.targets()
}

// value is what a visit says of a figure.
type value struct {
	value      float64
	disturbed  bool
	repetition int
}

// collection is the values of a server with a number of connections.
type collection struct {
	names      []string // in the order in which they came
	values     map[string][]value
	repetition int // of the visit in turn
}

func (c *collection) add(name string, v value) {
	if c.values == nil {
		c.values = map[string][]value{}
	}
	if c.values[name] == nil {
		c.names = append(c.names, name)
	}
	v.repetition = c.repetition
	c.values[name] = append(c.values[name], v)
}

func (c *collection) visit(v *Visit) {
	c.repetition = v.Repetition
	for _, m := range v.Memory {
		c.memory(m, float64(v.Connections))
	}
	for _, work := range works {
		for _, size := range sizesOf(v, work.name) {
			c.rounds(v, work, size)
		}
	}
	for _, p := range v.Paced {
		disturbed := report.Sample{Others: p.Others}.Disturbed()
		c.add(Sized(PacedP50, p.Size), value{value: p.P50.Seconds() * 1e3, disturbed: disturbed})
		c.add(Sized(PacedP99, p.Size), value{value: p.P99.Seconds() * 1e3, disturbed: disturbed})
	}
}

func (c *collection) memory(m Memory, n float64) {
	names := [3]string{IdleRSS, IdleFreed, IdleLive}
	if m.Client == Subscriber {
		names = [3]string{SubscriberRSS, SubscriberFreed, SubscriberLive}
	}
	name := names[0]
	if m.Freed {
		name = names[1]
	}
	c.add(name, value{value: float64(m.RSS-m.EmptyRSS) / n})
	if m.Live > 0 {
		c.add(names[2], value{value: float64(m.Live-m.EmptyLive) / n})
	}
}

// works is the kinds of work with the names of their figures.
var works = []struct {
	name, cpu, rate string
	sized           bool
}{
	{Handshake, HandshakeCPU, HandshakeRate, false},
	{Subscribe, SubscribeCPU, SubscribeRate, false},
	{Serial, SerialCPU, SerialRate, true},
	{Burst, BurstCPU, BurstRate, true},
	{Echo, EchoCPU, EchoRate, false},
}

// sizesOf returns the sizes of payloads that a visit has rounds of.
func sizesOf(v *Visit, work string) (list []int) {
	seen := map[int]bool{}
	for _, r := range v.Rounds {
		if r.Work == work && !seen[r.Size] {
			seen[r.Size] = true
			list = append(list, r.Size)
		}
	}
	return list
}

func (c *collection) rounds(v *Visit, work struct {
	name, cpu, rate string
	sized           bool
}, size int) {
	var good, all []Round
	for _, r := range v.Rounds {
		if r.Work == work.name && r.Size == size {
			all = append(all, r)
			if !r.Disturbed() {
				good = append(good, r)
			}
		}
	}
	disturbed := len(good) == 0
	if disturbed {
		good = all
	}
	cpu := report.SpreadOf(good, func(r Round) float64 { return r.CPU.Seconds() * 1e6 / float64(r.Events) })
	rate := report.SpreadOf(good, func(r Round) float64 { return float64(r.Events) / r.Wall.Seconds() })
	name := func(s string) string {
		if work.sized {
			return Sized(s, size)
		}
		return s
	}
	c.add(name(work.cpu), value{value: cpu.Median, disturbed: disturbed})
	c.add(name(work.rate), value{value: rate.Median, disturbed: disturbed})
}

// enough is the least number of undisturbed visits that make a figure.
const enough = 3

func (c *collection) figures(server string, connections int) (list []Figure) {
	for _, name := range c.names {
		all := c.values[name]
		var good []value
		for _, v := range all {
			if !v.disturbed {
				good = append(good, v)
			}
		}
		f := Figure{Server: server, Connections: connections, Name: name, Disturbed: len(all) - len(good)}
		if len(good) < min(enough, len(all)) {
			good = all
		}
		f.Values = map[int]float64{}
		for _, v := range good {
			f.Values[v.repetition] = v.value
		}
		s := report.SpreadOf(good, func(v value) float64 { return v.value })
		f.Median, f.Min, f.Max, f.Visits = s.Median, s.Min, s.Max, len(good)
		list = append(list, f)
	}
	return list
}
