// Package wire has the bytes that the benchmark's clients and its floor server
// exchange: just enough of RFC 6455 for messages of one frame. It is written
// apart from Stentor's own, so that a fault there cannot cancel itself out.
package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// key is the Sec-WebSocket-Key of every handshake, the example of RFC 6455,
// 1.3, and accept the answer to it.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// Switching is the server's half of a handshake, whole.
const Switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: " + accept + "\r\n\r\n"

// AppendRequest appends the client's half of a handshake.
func AppendRequest(dst []byte, host, target string) []byte {
	return fmt.Appendf(dst, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", target, host, key)
}

// HeadEnd returns the length of the HTTP head at the start of b with its empty
// line, 0 if it is not complete.
func HeadEnd(b []byte) int {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return 0
}

// CheckSwitching tells what is wrong with the server's half of a handshake.
func CheckSwitching(head []byte) error {
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte(": "+accept+"\r\n")) {
		return fmt.Errorf("this is no 101 response to the handshake: %.300q", head)
	}
	return nil
}

// Opcodes, and the bits beside them (RFC 6455, 5.2).
const (
	Text   = 0x1
	Pong   = 0xA
	fin    = 0x80
	masked = 0x80
)

// appendHeader appends a frame header; bit is masked or 0.
func appendHeader(dst []byte, op, bit byte, n int) []byte {
	switch {
	case n < 126:
		return append(dst, fin|op, bit|byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, fin|op, bit|126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, fin|op, bit|127), uint64(n))
}

// AppendFrame appends a frame as a server sends it.
func AppendFrame(dst []byte, op byte, payload []byte) []byte {
	return append(appendHeader(dst, op, 0, len(payload)), payload...)
}

// AppendMasked appends a frame as a client sends it. The masking key is always
// the same: nothing here depends on its being hard to guess.
func AppendMasked(dst []byte, op byte, payload []byte) []byte {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	dst = append(appendHeader(dst, op, masked, len(payload)), mask[:]...)
	for i, b := range payload {
		dst = append(dst, b^mask[i&3])
	}
	return dst
}

// NextFrame splits the frame off that begins b, which a server has sent. rest
// is b and ok false if it is not complete yet.
func NextFrame(b []byte) (op byte, payload, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, b, false
	}
	size, n := 2, uint64(b[1]&0x7f)
	switch n {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	switch {
	case len(b) < size:
		return 0, nil, b, false
	case size == 4:
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case size == 10:
		n = binary.BigEndian.Uint64(b[2:])
	}
	if uint64(len(b)-size) < n {
		return 0, nil, b, false
	}
	end := size + int(n)
	return b[0] & 0x0f, b[size:end], b[end:], true
}

// Payload returns the text of publication number n, size bytes that differ from
// those of any other number. A size under 12 is raised to it.
func Payload(n, size int) string {
	s := fmt.Sprintf("%012d", n)
	return s + strings.Repeat("x", max(0, size-len(s)))
}

// Enveloped returns what a subscriber receives of count publications from number
// first on: a text frame each, with the payload in an envelope, in the place of
// {payload}. An empty envelope is none.
func Enveloped(envelope string, first, count, size int) []byte {
	var b []byte
	for n := first; n < first+count; n++ {
		text := Payload(n, size)
		if envelope != "" {
			text = strings.ReplaceAll(envelope, "{payload}", text)
		}
		b = AppendFrame(b, Text, []byte(text))
	}
	return b
}

// Number puts a connection's number, 7 digits long, in the place of each {n}.
func Number(template string, n int) string {
	if !strings.Contains(template, "{n}") {
		return template
	}
	return strings.ReplaceAll(template, "{n}", fmt.Sprintf("%07d", n))
}
