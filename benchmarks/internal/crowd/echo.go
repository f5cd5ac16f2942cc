package crowd

import (
	"bytes"
	"fmt"
	"time"

	"stentor/benchmarks/internal/sys"
	"stentor/benchmarks/internal/wire"
)

func contains(b []byte, s string) bool { return bytes.Contains(b, []byte(s)) }

// echo keeps one message of size bytes under way on each connection until total
// have come back, and returns how long that took.
func (c *crowd) echo(total, size int) (time.Duration, error) {
	if err := c.expect(); err != nil {
		return 0, err
	}
	payload := []byte(wire.Payload(1, size))
	message := wire.AppendMasked(nil, wire.Text, payload)
	due := wire.AppendFrame(nil, wire.Text, payload)
	start := sys.Monotonic()
	sent, done := 0, 0
	for i := range c.conns[:min(total, len(c.conns))] {
		if err := send(&c.conns[i], message); err != nil {
			return 0, fmt.Errorf("connection %d: %w", i, err)
		}
		sent++
	}
	err := c.events(
		func() bool { return done == total },
		func(_ int, cn *conn) error {
			complete, err := c.take(cn, due)
			if !complete || err != nil {
				return err
			}
			done++
			if sent == total {
				return nil // one more byte would be too much: see take
			}
			sent++
			cn.at = 0
			return send(cn, message)
		},
		func() string { return fmt.Sprintf("%d of %d messages came back", done, total) })
	return sys.Monotonic() - start, err
}

// heartbeat sends a pong that nobody has asked for on every connection
// (RFC 6455, 5.5.3), so that the server has no cause to ping clients that only
// listen.
func (c *crowd) heartbeat() error {
	pong := wire.AppendMasked(nil, wire.Pong, nil)
	for i := range c.conns {
		if err := send(&c.conns[i], pong); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return nil
}
