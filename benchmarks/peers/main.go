// Command peers measures Stentor beside other people's servers and a floor of
// bare system calls: memory, handshakes, deliveries, echo. See README.md in the
// folder above and docs/benchmarks.md; scripts/bench-peers.sh runs it.
//
// It exits with 0 when the run has come to its end, whatever it has found; a
// server that fails is noted with its error. With 1 if that was not possible,
// with 2 if the command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"stentor/benchmarks/internal/comparison"
	"stentor/benchmarks/internal/rig"
)

func main() { rig.Main("peers", run) }

// options is what the command line says.
type options struct {
	stentor string
	bin     string
	node    string
	results string
	keep    string
	command string
	only    string
	sizes   string
	quick   bool
}

func parseOptions(args []string) (o options, err error) {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.StringVar(&o.stentor, "stentor", "", "`path` of the stentor binary")
	flags.StringVar(&o.bin, "bin", "", "`folder` of the servers gorilla, coder, gws and gobwas")
	flags.StringVar(&o.node, "peers", "", "`folder` benchmarks/peers, for the servers that Node runs")
	flags.StringVar(&o.results, "results", "", "`folder` to keep the run in as peers-DATE.json, if it is a whole one")
	flags.StringVar(&o.keep, "keep", "", "`file` to keep the run in, whole or not")
	flags.StringVar(&o.command, "command", "peers", "the `command` to note in that file")
	flags.StringVar(&o.only, "only", "", "measure these servers only, a `list` of names with commas")
	flags.StringVar(&o.sizes, "sizes", "", "measure with these numbers of connections only, a `list` with commas")
	flags.BoolVar(&o.quick, "quick", false, "few connections and rounds, to see that all works: the figures mean nothing")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.stentor == "" || o.bin == "" || o.node == "" || flags.NArg() > 0 {
		flags.Usage()
		return o, errors.New("the flags -stentor, -bin and -peers are needed, and no arguments")
	}
	return o, nil
}

// whole reports whether the run is one of everything, to be kept.
func (o *options) whole() bool { return !o.quick && o.only == "" && o.sizes == "" }

// plan returns what the command line asks for.
func (o *options) plan() (comparison.Plan, error) {
	p := comparison.Full()
	if o.quick {
		p = comparison.Quick()
	}
	if o.sizes == "" {
		return p, nil
	}
	known := p.Levels
	p.Levels = nil
	for _, s := range strings.Split(o.sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return p, fmt.Errorf("-sizes: %q is no number of connections", s)
		}
		i := slices.IndexFunc(known, func(l comparison.Level) bool { return l.Connections == n })
		if i >= 0 {
			p.Levels = append(p.Levels, known[i])
		} else {
			p.Levels = append(p.Levels, comparison.Level{Connections: n, Repetitions: 3})
		}
	}
	return p, nil
}

// run measures, reports, and returns the exit code.
func run(ctx context.Context, args []string) (int, error) {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	if err != nil {
		return 2, err
	}
	plan, err := o.plan()
	if err != nil {
		return 2, err
	}
	entrants, err := choose(allEntrants(o.bin, o.node), o.only)
	if err != nil {
		return 2, err
	}
	b, err := newBench(ctx, plan, o.stentor, entrants, os.Stderr)
	if err != nil {
		return 1, err
	}
	defer b.Close()
	if err := b.measure(); err != nil {
		return 1, err
	}
	return 0, b.conclude(os.Stdout, &o)
}

// conclude prints the figures and keeps the run.
func (b *bench) conclude(w io.Writer, o *options) error {
	f := b.file(o.command)
	f.Evaluate()
	if err := f.WriteTables(w); err != nil {
		return err
	}
	b.warn(w)
	path := o.keep
	if path == "" && o.whole() && o.results != "" {
		path = filepath.Join(o.results, "peers-"+b.started.UTC().Format(time.DateOnly)+".json")
	}
	if path != "" {
		if err := f.Write(path); err != nil {
			return err
		}
		fmt.Fprintf(w, "raw rounds: %s\n", path)
	}
	if o.quick {
		fmt.Fprintln(w, "this was a trial: the figures mean nothing")
		return nil
	}
	fmt.Fprintln(w)
	for _, t := range f.Targets {
		fmt.Fprintln(w, t.Line())
	}
	return nil
}

// warn tells what has failed, and how far other processes were in the way.
func (b *bench) warn(w io.Writer) {
	for _, v := range b.visits {
		if s := v.Failure(); s != "" {
			fmt.Fprintln(w, s)
		}
	}
	disturbed, all := 0, 0
	for _, v := range b.visits {
		for _, r := range v.Rounds {
			if all++; r.Disturbed() {
				disturbed++
			}
		}
	}
	if disturbed > 0 {
		fmt.Fprintf(w, "other processes disturbed %d of %d rounds: repeat this when the machine has nothing else to do if that is many\n", disturbed, all)
	}
}
