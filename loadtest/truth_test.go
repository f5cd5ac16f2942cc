package loadtest

import (
	"maps"
	"strings"
	"testing"
	"time"

	"stentor/loadtest/faulty"
	"stentor/loadtest/swarm"
)

// grace is long enough for a machine with much else to do.
const grace = 2 * time.Second

// load runs a load test against a faulty server, and returns what the one has
// found and what the other has done. Paths may leave out what all have.
func load(t *testing.T, s *faulty.Server, path string, cfg Config) (*Result, faulty.Truth) {
	t.Helper()
	cfg.URL = "ws://" + s.Address() + path
	if cfg.Connections == 0 {
		cfg.Connections = 100
	}
	if cfg.Loops == 0 {
		cfg.Loops = 2
	}
	if cfg.Grace == 0 && cfg.Scenario != ScenarioIdle && cfg.Scenario != ScenarioChurn {
		cfg.Grace = grace
	}
	if cfg.Seed == 0 {
		cfg.Seed = 7
	}
	cfg.Secret = faulty.Secret
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r, s.Final()
}

// dialects is how to put load on each kind of endpoint.
var dialects = map[string]struct {
	path string
	cfg  Config
}{
	"echo":   {"/echo", Config{Scenario: ScenarioEcho, Messages: 2500, Rate: 20_000}},
	"raw":    {"/raw/news", Config{Scenario: ScenarioBroadcast, Messages: 50, Rate: 300}},
	"native": {"/ws", Config{Scenario: ScenarioBroadcast, Messages: 50, Rate: 300}},
}

// agree compares a result with the truth, number by number. closedBy is what a
// client calls the way in which the server closes connections.
func agree(t *testing.T, r *Result, truth faulty.Truth, closedBy swarm.Cause) {
	t.Helper()
	check := func(what string, got, want int64) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, the truth is %d", what, got, want)
		}
	}
	opened := int64(truth.Opened - truth.Unanswered)
	check("handshakes", int64(r.Connect.Asked), int64(truth.Handshakes))
	check("succeeded", int64(r.Connect.Succeeded), opened)
	check("failed", int64(r.Connect.Failed), int64(truth.Refused+truth.BadAccepts+truth.Stalled+truth.Unanswered))
	check("dropped", int64(r.Connect.Dropped), int64(truth.Closed))
	check("open", int64(r.Connect.Open), opened-int64(truth.Closed))
	check("times of connections", r.Connect.Latency.Count, opened)
	causes(t, r.Errors, map[swarm.Cause]int{
		"HTTP status 503": truth.Refused, swarm.BadAccept: truth.BadAccepts, swarm.Timeout: truth.Stalled,
		silentCause: truth.Unanswered, closedBy: truth.Closed,
	})

	m := r.Messages
	due := m.Sent
	if r.Run.Scenario == ScenarioBroadcast {
		check("sent", m.Sent, truth.Published+truth.PublishErrors)
		check("publications that failed", m.Failed, truth.PublishErrors)
		check("publications that were timed", m.Publish.Count+int64(r.Run.WarmUp), truth.Published)
		due = opened * truth.Published
	}
	check("due", m.Due, due)
	if truth.Closed == 0 {
		check("due by the server", m.Due, truth.Due)
		check("lost by the server", m.Lost, truth.Dropped+truth.Lost)
	}
	check("received", m.Received, truth.Delivered)
	check("corrupted", m.Corrupted, truth.Corrupted)
	check("lost", m.Lost, due-truth.Delivered-truth.Corrupted)
	check("duplicated", m.Duplicated, truth.Duplicated)
	check("reordered", m.Reordered, truth.Reordered)
	check("unexpected", m.Unexpected, truth.Garbage)
	check("missed", m.Missed, 0)
	check("never sent", m.Unsent, 0)
	check("pings", r.Connect.Pings, truth.Pings)
	check("pongs", truth.Pongs, truth.Pings)
	check("messages that were timed", m.Latency.Count, m.Received)
	if r.Failed != "" || r.Interrupted {
		t.Errorf("failed %q, interrupted %v", r.Failed, r.Interrupted)
	}
}

// causes compares errors by their causes; what has none is left out.
func causes(t *testing.T, list []Count, want map[swarm.Cause]int) {
	t.Helper()
	got := map[swarm.Cause]int{}
	for _, c := range list {
		got[swarm.Cause(c.Cause)] = int(c.Count)
	}
	maps.DeleteFunc(want, func(_ swarm.Cause, n int) bool { return n == 0 })
	if !maps.Equal(got, want) {
		t.Errorf("errors %v, the truth is %v", got, want)
	}
}

// faults are the wrongs that a server can do, each with what tells that it did.
var faultPlans = map[string]struct {
	plan faulty.Plan
	did  func(n faulty.Truth) int64
	by   swarm.Cause // how it closes
	only string      // dialects, if not all
}{
	"none":               {plan: faulty.Plan{}, did: func(n faulty.Truth) int64 { return n.Delivered }},
	"drop":               {plan: faulty.Plan{Drop: 0.05}, did: func(n faulty.Truth) int64 { return n.Dropped }},
	"duplicate":          {plan: faulty.Plan{Duplicate: 0.05}, did: func(n faulty.Truth) int64 { return n.Duplicated }},
	"corrupt":            {plan: faulty.Plan{Corrupt: 0.1}, did: func(n faulty.Truth) int64 { return n.Corrupted }},
	"corrupt the mark":   {plan: faulty.Plan{Corrupt: 0.1, CorruptTo: 4}, did: func(n faulty.Truth) int64 { return n.Corrupted }, only: "raw"},
	"corrupt the head":   {plan: faulty.Plan{Corrupt: 0.1, CorruptTo: tokenHead}, did: func(n faulty.Truth) int64 { return n.Corrupted }, only: "native"},
	"corrupt the end":    {plan: faulty.Plan{Corrupt: 0.1, CorruptFrom: 128 - tokenTail}, did: func(n faulty.Truth) int64 { return n.Corrupted }, only: "echo"},
	"reorder":            {plan: faulty.Plan{Reorder: 0.1}, did: func(n faulty.Truth) int64 { return n.Reordered }},
	"garbage":            {plan: faulty.Plan{GarbageEvery: 7}, did: func(n faulty.Truth) int64 { return n.Garbage }},
	"fragments":          {plan: faulty.Plan{Fragment: 0.5}, did: func(n faulty.Truth) int64 { return n.Pings }},
	"refuse":             {plan: faulty.Plan{RefuseEvery: 7}, did: func(n faulty.Truth) int64 { return int64(n.Refused) }},
	"wrong accept":       {plan: faulty.Plan{BadAcceptEvery: 7}, did: func(n faulty.Truth) int64 { return int64(n.BadAccepts) }},
	"stall":              {plan: faulty.Plan{StallEvery: 7}, did: func(n faulty.Truth) int64 { return int64(n.Stalled) }},
	"unanswered":         {plan: faulty.Plan{UnansweredEvery: 7}, did: func(n faulty.Truth) int64 { return int64(n.Unanswered) }, only: "native"},
	"publication errors": {plan: faulty.Plan{PublishErrorEvery: 7}, did: func(n faulty.Truth) int64 { return n.PublishErrors }, only: "raw native"},
	"close by frame":     {plan: faulty.Plan{CloseEvery: 4, CloseAfter: 9}, did: func(n faulty.Truth) int64 { return int64(n.Closed) }, by: "closed by the server with 1011"},
	"close by TCP":       {plan: faulty.Plan{CloseEvery: 4, CloseAfter: 9, CloseBy: faulty.CloseTCP}, did: func(n faulty.Truth) int64 { return int64(n.Closed) }, by: swarm.NoClose},
	"all together": {
		plan: faulty.Plan{
			Drop: 0.05, Duplicate: 0.05, Corrupt: 0.05, Reorder: 0.05, GarbageEvery: 13, Fragment: 0.2,
			RefuseEvery: 9, BadAcceptEvery: 11, StallEvery: 13, UnansweredEvery: 15, PublishErrorEvery: 8, CloseEvery: 10, CloseAfter: 11,
		},
		did: func(n faulty.Truth) int64 {
			return min(n.Dropped, n.Duplicated, n.Corrupted, n.Garbage, n.Pings, int64(n.Refused), int64(n.BadAccepts), int64(n.Stalled), int64(n.Closed))
		},
		by: "closed by the server with 1011",
	},
}

// stallTimeout is how long tests wait for what never comes: longer than a busy
// machine takes for what does.
const stallTimeout = 4 * time.Second

// TestTruth is the reason to believe this tool: a server does wrong, and the
// result says so, no more and no less.
func TestTruth(t *testing.T) {
	for fault, f := range faultPlans {
		for name, d := range dialects {
			if f.only != "" && !strings.Contains(f.only, name) {
				continue
			}
			t.Run(fault+"/"+name, func(t *testing.T) {
				t.Parallel()
				plan, cfg := f.plan, d.cfg
				plan.Seed = 3
				if plan.StallEvery > 0 || plan.UnansweredEvery > 0 {
					cfg.Timeout = stallTimeout
				}
				s := faulty.Start(t, plan)
				r, truth := load(t, s, d.path, cfg)
				if f.did(truth) == 0 {
					t.Fatal("the server has not done what this is about")
				}
				agree(t, r, truth, f.by)
			})
		}
	}
}

// What a reset takes with it on the way is lost, and told as such.
func TestTruthOfResets(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, faulty.Plan{CloseEvery: 4, CloseAfter: 9, CloseBy: faulty.CloseReset})
			r, truth := load(t, s, d.path, d.cfg)
			m := r.Messages
			if truth.Closed != 25 || r.Connect.Dropped != 25 || r.Connect.Open != 75 {
				t.Errorf("%d dropped, %d open; the truth is %d of 100", r.Connect.Dropped, r.Connect.Open, truth.Closed)
			}
			causes(t, r.Errors, map[swarm.Cause]int{swarm.Reset: 25})
			if m.Received > truth.Delivered || m.Lost != m.Due-m.Received || m.Duplicated+m.Reordered+m.Corrupted+m.Unexpected != 0 {
				t.Errorf("%+v, the truth is %+v", m, truth.Counts)
			}
			// Whoever was not closed has received all.
			if least := 75 * m.Due / 100; name != "echo" && m.Received < least {
				t.Errorf("%d received, %d are due to clients that were not closed", m.Received, least)
			}
		})
	}
}

// A delay is in the latencies.
func TestTruthOfDelays(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const delay = 150 * time.Millisecond
			s := faulty.Start(t, faulty.Plan{Delay: delay})
			r, truth := load(t, s, d.path, d.cfg)
			agree(t, r, truth, "")
			if least := float64(delay/time.Millisecond) * 0.999; r.Messages.Latency.MinMS < least { // three digits
				t.Errorf("a message is said to have come after %g ms, all were kept for %v", r.Messages.Latency.MinMS, delay)
			}
		})
	}
}

// Pings are answered, and are no messages.
func TestTruthOfPings(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{PingEvery: 20 * time.Millisecond})
	r, truth := load(t, s, "/ws", Config{Scenario: ScenarioIdle, Duration: 300 * time.Millisecond})
	if n := r.Connect.Pings; n == 0 || n > truth.Pings || truth.Pongs < n {
		t.Errorf("%d pings answered; the truth is %d, of which %d were answered", n, truth.Pings, truth.Pongs)
	}
	if r.Connect.Open != 100 || len(r.Errors) > 0 || r.Messages != nil {
		t.Errorf("%+v, errors %v, messages %v", r.Connect, r.Errors, r.Messages)
	}
}
