package engine_test

import (
	"fmt"
	"testing"
)

// TestConformanceBacklog ends a connection while much is queued for a client
// that has not read yet, and sends something more after that. The client then
// reads: all that was queued, the Close frame, the end.
func TestConformanceBacklog(t *testing.T) {
	message := fBinary(confBytes(60000))
	end := fClose(4000, "bye")
	cases := []struct {
		id   string
		sent []confFrame // each alone, and read by the server before the next
		code int
	}{
		{"a close frame", []confFrame{end}, 4000},
		{"a close frame and a message", []confFrame{end, message}, 4000},
		{"a close frame and a wrong frame", []confFrame{end, message.unmasked(), message}, 4000},
		{"two close frames", []confFrame{end, fClose(4001, "")}, 4000},
		{"a wrong frame", []confFrame{message.unmasked()}, 1002},
		{"wrong frames", []confFrame{fText("x").rsvBits(1), message, fText("x").rsvBits(2), message}, 1002},
		{"a wrong header, of one octet", []confFrame{fOp(3, "").only(1), message, message}, 1002},
		{"text that is not UTF-8", []confFrame{fText("\xff").more(), fCont("\xff"), message}, 1007},
		{"a message that is too big", []confFrame{fText("").claiming(1 << 20), message, message}, 1009},
	}
	eachConfMode(t, func(t *testing.T, mode confMode) {
		cfg := mode.config()
		cfg.QueueBytes = 16 << 20
		s := newConfServer(t, cfg)
		for _, tc := range cases {
			t.Run(tc.id, func(t *testing.T) {
				c := s.dialAlone(t)
				const count = 50
				before := s.Stats().FramesOut
				for range count {
					c.send(message)
				}
				confUntil(t, "most of the echo waits", func() bool { return s.Stats().QueuedBytes > 1<<20 })
				// The pool has to be done with them, or their echo may be too late.
				confUntil(t, "all messages are answered", func() bool { return s.Stats().FramesOut >= before+count })
				for _, f := range tc.sent {
					c.send(f)
					c.settle()
				}
				for range count {
					c.expect(message)
				}
				c.expectClose(tc.code)
				cause := map[int]string{4000: "client", 1009: "too_big"}[tc.code]
				if cause == "" {
					cause = "protocol_error"
				}
				if got := c.reason(); got != fmt.Sprintf("%d %s", tc.code, cause) {
					t.Errorf("the Handler heard of an end by %q", got)
				}
			})
		}
	})
}
