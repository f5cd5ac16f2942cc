package loadtest

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxTemplate bounds a template file.
const maxTemplate = 1 << 20

// goTypes are in the messages of the decoder, and mean nothing to who has written
// a template.
var goTypes = regexp.MustCompile(` (in type|into) [\w.\[\]]+`)

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
		var list *yaml.TypeError
		if errors.As(err, &list) {
			err = errors.New(goTypes.ReplaceAllString(strings.Join(list.Errors, "; "), ""))
		}
		return nil, err
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	return d, nil
}
