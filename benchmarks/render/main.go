// Command render puts the newest comparison with the peers into the document
// about it: tables between markers, and plots.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"stentor/benchmarks/internal/comparison"
)

func main() {
	results := flag.String("results", "benchmarks/results", "`folder` with peers-DATE.json")
	document := flag.String("document", "docs/benchmarks.md", "`file` to put the tables in")
	plots := flag.String("plots", "docs/benchmarks", "`folder` for the plots")
	flag.Parse()
	if err := render(*results, *document, *plots); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func render(results, document, plots string) error {
	f, err := newest(results)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	text, err := fill(string(old), sections(f))
	if err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	if err := os.MkdirAll(plots, 0o777); err != nil {
		return err
	}
	for _, p := range plotsOf(f) {
		b, err := p.svg()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := os.WriteFile(filepath.Join(plots, p.name), b, 0o666); err != nil {
			return err
		}
	}
	return os.WriteFile(document, []byte(text), 0o666)
}

// newest reads the newest comparison in a folder.
func newest(folder string) (*comparison.File, error) {
	list, err := filepath.Glob(filepath.Join(folder, "peers-*.json"))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("there is no result: run scripts/bench-peers.sh")
	}
	slices.Sort(list) // dates sort as text
	f, err := comparison.Read(list[len(list)-1])
	if err != nil {
		return nil, err
	}
	f.Evaluate()
	return f, nil
}
