package swarm

import (
	"encoding/binary"
	"syscall"

	"github.com/gobwas/ws"

	"stentor/engine/poll"
)

// Write sends a message or control frame in one frame. What the socket does not
// take waits. The payload is not kept.
func (c *Conn) Write(op ws.OpCode, payload []byte) {
	if c.state < open {
		return
	}
	l := c.loop
	l.out = appendFrame(l.out[:0], op, payload, l.random.Uint32())
	c.send(l.out)
}

// appendFrame appends a masked frame (RFC 6455, 5.2 and 5.3).
func appendFrame(dst []byte, op ws.OpCode, payload []byte, mask uint32) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n <= 0xffff:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], mask)
	dst = append(dst, key[:]...)
	at := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[at:], key, 0)
	return dst
}

// sendClose sends a Close frame, without a code if that is not one to be sent.
func (c *Conn) sendClose(code int) {
	var body []byte
	if code >= 1000 && code < 5000 && code != int(ws.StatusNoStatusRcvd) && code != int(ws.StatusAbnormalClosure) {
		body = binary.BigEndian.AppendUint16(nil, uint16(code))
	}
	c.Write(ws.OpClose, body)
}

// send writes what the socket takes and keeps the rest.
func (c *Conn) send(b []byte) {
	c.loop.SentBytes += int64(len(b))
	if c.aux != nil && len(c.aux.out) > 0 {
		c.aux.out = append(c.aux.out, b...)
		if len(c.aux.out) > c.loop.swarm.cfg.MaxBacklog {
			c.loop.Do(c.overflow) // off the callback that writes
		}
		return
	}
	n, errno := poll.Write(c.op.FD, b)
	if errno == syscall.EAGAIN {
		n, errno = 0, 0
	}
	if errno != 0 {
		c.wasReset = c.wasReset || errno == syscall.ECONNRESET
		return // the end is read soon
	}
	if n < len(b) {
		a := c.needAux()
		a.out = append(a.out, b[n:]...)
		c.op.OnWrite = c.onWrite
		c.loop.poll.WatchWrite(&c.op, true)
	}
}

// onWrite is the poller's callback when the socket has room again.
func (c *Conn) onWrite(poller) error {
	if c.state < handshaking || c.aux == nil || len(c.aux.out) == 0 {
		return nil
	}
	a := c.aux
	n, errno := poll.Write(c.op.FD, a.out)
	if errno != 0 && errno != syscall.EAGAIN {
		c.wasReset = c.wasReset || errno == syscall.ECONNRESET
		n = len(a.out) // the end is read soon
	}
	a.out = a.out[:copy(a.out, a.out[n:])]
	if len(a.out) == 0 {
		c.loop.poll.WatchWrite(&c.op, false)
		c.tidy()
	}
	return nil
}

// Backlog is how many bytes the socket has not taken.
func (c *Conn) Backlog() int {
	if c.aux == nil {
		return 0
	}
	return len(c.aux.out)
}

// overflow ends a connection whose server does not read.
func (c *Conn) overflow() {
	if c.Backlog() > c.loop.swarm.cfg.MaxBacklog {
		c.Fail(NotRead)
	}
}
