// Package report tells people and programs what a load test has found out: as a
// table for terminals, as JSON, and as a page with charts.
//
// All of it is made from a [loadtest.Result] alone, so it can be made later from
// a stored one. What a result says is taken for hostile: causes of errors come
// from servers.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"stentor/loadtest"
)

// WriteJSON writes a result, indented and with a newline at its end.
func WriteJSON(w io.Writer, r *loadtest.Result) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// ErrFormat is what ReadJSON returns for what is no result, or one of another
// format than [loadtest.Format].
var ErrFormat = errors.New("report: not a result that this version reads")

// ReadJSON reads what WriteJSON has written. Fields that it does not know are
// left out: a newer version may have added them.
func ReadJSON(rd io.Reader) (*loadtest.Result, error) {
	var r loadtest.Result
	d := json.NewDecoder(rd)
	if err := d.Decode(&r); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		if errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return nil, fmt.Errorf("report: %w", err)
	}
	if r.Format != loadtest.Format {
		return nil, fmt.Errorf("%w: its format is %d, not %d", ErrFormat, r.Format, loadtest.Format)
	}
	switch _, err := d.Token(); {
	case errors.Is(err, io.EOF):
		return &r, nil
	case err != nil && !errors.As(err, new(*json.SyntaxError)):
		return nil, fmt.Errorf("report: %w", err)
	}
	return nil, fmt.Errorf("%w: something follows it", ErrFormat)
}
