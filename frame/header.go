package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// ParseHeader reads the frame header (RFC 6455, 5.2) at the start of b. It
// returns the header and its size, 2 to 14 bytes; a size of 0 without an error
// means that b ends inside the header. The errors are ErrLengthNotMinimal and
// ErrLengthMSB; whatever depends on the connection's state is CheckHeader's.
// It allocates nothing and keeps nothing of b.
func ParseHeader(b []byte) (h ws.Header, size int, err error) {
	if len(b) < ws.MinHeaderSize {
		return h, 0, nil
	}
	h.Fin = b[0]&0x80 != 0
	h.Rsv = b[0] >> 4 & 7
	h.OpCode = ws.OpCode(b[0] & 0x0f)
	h.Masked = b[1]&0x80 != 0
	h.Length = int64(b[1] & 0x7f)
	size = ws.MinHeaderSize

	switch h.Length {
	case 126:
		size += 2
		if len(b) < size {
			return h, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.Length < 126 {
			return h, 0, ErrLengthNotMinimal
		}
	case 127:
		size += 8
		if len(b) < size {
			return h, 0, nil
		}
		long := binary.BigEndian.Uint64(b[2:])
		if long>>63 != 0 {
			return h, 0, ErrLengthMSB
		}
		if long < 1<<16 {
			return h, 0, ErrLengthNotMinimal
		}
		h.Length = int64(long)
	}

	if h.Masked {
		if len(b) < size+4 {
			return h, 0, nil
		}
		h.Mask = [4]byte(b[size:])
		size += 4
	}
	return h, size, nil
}

// CheckHeader tells whether a client may send h now. fragmented says that a
// fragmented message is being received. The order of the checks is that of
// the header's bytes, so that the fault which shows first is told.
func CheckHeader(h ws.Header, fragmented bool) error {
	control, continuation := h.OpCode.IsControl(), h.OpCode == ws.OpContinuation
	switch {
	case h.Rsv != 0:
		return ErrReservedBits
	case h.OpCode.IsReserved():
		return ErrReservedOpcode
	case control && !h.Fin:
		return ErrControlFragmented
	case continuation && !fragmented:
		return ErrContinuationUnexpected
	case !continuation && !control && fragmented:
		return ErrContinuationExpected
	case !h.Masked:
		return ErrNotMasked
	case control && h.Length > ws.MaxControlFramePayloadSize:
		return ErrControlTooLong
	}
	return nil
}
