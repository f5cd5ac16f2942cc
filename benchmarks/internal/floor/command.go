package floor

import (
	"encoding/json"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/sys"
	"stentor/benchmarks/internal/wire"
)

// Command is what the floor can be asked to do, as a line of JSON.
type Command struct {
	// Publish, if not 0, is the number of publications to write to every
	// connection, one after another, each in a write of its own. First is the
	// number of the first and Size that of its payload's bytes, in an Envelope,
	// see wire.Enveloped. The answer comes when all is written.
	Publish  int
	First    int
	Size     int
	Envelope string `json:",omitempty"`

	// Without Publish, the answer is the number of connections that are open.
}

// command obeys one line. It reports true when its input has ended.
func (f *floor) command() (over bool, err error) {
	n, err := sys.Read(unix.Stdin, f.buf)
	if err != nil || n == 0 {
		return true, err
	}
	var c Command
	if f.buf[n-1] != '\n' {
		return true, errors.New("a command came in pieces")
	}
	if err := json.Unmarshal(f.buf[:n], &c); err != nil {
		return true, err
	}
	if c.Publish == 0 {
		return false, child.Answer(os.Stdout, len(f.conns), nil)
	}
	if err := f.publish(&c); err != nil {
		return true, err
	}
	return false, child.Answer(os.Stdout, nil, nil)
}

func (f *floor) publish(c *Command) error {
	for i := range c.Publish {
		frame := wire.Enveloped(c.Envelope, c.First+i, 1, c.Size)
		for _, fd := range f.conns {
			if err := write(fd, frame); err != nil {
				return err
			}
		}
	}
	return nil
}
