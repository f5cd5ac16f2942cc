package floor

import "encoding/binary"

// unmask takes the mask, the first four bytes, off the rest, eight bytes at a
// time: quick enough not to flatter who is compared.
func unmask(b []byte) {
	mask := uint64(binary.LittleEndian.Uint32(b))
	mask |= mask << 32
	b = b[4:]
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^mask)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(mask >> (8 * i))
	}
}
