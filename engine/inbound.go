package engine

import (
	"sync"

	"stentor/frame"
)

// inbound is what has come of something that is not complete: a request head
// or a message. A connection has one only meanwhile.
type inbound struct {
	parser  frame.Parser
	held    []byte // whole frames, mostly, that wait until reading is allowed
	head    []byte // a request head, and what came after it before the answer
	seen    int    // how much of head was searched for its end
	counted int    // bytes that the gauge has for it
}

// keepBuffer is the largest buffer that goes back to the pool.
const keepBuffer = 64 << 10

var inbounds = sync.Pool{New: func() any { return new(inbound) }}

func (e *Engine) newInbound() *inbound {
	in := inbounds.Get().(*inbound)
	in.parser.Max = e.cfg.MaxMessageBytes
	return in
}

// keep makes in, until now the loop's scratch, the connection's own.
func (l *loop) keep(c *conn, in *inbound) {
	if c.in == nil {
		c.in = in
		if in == l.scratch {
			l.scratch = l.engine.newInbound()
		}
	}
	l.count(in)
}

// count brings the gauge of partial bytes up to date.
func (l *loop) count(in *inbound) {
	held := cap(in.head) + cap(in.held) + in.parser.Held()
	l.stats.partial.Add(int64(held - in.counted))
	in.counted = held
}

// release gives a connection's inbound back.
func (l *loop) releaseIn(c *conn) {
	in := c.in
	if in == nil {
		return
	}
	c.in = nil
	l.stats.partial.Add(-int64(in.counted))
	in.counted, in.seen = 0, 0
	in.parser.Reset(keepBuffer)
	in.held = nil
	in.head = in.head[:0]
	if cap(in.head) > keepBuffer {
		in.head = nil
	}
	inbounds.Put(in)
}

// buffers lends byte slices for encoding.
type buffers struct{ pool sync.Pool }

func (p *buffers) get(n int) *[]byte {
	bp, _ := p.pool.Get().(*[]byte)
	if bp == nil {
		bp = new([]byte)
	}
	if cap(*bp) < n {
		*bp = make([]byte, 0, max(n, 1024))
	}
	return bp
}

func (p *buffers) put(bp *[]byte) {
	if cap(*bp) <= keepBuffer {
		p.pool.Put(bp)
	}
}
