package report

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stentor/loadtest"
	"stentor/loadtest/host"
)

// hostile is a text that tries to be more than text, on pages and in terminals.
const hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\r\n\u202etxt"

// samples are results as runs of each scenario have them.
func samples() map[string]*loadtest.Result {
	return map[string]*loadtest.Result{
		"idle": idle(), "broadcast": broadcast(), "losses": losses(), "echo": echo(), "storm": stormy(), "churn": churned(),
		"failed": failed(), "interrupted": interrupted(), "hostile": nasty(), "empty": {Format: loadtest.Format}, "moment": moment(), "long": long(),
	}
}

// TestSamples writes the samples as pages, for the browser's tests to look at.
func TestSamples(t *testing.T) {
	dir := os.Getenv("REPORT_SAMPLES")
	if dir == "" {
		dir = t.TempDir()
	}
	for name, r := range samples() {
		f, err := os.Create(filepath.Join(dir, name+".html"))
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteHTML(f, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func base(scenario string, connections int) *loadtest.Result {
	return &loadtest.Result{
		Format: loadtest.Format, Version: "0.4.0",
		Command: []string{"stentor", "loadtest", scenario, "--url", "ws://127.0.0.1:8080/ws", "--connections", "20000"},
		Started: time.Date(2026, 3, 1, 12, 30, 5, 0, time.UTC),
		Machine: loadtest.Machine{Machine: host.Machine{CPU: "AMD EPYC 7763", Cores: 2, MemoryBytes: 8_326_000_000, Kernel: "Linux 6.18.5", Arch: "amd64"}, Go: "go1.26.8"},
		Run:     loadtest.RunConfig{Scenario: scenario, URL: "ws://127.0.0.1:8080/ws", Dialect: "native", Connections: connections, Seed: 1},
		Connect: loadtest.Connect{Asked: connections, Succeeded: connections, Open: connections, TookS: 4.1, RateS: float64(connections) / 4.1,
			Latency: latencyOf(1.4, .6, int64(connections)), Pings: 120},
		Client: loadtest.Client{CPUSeconds: 6.7, CPUShare: .18, PeakShare: .43, MachineShare: .61, RSSBytes: 61_300_000, RSSEach: 1534,
			LoopLag: latencyOf(.05, .8, 90_000), SendLag: latencyOf(.08, .5, 400)},
		Server: &loadtest.Server{PIDs: []int{4242}, RSSEmpty: 14_200_000, RSSConnected: 22_900_000, RSSPeak: 31_700_000, RSSEach: new(435.0),
			HeapEach: new(296.4), KernelEach: 5123, KernelEnds: 2, CPUConnectUS: new(21.7), CPUMessageUS: new(7.47), CPUSeconds: 19.8},
	}
}

// latencyOf makes a distribution that is lognormal about a median.
func latencyOf(median, sigma float64, n int64) *loadtest.Latency {
	at := func(z float64) float64 { return median * math.Exp(sigma*z) }
	l := &loadtest.Latency{Count: n, MinMS: at(-3), MeanMS: median * math.Exp(sigma*sigma/2), P50MS: median, P90MS: at(1.2816), P95MS: at(1.6449),
		P99MS: at(2.3263), P999MS: at(3.0902), MaxMS: at(4.2)}
	last := .5 * math.Erfc(3/math.Sqrt2)
	for i := range 100 {
		z := -3 + 7.2*float64(i+1)/100
		now := .5 * math.Erfc(-z/math.Sqrt2)
		l.Bars = append(l.Bars, loadtest.Bar{UpToMS: at(z), Count: int64(float64(n) * (now - last))})
		last = now
	}
	return l
}

// course fills the series: connections come, messages pass, all goes.
func course(r *loadtest.Result, connect, measure float64, each func(*loadtest.Moment, float64)) *loadtest.Result {
	n := r.Run.Connections
	rnd := rand.New(rand.NewPCG(1, 2))
	r.Phases = []loadtest.Phase{{Name: "connect", ToS: connect}, {Name: "warm-up", FromS: connect, ToS: connect + 2},
		{Name: "measure", FromS: connect + 2, ToS: connect + 2 + measure}, {Name: "drain", FromS: connect + 2 + measure, ToS: connect + 3 + measure}}
	for s := 0.0; s <= connect+3+measure; s++ {
		m := loadtest.Moment{AtS: s, Phase: "measure", Open: n, ClientCPU: .2 + .1*rnd.Float64(), ClientLagMS: .4 + rnd.ExpFloat64(),
			ServerCPU: .1 + .05*rnd.Float64(), ServerRSS: 22_900_000}
		if s < connect {
			m.Phase, m.Open = "connect", int(float64(n)*s/connect)
			m.Connects = float64(n) / connect * (.9 + .2*rnd.Float64())
			m.ServerCPU, m.ServerRSS = .7+.2*rnd.Float64(), int64(14.2e6+8.7e6*s/connect)
		} else if each != nil && s >= connect+2 && s < connect+2+measure {
			each(&m, rnd.Float64())
		}
		r.Series = append(r.Series, m)
	}
	return r
}

func idle() *loadtest.Result {
	r := base("idle", 20_000)
	r.Run.DurationS = 60
	r.Client.SendLag, r.Server.CPUMessageUS = nil, nil
	return course(r, 4, 60, nil)
}

func broadcast() *loadtest.Result {
	r := base("broadcast", 20_000)
	r.Command = append(r.Command, "--fail-if", "p99 > 50ms", "--fail-if", "lost > 0")
	r.Run.Channels, r.Run.Messages, r.Run.Rate, r.Run.Size, r.Run.WarmUp = 1, 400, 10, 128, 20
	r.Run.Publish = []string{"http://127.0.0.1:8080/api/publish"}
	r.Messages = &loadtest.Messages{Sent: 420, Due: 8_400_000, Received: 8_400_000, ReceivedBytes: 1_411_200_000, SentBytes: 3_100_000,
		TookS: 40.3, RateS: 198_511, Latency: latencyOf(8.2, .45, 8_000_000), Publish: latencyOf(.7, .35, 400)}
	r.Thresholds = []loadtest.Threshold{{Rule: "p99 > 50ms", Value: 23.4, Shown: "23.4 ms"}, {Rule: "lost > 0", Shown: "0"}}
	r.Notes = []string{"The tool and the server share the cores of this machine: the figures are those of both together."}
	return course(r, 4, 40, func(m *loadtest.Moment, x float64) {
		m.Sent, m.Received = 10, 190_000+20_000*x
		m.P50MS, m.P99MS, m.MaxMS = 7.8+x, 20+8*x, 30+60*x*x
		m.ServerCPU, m.ServerRSS = 1.3+.2*x, int64(28e6+3e6*x)
	})
}

func losses() *loadtest.Result {
	r := broadcast()
	m := r.Messages
	m.Failed, m.Received, m.Lost, m.Duplicated, m.Corrupted, m.Reordered, m.Unexpected = 3, 8_399_990, 10, 4, 2, 7, 1
	m.Failures = []loadtest.Count{{Cause: "503 Service Unavailable", Count: 2}, {Cause: "connection reset by peer", Count: 1}}
	r.Connect.Succeeded, r.Connect.Failed, r.Connect.Dropped, r.Connect.Open = 19_988, 12, 7, 19_981
	r.Errors = []loadtest.Count{{Cause: "handshake: 503 Service Unavailable", Count: 12}, {Cause: "closed by the server with 1013", Count: 7, Example: "overflow"}}
	r.Thresholds[1] = loadtest.Threshold{Rule: "lost > 0", Value: 10, Shown: "10", Missed: true}
	r.Client.Bottleneck = "one worker used 98% of its core in the busiest second: run with --workers 2"
	for i := range r.Series {
		at := &r.Series[i]
		switch {
		case i < 4:
			at.Failures = 3
		case i > 20 && i < 30:
			at.Drops, at.Faults = float64(i%3), int64(i-20)
		case i >= 30:
			at.Faults = 7
		}
	}
	return r
}

func echo() *loadtest.Result {
	r := base("echo", 1000)
	r.Run.URL, r.Run.Dialect, r.Run.Messages, r.Run.Size, r.Run.Concurrency = "ws://127.0.0.1:8080/echo", "echo", 1_000_000, 128, 50
	r.Messages = &loadtest.Messages{Sent: 1_000_000, Due: 1_000_000, Received: 1_000_000, ReceivedBytes: 132e6, SentBytes: 136e6,
		TookS: 8.4, RateS: 119_047, Latency: latencyOf(.31, .5, 1_000_000)}
	return course(r, 1, 8, func(m *loadtest.Moment, x float64) {
		m.Sent, m.Received = 119_000+2000*x, 119_000+2000*x
		m.P50MS, m.P99MS, m.MaxMS = .3+.02*x, .9+.2*x, 2+8*x*x
		m.ServerCPU = .9
	})
}

func stormy() *loadtest.Result {
	r := base("storm", 20_000)
	r.Run.Drop, r.Run.Channels, r.Run.Rate, r.Run.Size = .5, 1, 10, 128
	r.Storm = &loadtest.Storm{Dropped: 10_000, Returned: 9_998, DownS: 1.2, P50S: 1.9, P95S: 4.4, Attempts: 13_402, Missed: 171_000, MissedMax: 61}
	r.Messages = &loadtest.Messages{Sent: 300, Due: 5_829_000, Received: 5_829_000, Missed: 171_000, ReceivedBytes: 9e8, SentBytes: 1e6,
		TookS: 30, RateS: 194_300, Latency: latencyOf(9, .6, 5_829_000)}
	r.Errors = []loadtest.Count{{Cause: "connection refused", Count: 3402}}
	course(r, 4, 30, func(m *loadtest.Moment, x float64) {
		m.Sent, m.Received = 10, 195_000
		m.P50MS, m.P99MS, m.MaxMS = 9+x, 31+5*x, 60+30*x
		if m.AtS >= 12 && m.AtS < 18 {
			share := (m.AtS - 12) / 6
			m.Open, m.Connects, m.Failures = 10_000+int(9998*share), 1666, 567*(1-share)
			m.Received = 10 * float64(m.Open)
		}
	})
	r.Phases = []loadtest.Phase{{Name: "connect", ToS: 4}, {Name: "measure", FromS: 4, ToS: 12}, {Name: "drop", FromS: 12, ToS: 12.2},
		{Name: "return", FromS: 12.2, ToS: 18}, {Name: "hold", FromS: 18, ToS: 37}}
	return r
}

func churned() *loadtest.Result {
	r := base("churn", 5000)
	r.Run.Rate, r.Run.DurationS = 800, 30
	r.Churn = &loadtest.Churn{Connects: 24_000, Disconnects: 24_000, RateS: 800, Latency: latencyOf(1.1, .7, 24_000)}
	return course(r, 2, 30, func(m *loadtest.Moment, x float64) { m.Connects = 790 + 20*x })
}

func failed() *loadtest.Result {
	r := base("broadcast", 20_000)
	r.Failed = "no connection in 10s: dial tcp 127.0.0.1:8080: connect: connection refused"
	r.Connect = loadtest.Connect{Asked: 20_000, Failed: 412}
	r.Errors = []loadtest.Count{{Cause: "connection refused", Count: 412}}
	r.Client, r.Server = loadtest.Client{}, nil
	r.Phases = []loadtest.Phase{{Name: "connect", ToS: 10}}
	for i := range 11 {
		r.Series = append(r.Series, loadtest.Moment{AtS: float64(i), Phase: "connect", Failures: 41, ClientCPU: .01, ClientLagMS: .1})
	}
	return r
}

func interrupted() *loadtest.Result {
	r := broadcast()
	r.Interrupted, r.Thresholds = true, nil
	r.Series = r.Series[:20]
	r.Phases = r.Phases[:3]
	r.Phases[2].ToS = 19.4
	return r
}

// nasty has a hostile text wherever there can be one.
func nasty() *loadtest.Result {
	r := losses()
	r.Version, r.Failed, r.Client.Bottleneck = hostile, hostile, hostile
	r.Command = []string{"stentor", "loadtest", hostile, "it's"}
	r.Machine = loadtest.Machine{Machine: host.Machine{CPU: hostile, Cores: 2, Kernel: hostile, Arch: hostile}, Go: hostile}
	r.Run.Scenario, r.Run.URL, r.Run.Dialect, r.Run.Publish = hostile, "ws://h/"+hostile, hostile, []string{hostile}
	r.Errors = append(r.Errors, loadtest.Count{Cause: hostile, Count: 1, Example: hostile})
	r.Messages.Failures = []loadtest.Count{{Cause: hostile, Count: 1}}
	r.Thresholds = append(r.Thresholds, loadtest.Threshold{Rule: hostile, Shown: hostile, Missed: true})
	r.Notes = []string{hostile}
	r.Phases[0].Name = hostile
	r.Series[0].Phase = hostile
	return r
}

// moment was over before it had a course.
func moment() *loadtest.Result {
	r := base("echo", 1)
	r.Run.Messages = 1
	one := &loadtest.Latency{Count: 1, MinMS: .2, MeanMS: .2, P50MS: .2, P90MS: .2, P95MS: .2, P99MS: .2, P999MS: .2, MaxMS: .2, Bars: []loadtest.Bar{{UpToMS: .2, Count: 1}}}
	r.Connect.Latency, r.Connect.TookS, r.Connect.Asked, r.Connect.Succeeded, r.Connect.Open = one, .001, 1, 1, 1
	r.Messages = &loadtest.Messages{Sent: 1, Due: 1, Received: 1, Latency: one}
	r.Server, r.Client = nil, loadtest.Client{}
	r.Phases = []loadtest.Phase{{Name: "connect", ToS: .001}, {Name: "measure", FromS: .001, ToS: .002}}
	r.Series = []loadtest.Moment{{AtS: .002, Phase: "measure", Open: 1, Connects: 500, Received: 500, P50MS: .2, P99MS: .2, MaxMS: .2}}
	return r
}

// long ran for hours.
func long() *loadtest.Result {
	r := base("idle", 20_000)
	r.Run.DurationS = 10_800
	course(r, 4, 10_800, nil)
	r.Series[5000].ServerCPU = 1.9 // for a second
	return r
}
