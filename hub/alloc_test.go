package hub

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// silent takes everything and keeps nothing.
type silent struct {
	Client
	n int
}

func (s *silent) Deliver(frames []byte, n int, guard *atomic.Uint64, want uint64) Outcome {
	if guard.Load() != want {
		return Stale
	}
	s.n += n
	return Written
}

// ready is a message that was encoded before.
type ready []byte

func (m ready) Size() int                   { return len(m) }
func (m ready) Encode(uint8, Target) []byte { return m }

// inline runs what is submitted at once.
type inline struct{}

func (inline) Submit(f func()) { f() }

func crowd(n int) *Hub {
	h := New(Config{Shards: 2, Pool: inline{}})
	for i := range n {
		s := new(silent)
		h.Add(&s.Client, s, "", 0, i)
		s.Ready()
		h.Subscribe(&s.Client, "c", nil, func(Subscribed) {})
	}
	return h
}

// A publication allocates the same few objects whether it is delivered to one
// or to thousands: a delivery allocates nothing.
func TestDeliveryAllocatesNothing(t *testing.T) {
	var m Message = ready("frame")
	count := func(n int) float64 {
		h := crowd(n)
		return testing.AllocsPerRun(100, func() { h.Publish("c", m, nil) })
	}
	one, many := count(1), count(5000)
	if many > one+3 { // the second shard's lane and encoding
		t.Errorf("%.0f allocations for one client, %.0f for 5000", one, many)
	}
	t.Logf("%.0f allocations a publication", many)
}

// BenchmarkPublish is a publication and its deliveries to sinks that do
// nothing: what the hub itself adds to each.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := crowd(n)
			var m Message = ready("frame")
			b.ReportAllocs()
			for b.Loop() {
				h.Publish("c", m, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

// BenchmarkSubscribe is a subscription and its end.
func BenchmarkSubscribe(b *testing.B) {
	h := crowd(1000)
	s := new(silent)
	h.Add(&s.Client, s, "", 0, 0)
	s.Ready()
	b.ReportAllocs()
	for b.Loop() {
		h.Subscribe(&s.Client, "c", nil, func(Subscribed) {})
		h.Unsubscribe(&s.Client, "c")
	}
}

// BenchmarkPublishParallel is publications to small channels from all
// processors.
func BenchmarkPublishParallel(b *testing.B) {
	h := New(Config{Pool: &goroutines{}})
	const channels = 1024
	for i := range 4 * channels {
		s := new(silent)
		h.Add(&s.Client, s, "", 0, i)
		s.Ready()
		h.Subscribe(&s.Client, fmt.Sprint("c", i%channels), nil, func(Subscribed) {})
	}
	var turn atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var m Message = ready("frame")
		for n := turn.Add(100); pb.Next(); n++ {
			h.Publish(fmt.Sprint("c", n%channels), m, nil)
		}
	})
}
