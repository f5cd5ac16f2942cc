package report

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"stentor/loadtest"
)

func TestJSON(t *testing.T) {
	for name, r := range samples() {
		var first, second bytes.Buffer
		if err := WriteJSON(&first, r); err != nil {
			t.Fatal(err)
		}
		text := first.String()
		back, err := ReadJSON(&first)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name != "hostile" && !reflect.DeepEqual(back, r) {
			t.Errorf("%s does not come back as it was", name)
		}
		if err := WriteJSON(&second, back); err != nil || second.String() != text {
			t.Errorf("%s is written otherwise the second time: %v", name, err)
		}
		if !strings.HasSuffix(text, "\n}\n") || !strings.Contains(text, "\n  \"format\": 1,\n") {
			t.Errorf("%s is not indented", name)
		}
	}
	r := idle()
	r.Client.CPUShare = math.NaN()
	if err := WriteJSON(io.Discard, r); err == nil {
		t.Error("what JSON cannot say was written")
	}
}

func TestReadJSON(t *testing.T) {
	for _, text := range []string{"", "{", "no", "[]", "null", "{}", `{"format": 0}`, `{"format": 2}`, `{"format": "1"}`, `{"format": 1} {}`, `{"format": 1} x`} {
		if _, err := ReadJSON(strings.NewReader(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if r, err := ReadJSON(strings.NewReader(`{"format": 1, "a field of later": [], "version": "9"}` + "\n\n")); err != nil || r.Version != "9" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, rd := range []io.Reader{iotest.ErrReader(errBroken), io.MultiReader(strings.NewReader(`{"format": 1}`), iotest.ErrReader(errBroken))} {
		if _, err := ReadJSON(rd); !errors.Is(err, errBroken) || errors.Is(err, ErrFormat) {
			t.Errorf("a broken file: %v", err)
		}
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{millis(0), "0 ms"}, {millis(.0004), "0.400 µs"}, {millis(.0123), "12.3 µs"}, {millis(.9994), "999 µs"}, {millis(.9996), "1.00 ms"},
		{millis(12.34), "12.3 ms"}, {millis(999.6), "1.00 s"}, {millis(61_000), "61.0 s"}, {millis(math.NaN()), "? µs"},
		{seconds(0), "0 s"}, {seconds(.0021), "2.1 ms"}, {seconds(4.1), "4.1 s"}, {seconds(119), "119 s"}, {seconds(120), "2 min 0 s"},
		{seconds(3599.7), "60 min 0 s"}, {seconds(86_400), "24 h 0 min"},
		{rate(0), "0/s"}, {rate(.25), "0.25/s"}, {rate(4878), "4,878/s"}, {rate(10_000), "10 k/s"}, {rate(198_511), "199 k/s"}, {rate(1.5e6), "1.5 M/s"},
		{size(0), "0 B"}, {size(296.4), "296 B"}, {size(999.6), "1000 B"}, {size(1534), "1.53 KB"}, {size(61.3e6), "61.3 MB"}, {size(2e12), "2 TB"},
		{percent(1), "100%"}, {percent(.125), "12.5%"}, {percent(1e-7), "0.00001%"},
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-1234567), "-1,234,567"}, {count(math.MinInt64), "-9,223,372,036,854,775,808"},
		{counted(1, "message"), "1 message"}, {counted(0, "message"), "0 messages"},
		{clean("a\tb\x9b\u200fc\u2028"), "a\uFFFDb\uFFFD\uFFFDc\uFFFD"}, {clean("\xff"), "\uFFFD"},
		{commandLine([]string{"a", "", "b c", "it's", "x=1", "$HOME", "~", "größe"}), `a '' 'b c' 'it'\''s' x=1 '$HOME' '~' 'größe'`},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestThin(t *testing.T) {
	c := chart{Series: []series{{Values: []number{}}, {}}}
	for i := range 10_007 {
		c.X = append(c.X, number(i))
		v := number(5)
		switch i {
		case 777:
			v = 100
		case 5000:
			v = 0
		}
		c.Series[0].Values = append(c.Series[0].Values, v)
		c.Series[1].Values = append(c.Series[1].Values, gap)
	}
	c.thin(points)
	if len(c.X) != points || c.X[0] != 0 || c.X[points-1] != 10_006 {
		t.Errorf("%d points from %v to %v", len(c.X), c.X[0], c.X[len(c.X)-1])
	}
	high, low := 0, 0
	for i, v := range c.Series[0].Values {
		if i > 0 && c.X[i] <= c.X[i-1] {
			t.Fatalf("point %d is at %v, the one before at %v", i, c.X[i], c.X[i-1])
		}
		if v == 100 {
			high++
		}
		if v == 0 {
			low++
		}
		if !math.IsNaN(float64(c.Series[1].Values[i])) {
			t.Fatal("a gap has got a value")
		}
	}
	if high != 1 || low != 1 {
		t.Errorf("the peak is there %d times, the dip %d times", high, low)
	}
}

func TestQuantile(t *testing.T) {
	l := &loadtest.Latency{Count: 1000, MinMS: 1, P50MS: 3, P90MS: 8, P95MS: 9, P99MS: 9.5, P999MS: 9.9, MaxMS: 10,
		Bars: []loadtest.Bar{{UpToMS: 2, Count: 250}, {UpToMS: 4, Count: 500}, {UpToMS: 12, Count: 250}}}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {.5, 3}, {.99, 9.5}, {.25, 2}, {.75, 4}, {.8, 5.6}, {.98, 10}, {.999, 9.9}} {
		if got := float64(quantile(l, c.q)); math.Abs(got-c.want) > .01 {
			t.Errorf("%v: %v, want %v", c.q, got, c.want)
		}
	}
	if got := float64(quantile(l, .9999)); !math.IsNaN(got) {
		t.Errorf("a thousand values do not tell the 99.99%%, but it is %v", got)
	}
	grid := quantiles(8_000_000)
	for i := range grid {
		if i > 0 && grid[i] <= grid[i-1] {
			t.Errorf("%v follows %v", grid[i], grid[i-1])
		}
	}
}

// TestChartsOfStrangeResults draws what no run has, but a stored file may.
func TestChartsOfStrangeResults(t *testing.T) {
	r := broadcast()
	r.Messages.Latency = &loadtest.Latency{Count: -5, Bars: []loadtest.Bar{{UpToMS: 3}, {UpToMS: 1, Count: -4}}}
	r.Messages.Publish = &loadtest.Latency{Count: 3, Bars: []loadtest.Bar{{UpToMS: -3}, {UpToMS: -7, Count: -4}, {}}}
	r.Connect.Latency = &loadtest.Latency{Count: math.MaxInt64, MinMS: math.Inf(1), Bars: []loadtest.Bar{{UpToMS: 3, Count: 1}, {UpToMS: math.NaN()}}}
	r.Series[3].AtS, r.Series[5].P99MS, r.Series[6].ServerRSS = math.NaN(), math.Inf(1), math.MinInt64
	r.Phases[1].ToS = math.Inf(-1)
	for _, c := range shapes(r) {
		for i := range c.X {
			if c.Kind == "latency" && (!(c.X[i] > 0) || i > 0 && c.X[i] <= c.X[i-1]) {
				t.Errorf("%s has no scale: %v", c.ID, c.X)
			}
		}
	}
	if err := WriteHTML(io.Discard, r); err != nil {
		t.Error(err)
	}
	if err := WriteTable(io.Discard, r); err != nil {
		t.Error(err)
	}
}

func TestHTML(t *testing.T) {
	for name, r := range samples() {
		var b bytes.Buffer
		if err := WriteHTML(&b, r); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		for _, part := range list("<script>alert", "<img", "http-equiv=\"refresh\"", " onerror=alert(2)>", "ZgotmplZ") {
			if strings.Contains(page, part) {
				t.Errorf("%s has %s", name, part)
			}
		}
		if n := strings.Count(page, "</script>"); n != 2 {
			t.Errorf("%s ends %d scripts", name, n)
		}
		if !strings.Contains(page, plotLicence) {
			t.Errorf("%s has uPlot without its licence", name)
		}
		if n := len(page); n > 400_000 {
			t.Errorf("%s has %d bytes", name, n)
		}
	}
}
