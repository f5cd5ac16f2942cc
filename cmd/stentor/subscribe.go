package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"github.com/spf13/cobra"
)

// subscribeFlags are those of subscribe.
type subscribeFlags struct {
	url, app, token, user string
	json                  bool
	count                 int
}

func newSubscribe() *cobra.Command {
	var f subscribeFlags
	cmd := &cobra.Command{
		Use:   "subscribe CHANNEL...",
		Short: "Print what arrives on channels",
		Long: `Subscribe connects as a client of the native dialect, prints what arrives on
the channels, and comes back by itself when the connection is lost.`,
		Example: `  stentor subscribe news
  stentor subscribe news presence-lobby --user alice --json
  stentor subscribe news --count 1`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return errors.New("name a channel, for example: stentor subscribe news")
			case f.count < 0:
				return fmt.Errorf("--count is %d: it must not be negative", f.count)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			gw, err := parseTarget(or(f.url, "STENTOR_URL", defaultURL))
			if err != nil {
				return &usageError{err}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			t := &tail{flags: &f, gw: gw, channels: args, out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr()}
			return t.run(ctx)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.url, "url", "", urlHelp)
	fs.StringVar(&f.app, "app", "", "the app's key, where there are several")
	fs.StringVar(&f.token, "token", "", "token that says who this is and what it may (environment: STENTOR_TOKEN)")
	fs.StringVar(&f.user, "user", "", "user id; counts for the development app only")
	fs.BoolVar(&f.json, "json", false, "print each message as the JSON that came")
	fs.Var((*whole)(&f.count), "count", "end after so many messages")
	return cmd
}

// tail prints what arrives.
type tail struct {
	flags    *subscribeFlags
	gw       target
	channels []string
	out      io.Writer // messages
	notes    io.Writer // what happens to the connection
	seen     int
	retry    time.Duration // when the gateway wants to see us again; 0 if it has not said
}

// final is an error that coming back would not mend.
type final struct{ error }

var errEnough = errors.New("enough messages have come")

// Bounds of the wait before coming back.
const (
	least = 250 * time.Millisecond
	most  = 10 * time.Second
)

// run connects again and again until ctx ends or there is no sense in it.
func (t *tail) run(ctx context.Context) error {
	for wait := least; ; wait = min(2*wait, most) {
		began := time.Now()
		err := t.once(ctx)
		var f final
		switch {
		case ctx.Err() != nil || errors.Is(err, errEnough):
			return nil
		case errors.As(err, &f):
			return f.error
		}
		if time.Since(began) > most {
			wait = least
		}
		pause := max(t.retry, jitter(wait))
		t.retry = 0
		fmt.Fprintf(t.notes, "stentor: %v; again in %v\n", err, pause.Round(time.Millisecond))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// jitter returns a time from least to wait beyond it, so that the many who lost
// one gateway do not come back as one.
func jitter(wait time.Duration) time.Duration { return least + rand.N(wait) }

// address makes the URL of the WebSocket.
func (t *tail) address() string {
	q := url.Values{}
	for name, v := range map[string]string{"app": t.flags.app, "token": or(t.flags.token, "STENTOR_TOKEN", ""), "user": t.flags.user} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return "ws" + strings.TrimPrefix(t.gw.url, "http") + "/ws?" + q.Encode()
}

// once is the life of one connection.
func (t *tail) once(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := dial(dialing, t.gw, t.address())
	if err != nil {
		var status ws.StatusError
		if errors.As(err, &status) && status < 500 {
			return final{fmt.Errorf("the gateway refused the connection: %w", err)}
		}
		if fault := tlsFault(err); fault != nil {
			return final{fault}
		}
		return fmt.Errorf("cannot connect: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for i, ch := range t.channels {
		cmd, _ := json.Marshal(map[string]any{"type": "subscribe", "id": i + 1, "channel": ch})
		if err := conn.send(cmd); err != nil {
			return err
		}
	}
	for {
		text, err := conn.receive()
		if err != nil {
			return afterClose(err)
		}
		if silence := pingsWithin(text); silence > 0 {
			conn.silence = silence
		}
		if err := t.message(text); err != nil {
			return err
		}
	}
}

// pingsWithin returns, for a welcome, how long the gateway may be silent: it
// pings sooner when we are. It returns 0 for other messages.
func pingsWithin(text []byte) time.Duration {
	var m struct {
		Type string
		Idle int64 `json:"idle_ms"`
		Pong int64 `json:"pong_ms"`
	}
	const most = int64(48 * time.Hour / time.Millisecond) // what may be configured
	if json.Unmarshal(text, &m) != nil || m.Type != "welcome" || m.Idle <= 0 || m.Idle > most || m.Pong < 0 || m.Pong > most {
		return 0
	}
	return time.Duration(m.Idle+m.Pong)*time.Millisecond + slack
}

// afterClose marks the ends after which it makes no sense to come back.
func afterClose(err error) error {
	var c *closeError
	if errors.As(err, &c) {
		switch c.code {
		case 4001, 4003, 4401, 4403:
			return final{err}
		}
	}
	return err
}

// message prints one message.
func (t *tail) message(text []byte) error {
	var m struct {
		Type, Channel, Event, User, Message, Encoding string
		Code                                          any // a word in an error, a number in a bye
		Data, Info                                    json.RawMessage
		Retry                                         int64 `json:"retry_ms"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("not understood: %q", text)
	}
	switch m.Type {
	case "error":
		return final{errors.New(printable(fmt.Appendf(nil, "%v: %s", m.Code, m.Message)))}
	case "bye":
		t.retry = time.Duration(m.Retry) * time.Millisecond
		return nil // the Close frame follows
	case "subscribed":
		fmt.Fprintf(t.notes, "stentor: subscribed to %s\n", printable([]byte(m.Channel)))
		return nil
	case "message", "join", "leave":
	default:
		return nil
	}
	if t.flags.json {
		fmt.Fprintf(t.out, "%s\n", text)
	} else {
		fmt.Fprintln(t.out, line(m.Type, m.Channel, m.Event, m.User, m.Encoding, m.Data, m.Info))
	}
	if t.seen++; t.flags.count > 0 && t.seen >= t.flags.count {
		return errEnough
	}
	return nil
}

// line is a message for people.
func line(typ, channel, event, user, encoding string, data, info json.RawMessage) string {
	return printable([]byte(describe(typ, channel, event, user, encoding, data, info)))
}

func describe(typ, channel, event, user, encoding string, data, info json.RawMessage) string {
	head := time.Now().Format("15:04:05.000") + " " + channel
	if channel == "" {
		head += "-"
	}
	if typ != "message" {
		return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", head, typ, user, info))
	}
	if user != "" {
		event += " from " + user
	}
	if encoding != "" {
		event += " (" + encoding + ")"
	}
	return fmt.Sprintf("%s %s %s", head, event, data)
}

// printable makes a text fit for a terminal: without the control characters
// that terminals obey, but for those that JSON may be laid out with.
func printable(data []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, string(data))
}
