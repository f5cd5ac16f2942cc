package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"stentor/loadtest"
)

// points is how many there are at most in a chart of the run's course.
const points = 600

// chart is a figure of the page. What its script needs to draw it has names in
// JSON; a chart without series is left out of the page, for a reason.
type chart struct {
	ID     string   `json:"id"`
	Title  string   `json:"-"`
	Text   string   `json:"-"`    // what the figure shows, in words
	Reason string   `json:"-"`    // why it is left out
	Kind   string   `json:"kind"` // of the x axis: "time" in s, "latency" in ms, "percentile" as 1/(1-q)
	X      []number `json:"x"`
	Series []series `json:"series"`
}

// series is a line, or an area, of a chart.
type series struct {
	Label  string   `json:"label"`
	Unit   string   `json:"unit"`            // "count", "rate", "ms", "bytes" or "cores"
	Right  bool     `json:"right,omitempty"` // has its scale at the right
	Area   bool     `json:"area,omitempty"`
	Steps  bool     `json:"steps,omitempty"` // a value holds from the x before to its own
	Color  int      `json:"color"`           // one of the page's, from 1
	Values []number `json:"values"`
}

// number is a value of a chart; not a number is a gap.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	short, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	return json.Marshal(short)
}

var gap = number(math.NaN())

// charts returns all figures, also those that are left out.
func charts(r *loadtest.Result) []chart {
	list := overTime(r)
	return append(list, shapes(r)...)
}

// overTime returns the charts of the run's course.
func overTime(r *loadtest.Result) []chart {
	list := []chart{
		{ID: "connections-over-time", Title: "Connections", Series: []series{
			column(r, "open", "count", func(m loadtest.Moment) float64 { return float64(m.Open) }).area(1),
			column(r, "connects", "rate", func(m loadtest.Moment) float64 { return m.Connects }).right(2),
		}, Reason: "No connection was made."},
		{ID: "messages-over-time", Title: "Messages", Series: []series{
			column(r, "received", "rate", func(m loadtest.Moment) float64 { return m.Received }).area(1),
			column(r, "sent", "rate", func(m loadtest.Moment) float64 { return m.Sent }).right(2),
		}, Reason: "No message was sent or received."},
		{ID: "latency-over-time", Title: "Latency", Series: []series{
			column(r, "max", "ms", func(m loadtest.Moment) float64 { return m.MaxMS }).gaps().color(3),
			column(r, "p99", "ms", func(m loadtest.Moment) float64 { return m.P99MS }).gaps().color(2),
			column(r, "p50", "ms", func(m loadtest.Moment) float64 { return m.P50MS }).gaps().color(1),
		}, Reason: "There was no message to measure."},
		{ID: "errors-over-time", Title: "Errors", Series: []series{
			column(r, "failed connects", "rate", func(m loadtest.Moment) float64 { return m.Failures }).color(3),
			column(r, "dropped", "rate", func(m loadtest.Moment) float64 { return m.Drops }).color(2),
			column(r, "faulty messages so far", "count", func(m loadtest.Moment) float64 { return float64(m.Faults) }).right(4),
		}, Reason: "Nothing to show: no connect failed, no connection was dropped, no message came wrong or twice."},
		{ID: "cpu-over-time", Title: "CPU, in cores", Series: []series{
			column(r, "server", "cores", func(m loadtest.Moment) float64 { return m.ServerCPU }).color(1),
			column(r, "tool", "cores", func(m loadtest.Moment) float64 { return m.ClientCPU }).color(2),
		}, Reason: "It was not measured."},
		{ID: "memory-over-time", Title: "Server memory", Series: []series{
			column(r, "resident", "bytes", func(m loadtest.Moment) float64 { return float64(m.ServerRSS) }).gaps().area(1),
		}, Reason: "The server's memory was not measured: its process is not known, or on another machine."},
		{ID: "lag-over-time", Title: "Lag of the tool", Series: []series{
			column(r, "slowest turn of its event loops", "ms", func(m loadtest.Moment) float64 { return m.ClientLagMS }).color(2),
		}, Reason: "It was not measured."},
	}
	for i := range list {
		list[i].Kind = "time"
		list[i].finish(r)
	}
	return list
}

// column is a series of one field of the moments.
func column(r *loadtest.Result, label, unit string, of func(loadtest.Moment) float64) series {
	s := series{Label: label, Unit: unit}
	for _, m := range r.Series {
		s.Values = append(s.Values, number(of(m)))
	}
	return s
}

func (s series) color(n int) series { s.Color = n; return s }
func (s series) area(n int) series  { s.Area = true; return s.color(n) }
func (s series) right(n int) series { s.Right = true; return s.color(n) }

// gaps makes zeros gaps: they are fields that were left out.
func (s series) gaps() series {
	for i, v := range s.Values {
		if v == 0 {
			s.Values[i] = gap
		}
	}
	return s
}

// finish leaves out what holds nothing, thins what is left, and finds words.
func (c *chart) finish(r *loadtest.Result) {
	var held []series
	for _, s := range c.Series {
		if s.peak() > 0 {
			held = append(held, s)
		}
	}
	c.Series = held
	if len(held) > 0 && len(r.Series) < 2 {
		c.Series, c.Reason = nil, "The run was too short for a curve."
	}
	if len(c.Series) == 0 {
		c.Series = nil
		return
	}
	c.Reason = ""
	if len(c.Series) == 1 {
		c.Series[0].Right = false
	}
	for _, m := range r.Series {
		c.X = append(c.X, number(m.AtS))
	}
	for i, s := range c.Series {
		c.Text += when(i > 0, "; ") + s.Label + " at most " + s.show(s.peak())
	}
	c.Text = strings.ToUpper(c.Text[:1]) + c.Text[1:] + "."
	if n := len(c.X); n > points {
		c.thin(points)
		c.Text += fmt.Sprintf(" Of each %s, the lowest and the highest value are drawn.", seconds(end(r)/float64(points/2)))
	}
}

func (s series) peak() float64 {
	top := 0.0
	for _, v := range s.Values {
		if v := float64(v); v > top && !math.IsInf(v, 0) {
			top = v
		}
	}
	return top
}

// show shows a value of the series.
func (s series) show(v float64) string {
	switch s.Unit {
	case "rate":
		return rate(v)
	case "ms":
		return millis(v)
	case "bytes":
		return size(v)
	case "cores":
		return digits(v) + " cores"
	}
	return count(int64(v))
}

// thin keeps at most n points: of each stretch the lowest and the highest value
// of each series, in the order in which they came, so that neither a peak nor a
// gap of a second goes unseen.
func (c *chart) thin(n int) {
	stretches, all := n/2, len(c.X)
	x := make([]number, 0, n)
	for i := range stretches {
		from, to := i*all/stretches, (i+1)*all/stretches
		x = append(x, c.X[from], c.X[to-1])
	}
	for k, s := range c.Series {
		values := make([]number, 0, n)
		for i := range stretches {
			first, second := extremes(s.Values[i*all/stretches : (i+1)*all/stretches])
			values = append(values, first, second)
		}
		c.Series[k].Values = values
	}
	c.X = x
}

// extremes returns the lowest and the highest value, the earlier one first, and
// gaps if there is none.
func extremes(values []number) (first, second number) {
	low, high := -1, -1
	for i, v := range values {
		if math.IsNaN(float64(v)) {
			continue
		}
		if low < 0 || v < values[low] {
			low = i
		}
		if high < 0 || v >= values[high] {
			high = i
		}
	}
	if low < 0 {
		return gap, gap
	}
	return values[min(low, high)], values[max(low, high)]
}
