// Command core measures Stentor against its budgets: the real server, over real
// sockets, beside a floor of bare system calls in the same run. See README.md
// in the folder above for what the figures mean; scripts/bench-core.sh runs it.
//
// It exits with 0 if every budget that could be measured is kept, with 1 if one
// is not or something has failed, with 2 if the command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stentor/benchmarks/internal/report"
	"stentor/benchmarks/internal/rig"
)

// timeLimit ends a run that hangs.
const timeLimit = 15 * time.Minute

func main() {
	rig.Main("core", func(ctx context.Context, args []string) (int, error) {
		code, err := run(ctx, args)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("not done after %v", timeLimit)
		}
		return code, err
	})
}

// options is what the command line says.
type options struct {
	server  string
	results string
	command string
	only    string
	quick   bool
}

func parseOptions(args []string) (o options, err error) {
	flags := flag.NewFlagSet("core", flag.ContinueOnError)
	flags.StringVar(&o.server, "stentor", "", "`path` of the stentor binary to measure")
	flags.StringVar(&o.results, "results", "", "`folder` to keep the run in as core-DATE.json, if it is a whole one")
	flags.StringVar(&o.command, "command", "core", "the `command` to note in that file")
	flags.StringVar(&o.only, "only", "", "measure these figures only, a `list` of names with commas")
	flags.BoolVar(&o.quick, "quick", false, "few connections and rounds, to see that all works: the figures mean nothing")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.server == "" || flags.NArg() > 0 {
		flags.Usage()
		return o, errors.New("the flag -stentor is needed, and no arguments")
	}
	return o, nil
}

// whole reports whether the run is one of all figures, to be judged and kept.
func (o *options) whole() bool { return !o.quick && o.only == "" }

// run measures, reports, and returns the exit code.
func run(ctx context.Context, args []string) (int, error) {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	if err != nil {
		return 2, err
	}
	plan := fullPlan()
	if o.quick {
		plan = quickPlan()
	}
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	b, err := newBench(ctx, plan, o.server, os.Stderr)
	if err != nil {
		return 1, err
	}
	defer b.Close()
	if err := b.restrict(o.only); err != nil {
		return 2, err
	}
	if err := b.measure(); err != nil {
		return 1, err
	}
	return b.conclude(os.Stdout, &o)
}

// conclude prints the figures and keeps the run.
func (b *bench) conclude(w io.Writer, o *options) (int, error) {
	fmt.Fprintln(w)
	if err := report.WriteTable(w, b.told()); err != nil {
		return 1, err
	}
	b.warn(w)
	fmt.Fprintln(w)
	if o.quick {
		fmt.Fprintln(w, "this was a trial: the figures mean nothing")
		return 0, nil
	}
	if o.whole() && o.results != "" {
		path := filepath.Join(o.results, "core-"+b.started.UTC().Format(time.DateOnly)+".json")
		file, err := b.file(o.command)
		if err == nil {
			err = file.Write(path)
		}
		if err != nil {
			return 1, err
		}
		fmt.Fprintf(w, "raw rounds: %s\n\n", path)
	}
	if err := report.WriteLines(w, b.told()); err != nil {
		return 1, err
	}
	if report.Over(b.figures) > 0 {
		return 1, nil
	}
	return 0, nil
}

// warn tells how far other processes were in the way.
func (b *bench) warn(w io.Writer) {
	for _, kind := range slices.Sorted(maps.Keys(b.disturbed)) {
		bad, all := b.disturbed[kind], len(b.pairs[kind])
		remedy := "they do not count"
		if all-bad < enoughPairs {
			remedy = "they count all the same, too few are left: repeat this when the machine has nothing else to do"
		}
		fmt.Fprintf(w, "%s: other processes disturbed %d of %d pairs of rounds; %s\n", kind, bad, all, remedy)
	}
}
