package main

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"stentor/benchmarks/internal/comparison"
)

// series is one figure of all servers, a bar each.
type series struct {
	figure string
	legend string
	color  color.RGBA
}

// bar is a horizontal bar with a mark from the least value to the greatest.
type bar struct {
	at               float64 // of its middle on the axis Y
	value, low, high float64
	color            color.RGBA
}

// barChart draws bars. Their width is in units of the axis Y.
type barChart struct {
	bars  []bar
	width float64
}

// bars makes a chart of a figure or two at a number of connections.
func bars(f *comparison.File, name, title string, connections int, log bool, all ...series) picture {
	p := newPlot(title)
	chart := &barChart{width: 0.8 / float64(len(all))}
	var labels []string
	servers := slices.Clone(f.Servers)
	slices.Reverse(servers) // the first is at the top
	for _, s := range servers {
		if x := f.Figure(s.Name, connections, comparison.SubscriberRSS); x != nil && all[0].figure == comparison.IdleRSS {
			chart.bars = append(chart.bars, bar{float64(len(labels)), x.Median, x.Min, x.Max, all[0].color})
			labels = append(labels, s.Label+", subscribed")
		}
		any := false
		for i, one := range all {
			x := f.Figure(s.Name, connections, one.figure)
			if x == nil {
				continue
			}
			any = true
			c := one.color
			switch {
			case s.Kind == comparison.Floor && len(all) == 1:
				c = grey
			case s.Kind == comparison.Stentor && len(all) == 1:
				c = strong
			}
			at := float64(len(labels)) + 0.4 - chart.width*(float64(i)+0.5)
			chart.bars = append(chart.bars, bar{at, x.Median, x.Min, x.Max, c})
		}
		if any {
			labels = append(labels, s.Label)
		}
	}
	p.Add(chart)
	p.NominalY(labels...)
	if log {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	p.X.Min, p.X.Max = chart.ends(log)
	p.Y.Min, p.Y.Max = -0.6, float64(len(labels))-0.4
	p.Y.LineStyle.Width = 0
	height := 3.2*vg.Centimeter + vg.Length(len(labels)*len(all))*0.62*vg.Centimeter
	if len(all) > 1 {
		p.Legend.Top = true
		for _, one := range all {
			p.Legend.Add(one.legend, swatch{one.color})
		}
		p.Y.Max += 1.3 // room for the legend
	}
	return picture{name, p, height}
}

// ends is the range of the axis X, with room for what stands behind a bar.
func (b *barChart) ends(log bool) (low, high float64) {
	low = math.Inf(1)
	for _, x := range b.bars {
		if x.low > 0 {
			low = min(low, x.low)
		}
		high = max(high, x.high, x.value)
	}
	if len(b.bars) == 0 || math.IsInf(low, 1) {
		return 1, 10
	}
	if !log {
		return 0, high * 1.15
	}
	return math.Pow(10, math.Floor(math.Log10(low)-0.01)), high * math.Pow(high/low, 0.12)
}

// Plot draws the bars.
func (b *barChart) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	style.Font = font.From(p.X.Tick.Label.Font, 8)
	for _, one := range b.bars {
		half := b.width * 0.42
		left, right := x(p.X.Min), x(max(p.X.Min, one.value))
		c.FillPolygon(one.color, []vg.Point{
			{X: left, Y: y(one.at - half)}, {X: right, Y: y(one.at - half)},
			{X: right, Y: y(one.at + half)}, {X: left, Y: y(one.at + half)},
		})
		low, high := x(max(p.X.Min, one.low)), x(max(p.X.Min, one.high))
		c.StrokeLine2(draw.LineStyle{Color: color.Black, Width: vg.Points(0.8)}, low, y(one.at), high, y(one.at))
		c.FillText(style, vg.Point{X: max(right, high) + vg.Points(4), Y: y(one.at)}, round(one.value))
	}
}

// swatch is a colour in the legend.
type swatch struct{ color color.RGBA }

// Thumbnail fills it.
func (s swatch) Thumbnail(c *draw.Canvas) {
	c.FillPolygon(s.color, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
}
