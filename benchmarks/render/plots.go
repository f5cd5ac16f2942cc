package main

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"stentor/benchmarks/internal/comparison"
)

// picture is a plot for a file.
type picture struct {
	name   string
	plot   *plot.Plot
	height vg.Length
}

const width = 18 * vg.Centimeter

// svg draws it.
func (p *picture) svg() ([]byte, error) {
	const margin = 3 * vg.Millimeter
	c := vgsvg.New(width, p.height)
	page := draw.New(c)
	page.FillPolygon(color.White, []vg.Point{page.Min, {X: page.Max.X, Y: page.Min.Y}, page.Max, {X: page.Min.X, Y: page.Max.Y}})
	p.plot.Draw(draw.Crop(page, margin, -margin, margin, -margin))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	// Who does not have the font that the text was measured with has one that
	// is as wide.
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")), nil
}

// plotsOf returns the plots of a run.
func plotsOf(f *comparison.File) []picture {
	size := f.Plan.Size
	most := 0
	for _, l := range f.Plan.Levels {
		most = max(most, l.Connections)
	}
	echo := 0
	for _, x := range f.Figures {
		if x.Name == comparison.EchoRate {
			echo = max(echo, x.Connections)
		}
	}
	serial, burst := comparison.Sized(comparison.SerialCPU, size), comparison.Sized(comparison.BurstCPU, size)
	return []picture{
		bars(f, "memory.svg", fmt.Sprintf("Resident memory of an idle connection, bytes (%d connections)", most), most, true,
			series{comparison.IdleRSS, "", blue}),
		bars(f, "handshake.svg", fmt.Sprintf("Server CPU of accepting a connection and its handshake, µs (%d connections)", most), most, false,
			series{comparison.HandshakeCPU, "", blue}),
		bars(f, "delivery.svg", fmt.Sprintf("Server CPU of a delivery of %d bytes, µs (%d connections)", size, most), most, true,
			series{serial, "one publication at a time", blue},
			series{burst, fmt.Sprintf("%d back to back", f.Plan.Burst), orange}),
		bars(f, "rate.svg", fmt.Sprintf("Deliveries a second, one publication of %d bytes at a time (%d connections)", size, most), most, false,
			series{comparison.Sized(comparison.SerialRate, size), "", blue}),
		bars(f, "echo.svg", fmt.Sprintf("Messages of %d bytes echoed a second (%d connections)", size, echo), echo, false,
			series{comparison.EchoRate, "", blue}),
		byConnections(f, "connections.svg", "Server CPU of a delivery, one publication at a time, by number of connections", "µs", serial),
	}
}

var (
	blue   = color.RGBA{R: 0x2b, G: 0x6c, B: 0xb0, A: 0xff}
	orange = color.RGBA{R: 0xdd, G: 0x7a, B: 0x1c, A: 0xff}
	strong = color.RGBA{R: 0x14, G: 0x3a, B: 0x66, A: 0xff} // Stentor's own
	grey   = color.RGBA{R: 0x8a, G: 0x8a, B: 0x8a, A: 0xff} // the floor's
)

// newPlot makes a plot on white, so that it can be read on a dark page, too.
func newPlot(title string) *plot.Plot {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = title
	p.Title.TextStyle.Font.Size = 11
	p.Title.Padding = 3 * vg.Millimeter
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Size = 9
		a.Tick.Label.Font.Size = 9
	}
	p.Legend.TextStyle.Font.Size = 9
	p.Legend.Padding = vg.Millimeter
	return p
}

// byConnections draws a figure of each server over the number of connections.
func byConnections(f *comparison.File, name, title, unit, figure string) picture {
	p := newPlot(title)
	p.X.Label.Text, p.Y.Label.Text = "connections", unit
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, counts(f)
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	colors := []color.RGBA{
		{0x8a, 0x8a, 0x8a, 0xff}, {0x14, 0x3a, 0x66, 0xff}, {0xc0, 0x39, 0x2b, 0xff}, {0xdd, 0x7a, 0x1c, 0xff}, {0xb5, 0x9b, 0x00, 0xff},
		{0x2e, 0x8b, 0x57, 0xff}, {0x8e, 0x44, 0xad, 0xff}, {0x16, 0xa0, 0xb5, 0xff}, {0xd6, 0x5d, 0xa5, 0xff},
	}
	for i, s := range f.Servers {
		var points plotter.XYs
		for _, l := range f.Plan.Levels {
			if x := f.Figure(s.Name, l.Connections, figure); x != nil {
				points = append(points, plotter.XY{X: float64(l.Connections), Y: x.Median})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			continue // a value that is no number
		}
		line.Color = colors[i%len(colors)]
		line.Width = vg.Points(1.5)
		if s.Kind == comparison.Stentor {
			line.Width = vg.Points(3)
		}
		dots.Color, dots.Shape = line.Color, draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(s.Label, line, dots)
	}
	p.Y.Max *= 1.7 // room for the legend
	return picture{name, p, 13 * vg.Centimeter}
}

// counts is the ticks of an axis of connections: those that were measured.
func counts(f *comparison.File) plot.ConstantTicks {
	var list plot.ConstantTicks
	for _, l := range f.Plan.Levels {
		list = append(list, plot.Tick{Value: float64(l.Connections), Label: fmt.Sprint(l.Connections)})
	}
	return list
}

// round writes a value for the end of a bar.
func round(v float64) string {
	if v >= 10_000 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v/1000), ".0") + "k"
	}
	return comparison.Short(v)
}
