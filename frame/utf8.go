package frame

import "unicode/utf8"

// validPrefix returns how many bytes at the start of b are whole, valid UTF-8.
// ok is false if what follows them can no longer become valid, whatever comes:
// the fail-fast rule for text that arrives in pieces.
func validPrefix(b []byte) (n int, ok bool) {
	if utf8.Valid(b) {
		return len(b), true
	}
	// Only an incomplete rune of up to three bytes at the end is no fault yet.
	for i := len(b) - 1; i >= 0 && i >= len(b)-(utf8.UTFMax-1); i-- {
		if !utf8.RuneStart(b[i]) {
			continue
		}
		return i, !utf8.FullRune(b[i:]) && utf8.Valid(b[:i])
	}
	return 0, false
}
