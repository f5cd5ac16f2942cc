package floor

import (
	"bytes"
	"testing"

	"stentor/benchmarks/internal/wire"
)

// Unmasking gives back what AppendMasked has masked, for every length around
// the step of eight.
func TestUnmask(t *testing.T) {
	for n := range 35 {
		payload := bytes.Repeat([]byte("stentor"), 5)[:n]
		b := wire.AppendMasked(nil, wire.Text, payload)[2:]
		unmask(b)
		if !bytes.Equal(b[4:], payload) {
			t.Errorf("%d bytes: %q, want %q", n, b[4:], payload)
		}
	}
}
