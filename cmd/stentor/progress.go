package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bars "github.com/jedib0t/go-pretty/v6/progress"
	"golang.org/x/term"

	"stentor/loadtest"
	reports "stentor/loadtest/report"
)

// pace is the least time between two lines about one phase.
const pace = 2 * time.Second

// progress shows how a load test goes on: on a terminal with a bar for each
// phase, else in lines. It uses no colours. Its methods may be called from any
// goroutine.
type progress struct {
	out      io.Writer
	terminal bool

	mu    sync.Mutex
	phase string        // the one shown last
	since time.Duration // when it began
	last  time.Duration // when show was called last
	told  time.Duration // when the last line was written
	ended bool

	screen bars.Writer // writes in a goroutine of its own
	drawn  chan struct{}
	bar    *bar // of the phase
}

// bar is a phase on a terminal.
type bar struct {
	bars.Tracker
	step atomic.Value // the text behind it
}

// newProgress writes nothing before the first show.
func newProgress(w io.Writer, terminal bool) *progress {
	return &progress{out: w, terminal: terminal}
}

// show shows the state of the run, unless it has ended.
func (p *progress) show(now loadtest.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	now.Phase = printable([]byte(now.Phase))
	changed := now.Phase != p.phase
	took := now.Elapsed - p.since
	if changed {
		p.phase, p.since = now.Phase, now.Elapsed
	}
	p.last = now.Elapsed
	step := reports.Step(now, now.Elapsed-p.since)
	switch {
	case p.terminal:
		before := p.bar
		p.draw(now, changed, step)
		if before != nil && before != p.bar {
			before.close(took) // not earlier: the library counts lines of bars that are there
		}
	case changed || now.Elapsed-p.told >= pace:
		p.told = now.Elapsed
		fmt.Fprintf(p.out, "stentor: %5.1f s  %s: %s; %s\n", now.Elapsed.Seconds(), now.Phase, step, reports.State(now))
	}
}

// end has the last state shown, and returns when nothing more will be written.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.screen == nil {
		return
	}
	p.bar.close(p.last - p.since)
	for {
		p.screen.Stop() // without effect before the goroutine has begun
		select {
		case <-p.drawn:
			p.screen = nil
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// draw moves the bar of the phase, or puts it below that of the phase before.
func (p *progress) draw(now loadtest.Progress, changed bool, step string) {
	if p.screen == nil {
		p.begin()
	}
	p.screen.SetPinnedMessages(reports.State(now))
	if changed || p.bar == nil {
		p.bar = &bar{}
		p.bar.Message = now.Phase
		p.bar.AutoStopDisabled = true // it ends when the next one begins
		p.bar.Units.Formatter = p.bar.text
		defer p.screen.AppendTracker(&p.bar.Tracker)
	}
	p.bar.step.Store(step)
	p.bar.UpdateTotal(now.Total)
	p.bar.SetValue(now.Done)
}

func (b *bar) text(int64) string { return b.step.Load().(string) }

// close makes the bar of a phase that is over a line. How far it came is not
// known: the last state is from before its end.
func (b *bar) close(took time.Duration) {
	b.step.Store(fmt.Sprintf("took %.1f s", took.Seconds()))
	b.MarkAsDone()
}

// begin starts to write to the terminal.
func (p *progress) begin() {
	s := bars.NewWriter()
	s.SetOutputWriter(p.out)
	s.SetUpdateFrequency(250 * time.Millisecond)
	s.SetTrackerPosition(bars.PositionRight)
	s.SetMessageLength(9)
	s.SetTrackerLength(22)
	s.SetTerminalWidth(width(p.out))
	style := bars.StyleBlocks
	style.Chars.BoxLeft, style.Chars.BoxRight = "", ""
	style.Chars.Indeterminate = bars.IndeterminateIndicatorMovingBackAndForth("▒█▒", 250*time.Millisecond) // the library's is shared
	style.Options.Separator = " "
	style.Options.DoneString = ""
	style.Options.PercentFormat = "%3.0f%%"
	style.Options.PercentIndeterminate = "    "
	style.Visibility.Time = false // the text says how much is left
	s.SetStyle(style)
	p.screen, p.drawn = s, make(chan struct{})
	go func() {
		s.Render()
		close(p.drawn)
	}()
}

// width returns the columns of a terminal. Lines are cut there: one that wraps
// would not be found again.
func width(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return 80
}
