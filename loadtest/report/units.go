package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// step is a unit and how many of the least one it is.
type step struct {
	size float64
	name string
}

var (
	times = []step{{1e-3, " µs"}, {1, " ms"}, {1e3, " s"}}
	sizes = []step{{1, " B"}, {1e3, " KB"}, {1e6, " MB"}, {1e9, " GB"}, {1e12, " TB"}}
	rates = []step{{1, "/s"}, {1e3, " k/s"}, {1e6, " M/s"}}
)

// scaled shows v in the greatest unit in which it is at least 1.
func scaled(v float64, steps []step, digits func(float64) string) string {
	s := steps[0]
	for _, next := range steps {
		if math.Abs(round(v)) >= next.size {
			s = next
		}
	}
	return digits(v/s.size) + s.name
}

// round keeps three significant digits.
func round(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64)
	return r
}

// fixed shows three significant digits, and all of those before the point.
func fixed(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "?"
	case v == 0:
		return "0"
	case math.Abs(v) >= 1000:
		return count(int64(math.Round(v)))
	}
	v = round(v)
	return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(math.Abs(v))+1e-9))), 64)
}

// digits is the same without zeros at the end.
func digits(v float64) string {
	text := fixed(v)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// count shows all digits, in groups of three.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// counted is a count with its noun, which has an s for its plural.
func counted(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return count(n) + " " + noun
}

// millis shows milliseconds in the unit that fits, for columns: with all digits.
func millis(ms float64) string {
	if ms == 0 {
		return "0 ms"
	}
	return scaled(ms, times, fixed)
}

// seconds shows how long something took.
func seconds(s float64) string {
	switch {
	case s == 0:
		return "0 s"
	case s < 120 || math.IsNaN(s) || math.IsInf(s, 0):
		return scaled(s*1e3, times, digits)
	}
	whole := int64(math.Round(s))
	if whole < 7200 {
		return fmt.Sprintf("%d min %d s", whole/60, whole%60)
	}
	return fmt.Sprintf("%s h %d min", count(whole/3600), whole%3600/60)
}

// rate shows how often a second.
func rate(v float64) string {
	if math.Abs(v) < 1e4 {
		return digits(v) + "/s"
	}
	return scaled(v, rates, digits)
}

// size shows bytes, in decimal units.
func size(bytes float64) string {
	if math.Abs(bytes) < 1000 {
		return strconv.FormatFloat(math.Round(bytes), 'f', 0, 64) + " B"
	}
	return scaled(bytes, sizes, digits)
}

// percent shows a share, 0 to 1.
func percent(share float64) string { return digits(share*100) + "%" }

// longest is how many characters of a text are shown.
const longest = 300

// clean makes a text fit for one line of a terminal or a page: without what
// moves the cursor, hides or turns the text around, and not too long.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > longest {
			return b.String() + "…"
		}
		b.WriteRune(harmless(r))
	}
	return b.String()
}

func harmless(r rune) rune {
	if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
		return unicode.ReplacementChar
	}
	return r
}

// commandLine quotes arguments as a shell wants them. It is not shortened: it is
// there to be copied.
func commandLine(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		a = strings.Map(harmless, a)
		if a == "" || strings.ContainsFunc(a, special) {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted[i] = a
	}
	return strings.Join(quoted, " ")
}

// special reports whether a shell may take a character for more than itself.
func special(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_=+:,./@%", r)
}
