package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"html/template"
	"io"

	"stentor/loadtest"
)

var (
	//go:embed assets/report.html
	pageText string
	//go:embed assets/report.css
	pageStyle string
	//go:embed assets/report.js
	pageScript string
	//go:embed assets/uPlot.min.css
	plotStyle string
	//go:embed assets/uPlot.iife.min.js
	plotScript string
	//go:embed assets/uPlot.LICENSE
	plotLicence string
)

var (
	page   = template.Must(template.New("report").Parse(pageText))
	style  = plotStyle + "\n" + pageStyle
	script = "/*! uPlot: " + plotLicence + " */\n" + plotScript + "\n" + pageScript
)

// WriteHTML writes a page that needs nothing else, no network either: the
// verdict, charts of the run's course and of its latencies, and the tables of
// [WriteTable]. What a result says is shown as text and never as markup; a policy
// in the page has browsers run no script but the page's own.
func WriteHTML(w io.Writer, r *loadtest.Result) error {
	figures := charts(r)
	data := drawing{End: number(end(r))}
	var left []chart
	for _, p := range r.Phases {
		data.Phases = append(data.Phases, span{clean(p.Name), number(p.FromS), number(p.ToS)})
	}
	drawn := []chart{}
	for _, c := range figures {
		if c.Reason != "" {
			left = append(left, c)
			continue
		}
		drawn = append(drawn, c)
	}
	data.Charts = drawn
	v := judge(r)
	var out bytes.Buffer // all of it or nothing
	err := page.Execute(&out, map[string]any{
		"Policy":   "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) + "; base-uri 'none'; form-action 'none'",
		"Style":    template.CSS(style),
		"Script":   template.JS(script),
		"Scenario": clean(r.Run.Scenario),
		"Load":     load(r.Run),
		"Started":  started(r),
		"ISO":      r.Started.Format("2006-01-02T15:04:05Z07:00"),
		"URL":      clean(r.Run.URL),
		"Command":  commandLine(r.Command),
		"Machine":  machine(r.Machine),
		"Tools":    tools(r),
		"Verdict":  v,
		"Tool":     clean(r.Client.Bottleneck),
		"Tiles":    tiles(r),
		"Charts":   drawn,
		"LeftOut":  left,
		"Sections": sections(r),
		"Run":      about(r),
		"Notes":    cleaned(r.Notes),
		"Data":     data,
	})
	if err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

// drawing is what the page's script reads.
type drawing struct {
	End    number  `json:"end"`
	Phases []span  `json:"phases"`
	Charts []chart `json:"charts"`
}

// span is a phase, in seconds since the start.
type span struct {
	Name string `json:"name"`
	From number `json:"from"`
	To   number `json:"to"`
}

// hash names a text in a Content-Security-Policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func cleaned(list []string) (out []string) {
	for _, s := range list {
		out = append(out, clean(s))
	}
	return out
}

// tile is a figure that is read first.
type tile struct {
	Label, Value, Note string
	Kind               string // "bad" has to stand out
}

// tiles returns the figures that tell most about a run of its scenario.
func tiles(r *loadtest.Result) (list []tile) {
	add := func(label, value, note string) { list = append(list, tile{Label: label, Value: value, Note: note}) }
	if c := r.Connect; c.Asked > 0 {
		add("Connections", count(int64(c.Succeeded)), joined("of "+count(int64(c.Asked)), when(c.TookS > 0, "in "+seconds(c.TookS))))
	}
	if s := r.Storm; s != nil {
		add("Back again", count(int64(s.Returned)), "of "+count(int64(s.Dropped))+when(s.P100S > 0, ", all after "+seconds(s.P100S)))
	}
	if c := r.Churn; c != nil {
		add("Churn", rate(c.RateS), counted(c.Connects, "connect"))
	}
	if m := r.Messages; m != nil && m.Due > 0 {
		add("Received", count(m.Received), when(m.RateS > 0, rate(m.RateS)))
		t := tile{Label: "Lost", Value: count(m.Lost), Note: "none duplicated or corrupted"}
		if m.Duplicated+m.Corrupted > 0 {
			t.Note = count(m.Duplicated) + " duplicated, " + count(m.Corrupted) + " corrupted"
		}
		if m.Lost+m.Duplicated+m.Corrupted > 0 {
			t.Kind = "bad"
		}
		list = append(list, t)
	}
	for _, d := range distributions(r) {
		if d.title != "" { // the chief one
			add("p99 "+d.label, millis(d.latency.P99MS), "p50 "+millis(d.latency.P50MS)+", max "+millis(d.latency.MaxMS))
			break
		}
	}
	if s := r.Server; s != nil && s.RSSEach != nil {
		add("Server memory", size(*s.RSSEach), "resident for a connection")
	}
	if s := r.Server; s != nil && s.CPUMessageUS != nil {
		add("Server CPU", micros(*s.CPUMessageUS), "for a message")
	}
	return list
}
