package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stentor/benchmarks/internal/report"
	"stentor/benchmarks/internal/rig"
	"stentor/benchmarks/internal/wire"
	"stentor/engine"
	"stentor/frame"
)

// allocCount is the heap objects that were allocated during some events.
type allocCount struct {
	Kind    string  `json:"kind"`
	Mallocs float64 `json:"mallocs"`
	Events  int     `json:"events"`
}

// each is never negative: what was taken off for the measurement itself may
// have been a few more than it was.
func (a allocCount) each() float64 { return max(0, a.Mallocs/float64(a.Events)) }

func (a allocCount) spread() report.Spread {
	return report.Spread{Median: a.each(), Min: a.each(), Max: a.each()}
}

// serverCount counts what a server allocates.
type serverCount struct {
	server *rig.Stentor
	own    float64 // what counting costs
	start  float64
}

// startCount begins to count. Allocations are told for certain only after a
// collection, and being asked costs the server some: the difference of two
// questions in a row.
func startCount(s *rig.Stentor) (*serverCount, error) {
	c := &serverCount{server: s}
	var first, second float64
	for _, v := range []*float64{new(float64), &first, &second} {
		var err error
		if *v, err = c.mallocs(); err != nil {
			return nil, err
		}
	}
	c.own, c.start = second-first, second
	return c, nil
}

func (c *serverCount) mallocs() (float64, error) {
	if err := c.server.Free(); err != nil {
		return 0, err
	}
	m, err := c.server.Metrics()
	if n := m["go_memstats_mallocs_total"]; n > 0 || err != nil {
		return n, err
	}
	return 0, errors.New("the server does not tell its allocations")
}

func (c *serverCount) end(kind string, events int) (allocCount, error) {
	now, err := c.mallocs()
	return allocCount{Kind: kind, Mallocs: now - c.start - c.own, Events: events}, err
}

// publicationRuns is how many publications to nobody are counted.
const publicationRuns = 200

// publicationAllocs counts what a publication costs that reaches nobody: the HTTP
// request, as good as all of it.
func (b *bench) publicationAllocs(s *rig.Stentor) (none allocCount, err error) {
	if err := s.PublishToNobody(b.plan.MessageSize); err != nil { // a first one costs more
		return none, err
	}
	count, err := startCount(s)
	if err != nil {
		return none, err
	}
	for range publicationRuns {
		if err := s.PublishToNobody(b.plan.MessageSize); err != nil {
			return none, err
		}
	}
	return count.end("publication", publicationRuns)
}

// measureLocal: allocations of the parser and of a running engine, in this
// process.
func (b *bench) measureLocal() error {
	n := parserAllocs(b.plan.LocalMessages)
	b.set(parseAllocs, report.Spread{Median: n, Min: n, Max: n}, "")
	counts, err := dispatchCounts(b.plan.LocalRuns, b.plan.LocalMessages)
	if err != nil {
		return err
	}
	b.allocs = append(b.allocs, counts...)
	b.set(dispatchAllocs, report.SpreadOf(counts, allocCount.each),
		"%d runs of %d messages", b.plan.LocalRuns, b.plan.LocalMessages)
	return nil
}

// parserAllocs returns the allocations of frame.Parser for a small message.
func parserAllocs(runs int) float64 {
	message := wire.AppendMasked(nil, wire.Text, []byte("a small message"))
	parser := frame.Parser{Max: 1 << 16}
	b := make([]byte, len(message)) // a copy, since it is unmasked in place
	return testing.AllocsPerRun(runs, func() {
		copy(b, message)
		if m, n, ok, err := parser.Next(b); err != nil || !ok || n != len(b) || len(m.Data) != 15 {
			panic(fmt.Sprint("the parser does not take a plain message: ", err))
		}
	})
}

// dispatchCounts sends messages through an engine whose handler echoes them,
// and counts what that allocates in this process. The client does not.
func dispatchCounts(runs, messages int) ([]allocCount, error) {
	e, err := engine.New(engine.Config{
		Inline:  true,
		Handler: engine.Handlers{OnMessage: func(c engine.Conn, m engine.Message) { c.Write(m.Op, m.Data) }},
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		e.Shutdown(ctx)
	}()
	addr, err := e.Listen("127.0.0.1:0", false)
	if err != nil {
		return nil, err
	}
	c, err := dialOne(addr.String())
	if err != nil {
		return nil, err
	}
	defer unix.Close(c.fd)
	if err := c.echo(1000); err != nil { // warm up
		return nil, err
	}
	var list []allocCount
	for range runs {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := c.echo(messages); err != nil {
			return nil, err
		}
		runtime.ReadMemStats(&after)
		list = append(list, allocCount{"dispatch", float64(after.Mallocs - before.Mallocs), messages})
	}
	return list, nil
}
