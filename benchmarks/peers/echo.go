package main

import (
	"fmt"
	"time"

	"stentor/benchmarks/internal/comparison"
)

// echoLimit ends a measurement of the echo that hangs.
const echoLimit = 5 * time.Minute

// echoes measures messages that come and go back. All servers run at the same
// time, and one after another has a round: a round is short, and the machine's
// speed moves. It is done anew with other processes, as one start may fall out
// luckier than another.
func (b *bench) echoes() error {
	p := &b.plan
	for start := range p.EchoStarts {
		fmt.Fprintf(b.progress, "echo on %d connections, start %d of %d ... ", p.EchoConnections, start+1, p.EchoStarts)
		began := time.Now()
		b.echoStart(start * p.EchoRounds)
		if err := b.Group.Context().Err(); err != nil {
			fmt.Fprintln(b.progress, "interrupted")
			return err
		}
		fmt.Fprintf(b.progress, "%.1f s\n", time.Since(began).Seconds())
	}
	return nil
}

// echoStart starts all servers that have an echo, and takes rounds. first is the
// number of the first. Who fails is noted and left out.
func (b *bench) echoStart(first int) {
	var sessions []*session
	for i := range b.entrants {
		e := &b.entrants[i]
		if e.version == nil || e.idle == "" {
			continue
		}
		s, end, err := b.newVisit(e, comparison.Level{Connections: b.plan.EchoConnections}, first).open(echoLimit)
		defer end()
		if err == nil {
			err = s.warmEcho()
		}
		if err != nil {
			b.fail(s.visit, err)
			continue
		}
		sessions = append(sessions, s)
	}
	for round := range b.plan.EchoRounds {
		for i := range sessions {
			s := sessions[(i+round)%len(sessions)]
			if s.Error != "" || b.Group.Context().Err() != nil {
				continue
			}
			s.visit = b.newVisit(s.entrant, s.level, first+round)
			if err := s.echo(); err != nil {
				b.fail(s.visit, err)
				continue
			}
			b.visits = append(b.visits, s.Visit)
		}
	}
	for _, s := range sessions {
		if s.Error != "" {
			continue
		}
		if err := s.End(); err != nil {
			b.fail(s.visit, err)
		}
	}
}

// fail notes that a visit has failed, unless that is because the run is over.
func (b *bench) fail(v *visit, err error) {
	v.Error = err.Error()
	if b.Group.Context().Err() != nil {
		return
	}
	b.visits = append(b.visits, v.Visit)
	fmt.Fprintf(b.progress, "%s failed: %v ... ", v.entrant.Name, err)
}

// warmEcho connects the clients, and warms up.
func (s *session) warmEcho() error {
	n := s.bench.plan.EchoConnections
	if _, err := s.Dial(n, s.entrant.idle); err != nil {
		return err
	}
	_, err := s.Crowd.Echo(max(n, s.bench.plan.EchoMessages/2), s.bench.plan.Size)
	return err
}

// echo measures a round.
func (s *session) echo() error {
	total, size := s.bench.plan.EchoMessages, s.bench.plan.Size
	return s.rounds(1, comparison.Echo, 0, total, func() (time.Duration, error) { return s.Crowd.Echo(total, size) })
}
