package engine_test

import (
	"fmt"
	"testing"
)

// volumeMax is the largest message of class 9.
const volumeMax = 16 << 20

// volumeMessage returns a message of n octets: text for kind 0, the odd groups,
// and binary for kind 1, the even ones. The suite compares type and length
// only; here every octet counts, and differs from its neighbours.
func volumeMessage(kind, n int) confFrame {
	if kind == 0 {
		return fText(confPayload(n))
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + i>>16)
	}
	return confFrame{fin: true, op: opBinary, payload: b}
}

// fragments cuts a message into frames of n octets.
func (f confFrame) fragments(n int) (frames []confFrame) {
	for p := f.payload; ; p = p[n:] {
		part := confFrame{op: opCont, payload: p}
		if len(frames) == 0 {
			part.op = f.op
		}
		if len(p) <= n {
			part.fin = true
			return append(frames, part)
		}
		part.payload = p[:n]
		frames = append(frames, part)
	}
}

// volumeScale is what sizes and counts of class 9 are divided by.
func volumeScale() int {
	if confSlow || testing.Short() {
		return 16
	}
	return 1
}

// casesVolume is 9.1 to 9.6 and 10.1: large messages in one frame, in many
// frames, in many writes.
func casesVolume() (cases []confCase) {
	scale := volumeScale()
	add := func(no string, message confFrame, frames []confFrame, chop confChop) {
		cases = append(cases, confCase{
			id: no, sent: frames, chop: chop, unwatched: true,
			want: []confFrame{message}, end: clean(), max: volumeMax,
		})
	}
	for kind := range 2 {
		for i, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} {
			m := volumeMessage(kind, size/scale)
			add(fmt.Sprintf("9.%d.%d", 1+kind, i+1), m, []confFrame{m}, oneWrite)
		}
		m := volumeMessage(kind, 4<<20/scale)
		for i, size := 0, 64; i < 9; i, size = i+1, size*4 {
			add(fmt.Sprintf("9.%d.%d", 3+kind, i+1), m, m.fragments(size), oneWrite)
		}
		m = volumeMessage(kind, 1<<20/scale)
		for i, size := 0, 64; i < 6; i, size = i+1, size*2 {
			add(fmt.Sprintf("9.%d.%d", 5+kind, i+1), m, []confFrame{m}, confChop(size))
		}
	}
	m := fText(confPayload(65536))
	add("10.1.1", m, m.fragments(1300), oneWrite)
	return cases
}

func TestConformanceVolume(t *testing.T) { runConf(t, casesVolume()) }

// pingPongs are the sizes of 9.7 and 9.8.
var pingPongs = []int{0, 16, 64, 256, 1 << 10, 4 << 10}

// TestConformancePingPong is 9.7 and 9.8: a thousand messages of a size, each
// sent when the one before has come back.
func TestConformancePingPong(t *testing.T) {
	eachConfMode(t, func(t *testing.T, mode confMode) {
		s := newConfServer(t, mode.config())
		for kind := range 2 {
			for i, size := range pingPongs {
				t.Run(fmt.Sprintf("9.%d.%d", 7+kind, i+1), func(t *testing.T) {
					t.Parallel()
					c := s.dial(t)
					m := volumeMessage(kind, size)
					for range 1000 / volumeScale() {
						c.send(m)
						c.expect(m)
					}
					c.send(fClose(1000, ""))
					c.expectClose(1000, 0)
					if got := c.reason(); got != "1000 client" {
						t.Errorf("the Handler heard of an end by %q", got)
					}
				})
			}
		}
	})
}
