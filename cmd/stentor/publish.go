package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// publishFlags are those of publish.
type publishFlags struct {
	url, secret, event string
	users              []string
	all, wait          bool
}

func newPublish() *cobra.Command {
	var f publishFlags
	cmd := &cobra.Command{
		Use:   "publish CHANNEL DATA",
		Short: "Publish to a channel, to users or to all",
		Long: `Publish sends DATA by the gateway's HTTP API and prints how many clients it is
for. DATA that is not JSON is sent as a string; - reads it from standard input.
With --to-user or --to-all there is no CHANNEL.`,
		Example: `  stentor publish news '{"hello":"world"}'
  stentor publish news 'plain text' --event greeting
  date | stentor publish news -
  stentor publish --to-user alice '{"unread":3}'
  stentor publish --to-all 'back in five minutes' --wait`,
		Args: func(_ *cobra.Command, args []string) error {
			if f.all && len(f.users) > 0 {
				return errors.New("--to-user and --to-all exclude each other")
			}
			want := 2
			if f.all || len(f.users) > 0 {
				want = 1
			}
			if len(args) != want {
				return fmt.Errorf("%d arguments, want %d: a channel (unless --to-user or --to-all is given) and the data", len(args), want)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return publish(cmd, &f, args)
		},
	}
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" {
			err = fmt.Errorf("%w\nData that begins with - goes after --, for example: stentor publish -- news -1", err)
		}
		return usage(c, err)
	})
	fs := cmd.Flags()
	fs.StringVar(&f.url, "url", "", urlHelp)
	fs.StringVar(&f.secret, "secret", "", "the app's secret (environment: STENTOR_SECRET; default: the development app's)")
	fs.StringVar(&f.event, "event", "message", "name of the event")
	fs.StringArrayVar(&f.users, "to-user", nil, "publish to all clients of a user instead; may be repeated")
	fs.BoolVar(&f.all, "to-all", false, "publish to every client instead")
	fs.BoolVar(&f.wait, "wait", false, "wait until delivery has been tried, and print the counts")
	return cmd
}

// or returns what a flag says, or else a variable of the environment, or else
// def. The variables are no defaults of the flags: help would print them.
func or(flag, env, def string) string {
	return cmp.Or(flag, os.Getenv(env), def)
}

func publish(cmd *cobra.Command, f *publishFlags, args []string) error {
	data, err := readData(cmd.InOrStdin(), args[len(args)-1])
	if err != nil {
		return err
	}
	to := map[string]any{}
	switch {
	case f.all:
		to["all"] = true
	case len(f.users) > 0:
		to["users"] = f.users
	default:
		to["channels"] = args[:1]
	}
	body, err := json.Marshal(map[string]any{"to": to, "event": f.event, "wait": f.wait})
	if err != nil {
		return err
	}
	// By hand, since encoding would rewrite the data, which is to arrive as it is.
	body = slices.Concat(body[:len(body)-1], []byte(`,"data":`), data, []byte{'}'})
	gw, err := parseTarget(or(f.url, "STENTOR_URL", defaultURL))
	if err != nil {
		return &usageError{err}
	}
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodPost, gw.url+"/api/publish", bytes.NewReader(body))
	if err != nil {
		return &usageError{err}
	}
	req.Header.Set("Authorization", "Bearer "+or(f.secret, "STENTOR_SECRET", "dev-secret"))
	req.Header.Set("Content-Type", "application/json")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = gw.dial
	resp, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return fmt.Errorf("cannot reach the gateway: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the gateway refused (%s): %s", resp.Status, explain(answer))
	}
	_, err = cmd.OutOrStdout().Write(answer)
	return err
}

// readData takes data from the command line, or from standard input for "-".
func readData(in io.Reader, arg string) (json.RawMessage, error) {
	text := []byte(arg)
	if arg == "-" {
		all, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		text = bytes.TrimSuffix(all, []byte{'\n'})
	}
	if !utf8.Valid(text) {
		return nil, errors.New("the data is not valid UTF-8")
	}
	if json.Valid(text) {
		return text, nil
	}
	return json.Marshal(string(text))
}

// explain takes the message out of an error of the API.
func explain(body []byte) string {
	var e struct {
		Error struct{ Message string } `json:"error"`
	}
	if json.Unmarshal(body, &e) == nil && e.Error.Message != "" {
		return e.Error.Message
	}
	return strings.TrimSpace(string(body))
}
