package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"stentor/gateway"
	"stentor/loadtest"
	reports "stentor/loadtest/report"
)

// loadtestFlags are those of loadtest that need more than to be stored.
type loadtestFlags struct {
	drop, ramp     string
	publishBy      string
	template       string
	sources        []string
	json, html     string
	quiet, metrics bool
}

// workerName is the hidden command that plays a worker.
const workerName = "loadtest-worker"

func newLoadtest() *cobra.Command {
	var f loadtestFlags
	var cfg loadtest.Config
	cmd := &cobra.Command{
		Use:   "loadtest SCENARIO URL",
		Short: "Put load on a WebSocket server, and account for every message",
		Long: `Loadtest connects many clients to a WebSocket server, Stentor or any other, and
measures what becomes of their messages: what is lost, doubled, out of order or
changed, how long it takes from the moment when it was due, and what it costs.

Scenarios:
  idle       connect, and hold for --duration
  broadcast  publish --messages to all subscribers, --rate a second
  echo       send --messages at a --rate and receive the same; without a rate each
             answer sends the next
  churn      disconnect the oldest and connect again, --rate a second
  storm      a share of the clients (--drop), or the server (--kill), goes at once:
             the way back is measured

The dialect follows from the path of the URL (/echo, /raw/..., /app/KEY for the
Pusher protocol, else Stentor's native one); a --template describes any other. In
the URL {n} is the number of the client and {channel} its channel.

Beyond the limit of descriptors it starts worker processes by itself. Ctrl-C ends
a run early, with a report. Exit codes: 0 fine, 1 a threshold was missed or the
run failed, 2 usage.`,
		Example: `  stentor loadtest idle ws://127.0.0.1:8080/ws --connections 10000
  stentor loadtest broadcast ws://127.0.0.1:8080/raw/news --connections 5000 --messages 200 --rate 20
  stentor loadtest echo ws://127.0.0.1:8080/echo --connections 1000 --duration 10s --fail-if 'p99>50ms'
  stentor loadtest storm ws://127.0.0.1:8080/ws --connections 5000 --drop 30% --html storm.html`,
		Args: func(_ *cobra.Command, args []string) error {
			if f.metrics {
				return nil
			}
			if len(args) != 2 {
				return fmt.Errorf("%d arguments, want 2: a scenario (idle, broadcast, echo, churn, storm) and a URL", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.metrics {
				return listMetrics(cmd.OutOrStdout())
			}
			cfg.Scenario, cfg.URL = args[0], args[1]
			if err := f.apply(&cfg, cmd.Flags().Changed("drop")); err != nil {
				return usage(cmd, err)
			}
			return runLoadtest(cmd, cfg, &f)
		},
	}
	loadtestOptions(cmd, &cfg, &f)
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, plainly(err)) })
	return cmd
}

// plainly says without words of Go what is wrong with a number or a time.
func plainly(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag := invalid.GetFlag()
	want := map[string]string{
		"int": "a whole number", "intSlice": "whole numbers", "uint64": "a whole number, 0 or more", "float64": "a number", "duration": "a time such as 30s",
	}[flag.Value.Type()]
	if want == "" {
		return err
	}
	return fmt.Errorf("--%s %s: want %s", flag.Name, invalid.GetValue(), want)
}

// loadtestOptions declares the flags.
func loadtestOptions(cmd *cobra.Command, cfg *loadtest.Config, f *loadtestFlags) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.IntVarP(&cfg.Connections, "connections", "c", 1000, "clients")
	fs.IntVarP(&cfg.Messages, "messages", "m", 0, "publications (default 100), or echoes in all (default: for --duration)")
	fs.Float64VarP(&cfg.Rate, "rate", "r", 0, "publications (default 10), echoes or, in a churn, new connections a second (default: a tenth of them)")
	fs.IntVar(&cfg.Burst, "burst", 1, "publications that are due at once; --rate counts all of them")
	fs.IntVarP(&cfg.Size, "size", "s", 128, fmt.Sprintf("bytes of a payload, %d at least", loadtest.MinSize))
	fs.DurationVarP(&cfg.Duration, "duration", "d", 0, "how long to hold, echo or churn, or to wait in a storm (default 10s, churn 30s, storm 2m)")
	fs.IntVar(&cfg.Concurrency, "concurrency", 0, "echo without --rate: messages under way at once (default: one a client, at most 1000)")
	fs.IntVar(&cfg.WarmUp, "warm-up", 0, "messages before those that count for latencies")
	fs.StringVar(&f.drop, "drop", "30%", "storm: share of the clients that go; 0 waits until the server does")
	fs.StringVar(&cfg.Kill, "kill", "", "storm: end the processes of --pid by this signal instead, TERM or KILL")
	fs.StringVar(&cfg.Restart, "restart", "", "storm: shell command that starts the server again after --kill")
	fs.DurationVar(&cfg.Spread, "spread", 0, "storm: first attempts to come back are spread over this time")
	fs.DurationVar(&cfg.Backoff, "backoff", 0, "storm, churn: wait before the second attempt; doubles up to 5s (default 100ms)")

	fs.StringVar(&cfg.DialectName, "dialect", "", "echo, raw, native or pusher (default: by the URL's path)")
	fs.StringVar(&f.template, "template", "", "file that describes another dialect")
	fs.StringVar(&cfg.Channel, "channel", "", "channel (default loadtest, or that of a raw URL)")
	fs.IntVar(&cfg.Channels, "channels", 1, "divide the clients among so many channels: CHANNEL-0 and so on")
	fs.StringVar(&cfg.Secret, "secret", "", "the app's secret, to publish (environment: STENTOR_SECRET; default: the development app's)")
	fs.StringVar(&cfg.AppID, "app-id", "", "pusher: the app's id (default dev)")
	fs.StringArrayVar(&cfg.Publish, "publish", nil, "publish at this http://host:port instead of the URL's; may be repeated: each gets every publication")
	fs.StringVar(&f.publishBy, "publish-by", "http", "http, or ws: by a WebSocket client at the URL")

	fs.Float64Var(&cfg.ConnectRate, "connect-rate", 0, "new connections a second (default: as fast as handshakes end)")
	fs.StringVar(&f.ramp, "ramp", "", "time over which to connect, instead of --connect-rate")
	fs.IntVar(&cfg.InFlight, "in-flight", 512, "handshakes under way at once")
	fs.DurationVar(&cfg.Timeout, "timeout", 0, "of a handshake, and again of subscribing (default 10s)")
	fs.DurationVar(&cfg.Grace, "grace", 0, "what is missing counts as lost when nothing has come for so long (default 5s)")
	fs.IntVar(&cfg.Workers, "workers", 0, "processes for the clients (default: as many as descriptors demand)")
	fs.StringSliceVar(&f.sources, "source", nil, "addresses of this machine to come from (default: to loopback some of 127.0.0.0/8, else the system's choice)")
	fs.Uint64Var(&cfg.Seed, "seed", 0, "of all that is random (default: by chance)")

	fs.IntSliceVar(&cfg.PIDs, "pid", nil, "processes of a server on this machine, to measure; their children are found")
	fs.StringSliceVar(&cfg.Metrics, "metrics", nil, "http://host:port of the server's /metrics, for its live heap")
	fs.StringArrayVar(&cfg.FailIf, "fail-if", nil, "threshold like p99>250ms or lost>0: exit with 1 if it applies; may be repeated")
	fs.BoolVar(&f.metrics, "list-metrics", false, "list what a threshold may name, and do nothing else")
	fs.StringVar(&f.json, "json", "", "write the result to this file as JSON, - for standard output instead of the table")
	fs.StringVar(&f.html, "html", "", "write a report with charts to this file, - for standard output instead of the table")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
}

// apply turns the flags that are texts into what they mean. The default of --drop is
// for storms of the clients.
func (f *loadtestFlags) apply(cfg *loadtest.Config, drop bool) error {
	var err error
	if drop || cfg.Scenario == loadtest.ScenarioStorm && cfg.Kill == "" {
		if cfg.Drop, err = parseShare(f.drop); err != nil {
			return fmt.Errorf("--drop %w", err)
		}
	}
	cfg.Kill = strings.TrimPrefix(strings.ToUpper(cfg.Kill), "SIG")
	switch f.publishBy {
	case "http":
	case "ws":
		cfg.PublishWS = true
	default:
		return fmt.Errorf("--publish-by %q: want http or ws", f.publishBy)
	}
	for _, s := range f.sources {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("--source %q is no IP address", s)
		}
		cfg.Sources = append(cfg.Sources, a)
	}
	if f.ramp != "" {
		d, err := time.ParseDuration(f.ramp)
		if err != nil || d <= 0 {
			return fmt.Errorf("--ramp %q: want a time such as 30s", f.ramp)
		}
		if cfg.ConnectRate != 0 {
			return errors.New("--ramp and --connect-rate exclude each other")
		}
		cfg.ConnectRate = float64(cfg.Connections) / d.Seconds()
	}
	if f.template != "" {
		if cfg.DialectName != "" {
			return errors.New("--template and --dialect exclude each other")
		}
		file, err := os.Open(f.template)
		if err != nil {
			return fmt.Errorf("--template: %w", err)
		}
		defer file.Close()
		if cfg.Dialect, err = loadtest.ReadTemplate(file); err != nil {
			return fmt.Errorf("--template %s: %w", f.template, err)
		}
	}
	cfg.Secret = or(cfg.Secret, "STENTOR_SECRET", "")
	return nil
}

// parseShare reads 30% or 0.3.
func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("%q: want a share such as 30%% or 0.3", s)
	}
	return v, nil
}

// runLoadtest runs and reports.
func runLoadtest(cmd *cobra.Command, cfg loadtest.Config, f *loadtestFlags) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cfg.WorkerCommand = []string{self, workerName}
	cfg.Version = gateway.Version()
	cfg.Command = masked(os.Args)
	files, err := openOutputs(f)
	if err != nil {
		return usage(cmd, err)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends it at once
	}()
	var progress *progress
	if !f.quiet {
		progress = newProgress(cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr()) && os.Getenv("TERM") != "dumb")
		cfg.OnProgress = progress.show
	}
	result, err := loadtest.Run(ctx, cfg)
	if progress != nil {
		progress.end()
	}
	if err != nil {
		var fault *loadtest.Error
		if errors.As(err, &fault) {
			return usage(cmd, err)
		}
		return err
	}
	return deliver(cmd.OutOrStdout(), files, result)
}

// masked leaves secrets out of a command line.
func masked(args []string) []string {
	list := append([]string{filepath.Base(args[0])}, args[1:]...)
	for i, a := range list {
		list[i] = loadtest.MaskURL(a)
		if strings.HasPrefix(a, "--secret=") {
			list[i] = "--secret=***"
		} else if a == "--secret" && i+1 < len(list) {
			list[i+1] = "***"
		}
	}
	return list
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// deliver writes the result, and returns an error if the run has failed.
func deliver(out io.Writer, files []*output, r *loadtest.Result) error {
	var errs []error
	table := true
	for _, f := range files {
		table = table && !f.standard
		errs = append(errs, f.save(out, r))
	}
	if table {
		color := isTerminal(out) && os.Getenv("NO_COLOR") == ""
		errs = append(errs, reports.WriteTable(out, r, reports.Color(color)))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if r.Failed != "" {
		return fmt.Errorf("the load test has failed: %s", r.Failed)
	}
	if r.Interrupted && len(r.Thresholds) > 0 {
		return errors.New("interrupted before the end, so the thresholds say nothing")
	}
	var missed []string
	for _, t := range r.Thresholds {
		if t.Missed {
			missed = append(missed, fmt.Sprintf("%s (%s)", t.Rule, t.Shown))
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("missed: %s", strings.Join(missed, ", "))
	}
	return nil
}

func listMetrics(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range loadtest.Metrics() {
		fmt.Fprintf(t, "%s\t%s\t%s\n", m[0], m[1], m[2])
	}
	return t.Flush()
}

// newLoadtestWorker is a process with a part of the clients, started by
// loadtest.
func newLoadtestWorker() *cobra.Command {
	return &cobra.Command{
		Use:   workerName,
		Short: "Play a worker of loadtest, which starts it",
		Long: `Loadtest-worker is a process with a part of the clients. Loadtest starts as many
as it needs, and directs them by standard input.`,
		Example: "  stentor loadtest-worker",
		Hidden:  true,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signal.Ignore(os.Interrupt)
			return loadtest.RunWorker(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
