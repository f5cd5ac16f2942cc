package swarm

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxHead bounds the head of an answer.
const maxHead = 16 << 10

var headEnd = []byte("\r\n\r\n")

// request puts the opening handshake of the attempt in turn into l.out.
func (c *Conn) request() []byte {
	var key [24]byte
	c.key(&key)
	c.loop.out = c.loop.swarm.cfg.Request(c.loop.out[:0], c.Number(), key[:])
	return c.loop.out
}

// key makes the Sec-WebSocket-Key of the attempt in turn (RFC 6455, 4.1: 16
// bytes, in base64). It is made again for the check instead of being kept.
func (c *Conn) key(dst *[24]byte) {
	var nonce [16]byte
	binary.LittleEndian.PutUint64(nonce[:], mix(c.loop.swarm.cfg.Seed+uint64(c.number)))
	binary.LittleEndian.PutUint64(nonce[8:], mix(uint64(c.life)<<32|uint64(c.number)))
	base64.StdEncoding.Encode(dst[:], nonce[:])
}

// mix spreads the bits of a number (splitmix64's finalizer).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// accept makes the Sec-WebSocket-Accept that a key asks for.
func accept(key []byte, dst *[28]byte) {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	var b [60]byte
	sum := sha1.Sum(append(append(b[:0], key...), guid...))
	base64.StdEncoding.Encode(dst[:], sum[:])
}

// greet takes what has come in answer to the handshake. It returns what follows
// the answer, and whether the connection is open.
func (c *Conn) greet(b []byte, now int64) (rest []byte, opened bool) {
	if c.aux != nil && len(c.aux.in) > 0 {
		c.aux.in = append(c.aux.in, b...)
		b = c.aux.in
	}
	end := bytes.Index(b, headEnd)
	if end < 0 {
		if len(b) > maxHead {
			c.fail(BadHandshake, now)
			return nil, false
		}
		if a := c.needAux(); len(a.in) == 0 {
			a.in = append(a.in, b...)
		}
		return nil, false
	}
	end += len(headEnd)
	if why := c.checkHead(b[:end]); why != "" {
		c.fail(why, now)
		return nil, false
	}
	c.state = open
	c.loop.inFlight--
	if c.aux != nil && len(c.aux.in) > 0 {
		rest = append([]byte(nil), b[end:]...)
		c.aux.in = c.aux.in[:0]
		c.tidy()
	} else {
		rest = b[end:]
	}
	c.loop.swarm.cfg.Handler.Opened(c, now)
	if c.loop.waiting.Len() > 0 {
		c.loop.dialWaiting()
	}
	return rest, true
}

// checkHead returns what is wrong with the head of an answer, or nothing.
func (c *Conn) checkHead(head []byte) Cause {
	resp, err := http.ReadResponse(bufio.NewReaderSize(bytes.NewReader(head), 512), nil)
	if err != nil {
		return BadHandshake
	}
	resp.Body.Close()
	h := resp.Header
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return Cause(fmt.Sprintf("HTTP status %d", resp.StatusCode))
	case !strings.EqualFold(h.Get("Upgrade"), "websocket"), !hasToken(h["Connection"], "upgrade"),
		h.Get("Sec-WebSocket-Extensions") != "":
		return BadHandshake
	}
	var key [24]byte
	var want [28]byte
	c.key(&key)
	accept(key[:], &want)
	if h.Get("Sec-WebSocket-Accept") != string(want[:]) {
		return BadAccept
	}
	if p := h.Get("Sec-WebSocket-Protocol"); p != "" && !slices.Contains(c.loop.swarm.cfg.Subprotocols, p) {
		return BadHandshake
	}
	return ""
}

// hasToken reports whether a header's list has a token.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for s := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(s), token) {
				return true
			}
		}
	}
	return false
}
