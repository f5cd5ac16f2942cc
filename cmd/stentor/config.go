package main

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stentor/gateway"
)

// addConfigFlags gives a command a flag for each key of the configuration.
func addConfigFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.String("config", "", "configuration file, YAML (environment: STENTOR_CONFIG)")
	fs.SortFlags = false
	for _, k := range gateway.Keys() {
		switch k.Type {
		case reflect.TypeFor[[]string]():
			fs.StringSlice(k.Flag(), nil, k.Help)
		case reflect.TypeFor[bool]():
			fs.Bool(k.Flag(), false, k.Help)
		case reflect.TypeFor[int]():
			fs.Var(new(whole), k.Flag(), k.Help)
		case reflect.TypeFor[time.Duration]():
			fs.Duration(k.Flag(), 0, k.Help)
		default:
			fs.String(k.Flag(), "", k.Help)
		}
	}
	cmd.Long += `

Each key of the configuration can be set in the file, by an environment
variable (limits.max_connections: STENTOR_LIMITS__MAX_CONNECTIONS) and by a
flag; a flag wins over the environment, the environment over the file. An empty
variable sets nothing, but STENTOR_CONFIG must name a file. Apps can be set in
files only: in this one, or one each in the folder apps_dir.`
}

// onlyFlags refuses arguments, which may be what somebody gives a switch.
func onlyFlags(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			hint = fmt.Sprintf("; write --%s or --%s=true", f.Name, f.Name)
		}
	})
	return fmt.Errorf("%q: %s takes flags only%s", args[0], cmd.Name(), hint)
}

// whole is a flag's whole number. pflag's own would read 010 as 8.
type whole int

func (w *whole) String() string { return strconv.Itoa(int(*w)) }
func (w *whole) Type() string   { return "int" }
func (w *whole) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", s)
	}
	*w = whole(n)
	return nil
}

// configFile returns the configuration file's path, empty if there is to be
// none. One that is named by nothing is meant, and lost on the way.
func configFile(cmd *cobra.Command) (string, error) {
	path, from := os.Getenv("STENTOR_CONFIG"), "STENTOR_CONFIG"
	_, given := os.LookupEnv(from)
	if f := cmd.Flags().Lookup("config"); f.Changed {
		path, from, given = f.Value.String(), "--config", true
	}
	if given && path == "" {
		return "", fmt.Errorf("%s is empty: name a file, or leave it out to run without one", from)
	}
	return path, nil
}

// loadConfig reads the configuration that a command line asks for.
func loadConfig(cmd *cobra.Command) (gateway.Config, error) {
	path, err := configFile(cmd)
	if err != nil {
		return gateway.Config{}, &usageError{err}
	}
	values := map[string]any{}
	for _, k := range gateway.Keys() {
		f := cmd.Flags().Lookup(k.Flag())
		if !f.Changed {
			continue
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values[k.Name] = list.GetSlice()
		} else {
			values[k.Name] = f.Value.String()
		}
	}
	cfg, err := gateway.Load(path, os.Environ(), values)
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return cfg, &usageError{fmt.Errorf("the configuration is not valid:\n%w", err)}
	}
	return cfg, nil
}

func newCheckconfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkconfig",
		Short: "Check the configuration and print what is in effect, secrets masked",
		Long: `Checkconfig reads the configuration as serve would, tells all that is wrong with
it, or prints what is in effect, with secrets masked. The files of apps_dir are
part of it, and follow under their names.`,
		Example: `  stentor checkconfig
  stentor checkconfig --limits.max-connections 100000`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			text, err := cfg.Effective()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	addConfigFlags(cmd)
	return cmd
}
