package child

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
)

// answer is what a child says to a command.
type answer struct {
	Error  string `json:"error,omitempty"`
	Result any    `json:"result,omitempty"`
}

// Answer writes what came of a command, for Child.Receive.
func Answer(w io.Writer, result any, err error) error {
	a := answer{Result: result}
	if err != nil {
		a = answer{Error: err.Error()}
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Serve is the other end of Child.Call: it gives each line of r to do, writes
// the answer to w, and returns when r ends.
func Serve(r io.Reader, w io.Writer, do func(command json.RawMessage) (result any, err error)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		result, err := do(line)
		if err := Answer(w, result, err); err != nil {
			return err
		}
	}
}
