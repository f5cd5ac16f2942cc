package main

import (
	"fmt"
	"time"

	"stentor/benchmarks/internal/comparison"
	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/proc"
	"stentor/benchmarks/internal/rig"
	"stentor/benchmarks/internal/sys"
)

// visit is a Visit in the making.
type visit struct {
	*comparison.Visit
	bench   *bench
	entrant *entrant
	level   comparison.Level
}

// measure starts the server and measures it. One whose clients that echo and
// clients that receive are not the same is started for each.
func (v *visit) measure() error {
	e := v.entrant
	if e.idle != "" {
		if err := v.session(e.idle, true, e.push == e.idle); err != nil {
			return err
		}
	}
	if e.push != e.idle {
		return v.session(e.push, false, true)
	}
	return nil
}

// session is a process of the server with a crowd.
type session struct {
	*visit
	rig.Side
	server server
	beat   time.Time // when the clients have last said something
	number int       // of the next publication
}

// open starts a process of the server and a crowd, which have limit to do their
// work. end must be called, and kills them if they still run.
func (v *visit) open(limit time.Duration) (s *session, end func(), err error) {
	part, end := v.bench.Part(limit)
	s = &session{visit: v, Side: rig.Side{Rig: part, Envelope: v.entrant.envelope}, number: 1}
	if s.server, err = v.entrant.start(part); err != nil {
		return s, end, err
	}
	s.Server = s.server
	s.Crowd, err = part.StartCrowd()
	return s, end, err
}

// session measures a process of the server with clients on a path, who echo,
// receive, or both.
func (v *visit) session(path string, echo, push bool) error {
	s, end, err := v.open(visitLimit)
	defer end()
	if err != nil {
		return err
	}
	memory := comparison.Memory{Client: comparison.Idle, Freed: v.level.Freed(v.Repetition)}
	if !echo {
		memory.Client = comparison.Subscriber
	}
	known, err := s.read(memory.Freed, s.bench.plan.Rest/4, &memory.EmptyRSS, &memory.EmptyLive)
	if err != nil {
		return err
	}
	if err := s.connect(path, echo); err != nil {
		return err
	}
	if known {
		if _, err := s.read(memory.Freed, s.bench.plan.Rest, &memory.RSS, &memory.Live); err != nil {
			return err
		}
		v.Memory = append(v.Memory, memory)
	}
	if push {
		if err := s.deliveries(); err != nil {
			return err
		}
	}
	return s.End()
}

// read reads the server's memory: freed, or as it is after a rest. known is
// false if it cannot be freed.
func (s *session) read(freed bool, rest time.Duration, rss, live *int64) (known bool, err error) {
	if freed {
		if *live, known, err = s.server.Free(); !known || err != nil {
			return false, err
		}
	} else if err := s.Rig.Sleep(rest); err != nil {
		return false, err
	}
	*rss, err = proc.RSS(s.PID())
	return true, err
}

// connect connects the clients, and has them echo or receive a message each.
func (s *session) connect(path string, echo bool) error {
	n, e := s.Connections, s.entrant
	work := comparison.Handshake
	if !echo && e.subscribe == nil {
		work = comparison.Subscribe
	}
	err := s.round(work, 0, n, func() (time.Duration, error) { return s.Dial(n, path) })
	if err != nil {
		return err
	}
	s.beat = time.Now()
	if e.subscribe != nil {
		err := s.round(comparison.Subscribe, 0, n, func() (time.Duration, error) {
			start := sys.Monotonic()
			err := s.Crowd.Converse(*e.subscribe)
			return sys.Monotonic() - start, err
		})
		if err != nil {
			return err
		}
	}
	if echo {
		_, err := s.Crowd.Echo(n, s.bench.plan.Size)
		return err
	}
	_, err = s.deliver(1, s.bench.plan.Size)
	return err
}

// round measures a round of work and keeps it.
func (s *session) round(work string, size, events int, do func() (time.Duration, error)) error {
	_, err := s.sample(work, size, events, do)
	return err
}

// rounds measures count rounds. Those that others disturb are repeated once,
// as long as the run has time to spare for that.
func (s *session) rounds(count int, work string, size, events int, do func() (time.Duration, error)) error {
	for range count {
		start := time.Now()
		disturbed, err := s.sample(work, size, events, do)
		if took := time.Since(start); err == nil && disturbed && took < s.bench.spare {
			s.bench.spare -= took
			err = s.round(work, size, events, do)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) sample(work string, size, events int, do func() (time.Duration, error)) (disturbed bool, err error) {
	sample, err := s.Rig.Sample(s.PID(), do)
	if err != nil {
		return false, fmt.Errorf("%s: %w", work, err)
	}
	s.Rounds = append(s.Rounds, comparison.Round{Work: work, Size: size, Events: events, Sample: sample})
	return sample.Disturbed(), nil
}

// deliver publishes count messages, with new numbers.
func (s *session) deliver(count, size int) (time.Duration, error) {
	first := s.number
	s.number += count
	return s.Deliver(first, count, size)
}

// deliveries measures what is published to all.
func (s *session) deliveries() error {
	p := &s.bench.plan
	sizes := []struct{ size, burst int }{{p.Size, p.Burst}}
	if s.level.Large(s.Repetition) {
		sizes = append(sizes, struct{ size, burst int }{p.LargeSize, p.LargeBurst})
	}
	for _, x := range sizes {
		if err := s.serial(x.size); err != nil {
			return err
		}
		if err := s.bursts(x.burst, x.size); err != nil {
			return err
		}
		if err := s.paced(x.size); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) serial(size int) error {
	p := &s.bench.plan
	count := p.Serial(s.Connections)
	round := func() (wall time.Duration, err error) {
		for range count {
			one, err := s.deliver(1, size)
			if wall += one; err != nil {
				return wall, err
			}
		}
		return wall, nil
	}
	if _, err := round(); err != nil { // warm up
		return err
	}
	if err := s.rounds(p.SerialRounds, comparison.Serial, size, count*s.Connections, round); err != nil {
		return err
	}
	return s.heartbeat()
}

func (s *session) bursts(count, size int) error {
	p := &s.bench.plan
	for i, start := 0, time.Now(); i < p.BurstRounds && (i == 0 || time.Since(start) < p.BurstTime); i++ {
		err := s.rounds(1, comparison.Burst, size, count*s.Connections,
			func() (time.Duration, error) { return s.deliver(count, size) })
		if err != nil {
			return err
		}
	}
	return s.heartbeat()
}

// paced publishes in even intervals. Who is late with one publication sends the
// next as soon as possible, and both count from when they were due.
func (s *session) paced(size int) error {
	p := &s.bench.plan
	interval := p.Interval(s.Connections)
	count := p.Paced(s.Connections)
	first := s.number
	s.number += count
	result := comparison.Paced{Size: size, Count: count, Interval: interval}
	sample, err := s.Rig.Sample(s.PID(), func() (wall time.Duration, err error) {
		start := sys.Monotonic() + 50*time.Millisecond
		result.Delays, err = s.Crowd.Paced(crowd.Paced{
			Receive: crowd.Receive{First: first, Count: count, Size: size, Envelope: s.Envelope},
			Start:   start, Interval: interval,
		}, func() error {
			for i := range count {
				if err := s.Rig.Sleep(start + time.Duration(i)*interval - sys.Monotonic()); err != nil {
					return err
				}
				if err := s.Publish(first+i, 1, size, s.N); err != nil {
					return err
				}
			}
			return nil
		})
		return 0, err
	})
	if err != nil {
		return fmt.Errorf("paced: %w", err)
	}
	result.CPU, result.Others = sample.CPU, sample.Others
	s.Paced = append(s.Paced, result)
	return s.heartbeat()
}

// heartbeat keeps the server from pinging clients that only listen. The floor
// does not, and would echo it.
func (s *session) heartbeat() error {
	if s.entrant.Kind == comparison.Floor || time.Since(s.beat) < 20*time.Second {
		return nil
	}
	s.beat = time.Now()
	if err := s.Crowd.Heartbeat(); err != nil {
		return err
	}
	return s.Rig.Settle(s.PID())
}
