package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"stentor/engine"
)

// TestConformanceCoalesced sends many messages and pings in one write: each is
// answered, messages in order and pings in order. Inline the two keep their
// order among each other too. Both what fits one read of the server's and what
// takes several is tried.
func TestConformanceCoalesced(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := mode.config()
		cfg.QueueBytes = 16 << 20
		s := newConfServer(t, cfg)
		for _, tc := range []struct{ count, step int }{{200, 1}, {1000, 3}, {150, 400}} {
			t.Run(fmt.Sprintf("%d messages", tc.count), func(t *testing.T) {
				t.Parallel()
				var sent, want []confFrame
				for i := range tc.count {
					m := fBinary(fmt.Sprintf("%d:%s", i, confBytes(i*tc.step)))
					if i%3 > 0 {
						m = fText(fmt.Sprintf("%d:%s", i, confPayload(i*tc.step)))
					}
					p := fmt.Sprintf("ping %d", i)
					sent = append(sent, m, fPing(p))
					want = append(want, m, fPong(p))
				}
				c := s.dial(t)
				c.send(sent...)
				if mode.inline {
					for _, f := range want {
						c.expect(f)
					}
				} else {
					c.expectInTwoOrders(want)
				}
				c.send(fClose(1000, ""))
				c.expectClose(1000)
			})
		}
	})
}

// expectInTwoOrders reads frames, of which the pongs must come in their order
// and the messages in theirs.
func (c *confClient) expectInTwoOrders(want []confFrame) {
	c.t.Helper()
	var orders [2][]confFrame // messages, pongs
	for _, f := range want {
		orders[f.op>>3] = append(orders[f.op>>3], f)
	}
	for range want {
		got, err := c.next()
		if err != nil {
			c.t.Fatalf("got %v with %d messages and %d pongs to come", err, len(orders[0]), len(orders[1]))
		}
		order := &orders[got.op>>3]
		if len(*order) == 0 || (*order)[0].op != got.op || string((*order)[0].payload) != string(got.payload) {
			c.t.Fatalf("got %v out of turn", got)
		}
		*order = (*order)[1:]
	}
}

// earlyCase is what a client sends in one segment with its request, not
// waiting for the answer, and what it sends once it has that.
type earlyCase struct {
	id          string
	first, then []byte
	want        []confFrame
	end         confEnd
}

func casesEarlyFrames() []earlyCase {
	octets := func(frames ...confFrame) (b []byte) {
		for _, f := range frames {
			b = append(b, f.encode()...)
		}
		return b
	}
	two := []confFrame{fText("first"), fBinary("second")}
	half := octets(two...)
	long := fText(confPayload(40000))
	cut := octets(long)
	return []earlyCase{
		{"messages", half, nil, two, clean()},
		{"half a header", half[:1], half[1:], two, clean()},
		{"half a frame", half[:8], half[8:], two, clean()},
		{"a message and a half", half[:15], half[15:], two, clean()},
		{"a fragment", octets(fText("fragment1").more()), octets(fCont("fragment2")), []confFrame{fText("fragment1fragment2")}, clean()},
		{"a large message", cut, nil, []confFrame{long}, clean()},
		{"most of a large message", cut[:39990], cut[39990:], []confFrame{long}, clean()},
		{"a ping", octets(fPing("early")), nil, []confFrame{fPong("early")}, clean()},
		{"a close", octets(fClose(4000, "")), nil, nil, answered(4000, 4000)},
		{"a wrong frame", octets(fText("x").unmasked()), nil, nil, fails(1002)},
		{"text that is not UTF-8", octets(fText("\xff")), nil, nil, fails(1007)},
	}
}

// TestConformanceEarlyFrames sends frames in the same segment as the request,
// to a server that accepts at once and to one that decides on another
// goroutine. A client should wait, but what it has sent is not lost.
func TestConformanceEarlyFrames(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		for _, later := range []bool{false, true} {
			cfg := mode.config()
			s := new(confServer)
			if later {
				cfg.Upgrade = func(hs *engine.Handshake) engine.Answer {
					r, _ := s.records.Load(string(hs.Request.Target()))
					p := hs.Later()
					go p.Answer(engine.Answer{Data: r})
					return engine.Answer{}
				}
			}
			s.start(t, cfg)
			for _, tc := range casesEarlyFrames() {
				t.Run(fmt.Sprintf("%s, decided later: %v", tc.id, later), func(t *testing.T) {
					c := s.connect(t)
					var target string
					target, c.record = s.record()
					c.write(append([]byte(confRequest(target)), tc.first...))
					c.accepted()
					c.write(tc.then)
					for _, f := range tc.want {
						c.expect(f)
					}
					if tc.end.sends {
						c.send(fClose(1000, ""))
					}
					c.expectClose(tc.end.codes...)
					if got := c.reason(); got != tc.end.reason {
						t.Errorf("the Handler heard of an end by %q, want %q", got, tc.end.reason)
					}
				})
			}
		}
	})
}

// TestConformanceHalfClose ends a connection by FIN or by reset, in the middle
// of this and that. The server lets go of it, and the Handler hears so.
func TestConformanceHalfClose(t *testing.T) {
	message := fText(confPayload(300)).encode()
	for name, sent := range map[string][]byte{
		"nothing":     nil,
		"a message":   message,
		"a header":    message[:3],
		"a payload":   message[:200],
		"a fragment":  fText("fragment1").more().encode(),
		"an UTF-8":    fText("\xce").more().encode(),
		"half a ping": fPing("payload").encode()[:8],
	} {
		t.Run(name, func(t *testing.T) {
			eachConfMode(t, func(t *testing.T, mode confMode) {
				s := newConfServer(t, mode.config())
				t.Run("FIN", func(t *testing.T) {
					c := s.dial(t)
					c.write(sent)
					c.conn.CloseWrite()
					c.gone()
					if got := c.reason(); got != "1006 lost" {
						t.Errorf("the Handler heard of an end by %q", got)
					}
				})
				t.Run("reset", func(t *testing.T) {
					c := s.dialAlone(t)
					c.write(sent)
					c.settle() // a reset may overtake what is still to be read
					c.conn.SetLinger(0)
					// Closing what has unread input resets as well, on both sides.
					if got := c.reason(); !slices.Contains([]string{"1006 reset", "1006 lost"}, got) {
						t.Errorf("the Handler heard of an end by %q", got)
					}
				})
			})
		})
	}
}
