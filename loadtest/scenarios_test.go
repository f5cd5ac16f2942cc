package loadtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/loadtest/faulty"
	"stentor/loadtest/swarm"
)

// The storm: clients go by themselves.
func TestStorm(t *testing.T) {
	for name, path := range map[string]string{"raw": "/raw/news", "native": "/ws"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, faulty.Plan{RefuseEvery: 9, PublishErrorEvery: 3})
			r, truth := load(t, s, path, Config{
				Scenario: ScenarioStorm, Drop: 0.4, Rate: 100, Spread: 200 * time.Millisecond, Backoff: 20 * time.Millisecond,
			})
			checkStorm(t, r, truth)
			if r.Storm.Dropped < 10 || r.Storm.Dropped > 70 || r.Connect.Dropped != 0 {
				t.Errorf("%+v: 40 %% of %d were to go, none of them dropped by the server (%d)", r.Storm, r.Connect.Succeeded, r.Connect.Dropped)
			}
			causes(t, r.Errors, map[swarm.Cause]int{"HTTP status 503": truth.Refused})
			if s := r.Storm; s.DownS != 0 || !(s.P50S > 0 && s.P50S <= s.P95S && s.P95S <= s.P100S) {
				t.Errorf("times of the return: %+v", r.Storm)
			}
		})
	}
}

// Each phase has a moment, and a drop is there to be seen.
func TestMoments(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{})
	r, _ := load(t, s, "/ws", Config{Scenario: ScenarioStorm, Drop: 0.5, Rate: 100, Spread: time.Second})
	for _, p := range r.Phases {
		i := slices.IndexFunc(r.Series, func(m Moment) bool { return m.Phase == p.Name && m.AtS >= p.FromS && m.AtS <= p.ToS })
		if i < 0 {
			t.Errorf("no moment of %+v", p)
		} else if m := r.Series[i]; p.Name == "drop" && m.Open >= r.Connect.Succeeded {
			t.Errorf("after the drop %+v, of %d", m, r.Connect.Succeeded)
		}
	}
	last := -1.0
	for _, m := range r.Series {
		if m.AtS <= last {
			t.Errorf("%g s after %g s", m.AtS, last)
		}
		last = m.AtS
	}
	if m := r.Series[0]; m.Phase != "connect" || m.Open != 0 {
		t.Errorf("first %+v", m)
	}
}

// Moments are close to each other in the first minute, if few are to be asked.
func TestEvery(t *testing.T) {
	for _, c := range []struct {
		crews int
		after time.Duration
		want  time.Duration
	}{{1, 59 * time.Second, lookEvery}, {1, 61 * time.Second, momentEvery}, {50, time.Second, momentEvery}} {
		r := &run{started: 1, crews: make([]crew, c.crews)}
		if got := r.every(1 + int64(c.after)); got != c.want {
			t.Errorf("%d crews after %v: every %v, want %v", c.crews, c.after, got, c.want)
		}
	}
}

// checkStorm checks the account of a storm from which all came back.
func checkStorm(t *testing.T, r *Result, truth faulty.Truth) {
	t.Helper()
	s, m := r.Storm, r.Messages
	if s.Dropped != s.Returned || int(s.Attempts) != truth.Handshakes-r.Connect.Asked || truth.Opened != r.Connect.Succeeded+s.Returned {
		t.Errorf("%+v after %d connections; the truth is %d handshakes, %d opened", s, r.Connect.Succeeded, truth.Handshakes, truth.Opened)
	}
	if r.Connect.Open != r.Connect.Succeeded {
		t.Errorf("%d open of %d", r.Connect.Open, r.Connect.Succeeded)
	}
	if due := int64(r.Connect.Succeeded) * truth.Published; m.Due != due || m.Sent != truth.Published+truth.PublishErrors {
		t.Errorf("%d due for %d publications; the truth is %d for %d", m.Due, m.Sent, due, truth.Published)
	}
	if m.Lost+m.Duplicated+m.Reordered+m.Corrupted+m.Unexpected != 0 {
		t.Errorf("faults where there were none: %+v", m)
	}
	if m.Missed == 0 || m.Missed != m.Due-m.Received || m.Missed != s.Missed || m.Received > truth.Delivered {
		t.Errorf("missed %d (%d), received %d of %d; the truth is %+v", m.Missed, s.Missed, m.Received, m.Due, truth.Counts)
	}
	if s.MissedMax < 1 || s.MissedMax > m.Missed || s.MissedMax*int64(s.Dropped) < m.Missed {
		t.Errorf("at most %d missed by one of %d, %d in all", s.MissedMax, s.Dropped, m.Missed)
	}
}

// The storm: the server goes, at the 350th delivery of half its connections.
func TestStormOfTheServer(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{CloseEvery: 2, CloseAfter: 350})
	r, truth := load(t, s, "/ws", Config{Scenario: ScenarioStorm, Rate: 100, Spread: 200 * time.Millisecond})
	checkStorm(t, r, truth)
	if r.Storm.Dropped != truth.Closed || r.Connect.Dropped != truth.Closed || truth.Closed < 50 || r.Storm.DownS <= 0 {
		t.Errorf("%+v, %d dropped; the server closed %d", r.Storm, r.Connect.Dropped, truth.Closed)
	}
	causes(t, r.Errors, map[swarm.Cause]int{"closed by the server with 1011": truth.Closed})
}

// Churn opens as many connections as it has closed, and counts failures apart
// from those of the beginning.
func TestChurn(t *testing.T) {
	for name, plan := range map[string]faulty.Plan{"": {}, "refusing": {RefuseEvery: 8, BadAcceptEvery: 21}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, plan)
			r, truth := load(t, s, "/ws", Config{Scenario: ScenarioChurn, Rate: 200, Duration: time.Second, Backoff: 20 * time.Millisecond})
			c := r.Churn
			if c.Connects != c.Disconnects || c.Connects < 20 || c.Connects > 201 || c.Latency.Count != c.Connects+c.Behind {
				t.Errorf("%+v", c)
			}
			if r.Connect.Succeeded+int(c.Connects) != truth.Opened || r.Connect.Open != r.Connect.Succeeded || r.Connect.Dropped != 0 {
				t.Errorf("%+v and %+v, the server has opened %d", r.Connect, c, truth.Opened)
			}
			if r.Connect.Failed+int(c.Failed) != truth.Refused+truth.BadAccepts || r.Connect.Failed != 100-r.Connect.Succeeded {
				t.Errorf("%d and %d failed, the truth is %d", r.Connect.Failed, c.Failed, truth.Refused+truth.BadAccepts)
			}
			causes(t, r.Errors, map[swarm.Cause]int{"HTTP status 503": truth.Refused, swarm.BadAccept: truth.BadAccepts})
		})
	}
}

// A turn that finds its client away begins nothing anew: it is behind, and what it
// waits is in the latency.
func TestChurnBehind(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{StallEvery: 30}) // each of these is away for a second
	r, truth := load(t, s, "/ws", Config{
		Scenario: ScenarioChurn, Connections: 20, Rate: 400, Duration: 2 * time.Second, Timeout: time.Second, FailIf: []string{"churn_behind>0", "churn_failed>0"},
	})
	c := r.Churn
	if c.Behind < 10 || c.Connects > c.Disconnects || c.Latency.Count != c.Disconnects+c.Behind || !r.Thresholds[0].Missed || !r.Thresholds[1].Missed {
		t.Errorf("%+v, %+v; the truth is %+v", c, r.Thresholds, truth)
	}
	// One that is away for a second keeps waiting all of its turns meanwhile.
	if l := c.Latency; c.Failed == 0 || l.MaxMS < 1000 || l.P90MS < 100 {
		t.Errorf("%+v", l)
	}
}

// readFrame reads a client's frame.
func readFrame(r io.Reader) (h ws.Header, payload []byte, err error) {
	if h, err = ws.ReadHeader(r); err == nil && h.Length <= 1<<20 {
		payload = make([]byte, h.Length)
		_, err = io.ReadFull(r, payload)
		ws.Cipher(payload, h.Mask, 0)
	}
	return h, payload, err
}

// serveWS runs a server that does f with each WebSocket, and returns its address.
func serveWS(t *testing.T, f func(conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				if _, err := ws.Upgrade(conn); err == nil {
					f(conn)
				}
			})
		}
	})
	return l.Addr().String()
}

// A client that waits for the answer to its Close frame is not closed again.
func TestChurnOfSlowCloses(t *testing.T) {
	t.Parallel()
	const slow = 300 * time.Millisecond
	at := serveWS(t, func(conn net.Conn) {
		if h, _, err := readFrame(conn); err == nil && h.OpCode == ws.OpClose {
			time.Sleep(slow)
			ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
		}
	})
	r, err := Run(t.Context(), Config{Scenario: ScenarioChurn, URL: "ws://" + at + "/raw/x", Connections: 10, Rate: 200, Duration: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Churn
	if c.Connects != c.Disconnects || c.Behind <= c.Connects || c.Latency.Count != c.Connects+c.Behind || c.Latency.MaxMS < 0.999*float64(slow/time.Millisecond) {
		t.Errorf("%+v, %+v", c, c.Latency)
	}
}

// What a client that was away has kept waiting is each of its turns since then.
func TestChurnAgainstModel(t *testing.T) {
	const size, every, turns = 4, 10, 30
	n := newLane(&worker{clients: make([]client, size)}, 0)
	n.worker.lanes = []*lane{n}
	n.churning = churnPlan{on: true, start: 1000, every: every, k: turns}
	for number := range size {
		for since := int64(1000); since < 1000+turns*every; since++ {
			n.churned.hdr.Reset()
			n.worker.clients[number].since = since
			want := int64(1)
			for k := number; k < turns; k += size {
				if n.churning.due(int64(k)) > since {
					want++
				}
			}
			if n.churning.waited(n, number, 5000); n.churned.count() != want {
				t.Fatalf("client %d, away since %d: %d times, want %d", number, since, n.churned.count(), want)
			}
		}
	}
}

// What the server closes while clients only hold is told by its cause.
func TestIdle(t *testing.T) {
	for name, c := range map[string]struct {
		by   faulty.CloseBy
		want swarm.Cause
	}{"frame": {faulty.CloseFrame, "closed by the server with 1011"}, "TCP": {faulty.CloseTCP, swarm.NoClose}, "reset": {faulty.CloseReset, swarm.Reset}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, faulty.Plan{CloseEvery: 5, CloseAfter: 2, CloseBy: c.by})
			var once sync.Once
			r, truth := load(t, s, "/ws", Config{Scenario: ScenarioIdle, Duration: 1500 * time.Millisecond, OnProgress: func(p Progress) {
				if p.Phase == "hold" {
					once.Do(func() { say(t, s, 3) })
				}
			}})
			if truth.Closed != 20 || r.Connect.Dropped != 20 || r.Connect.Open != 80 {
				t.Errorf("%d dropped, %d open; the server closed %d of 100", r.Connect.Dropped, r.Connect.Open, truth.Closed)
			}
			causes(t, r.Errors, map[swarm.Cause]int{c.want: 20})
		})
	}
}

// say publishes something that is not of the run.
func say(t *testing.T, s *faulty.Server, times int) {
	for range times {
		req, err := http.NewRequest("POST", "http://"+s.Address()+"/api/publish", strings.NewReader(`{"to":{"channels":["loadtest"]},"data":1}`))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+faulty.Secret)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// Messages of the warm-up are accounted for, but not timed.
func TestWarmUp(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, each := d.cfg, int64(100)
			if name == "echo" {
				cfg.Rate, cfg.Concurrency, each = 0, 10, 1
			}
			cfg.Messages, cfg.WarmUp = 90, 35
			s := faulty.Start(t, faulty.Plan{})
			r, truth := load(t, s, d.path, cfg)
			m := r.Messages
			if m.Sent != 125 || m.Due != 125*each || m.Received != m.Due || truth.Delivered != m.Due || m.Lost != 0 {
				t.Errorf("%+v, the truth is %+v", m, truth.Counts)
			}
			if m.Latency.Count != 90*each || name != "echo" && m.Publish.Count != 90 {
				t.Errorf("%d latencies, publications %v; want those of 90 messages", m.Latency.Count, m.Publish)
			}
		})
	}
}

// Each client hears its channel and no other.
func TestChannels(t *testing.T) {
	for _, path := range []string{"/ws", "/raw/{channel}"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, faulty.Plan{Drop: 0.1, Duplicate: 0.1, Reorder: 0.1, PublishErrorEvery: 5, RefuseEvery: 9})
			r, truth := load(t, s, path, Config{Scenario: ScenarioBroadcast, Channels: 7, Channel: "x", Messages: 200, Rate: 500})
			m := r.Messages
			if m.Due != truth.Due || m.Received != truth.Delivered || m.Lost != truth.Dropped || m.Duplicated != truth.Duplicated ||
				m.Reordered != truth.Reordered || m.Unexpected+m.Corrupted != 0 || m.Failed != 40 || r.Run.Channels != 7 {
				t.Errorf("%+v, the truth is %+v", m, truth)
			}
			if truth.Dropped*truth.Duplicated*truth.Reordered == 0 {
				t.Error("the server has not done what this is about")
			}
		})
	}
}

// A publication that one of several servers has accepted is due.
func TestPublishToSeveral(t *testing.T) {
	t.Parallel()
	s, other := faulty.Start(t, faulty.Plan{}), faulty.Start(t, faulty.Plan{PublishErrorEvery: 1})
	r, truth := load(t, s, "/ws", Config{Scenario: ScenarioBroadcast, Messages: 20, Rate: 200, Publish: []string{"http://" + s.Address(), "http://" + other.Address() + "/"}})
	m := r.Messages
	if m.Sent != 20 || m.Failed != 0 || m.Partly != 20 || m.Due != 2000 || m.Received != 2000 || m.Lost != 0 || truth.Published != 20 || other.Final().PublishErrors != 20 {
		t.Errorf("%+v", m)
	}
	if len(m.Failures) != 1 || !strings.HasPrefix(m.Failures[0].Cause, "HTTP status 500: ") || m.Failures[0].Count != 20 {
		t.Errorf("failures %v", m.Failures)
	}
}

// Publications that were asked for and not made are told, and a duration ends
// what is asked for.
func TestUnsentPublications(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{})
	for name, c := range map[string]struct {
		cfg     Config
		tooMuch bool
	}{
		"too many": {Config{Rate: 1e6, Duration: 200 * time.Millisecond}, true},
		"all":      {Config{Rate: 20, Duration: 500 * time.Millisecond}, false},
		"cut":      {Config{Rate: 20, Messages: 100, Duration: 500 * time.Millisecond}, false},
	} {
		c.cfg.Scenario, c.cfg.Connections = ScenarioBroadcast, 1
		r, _ := load(t, s, "/ws", c.cfg)
		asked := int64(c.cfg.Rate * c.cfg.Duration.Seconds())
		if m := r.Messages; c.tooMuch && m.Unsent == 0 || m.Sent+m.Unsent != asked || m.Failed > 0 {
			t.Errorf("%s: %+v, %d were asked for", name, m, asked)
		}
	}
}

// An echo that is seldom due wakes nobody meanwhile.
func TestSlowEcho(t *testing.T) {
	for rate, tick := range map[float64]time.Duration{20: 0, 1999: 0, 2500: 100 * time.Microsecond} {
		w := new(worker)
		if err := w.begin(&setup{Target: netip.MustParseAddrPort("127.0.0.1:9"), Clients: 2, Loops: 2, Channels: []string{"x"}}); err != nil {
			t.Fatal(err)
		}
		w.echo(&echoOrder{Rate: rate, Count: 10})
		if w.tick != tick {
			t.Errorf("at %g/s a tick every %v, want %v", rate, w.tick, tick)
		}
		w.close()
	}
}

// Where a server of ours echoes nothing an echo is refused, unless it is asked for.
func TestEchoPaths(t *testing.T) {
	for _, c := range []struct {
		path, dialect string
		refused       bool
	}{{"/ws", "", true}, {"/raw/x?y", "", true}, {"/app/key", "", true}, {"/ws", "echo", false}, {"/echo", "", false}, {"/", "", false}, {"/apps", "", false}} {
		p, err := Config{Scenario: ScenarioEcho, URL: "ws://127.0.0.1:9" + c.path, Connections: 1, DialectName: c.dialect}.resolve()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.checkDialect(); (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// What a server refuses of a client that publishes has failed.
func TestPublishRefused(t *testing.T) {
	t.Parallel()
	at := serveWS(t, func(conn net.Conn) {
		for {
			h, payload, err := readFrame(conn)
			if err != nil || h.OpCode == ws.OpClose {
				return
			}
			answer := `{"type":"subscribed"}`
			if strings.Contains(string(payload), `"publish"`) {
				answer = `{"type":"error","code":"forbidden"}`
			}
			ws.WriteFrame(conn, ws.NewTextFrame([]byte(answer)))
		}
	})
	r, err := Run(t.Context(), Config{
		Scenario: ScenarioBroadcast, URL: "ws://" + at + "/ws", Connections: 3, Messages: 7, Rate: 100, PublishWS: true, Grace: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Count{Cause: "refused by the server", Count: 7, Example: `{"type":"error","code":"forbidden"}`}
	if m := r.Messages; m.Failed != 7 || len(m.Failures) != 1 || m.Failures[0] != want || m.Lost != 21 || r.Failed == "" {
		t.Errorf("%+v, failed %q", m, r.Failed)
	}
}

// A client of the Pusher protocol cannot publish, and is told so.
func TestPublishByPusher(t *testing.T) {
	p, err := Config{Scenario: ScenarioBroadcast, URL: "ws://127.0.0.1:9/app/key", Connections: 1, PublishWS: true}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.checkDialect(); err == nil || !strings.Contains(err.Error(), "publish by HTTP") {
		t.Error(err)
	}
}

// In a closed loop an answer, and only an answer, sends the next message.
func TestClosedLoop(t *testing.T) {
	for name, plan := range map[string]faulty.Plan{
		"": {}, "duplicate": {Duplicate: 0.3}, "corrupt": {Corrupt: 0.3}, "garbage": {GarbageEvery: 2},
		"fragments": {Fragment: 1}, "few": {RefuseEvery: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, plan)
			r, truth := load(t, s, "/echo", Config{Scenario: ScenarioEcho, Connections: 50, Concurrency: 10, Messages: 2000})
			agree(t, r, truth, "")
			if r.Messages.Sent != 2000 || r.Messages.Lost != 0 {
				t.Errorf("%d sent, %d lost, of 2000", r.Messages.Sent, r.Messages.Lost)
			}
		})
	}
}

// Clients that could not connect take no part, and nothing of the others' share.
func TestEchoOfThoseWhoAreThere(t *testing.T) {
	for name, cfg := range map[string]Config{
		"few under way":  {Concurrency: 1, Loops: 1, Messages: 100},
		"one under way":  {Concurrency: 1, Loops: 3, Messages: 100},
		"a loop":         {Concurrency: 2, Loops: 2, Messages: 100, ConnectRate: 500},
		"a loop, rated":  {Rate: 1000, Loops: 2, Messages: 100, ConnectRate: 500},
		"workers":        {Concurrency: 1, Loops: 2, Messages: 100, Workers: 3, WorkerCommand: workerCommand()},
		"workers, timed": {Concurrency: 2, Loops: 2, Duration: 300 * time.Millisecond, Workers: 3, WorkerCommand: workerCommand()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, faulty.Plan{RefuseEvery: 2})
			first, _, _, err := ws.Dial(t.Context(), "ws://"+s.Address()+"/echo") // so that client 0 is refused
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			cfg.Scenario, cfg.URL, cfg.Connections, cfg.InFlight = ScenarioEcho, "ws://"+s.Address()+"/echo", 6, 1
			r, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if m := r.Messages; r.Connect.Failed != 3 || m.Sent != m.Received || m.Sent < 4 || cfg.Messages != 0 && m.Sent != 100 || strings.Contains(strings.Join(r.Notes, "\n"), "nothing went on") {
				t.Errorf("%+v, %+v, %q", r.Connect, m, r.Notes)
			}
		})
	}
}

// However many loops there are, each has its share: all clients have sent.
func TestManyLoops(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{CloseEvery: 1, CloseAfter: 1})
	r, truth := load(t, s, "/echo", Config{Scenario: ScenarioEcho, Connections: 64, Loops: 16, Duration: 500 * time.Millisecond})
	r.Failed = "" // since nobody is left
	agree(t, r, truth, "closed by the server with 1011")
	if truth.Closed != 64 {
		t.Errorf("%d of 64 clients have sent", truth.Closed)
	}
}

// A run whose server has gone has failed, and what was due while nobody was
// connected is told.
func TestServerGone(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		cfg    Config
		unsent bool
	}{
		"echo":            {"/echo", Config{Scenario: ScenarioEcho, Rate: 500, Messages: 500}, true},
		"echo, timed":     {"/echo", Config{Scenario: ScenarioEcho, Rate: 500, Duration: time.Second}, true},
		"echo, by answer": {"/echo", Config{Scenario: ScenarioEcho, Duration: 300 * time.Millisecond}, false},
		"broadcast":       {"/ws", Config{Scenario: ScenarioBroadcast, Rate: 100, Messages: 50}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, faulty.Plan{CloseEvery: 1, CloseAfter: 2})
			c.cfg.Connections, c.cfg.FailIf = 20, []string{"unsent>0"}
			r, _ := load(t, s, c.path, c.cfg)
			m := r.Messages
			if !strings.Contains(r.Failed, "ended all connections") || r.Connect.Dropped != 20 {
				t.Errorf("failed %q, %+v", r.Failed, r.Connect)
			}
			if c.unsent != (m.Unsent > 0) || r.Thresholds[0].Missed != c.unsent || c.unsent && m.Sent+m.Unsent < 499 || c.cfg.Messages == 500 && m.Sent+m.Unsent != 500 {
				t.Errorf("%+v, %+v", m, r.Thresholds)
			}
		})
	}
}

// What a run gives up for want of answers is unsent.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{CloseEvery: 1, CloseAfter: 2})
	r, _ := load(t, s, "/echo", Config{Scenario: ScenarioEcho, Connections: 5, Messages: 1000, Grace: time.Millisecond})
	if m := r.Messages; m.Sent+m.Unsent != 1000 || m.Unsent == 0 {
		t.Errorf("%+v", m)
	}
}

// That nothing comes of what is due is a failure.
func TestNothingComes(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := d.cfg
			cfg.Grace = 500 * time.Millisecond
			r, _ := load(t, faulty.Start(t, faulty.Plan{Drop: 1}), d.path, cfg)
			if want := fmt.Sprintf("of %d messages that were due none came", r.Messages.Due); r.Failed != want || r.Messages.Due == 0 {
				t.Errorf("%q, want %q", r.Failed, want)
			}
		})
	}
}

// Interrupted in any phase, a run ends soon and tells what there was.
func TestInterrupt(t *testing.T) {
	for _, c := range []struct {
		phase, path string
		plan        faulty.Plan
		cfg         Config
	}{
		{"connect", "/ws", faulty.Plan{StallEvery: 2}, Config{Scenario: ScenarioBroadcast, Timeout: time.Minute}},
		{"hold", "/ws", faulty.Plan{}, Config{Scenario: ScenarioIdle, Duration: time.Minute}},
		{"warm-up", "/ws", faulty.Plan{}, Config{Scenario: ScenarioBroadcast, WarmUp: 10000, Rate: 100}},
		{"measure", "/ws", faulty.Plan{Delay: 200 * time.Millisecond}, Config{Scenario: ScenarioBroadcast, Messages: 10000, Rate: 100}},
		{"drain", "/ws", faulty.Plan{Drop: 0.5}, Config{Scenario: ScenarioBroadcast, Messages: 10, Rate: 100, Grace: time.Minute}},
		{"measure", "/echo", faulty.Plan{Delay: 200 * time.Millisecond}, Config{Scenario: ScenarioEcho, Rate: 1000, Duration: time.Minute}},
		{"measure", "/echo", faulty.Plan{Delay: 200 * time.Millisecond}, Config{Scenario: ScenarioEcho, Concurrency: 50, Duration: time.Minute}},
		{"measure", "/ws", faulty.Plan{}, Config{Scenario: ScenarioChurn, Duration: time.Minute}},
		{"measure", "/ws", faulty.Plan{}, Config{Scenario: ScenarioStorm, Drop: 0.5}},
		{"return", "/ws", faulty.Plan{}, Config{Scenario: ScenarioStorm}},
		{"return", "/ws", faulty.Plan{}, Config{Scenario: ScenarioStorm, Drop: 0.5, Spread: time.Minute, Rate: 100}},
		{"calm", "/ws", faulty.Plan{}, Config{Scenario: ScenarioStorm, Drop: 0.5}},
	} {
		t.Run(c.cfg.Scenario+"/"+c.phase+c.path, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, c.plan)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cfg := c.cfg
			cfg.URL, cfg.Connections, cfg.Secret, cfg.Loops = "ws://"+s.Address()+c.path, 100, faulty.Secret, 2
			cfg.OnProgress = func(p Progress) {
				if p.Phase == c.phase && (c.phase != "measure" || p.Done > 0) {
					cancel()
				}
			}
			r, err := Run(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Interrupted || r.Failed != "" || !slices.ContainsFunc(r.Phases, func(p Phase) bool { return p.Name == c.phase }) {
				t.Errorf("interrupted %v, failed %q, phases %v", r.Interrupted, r.Failed, r.Phases)
			}
			for i := 1; i < len(r.Phases); i++ {
				if r.Phases[i].Name == r.Phases[i-1].Name {
					t.Errorf("%s twice: %+v", r.Phases[i].Name, r.Phases)
				}
			}
			truth := s.Final()
			if x := r.Connect; x.Succeeded+x.Failed > 100 || x.Succeeded != x.Open && c.cfg.Scenario != ScenarioChurn && c.cfg.Scenario != ScenarioStorm {
				t.Errorf("%+v", x)
			}
			if m := r.Messages; m != nil {
				if m.Due != m.Received+m.Lost+m.Missed || m.Received > truth.Delivered || m.Lost != truth.Dropped {
					t.Errorf("%+v, the truth is %+v", m, truth.Counts)
				}
				if c.phase == "measure" && m.Sent == 0 {
					t.Error("nothing was sent")
				}
			}
		})
	}
}

// A run whose context has ended before it began tells that nothing was.
func TestInterruptedBefore(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Run(ctx, Config{Scenario: ScenarioBroadcast, URL: "ws://" + s.Address() + "/ws", Connections: 10, Secret: faulty.Secret})
	if err != nil || !r.Interrupted || r.Failed != "" || r.Messages.Sent != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Nobody there is a result, which says why.
func TestNobody(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r, err := Run(t.Context(), Config{Scenario: ScenarioBroadcast, URL: "ws://" + l.Addr().String() + "/ws", Connections: 50, FailIf: []string{"p99>1s", "failed>10"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "no connection became ready: connection refused"; r.Failed != want {
		t.Errorf("%q, want %q", r.Failed, want)
	}
	causes(t, r.Errors, map[swarm.Cause]int{swarm.Refused: 50})
	if r.Connect.Failed != 50 || r.Messages.Due != 0 || !r.Thresholds[0].Missed || r.Thresholds[0].Shown != "not measured" || !r.Thresholds[1].Missed {
		t.Errorf("%+v, %+v, %+v", r.Connect, r.Messages, r.Thresholds)
	}
}

// What the server has said to a refusal or a close is kept, once.
func TestReasons(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ said, cause, want string }{
		"refused":    {`{"type":"error","message":"no such channel"}`, string(refusedCause), `{"type":"error","message":"no such channel"}`},
		"much of it": {`{"type":"error"}` + strings.Repeat("é\x1b\n", 200), string(refusedCause), `{"type":"error"}` + strings.TrimSpace(strings.Repeat("é  ", 46))},
		"closed":     {"", "closed by the server with 4403", "stay away"},
	} {
		t.Run(name, func(t *testing.T) {
			at := serveWS(t, func(conn net.Conn) {
				if c.said != "" {
					readFrame(conn)
					ws.WriteFrame(conn, ws.NewTextFrame([]byte(c.said)))
				} else {
					ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(4403, "stay away")))
				}
				readFrame(conn)
			})
			r, err := Run(t.Context(), Config{Scenario: ScenarioIdle, URL: "ws://" + at + "/ws", Connections: 4, Duration: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Errors) != 1 || r.Errors[0] != (Count{Cause: c.cause, Count: 4, Example: c.want}) || len(r.Errors[0].Example) > mostExcerpt {
				t.Errorf("%+v, want %q: %q", r.Errors, c.cause, c.want)
			}
			if !strings.HasSuffix(r.Failed, c.cause+": "+c.want) {
				t.Errorf("failed %q", r.Failed)
			}
		})
	}
}

// A name that breaks the JSON of a dialect of ours is refused.
func TestChannelNames(t *testing.T) {
	for name, refused := range map[string]bool{`a"b`: true, `a\b`: true, "a\nb": true, "a b/c": false, "größe": false} {
		p, err := Config{Scenario: ScenarioIdle, URL: testURL, Connections: 1, Channel: name}.resolve()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.checkDialect(); (err != nil) != refused {
			t.Errorf("%q: %v", name, err)
		}
		p.Dialect = p.dialect // one's own
		if err := p.checkDialect(); err != nil {
			t.Errorf("%q in a template: %v", name, err)
		}
	}
}

// Thresholds come with what was measured, in their order.
func TestThresholdsOfARun(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{Drop: 0.2, RefuseEvery: 4})
	rules := []string{"lost>0", "lost == 0", "connected<75", "failed != 25", "received<1", "p50<0ms", "publish.max>10m", "reordered>=1"}
	r, truth := load(t, s, "/ws", Config{Scenario: ScenarioBroadcast, Messages: 20, Rate: 200, FailIf: rules})
	missed := []bool{true, false, false, false, false, false, false, false}
	values := map[int]int64{0: truth.Dropped, 1: truth.Dropped, 2: 75, 3: 25, 4: truth.Delivered, 7: 0}
	for i, x := range r.Thresholds {
		if x.Rule != rules[i] || x.Missed != missed[i] {
			t.Errorf("%+v, want %q to come out as %v", x, rules[i], missed[i])
		}
		if want, ok := values[i]; ok && (x.Value != float64(want) || x.Shown != strconv.FormatInt(want, 10)) {
			t.Errorf("%+v, want %d", x, want)
		}
	}
	if len(r.Thresholds) != len(rules) {
		t.Errorf("%d thresholds of %d", len(r.Thresholds), len(rules))
	}
}

// Workers of their own processes find out the same.
func TestWorkers(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, cfg := faultPlans["all together"], d.cfg
			cfg.Workers, cfg.WorkerCommand, cfg.Timeout, cfg.Connections = 3, workerCommand(), stallTimeout, 200
			f.plan.Seed = 5
			s := faulty.Start(t, f.plan)
			r, truth := load(t, s, d.path, cfg)
			if f.did(truth) == 0 || r.Run.Workers != 3 {
				t.Fatalf("the server has not done what this is about, or there were %d workers", r.Run.Workers)
			}
			agree(t, r, truth, f.by)
		})
	}
}

func TestWorkersInAStorm(t *testing.T) {
	t.Parallel()
	s := faulty.Start(t, faulty.Plan{RefuseEvery: 9})
	r, truth := load(t, s, "/ws", Config{
		Scenario: ScenarioStorm, Drop: 0.4, Rate: 100, Spread: 200 * time.Millisecond, Backoff: 20 * time.Millisecond,
		Workers: 3, WorkerCommand: workerCommand(), Channels: 2,
	})
	if m := r.Messages; r.Storm.Returned != r.Storm.Dropped || r.Storm.Dropped < 10 || m.Lost != 0 || m.Missed != m.Due-m.Received || m.Missed == 0 ||
		truth.Opened != r.Connect.Succeeded+r.Storm.Returned {
		t.Errorf("%+v, %+v; the truth is %+v", m, r.Storm, truth)
	}
}

// A worker that dies ends the run, at once, with a clear word and the account of
// the others.
func TestWorkerDies(t *testing.T) {
	for _, c := range []struct {
		phase string
		cfg   Config
	}{
		{"connect", Config{Scenario: ScenarioIdle, ConnectRate: 20}},
		{"hold", Config{Scenario: ScenarioIdle, Duration: time.Hour}},
		{"measure", Config{Scenario: ScenarioBroadcast, Messages: 1_000_000, Rate: 10}},
		{"measure", Config{Scenario: ScenarioEcho, Duration: time.Hour, Rate: 100}},
		{"measure", Config{Scenario: ScenarioChurn, Duration: time.Hour, Rate: 10}},
		{"return", Config{Scenario: ScenarioStorm, Duration: time.Hour}},
	} {
		t.Run(c.cfg.Scenario+"/"+c.phase, func(t *testing.T) {
			t.Parallel()
			path := "/ws"
			if c.cfg.Scenario == ScenarioEcho {
				path = "/echo"
			}
			s, dir, cfg := faulty.Start(t, faulty.Plan{}), t.TempDir(), c.cfg
			cfg.URL, cfg.Secret, cfg.Connections, cfg.Workers = "ws://"+s.Address()+path, faulty.Secret, 90, 3
			cfg.WorkerCommand = append([]string{"/bin/sh", "-c", `: > "$0/$$"; exec "$@"`, dir}, workerCommand()...)
			var killed atomic.Int64
			cfg.OnProgress = func(p Progress) {
				if p.Phase != c.phase || killed.Load() != 0 {
					return
				}
				list, _ := os.ReadDir(dir)
				if len(list) != 3 {
					t.Errorf("%d workers", len(list))
				}
				pid, err := strconv.Atoi(filepath.Base(list[1].Name()))
				if err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
					t.Error("cannot end worker ", list[1])
				}
				killed.Store(int64(pid))
			}
			r, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("(process %d) has gone: signal: killed (was the memory short?)", killed.Load())
			if killed.Load() == 0 || !strings.HasPrefix(r.Failed, "worker ") || !strings.HasSuffix(r.Failed, want) {
				t.Errorf("failed: %q, want %q", r.Failed, want)
			}
			if x := r.Connect; c.phase != "connect" && (x.Succeeded != 60 || x.Open != 60) && c.cfg.Scenario != ScenarioChurn || x.Succeeded > 60 || x.Asked != 90 {
				t.Errorf("%+v, want the account of two workers of three", x)
			}
			if m := r.Messages; m != nil && m.Due != m.Received+m.Lost+m.Missed {
				t.Errorf("%+v", m)
			}
			for _, m := range r.Series {
				if min(m.Connects, m.Failures, m.Drops, m.Sent, m.Received, m.ClientCPU) < 0 {
					t.Errorf("less than before: %+v", m)
				}
			}
			if len(r.Series) == 0 || !slices.ContainsFunc(r.Notes, func(s string) bool { return strings.Contains(s, "1 of 3 workers") }) {
				t.Errorf("%d moments, notes %q", len(r.Series), r.Notes)
			}
		})
	}
}

// A worker that stood still is told, and the server not blamed for it.
func TestStandstill(t *testing.T) { // alone: others would be a reason to be late
	s, dir := faulty.Start(t, faulty.Plan{}), t.TempDir()
	var once sync.Once
	r, _ := load(t, s, "/ws", Config{
		Scenario: ScenarioBroadcast, Connections: 20, Messages: 200, Rate: 100, Workers: 1,
		WorkerCommand: append([]string{"/bin/sh", "-c", `: > "$0/$$"; exec "$@"`, dir}, workerCommand()...),
		OnProgress: func(p Progress) {
			if p.Phase != "measure" || p.Done == 0 {
				return
			}
			once.Do(func() {
				list, _ := os.ReadDir(dir)
				pid, err := strconv.Atoi(filepath.Base(list[0].Name()))
				if err != nil || syscall.Kill(pid, syscall.SIGSTOP) != nil {
					t.Error("cannot stop worker ", list)
				}
				time.Sleep(700 * time.Millisecond)
				syscall.Kill(pid, syscall.SIGCONT)
			})
		},
	})
	c := r.Client
	if !strings.Contains(c.Bottleneck, "it stood still for ") || c.LoopLag.P99MS < 100 || strings.Contains(strings.Join(r.Notes, "\n"), "the server did not") {
		t.Errorf("bottleneck %q, loops late by %g ms, notes %q", c.Bottleneck, c.LoopLag.P99MS, r.Notes)
	}
}

// A worker that cannot be started, or is none, is told.
func TestNoWorker(t *testing.T) {
	for name, c := range map[string]struct {
		command []string
		want    string
	}{
		"not there": {[]string{"/nowhere/worker"}, "cannot start worker"},
		"ends":      {[]string{"/bin/true"}, "has gone"},
		"babbles":   {[]string{"/bin/echo", "hello"}, "has gone"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(t.Context(), Config{Scenario: ScenarioIdle, URL: "ws://127.0.0.1:9/ws", Connections: 10, Workers: 2, WorkerCommand: c.command})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
