package report

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"stentor/loadtest"
)

var update = flag.Bool("update", false, "write the tables in testdata anew")

func tableOf(t *testing.T, r *loadtest.Result, options ...TableOption) string {
	t.Helper()
	var b strings.Builder
	if err := WriteTable(&b, r, options...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTable compares tables with those in testdata, which are there to be read.
func TestTable(t *testing.T) {
	for name, r := range samples() {
		file := filepath.Join("testdata", name+".txt")
		got := tableOf(t, r)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		} else if got != string(want) {
			t.Errorf("%s is not what is in %s (-update writes it anew):\n%s", name, file, got)
		}
	}
}

// lines returns those of a table that begin so.
func lines(table, start string) (list []string) {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, start) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

func TestFaultsStandOut(t *testing.T) {
	marked := strings.Join(lines(tableOf(t, losses()), "! "), "\n")
	for _, want := range []string{
		"! LOST          10, 0.000119% of what was due", "! DUPLICATED    4", "! CORRUPTED     2", "! OUT OF ORDER  7", "! UNEXPECTED    1",
		"! NOT ACCEPTED  3 publications", "! FAILED           12", "! DROPPED          7", "! MISSED  10        lost > 0",
		"! BOTTLENECK     one worker", "! THE TOOL ITSELF may have been the bottleneck: one worker",
	} {
		if !strings.Contains(marked, want) {
			t.Errorf("%q is not marked:\n%s", want, marked)
		}
	}
	for _, name := range []string{"idle", "broadcast", "echo", "churn", "interrupted"} {
		if marked := lines(tableOf(t, samples()[name]), "!"); len(marked) > 0 {
			t.Errorf("%s has no fault, but marks %q", name, marked)
		}
	}
}

func TestVerdict(t *testing.T) {
	missed := func(r *loadtest.Result) { r.Thresholds = []loadtest.Threshold{{Missed: true}, {}} }
	kept := func(r *loadtest.Result) { r.Thresholds = []loadtest.Threshold{{}} }
	lost := func(r *loadtest.Result) { r.Messages.Lost, r.Messages.Received = 1, r.Messages.Due-1 }
	for _, c := range []struct {
		name   string
		change []func(*loadtest.Result)
		kind   string
		want   string
	}{
		{"nothing special", nil, "good", "OK: no message lost, duplicated or corrupted"},
		{"kept", list(kept), "good", "PASSED: 1 of 1 threshold kept; no message lost, duplicated or corrupted"},
		{"missed", list(missed), "bad", "FAILED: 1 of 2 thresholds MISSED; no message lost, duplicated or corrupted"},
		{"lost", list(lost), "bad", "FAULTS: 1 message LOST"},
		{"in part", list(func(r *loadtest.Result) { r.Messages.Partly, r.Messages.Unsent = 2, 1 }), "bad", "FAULTS: 1 message NEVER SENT; 2 messages NOT ACCEPTED EVERYWHERE"},
		{"lost, as far as allowed", list(lost, kept), "warn", "PASSED: 1 of 1 threshold kept; 1 message LOST"},
		{"interrupted and missed", list(missed, func(r *loadtest.Result) { r.Interrupted = true }), "bad",
			"FAILED: 1 of 2 thresholds MISSED; interrupted; no message lost, duplicated or corrupted"},
		{"interrupted and kept", list(kept, func(r *loadtest.Result) { r.Interrupted = true }), "warn",
			"INTERRUPTED: the figures are those until then; no message lost, duplicated or corrupted"},
		{"dropped", list(func(r *loadtest.Result) { r.Connect.Dropped = 2 }), "warn",
			"TROUBLE: 2 connections DROPPED by the server or the network; no message lost, duplicated or corrupted"},
		{"nothing due", list(func(r *loadtest.Result) { r.Messages = &loadtest.Messages{} }), "bad", "NOTHING MEASURED"},
		{"broken off", list(func(r *loadtest.Result) { r.Failed, r.Messages = "no\nserver", nil }), "bad", "FAILED: no\uFFFDserver"},
	} {
		r := echo()
		for _, change := range c.change {
			change(r)
		}
		if v := judge(r); v.Kind != c.kind || v.String() != c.want {
			t.Errorf("%s: %s, %q, want %s, %q", c.name, v.Kind, v, c.kind, c.want)
		}
	}
}

func list[T any](s ...T) []T { return s }

func TestNothingMovesTheCursor(t *testing.T) {
	for name, r := range samples() {
		got := tableOf(t, r)
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }); i >= 0 {
			t.Errorf("%s: %q", name, got[max(0, i-20):i+20])
		}
	}
	plain, coloured := tableOf(t, losses()), tableOf(t, losses(), Color(true))
	for _, code := range list(bold, red, yellow, reset) {
		if !strings.Contains(coloured, code) {
			t.Errorf("%q is not there", code)
		}
		coloured = strings.ReplaceAll(coloured, code, "")
	}
	if coloured != plain {
		t.Error("colours change the text")
	}
	if strings.Contains(tableOf(t, losses(), Color(false)), "\x1b") {
		t.Error("colours that were not asked for")
	}
}

// A server that has not grown has a value, too.
func TestServerThatHasNotGrown(t *testing.T) {
	r := idle()
	r.Server.RSSEach, r.Server.HeapEach = new(0.0), nil
	if got := tableOf(t, r); !strings.Contains(got, "for a connection  0 B resident, 5.12 KB kernel") {
		t.Errorf("no 0 B in\n%s", got)
	}
}

// TestNarrow holds tables of figures to the width of a terminal.
func TestNarrow(t *testing.T) {
	for _, section := range list("Latency", "Phases", "Messages", "Connections") {
		_, rest, _ := strings.Cut(tableOf(t, broadcast()), "\n"+section+"\n")
		text, _, _ := strings.Cut(rest, "\n\n")
		if text == "" {
			t.Errorf("no section %s", section)
		}
		for line := range strings.Lines(text) {
			if n := len([]rune(line)); n > 81 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}

func TestManyCauses(t *testing.T) {
	r := idle()
	for i := range 40 {
		r.Errors = append(r.Errors, loadtest.Count{Cause: strings.Repeat("x", 1000), Count: int64(100 - i)})
	}
	got := tableOf(t, r)
	if n := strings.Count(got, "xxx…"); n != most {
		t.Errorf("%d causes are shown", n)
	}
	if !strings.Contains(got, "28 other causes") {
		t.Error("the others are not told of")
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestErrorsOfWriters(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *loadtest.Result) error{
		"WriteTable": func(w io.Writer, r *loadtest.Result) error { return WriteTable(w, r) }, "WriteJSON": WriteJSON, "WriteHTML": WriteHTML,
	} {
		if err := write(broken{}, idle()); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
