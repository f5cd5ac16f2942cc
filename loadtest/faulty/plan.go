package faulty

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Plan says what a server does wrong. The zero Plan does nothing wrong. A field
// that ends in Every is about the n-th, 2n-th and so on of what it counts, from
// the server's start; 0 stands for none.
//
// What becomes of a delivery is drawn at random, always the same for a Seed, the
// number of a connection among the opened ones, and the number of a delivery on
// it. One delivery suffers one fault at most.
type Plan struct {
	Seed uint64

	// Shares of the deliveries (publications to a subscriber, and echoes), from 0
	// to 1, and not above 1 together.
	Drop      float64 // is not sent
	Duplicate float64 // is sent twice
	Corrupt   float64 // is sent with one letter or digit of the payload changed
	Reorder   float64 // is sent after the next one of its channel on this connection, which suffers nothing

	// The byte that Corrupt changes has an offset in the payload of at least
	// CorruptFrom, and below CorruptTo unless that is 0. The payload is what a raw
	// client receives; in a JSON string its first byte is the one after the quote.
	CorruptFrom, CorruptTo int

	// HoldFor is how long a delivery is held back for Reorder until it is sent
	// though none has followed it; in order, then. 0 stands for 200 ms.
	HoldFor time.Duration

	GarbageEvery int // of the deliveries on a connection: a message that nobody has published follows

	// No faults, and no client may take them for such.
	Fragment  float64       // share of deliveries that are sent in three fragments, with a ping after the first
	Delay     time.Duration // of each delivery
	PingEvery time.Duration // each connection is pinged so often; 0: never

	RefuseEvery    int // of the handshakes: answered with 503
	BadAcceptEvery int // of the handshakes: the Sec-WebSocket-Accept is wrong
	StallEvery     int // of the handshakes: never answered

	// CloseEvery is of the opened connections: closed after CloseAfter deliveries,
	// whatever became of them.
	CloseEvery, CloseAfter int
	CloseBy                CloseBy

	UnansweredEvery   int // of the subscribe commands: no answer, and no subscription
	PublishErrorEvery int // of the publications: answered with 500, and delivered to nobody
}

// CloseBy is how CloseEvery closes a connection.
type CloseBy int

const (
	// CloseFrame sends a Close frame, 1011.
	CloseFrame CloseBy = iota
	// CloseTCP ends the TCP connection without a Close frame. What was sent before
	// arrives.
	CloseTCP
	// CloseReset resets the TCP connection. What was sent before may be lost on its
	// way, so that a client may have received less than Truth says.
	CloseReset
)

func (p *Plan) check() error {
	sum := 0.0
	for _, share := range []float64{p.Drop, p.Duplicate, p.Corrupt, p.Reorder} {
		if !(share >= 0) {
			return errors.New("a share is below 0")
		}
		sum += share
	}
	for _, n := range []int{p.GarbageEvery, p.RefuseEvery, p.BadAcceptEvery, p.StallEvery,
		p.CloseEvery, p.UnansweredEvery, p.PublishErrorEvery, p.CorruptFrom, p.CorruptTo} {
		if n < 0 {
			return errors.New("a number is below 0")
		}
	}
	switch {
	case sum > 1:
		return errors.New("the shares Drop, Duplicate, Corrupt and Reorder are above 1 together")
	case !(p.Fragment >= 0 && p.Fragment <= 1):
		return errors.New("the share Fragment is not from 0 to 1")
	case p.CloseEvery > 0 && p.CloseAfter < 1:
		return errors.New("a CloseEvery wants a CloseAfter")
	case p.HoldFor < 0 || p.Delay < 0 || p.PingEvery < 0:
		return errors.New("a time is below 0")
	}
	return nil
}

// nth reports whether the number of something, from 1, is one of every n.
func nth(number, every int) bool { return every > 0 && number%every == 0 }

type fault int

const (
	none fault = iota
	drop
	duplicate
	corrupt
	reorder
	garbage
)

// fate is what becomes of a delivery.
type fate struct {
	fault    fault
	fragment bool
	random   uint64 // chooses the byte to corrupt
}

// fate draws what becomes of a connection's next delivery, its number-th from 1.
// It takes the same amount of randomness for each, so that what becomes of one does
// not depend on those before it.
func (p *Plan) fate(r *rand.Rand, number int) fate {
	x := r.Float64()
	f := fate{fragment: r.Float64() < p.Fragment, random: r.Uint64()}
	if nth(number, p.GarbageEvery) {
		f.fault = garbage
		return f
	}
	for _, c := range []struct {
		fault fault
		share float64
	}{{drop, p.Drop}, {duplicate, p.Duplicate}, {corrupt, p.Corrupt}, {reorder, p.Reorder}} {
		if x < c.share {
			f.fault = c.fault
			return f
		}
		x -= c.share
	}
	return f
}
