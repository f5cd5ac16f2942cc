//go:build race || invariants

package engine

// poison overwrites bytes that nobody may use any more, so that a Handler which
// keeps Message.Data is caught by its own tests.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}
