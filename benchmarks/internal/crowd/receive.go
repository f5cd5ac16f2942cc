package crowd

import (
	"errors"
	"fmt"
	"time"

	"stentor/benchmarks/internal/sys"
	"stentor/benchmarks/internal/wire"
)

// expect begins to count: what comes from here on is due. Nothing may be
// waiting.
func (c *crowd) expect() error {
	for i := range c.conns {
		cn := &c.conns[i]
		if len(cn.text) > 0 {
			return fmt.Errorf("connection %d received what was not due: %s", i, show(cn.text))
		}
		cn.at = 0
	}
	return c.silent(0)
}

// receive reads until every connection has received exactly due, and returns
// when the last byte came.
func (c *crowd) receive(due []byte) (time.Duration, error) {
	missing := len(c.conns)
	err := c.events(
		func() bool { return missing == 0 },
		func(_ int, cn *conn) error {
			complete, err := c.take(cn, due)
			if complete {
				missing--
			}
			return err
		},
		func() string { return fmt.Sprintf("%d of %d connections miss something", missing, len(c.conns)) })
	return sys.Monotonic(), err
}

// converse sends a text message on every connection and reads until each has
// received, since its handshake, exactly the text messages that want describes:
// one of each, in order, that contains that text. {n} stands for the
// connection's number.
func (c *crowd) converse(say string, want []string) error {
	if len(want) == 0 {
		return errors.New("a conversation without an answer has no end")
	}
	for i := range c.conns {
		if err := send(&c.conns[i], wire.AppendMasked(nil, wire.Text, []byte(wire.Number(say, i)))); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	missing := 0
	for i := range c.conns {
		if frames(c.conns[i].text) < len(want) {
			missing++
		}
	}
	err := c.events(
		func() bool { return missing == 0 },
		func(_ int, cn *conn) error {
			b, err := c.read(cn)
			if err != nil {
				return err
			}
			before := frames(cn.text)
			cn.text = append(cn.text, b...)
			if before < len(want) && frames(cn.text) >= len(want) {
				missing--
			}
			return nil
		},
		func() string { return fmt.Sprintf("%d of %d connections miss a message", missing, len(c.conns)) })
	if err != nil {
		return err
	}
	for i := range c.conns {
		if err := matches(c.conns[i].text, want, i); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		c.conns[i].text = nil
	}
	return nil
}

// frames counts the whole frames in b.
func frames(b []byte) (n int) {
	for {
		_, _, rest, ok := wire.NextFrame(b)
		if !ok {
			return n
		}
		b = rest
		n++
	}
}

// matches tells in what b differs from text messages that contain want each.
func matches(b []byte, want []string, number int) error {
	rest := b
	for _, w := range want {
		op, payload, r, ok := wire.NextFrame(rest)
		rest = r
		if w = wire.Number(w, number); !ok || op != wire.Text || !contains(payload, w) {
			return fmt.Errorf("received %q where a message with %q was due", payload, w)
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("received what was not due: %s", show(rest))
	}
	return nil
}
