package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"stentor/engine"
)

// confCase is one connection: what the client sends, what it must get.
type confCase struct {
	id   string
	sent []confFrame
	chop confChop    // how it is cut into writes
	want []confFrame // what must come, in this order, before the end
	end  confEnd

	// lossy says that the frames in want may be missing where the Handler runs
	// on the pool: a violation that came right behind a message ends the
	// connection before its echo is written. The suite calls that NON-STRICT.
	// Inline the echo must come.
	lossy bool
	// unwatched says that the writes follow each other without waiting.
	unwatched bool
	max       int // Config.MaxMessageBytes and, times four, QueueBytes
}

// confChop says how the octets of a case are cut into writes. After each write
// but the last the client waits until the server has read it, so that the
// server gets the same pieces.
type confChop int

const (
	oneWrite confChop = 0  // all frames at once
	perFrame confChop = -1 // each frame alone
	perOctet confChop = 1  // each octet alone; n stands for n octets
)

// confEnd is how a case ends.
type confEnd struct {
	sends  bool   // the client begins to close, with 1000, once all has come
	codes  []int  // codes that the server's Close frame may have; 0 is an empty one
	reason string // code and cause in the Handler's Close event
	free   bool   // anything goes, as long as there is an end
}

// clean: the client closes with 1000 after the frames that it wants. The
// server answers with 1000 or an empty body, and closes TCP first.
func clean() confEnd { return confEnd{sends: true, codes: []int{1000, 0}, reason: "1000 client"} }

// answered: the client has sent a Close frame with code (1005 for none) among
// its frames. The server answers with one of replies and closes TCP first.
func answered(code int, replies ...int) confEnd {
	return confEnd{codes: replies, reason: fmt.Sprintf("%d client", code)}
}

// fails: the server ends the connection with one of codes, the first of which
// its Handler hears of. The suite also takes a drop without a Close frame;
// the engine promises the frame (RFC 6455, 7.1.7), so it is demanded.
func fails(codes ...int) confEnd {
	cause := engine.ByViolation
	if codes[0] == 1009 {
		cause = engine.ByTooBig
	}
	return confEnd{codes: codes, reason: fmt.Sprintf("%d %v", codes[0], cause)}
}

// informational: the server may answer as it likes, but must come to an end.
func informational() confEnd { return confEnd{free: true} }

// runConf runs cases in both modes. Those that are chopped run one after
// another, on a server where nobody else talks; the others share one.
func runConf(t *testing.T, cases []confCase) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		t.Run("chopped", func(t *testing.T) {
			t.Parallel()
			var s *confServer
			for _, tc := range cases {
				if !tc.shares() && tc.max == 0 {
					if s == nil {
						s = newConfServer(t, mode.config())
					}
					t.Run(tc.id, func(t *testing.T) { tc.run(t, s, mode) })
				}
			}
		})
		t.Run("shared", func(t *testing.T) {
			t.Parallel()
			s := newConfServer(t, mode.config())
			for _, tc := range cases {
				if tc.shares() || tc.max != 0 {
					t.Run(tc.id, func(t *testing.T) {
						t.Parallel()
						tc.run(t, tc.server(t, s, mode), mode)
					})
				}
			}
		})
	})
}

// shares reports whether a case does not mind other connections.
func (tc confCase) shares() bool { return tc.chop == oneWrite || tc.unwatched }

// server returns a server for a case: the shared one, or one of its own.
func (tc confCase) server(t *testing.T, shared *confServer, mode confMode) *confServer {
	if tc.max == 0 {
		return shared
	}
	cfg := mode.config()
	cfg.MaxMessageBytes, cfg.QueueBytes = tc.max, 4*tc.max
	return newConfServer(t, cfg)
}

func (tc confCase) run(t *testing.T, s *confServer, mode confMode) {
	dial := s.dialAlone
	if tc.shares() {
		dial = s.dial
	}
	c := dial(t)
	if tc.end.free {
		tc.send(c, nil)
		c.conn.CloseWrite()
		c.gone()
		c.reason()
		return
	}
	want := tc.want
	tc.send(c, &want)
	if !tc.lossy || mode.inline {
		for _, f := range want {
			c.expect(f)
		}
	} else {
		c.expectSome(want)
	}
	if tc.end.sends {
		c.send(fClose(1000, ""))
	}
	c.expectClose(tc.end.codes...)
	if got := c.reason(); got != tc.end.reason {
		t.Errorf("the Handler heard of an end by %q, want %q", got, tc.end.reason)
	}
}

// send writes the case's frames. An fAwait step takes frames off want.
func (tc confCase) send(c *confClient, want *[]confFrame) {
	c.t.Helper()
	var writes [][]byte // those up to an fAwait
	flush := func(last bool) {
		for i, b := range tc.cut(writes) {
			if i > 0 && !tc.shares() {
				c.settle()
			}
			c.write(b)
		}
		if !last && !tc.shares() {
			c.settle()
		}
		writes = nil
	}
	for _, f := range tc.sent {
		if f.await == 0 {
			writes = append(writes, f.encode())
			continue
		}
		flush(false)
		for _, w := range (*want)[:f.await] {
			c.expect(w)
		}
		*want = (*want)[f.await:]
	}
	flush(true)
}

// cut cuts frames into writes.
func (tc confCase) cut(frames [][]byte) [][]byte {
	if tc.chop == perFrame {
		return frames
	}
	all := slices.Concat(frames...)
	if tc.chop == oneWrite {
		return [][]byte{all}
	}
	return slices.Collect(slices.Chunk(all, int(tc.chop)))
}

// expectSome reads what comes of want before a Close frame, in order.
func (c *confClient) expectSome(want []confFrame) {
	c.t.Helper()
	for _, f := range want {
		if head, err := c.r.Peek(1); err == nil && head[0]&0xf == opClose {
			return
		}
		c.expect(f)
	}
}
