package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stentor/loadtest/host"
)

func newDoctor() *cobra.Command {
	connections := whole(100_000)
	var asJSON bool
	var root string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this host's limits allow a number of connections",
		Long: `Doctor reads the limits of this process and of the kernel, and tells for each
what is needed to hold a number of connections, and how to set it. It changes
nothing.

The limits are those that doctor itself is started with: run it as the user, in
the unit or in the container in which the gateway is to run. Exit code 1 says
that the connections do not fit; warnings alone leave it at 0.`,
		Example: `  stentor doctor --connections 200000
  stentor doctor --connections 200000 --json`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f := cmd.Flags().Lookup("root"); f.Changed && root == "" {
				return usage(cmd, errors.New("--root is empty: name a folder"))
			}
			report, err := host.Diagnose(root, int(connections))
			if errors.Is(err, host.ErrNotLinux) {
				return errors.New("doctor can check Linux only")
			} else if err != nil {
				return usage(cmd, err)
			}
			if err := write(cmd, report, asJSON); err != nil || report.Short == 0 {
				return err
			}
			var short []string
			for _, c := range report.Checks {
				if c.Status == host.Short {
					short = append(short, c.Name)
				}
			}
			return fmt.Errorf("%d connections do not fit: %s", connections, strings.Join(short, ", "))
		},
	}
	cmd.Flags().Var(&connections, "connections", "how many connections one process is to hold")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&root, "root", "", "read `DIR`/proc and DIR/sys, a copy of another host's, in place of this one's")
	return cmd
}

func write(cmd *cobra.Command, report host.Report, asJSON bool) error {
	if !asJSON {
		return report.WriteText(cmd.OutOrStdout())
	}
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
