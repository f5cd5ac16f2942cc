package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The document's tables are those of the newest result, and its plots are
// there.
func TestDocumentAgrees(t *testing.T) {
	f, err := newest(filepath.Join("..", "results"))
	if err != nil {
		t.Fatal(err)
	}
	docs := filepath.Join("..", "..", "docs")
	b, err := os.ReadFile(filepath.Join(docs, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := fill(string(b), sections(f))
	if err != nil {
		t.Fatal(err)
	}
	if text != string(b) {
		t.Error("docs/benchmarks.md does not say what the newest result does: go run ./benchmarks/render, see scripts/bench-peers.sh")
	}
	for _, p := range plotsOf(f) {
		if !strings.Contains(text, "(benchmarks/"+p.name+")") {
			t.Errorf("the document does not show %s", p.name)
		}
		drawn, err := p.svg()
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		kept, err := os.ReadFile(filepath.Join(docs, "benchmarks", p.name))
		if err != nil {
			t.Error(err)
		}
		// What is written in a plot is the same everywhere; where it stands may
		// be off by a rounding on another machine.
		if got, want := texts(string(kept)), texts(string(drawn)); got != want {
			t.Errorf("%s says %s, the newest result %s", p.name, got, want)
		}
	}
}

// texts returns what is written in a drawing.
func texts(svg string) string {
	var list []string
	for line := range strings.Lines(svg) {
		if _, rest, ok := strings.Cut(line, "<text"); ok {
			_, rest, _ = strings.Cut(rest, ">")
			text, _, _ := strings.Cut(rest, "<")
			list = append(list, text)
		}
	}
	return strings.Join(list, "|")
}

// A generated part is replaced, and nothing else; a marker that is missing or
// open is an error.
func TestFill(t *testing.T) {
	const (
		start = "<!-- generated: a -->\n"
		end   = "<!-- end of generated -->\n"
	)
	got, err := fill("before\n"+start+"old\n"+end+"after\n", []section{{"a", "new\n"}})
	if want := "before\n" + start + "\nnew\n\n" + end + "after\n"; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", start + "old\n", start + end + start + end} {
		if _, err := fill(bad, []section{{"a", ""}}); err == nil {
			t.Errorf("took %q", bad)
		}
	}
}
