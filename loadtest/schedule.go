package loadtest

// schedule is when publications are due: publication k, from 1, goes to channel
// k-1 modulo their number.
type schedule struct {
	Rate     float64 // a second, of all channels
	Burst    int     // due at once
	Channels int
}

// due is when publication k is due, in nanoseconds after the first.
func (s *schedule) due(k int64) int64 {
	burst := int64(max(1, s.Burst))
	return int64(float64((k-1)/burst*burst) / s.Rate * 1e9)
}

// place is the channel of publication k, and its number there.
func (s *schedule) place(k int64) (channel int, seq uint32) {
	n := int64(s.Channels)
	return int((k - 1) % n), uint32((k-1)/n) + 1
}

// number is the reverse of place.
func (s *schedule) number(channel int, seq uint32) int64 {
	return int64(seq-1)*int64(s.Channels) + int64(channel) + 1
}

// missedBefore returns the first number of t's channel, from next to that of t,
// that was due after a client was ready: it missed those before, being away, and
// nothing from there on.
func (s *schedule) missedBefore(t token, next uint32, readyAt int64) uint32 {
	start := t.due - s.due(s.number(int(t.stream), t.seq))
	return s.firstAfter(start, int(t.stream), next, t.seq, readyAt)
}

// firstAfter returns the first of a channel's numbers, from next to last, that
// is due after a moment, if the first of all publications was due at start.
func (s *schedule) firstAfter(start int64, channel int, next, last uint32, at int64) uint32 {
	for last > next && start+s.due(s.number(channel, last-1)) >= at {
		last--
	}
	return max(next, last)
}
