package peer

import (
	"errors"
	"io"
	"slices"
)

// ReadAll reads r to its end into b from its start on, and returns b with what
// was read, grown if that was needed.
func ReadAll(r io.Reader, b []byte) ([]byte, error) {
	b = slices.Grow(b[:0], 512)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		case len(b) == cap(b):
			b = slices.Grow(b, len(b))
		}
	}
}
