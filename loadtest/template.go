package loadtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxTemplate bounds a template file.
const maxTemplate = 1 << 20

// ReadTemplate reads a dialect from YAML. A field that does not exist is an
// error that names it.
func ReadTemplate(r io.Reader) (*Dialect, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxTemplate+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxTemplate {
		return nil, errors.New("a template has 1 MiB at most")
	}
	d := &Dialect{Name: "template"}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(d); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return nil, fmt.Errorf("template: %w", err)
	}
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return d, nil
}
