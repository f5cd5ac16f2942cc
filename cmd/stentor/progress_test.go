package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stentor/loadtest"
)

// course is how a run goes on, four times a second: connecting for 3 s, then
// measuring for 5 s.
func course(p *progress) {
	for i := range 32 {
		now := loadtest.Progress{Phase: "connect", Elapsed: time.Duration(i) * 250 * time.Millisecond, Unit: "connections", Total: 1200, Done: int64(100 * i)}
		now.Moment.Open, now.Moment.Connects = 100*i, 400
		if i >= 12 {
			now.Phase, now.Unit, now.Total, now.Done = "measure", "publications", 200, int64(10*(i-12))
			now.Moment = loadtest.Moment{Open: 1200, Received: 48_000, P50MS: 3.1, P99MS: 12.4}
		}
		if i >= 20 {
			now.Errors = []loadtest.Count{{Cause: "closed by the server\x1b[2J", Count: 7}, {Cause: "reset", Count: 1}}
		}
		p.show(now)
		time.Sleep(250 * time.Millisecond)
		if i == 0 {
			time.Sleep(125 * time.Millisecond) // never when bars are drawn
		}
	}
	p.end()
	p.show(loadtest.Progress{Phase: "too late"})
	p.end()
}

func TestProgressInLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		course(newProgress(&out, false))
		const want = `stentor:   0.0 s  connect: 0 of 1,200 connections; 0 open, connecting 400/s
stentor:   2.0 s  connect: 800 of 1,200 connections, 1 s left; 800 open, connecting 400/s
stentor:   3.0 s  measure: 0 of 200 publications; 1,200 open, receiving 48 k/s, p50 3.10 ms, p99 12.4 ms
stentor:   5.0 s  measure: 80 of 200 publications, 3 s left; 1,200 open, receiving 48 k/s, p50 3.10 ms, p99 12.4 ms, 8 errors: closed by the server` + "\uFFFD" + `[2J (and 1 other cause)
stentor:   7.0 s  measure: 160 of 200 publications, 1 s left; 1,200 open, receiving 48 k/s, p50 3.10 ms, p99 12.4 ms, 8 errors: closed by the server` + "\uFFFD" + `[2J (and 1 other cause)
`
		if got := out.String(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// screen plays the few sequences that bars are drawn with, and returns what is
// seen at the end.
func screen(t *testing.T, output string) string {
	t.Helper()
	lines, row := []string{""}, 0
	for output != "" {
		if n := len(regexp.MustCompile(`^\x1b\[1?A`).FindString(output)); n > 0 {
			row, output = row-1, output[n:]
		} else if n := len(regexp.MustCompile(`^\x1b\[2?K`).FindString(output)); n > 0 {
			lines[row], output = "", output[n:]
		} else if output[0] == '\n' {
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
			output = output[1:]
		} else if n := strings.IndexAny(output, "\n\x1b"); n > 0 {
			lines[row], output = lines[row]+output[:n], output[n:]
		} else {
			t.Fatalf("what is %q?", output[:min(len(output), 20)])
		}
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func TestProgressWithBars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out, true)
		course(p)
		const want = "connect    [took 3.0 s]\nmeasure    [took 4.8 s]"
		if got := screen(t, out.String()); got != want {
			t.Errorf("left on the screen:\n%s", got)
		}
		for _, part := range []string{"800 open, connecting 400/s\nconnect    67% ██████████████▒░░░░░░░ [800 of 1,200 connections, 1 s left]\n",
			"\nmeasure    40% ████████▓░░░░░░░░░░░░░ [80 of 200 publications, 3 s left]\n"} {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%q was never seen in\n%q", part, out.String())
			}
		}
		for line := range strings.Lines(strings.ReplaceAll(out.String(), "\x1b", "\n")) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 82 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		if strings.Contains(out.String(), "\x1b[2J") || regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(out.String()) {
			t.Error("colours, or what a server says reaches the terminal")
		}
	})
}

// TestProgressWithoutTotal has a phase whose end cannot be seen.
func TestProgressWithoutTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out, true)
		for i := range 8 {
			p.show(loadtest.Progress{Phase: "drain", Done: int64(i), Unit: "messages", Elapsed: time.Duration(i) * time.Second})
			time.Sleep(1100 * time.Millisecond)
		}
		p.end()
		if got := out.String(); !strings.Contains(got, " ▒█▒░") || !strings.Contains(got, "░▒█▒░") || !strings.Contains(got, "[7 messages]") || strings.Contains(got, "%") {
			t.Errorf("%q", got)
		}
	})
}

// TestProgressEndsAtOnce ends it before the bars were drawn, and at the same
// time as states come.
func TestProgressEndsAtOnce(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		newProgress(&out, terminal).end()
		if out.Len() > 0 {
			t.Errorf("without a state: %q", out.String())
		}
		p := newProgress(&out, terminal)
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				for range 50 {
					p.show(loadtest.Progress{Phase: "connect", Unit: "connections", Total: 10})
				}
			})
		}
		p.show(loadtest.Progress{Phase: "connect", Unit: "connections", Total: 10})
		p.end()
		wait.Wait()
		if !strings.Contains(out.String(), map[bool]string{false: "0 of 10 connections", true: "connect    [took 0.0 s]"}[terminal]) {
			t.Errorf("the last state is missing: %q", out.String())
		}
	}
}

func TestWidthOfNoTerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if n := width(file); n != 80 {
		t.Errorf("%d columns", n)
	}
}
