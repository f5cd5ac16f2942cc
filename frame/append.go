package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// HeaderSize returns the size in bytes, 2 to 10, of a server's frame header
// for a payload of n bytes.
func HeaderSize(n int) int {
	switch {
	case n < 126:
		return 2
	case n < 1<<16:
		return 4
	}
	return 10
}

// AppendHeader appends the header of a whole, unmasked frame, as a server
// sends it, for a payload of n bytes that is to follow.
func AppendHeader(dst []byte, op ws.OpCode, n int) []byte {
	b0 := 0x80 | byte(op)
	switch {
	case n < 126:
		return append(dst, b0, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, b0, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, b0, 127), uint64(n))
}

// Append appends a whole, unmasked frame. It allocates only where dst has no
// room.
func Append(dst []byte, op ws.OpCode, payload []byte) []byte {
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// Encode returns a whole, unmasked frame in one allocation of its exact size:
// the prepared frame that goes to many connections and is never changed.
func Encode(op ws.OpCode, payload []byte) []byte {
	return Append(make([]byte, 0, HeaderSize(len(payload))+len(payload)), op, payload)
}

// AppendClose appends a Close frame (RFC 6455, 5.5.1). Code 0 makes an empty
// body, and reason is dropped. A reason over 123 bytes is cut at a rune.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	if code == 0 {
		return AppendHeader(dst, ws.OpClose, 0)
	}
	if room := ws.MaxControlFramePayloadSize - 2; len(reason) > room {
		for room > 0 && !utf8.RuneStart(reason[room]) {
			room--
		}
		reason = reason[:room]
	}
	dst = AppendHeader(dst, ws.OpClose, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// End returns the offset in b at which the frame that holds offset at ends.
// b holds whole frames as a server sends them, one after another, and at is
// inside it. It finds what must still be sent when a queue is cut.
func End(b []byte, at int) int {
	end := 0
	for end <= at {
		h, size, err := ParseHeader(b[end:])
		if size == 0 || err != nil {
			return len(b)
		}
		end += size + int(h.Length)
	}
	return min(end, len(b))
}
