package main

import (
	"fmt"
	"time"

	"stentor/benchmarks/internal/report"
	"stentor/benchmarks/internal/rig"
)

// measureHandshakes: CPU of accepting connections and answering handshakes.
func (b *bench) measureHandshakes() error {
	s, err := b.startSides()
	if err != nil {
		return err
	}
	n := b.plan.Handshakes
	pairs, err := s.compare(b.plan.WarmUps, b.plan.HandshakePairs, work{
		round: func(x *rig.Side, _ int) (time.Duration, error) { return x.Dial(n, rig.EchoPath) },
		rest:  (*rig.Side).HangUp,
	})
	if err != nil {
		return err
	}
	for _, x := range s.all() {
		x.N = 0
	}
	pairs = b.keep("handshake", pairs)
	b.set(handshakeCPU, cpuSpread(pairs), "%s a handshake; %s/s", cpuEach(pairs, n), rates(pairs, n))
	return s.end()
}

// measureEcho: CPU of a message that comes and goes back.
func (b *bench) measureEcho() error {
	n := b.plan.EchoMessages
	var pairs []report.Pair
	for range b.plan.EchoStarts {
		more, err := b.echoPairs(n)
		if err != nil {
			return err
		}
		pairs = append(pairs, more...)
	}
	pairs = b.keep("echo", pairs)
	b.set(echoCPU, cpuSpread(pairs), "%s a message; %s/s", cpuEach(pairs, n), rates(pairs, n))
	return nil
}

// echoPairs takes the pairs of one start of both sides.
func (b *bench) echoPairs(n int) ([]report.Pair, error) {
	s, err := b.startSides()
	if err != nil {
		return nil, err
	}
	if err := s.dial(b.plan.EchoConnections, rig.EchoPath); err != nil {
		return nil, err
	}
	pairs, err := s.compare(b.plan.WarmUps, b.plan.EchoPairs, work{
		round: func(x *rig.Side, _ int) (time.Duration, error) { return x.Crowd.Echo(n, b.plan.MessageSize) },
	})
	if err != nil {
		return nil, err
	}
	return pairs, s.end()
}

// measureDeliveries: CPU, rate and allocations of a publication to all, and CPU
// of a burst of them.
func (b *bench) measureDeliveries() error {
	s, err := b.startSides()
	if err != nil {
		return err
	}
	if err := s.dial(b.plan.Connections, rig.PushPath); err != nil {
		return err
	}
	if err := b.measureSingle(s); err != nil {
		return err
	}
	if b.wants(burstCPU) {
		if err := b.measureBurst(s); err != nil {
			return err
		}
	}
	return s.end()
}

// measureSingle: one publication at a time.
func (b *bench) measureSingle(s *sides) error {
	server := s.stentor.Server.(*rig.Stentor)
	publication, err := b.publicationAllocs(server)
	if err != nil {
		return err
	}
	count, err := startCount(server)
	if err != nil {
		return err
	}
	pairs, rounds, err := b.singlePairs(s, "delivery", deliveryCPU)
	if err != nil {
		return err
	}
	n := b.plan.Connections
	b.set(deliveryRate, report.SpreadOf(pairs, report.Pair.RateRatio), "%s deliveries/s", rates(pairs, n))
	allocs, err := count.end("delivery", rounds*n)
	if err != nil {
		return err
	}
	allocs.Mallocs -= publication.each() * float64(rounds)
	b.allocs = append(b.allocs, publication, allocs)
	b.set(deliveryAllocs, allocs.spread(), "%.0f in %d deliveries of %d publications, besides %.1f of each request",
		allocs.Mallocs, allocs.Events, rounds, publication.each())
	return nil
}

// singlePairs delivers one publication at a time, sets the figure of what that
// takes of CPU, and returns the pairs that count and how often each side has
// published.
func (b *bench) singlePairs(s *sides, kind, figure string) (pairs []report.Pair, rounds int, err error) {
	pairs, err = s.compare(b.plan.WarmUps, b.plan.DeliveryPairs, work{
		round: func(x *rig.Side, number int) (time.Duration, error) {
			return x.Deliver(1+number, 1, b.plan.MessageSize)
		},
	})
	if err != nil {
		return nil, 0, err
	}
	rounds = b.plan.WarmUps + len(pairs)
	pairs = b.keep(kind, pairs)
	b.set(figure, cpuSpread(pairs), "%s a delivery", cpuEach(pairs, b.plan.Connections))
	return pairs, rounds, nil
}

// measurePusherDeliveries: CPU of a publication to all, who are Pusher clients.
// The floor writes the same frames, with the event's name and the channel's.
func (b *bench) measurePusherDeliveries() error {
	s, err := b.startSides()
	if err != nil {
		return err
	}
	client := rig.StentorApp.Subscriber()
	if err := s.dial(b.plan.Connections, client.Path); err != nil {
		return err
	}
	if err := s.stentor.Crowd.Converse(client.Subscribe); err != nil {
		return err
	}
	s.envelop(client.Envelope)
	s.stentor.Server = rig.StentorPusher{Stentor: s.stentor.Server.(*rig.Stentor)}
	if _, _, err := b.singlePairs(s, "pusher_delivery", pusherDeliveryCPU); err != nil {
		return err
	}
	return s.end()
}

// burstBase is the number of the first publication of the bursts, beyond all
// others.
const burstBase = 1_000_000

// measureBurst: publications back to back. The floor writes each by itself.
func (b *bench) measureBurst(s *sides) error {
	k, n := b.plan.Burst, b.plan.Connections
	beat := time.Now()
	pairs, err := s.compare(1, b.plan.BurstPairs, work{
		round: func(x *rig.Side, number int) (time.Duration, error) {
			return x.Deliver(burstBase+number*k, k, b.plan.MessageSize)
		},
		rest: func(x *rig.Side) error {
			// The clients only listen, and a server pings who is silent.
			if x != s.stentor || time.Since(beat) < 30*time.Second {
				return nil
			}
			beat = time.Now()
			if err := x.Crowd.Heartbeat(); err != nil {
				return err
			}
			return b.Settle(x.PID())
		},
	})
	if err != nil {
		return err
	}
	pairs = b.keep("burst", pairs)
	b.set(burstCPU, cpuSpread(pairs), "%s a delivery", cpuEach(pairs, k*n))
	return nil
}

// keep keeps the raw pairs of a kind, and returns those to make a figure of.
func (b *bench) keep(kind string, pairs []report.Pair) []report.Pair {
	b.pairs[kind] = pairs
	for _, p := range pairs {
		if p.Disturbed() {
			b.disturbed[kind]++
		}
	}
	return report.Undisturbed(pairs, enoughPairs)
}

func cpuSpread(pairs []report.Pair) report.Spread {
	return report.SpreadOf(pairs, report.Pair.CPURatio)
}

// cpuEach tells the median CPU time of both sides for one of n events.
func cpuEach(pairs []report.Pair, n int) string {
	micros := func(f func(report.Pair) report.Sample) float64 {
		return report.SpreadOf(pairs, func(p report.Pair) float64 { return f(p).CPU.Seconds() * 1e6 / float64(n) }).Median
	}
	return fmt.Sprintf("%.2f µs, floor %.2f µs CPU", micros(ofStentor), micros(ofFloor))
}

// rates tells the median wall rate of both sides.
func rates(pairs []report.Pair, n int) string {
	rate := func(f func(report.Pair) report.Sample) float64 {
		return report.SpreadOf(pairs, func(p report.Pair) float64 { return float64(n) / f(p).Wall.Seconds() }).Median
	}
	return fmt.Sprintf("%.0fk, floor %.0fk", rate(ofStentor)/1e3, rate(ofFloor)/1e3)
}

func ofStentor(p report.Pair) report.Sample { return p.Stentor }
func ofFloor(p report.Pair) report.Sample   { return p.Floor }
