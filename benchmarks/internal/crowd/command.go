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

// Receive waits for publications on every connection, see wire.Stream. The
// answer is when the last byte came.
type Receive struct{ First, Count, Size int }

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

func (c *crowd) do(command *Command) (any, error) {
	switch {
	case command.Dial != nil:
		d := command.Dial
		return c.dial(d.Address, d.N, d.Path)
	case command.Expect:
		return nil, c.expect()
	case command.Receive != nil:
		r := command.Receive
		return c.receive(wire.Stream(r.First, r.Count, r.Size))
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
