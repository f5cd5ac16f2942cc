package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"stentor/gateway"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "stentor",
		Short: "Push gateway: backends publish by HTTP, browsers listen by WebSocket",
		Long: `Stentor holds the WebSocket connections of browsers and apps, many hundred
thousand of them, and sends them what your backend publishes by HTTP: to
channels, to users, to all.`,
		Example: `  # serve on this machine, with a development app
  stentor serve

  # in a second terminal: listen, in a third: publish
  stentor subscribe news
  stentor publish news '{"hello":"world"}'`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Version = gateway.Version()
	root.SetVersionTemplate(versionLine())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newServe(), newPublish(), newSubscribe(), newCheckconfig(), newDoctor(), newLoadtest(), newLoadtestWorker(), newVersion())
	asUsage(root)
	return root
}

// asUsage makes errors of flags and arguments usage errors, with a hint.
func asUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, err) })
	for _, c := range append(cmd.Commands(), cmd) {
		if check := c.Args; check != nil {
			c.Args = func(c *cobra.Command, args []string) error {
				if err := check(c, args); err != nil {
					return usage(c, err)
				}
				return nil
			}
		}
	}
}

func usage(c *cobra.Command, err error) error {
	return &usageError{fmt.Errorf("%w\nRun '%s --help' for usage", err, c.CommandPath())}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  stentor version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("stentor %s (%s, %s/%s)\n", gateway.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
