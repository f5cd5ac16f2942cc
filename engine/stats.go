package engine

import (
	"sync/atomic"
	"time"
)

// loopStats is a loop's counters. Any goroutine may change them; a loop's own
// are apart from other loops' so that processors do not fight over them.
type loopStats struct {
	_            [64]byte
	accepted     atomic.Uint64
	sockets      atomic.Int64
	bytesIn      atomic.Uint64
	bytesOut     atomic.Uint64
	messagesIn   atomic.Uint64
	framesOut    atomic.Uint64
	queued       atomic.Int64  // bytes
	partial      atomic.Int64  // bytes
	dropClosed   atomic.Uint64 // frames
	dropOverflow atomic.Uint64 // frames
	lag          atomic.Int64  // nanoseconds
	acceptErrors atomic.Uint64
	pings        atomic.Uint64
	closes       [causeLimit]atomic.Uint64
	handshakes   [handshakeLimit]atomic.Uint64
	_            [64]byte
}

// handshakeResult is what became of an accepted connection's first request.
type handshakeResult uint8

const (
	handshakeAccepted   handshakeResult = iota // a WebSocket
	handshakeRefused                           // Config.Upgrade gave an HTTP status
	handshakeTurnedAway                        // accepted, and closed at once
	handshakeMalformed                         // not a correct handshake
	handshakeTooLarge                          // head over Config.MaxHeaderBytes
	handshakeTimeout                           // no whole head in time
	handshakeAborted                           // the peer left before
	handshakeHTTP                              // not a WebSocket: net/http's
	handshakeFailed                            // ended by this side: shutdown
	handshakeLimit
)

var handshakeNames = [handshakeLimit]string{
	"accepted", "refused", "turned_away", "malformed", "too_large", "timeout", "aborted", "http", "failed",
}

func (s *loopStats) handshake(r handshakeResult) { s.handshakes[r].Add(1) }

// sent counts n frames that a write was to send.
func (s *loopStats) sent(o Outcome, n int) {
	switch o {
	case Written, Queued:
		s.framesOut.Add(uint64(n))
	case Dropped:
		s.dropClosed.Add(uint64(n))
	case Overflowed:
		s.dropOverflow.Add(uint64(n))
	}
}

// Stats is a snapshot of an Engine's counters, since it was made.
type Stats struct {
	Connections  int64             // WebSocket connections that are open
	Sockets      int64             // descriptors: these, handshakes, closing ones
	HTTP         int64             // connections at net/http
	Accepted     uint64            // connections accepted
	AcceptErrors uint64            // accept failed: no descriptors, no memory
	Handshakes   map[string]uint64 // first requests, by result
	Closes       map[string]uint64 // WebSocket connections that ended, by cause
	MessagesIn   uint64            // messages received
	FramesOut    uint64            // frames sent or queued
	Drops        map[string]uint64 // frames not accepted for sending, by reason: closed, overflow
	BytesIn      uint64
	BytesOut     uint64
	Pings        uint64          // pings sent after silence
	QueuedBytes  int64           // waiting for peers that do not read
	PartialBytes int64           // held for requests and messages that are incomplete
	LoopLag      []time.Duration // of each loop: how late its last regular turn was
}

// Stats returns the counters. Any goroutine may call it.
func (e *Engine) Stats() Stats {
	s := Stats{
		Connections: e.open.Load(),
		HTTP:        e.web.open.Load(),
		Handshakes:  make(map[string]uint64, handshakeLimit),
		Closes:      make(map[string]uint64, len(causeNames)),
		Drops:       make(map[string]uint64, 2),
	}
	for _, l := range e.loops {
		t := &l.stats
		s.Sockets += t.sockets.Load()
		s.Accepted += t.accepted.Load()
		s.AcceptErrors += t.acceptErrors.Load()
		s.MessagesIn += t.messagesIn.Load()
		s.FramesOut += t.framesOut.Load()
		s.Drops["closed"] += t.dropClosed.Load()
		s.Drops["overflow"] += t.dropOverflow.Load()
		s.BytesIn += t.bytesIn.Load()
		s.BytesOut += t.bytesOut.Load()
		s.Pings += t.pings.Load()
		s.QueuedBytes += t.queued.Load()
		s.PartialBytes += t.partial.Load()
		s.LoopLag = append(s.LoopLag, time.Duration(t.lag.Load()))
		for r, name := range handshakeNames {
			s.Handshakes[name] += t.handshakes[r].Load()
		}
		for c, name := range causeNames {
			s.Closes[name] += t.closes[c].Load()
		}
	}
	return s
}
