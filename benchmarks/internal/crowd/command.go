package crowd

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/wire"
)

// Command is what a crowd can be asked to do, as a line of JSON. The field that
// is set says what.
type Command struct {
	Dial      *Dial          `json:",omitempty"`
	Expect    bool           `json:",omitempty"` // begin to count: what comes now is due
	Receive   *Receive       `json:",omitempty"`
	Paced     *Paced         `json:",omitempty"`
	Echo      *Echo          `json:",omitempty"`
	Converse  *Converse      `json:",omitempty"`
	Heartbeat bool           `json:",omitempty"` // send a pong on every connection
	Silent    *time.Duration `json:",omitempty"` // nothing may come for so long
	Close     bool           `json:",omitempty"` // drop all connections
}

// Dial opens connections. The answer is when the last handshake was done.
type Dial struct {
	Address string
	N       int
	Path    string // {n} is the connection's number
}

// Receive waits for publications on every connection, see wire.Enveloped. The
// answer is when the last byte came.
type Receive struct {
	First, Count, Size int
	Envelope           string `json:",omitempty"`
}

// Paced is a Receive of publications that are due to be sent one after another,
// the first at Start by the system's monotonic clock. The answer is Delays.
type Paced struct {
	Receive
	Start, Interval time.Duration
}

// Delays is how long deliveries took from the moment that the publication was
// due to be sent, late or not, to the moment that a client had all of it.
type Delays struct {
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// Echo keeps a message of Size bytes under way on every connection until Total
// have come back. The answer is how long it took.
type Echo struct{ Total, Size int }

// Converse sends a text on every connection and waits for answers, one that
// contains each of Want. {n} is the connection's number.
type Converse struct {
	Say  string
	Want []string
}

// Run obeys commands from standard input until that ends. An answer that is a
// time is one of the system's monotonic clock (sys.Monotonic).
func Run() error {
	c, err := newCrowd()
	if err != nil {
		return err
	}
	return child.Serve(os.Stdin, os.Stdout, func(line json.RawMessage) (any, error) {
		var command Command
		if err := json.Unmarshal(line, &command); err != nil {
			return nil, err
		}
		return c.do(&command)
	})
}

// due is what a connection is to receive.
func (r *Receive) due() []byte { return wire.Enveloped(r.Envelope, r.First, r.Count, r.Size) }

func (c *crowd) do(command *Command) (any, error) {
	switch {
	case command.Dial != nil:
		d := command.Dial
		return c.dial(d.Address, d.N, d.Path)
	case command.Expect:
		return nil, c.expect()
	case command.Receive != nil:
		r := command.Receive
		return c.receive(r.due())
	case command.Paced != nil:
		p := command.Paced
		return c.paced(p.due(), p.Count, p.Start, p.Interval)
	case command.Echo != nil:
		return c.echo(command.Echo.Total, command.Echo.Size)
	case command.Converse != nil:
		return nil, c.converse(command.Converse.Say, command.Converse.Want)
	case command.Heartbeat:
		return nil, c.heartbeat()
	case command.Silent != nil:
		return nil, c.silent(*command.Silent)
	case command.Close:
		c.close()
		return nil, nil
	}
	return nil, fmt.Errorf("there is nothing to do in this command: %+v", *command)
}
