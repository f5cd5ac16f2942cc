package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stentor/gateway"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Serve runs the gateway. With nothing else it listens on this machine only, on
127.0.0.1:8080 for clients, backends and pages, and on 127.0.0.1:8081 for the
operator, and serves one development app: id dev, key dev-key, secret
dev-secret.

SIGINT, SIGTERM and SIGHUP stop it gently: it takes no new connections and
closes those there are over drain_window. A second SIGINT or SIGTERM stops it at
once. Under nohup SIGHUP does nothing.`,
		Example: `  stentor serve
  stentor serve --listen 127.0.0.1:9000 --admin 127.0.0.1:9001
  stentor serve --drain-window 5s --limits.max-connections 100000`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return serve(cfg, cmd.OutOrStdout(), newLogger(os.Stderr))
		},
	}
	addConfigFlags(cmd)
	return cmd
}

// newLogger writes text to a terminal and JSON to anything else.
func newLogger(f *os.File) *slog.Logger {
	if term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(f, nil))
	}
	return slog.New(slog.NewJSONHandler(f, nil))
}

func serve(cfg gateway.Config, out io.Writer, log *slog.Logger) error {
	// Before the ready line, since whoever waits for it may signal at once.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup has it ignored
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)

	g, err := gateway.New(cfg, log)
	if err != nil {
		return err
	}
	if err := g.Start(); err != nil {
		g.Close()
		return err
	}
	public, admin := g.Addresses()
	fmt.Fprintf(out, "stentor: ready, listening on %s, admin %s\n", join(public), name(admin))
	if g.Development() {
		log.Warn("no app is configured, so the development app is served: whoever reaches a public address may do everything, directly or through a proxy (key dev-key, secret dev-secret)")
	}

	log.Info("stopping", "signal", (<-signals).String())
	began := time.Now()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() {
		s := <-signals
		for s == syscall.SIGHUP { // a terminal that closes may send several
			s = <-signals
		}
		cancel(fmt.Errorf("stopped at once by a second signal (%v), connections were cut off", s))
	}()
	err = g.Drain(ctx)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return cause
	}
	if err == nil {
		log.Info("stopped", "took", time.Since(began).Round(time.Millisecond).String())
	}
	return err
}

func join(addrs []net.Addr) string {
	names := make([]string, len(addrs))
	for i, a := range addrs {
		names[i] = name(a)
	}
	return strings.Join(names, ", ")
}

// name writes an address as the configuration does.
func name(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}
