package loadtest

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/loadtest/swarm"
)

const testURL = "ws://127.0.0.1:8080/ws"

// killing changes a Config so that it ends processes.
func killing(pids ...int) func(*Config) {
	return func(c *Config) { c.Scenario, c.Kill, c.PIDs = ScenarioStorm, "KILL", pids }
}

// Each fault says what is wrong.
func TestConfigFaults(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *Config)
		want   string
	}{
		"no scenario":         {func(c *Config) { c.Scenario = "" }, `scenario "" is none of idle, broadcast, echo, churn, storm`},
		"no URL":              {func(c *Config) { c.URL = "" }, `URL "": want ws://host:port/path`},
		"TLS":                 {func(c *Config) { c.URL = "wss://h/" }, `URL "wss://h/": TLS is not spoken`},
		"a space":             {func(c *Config) { c.URL = testURL + "?q=a b" }, "write %20"},
		"a port":              {func(c *Config) { c.URL = "ws://127.0.0.1:70000/" }, "port"},
		"dialect":             {func(c *Config) { c.DialectName = "x" }, `dialect "x" is none of`},
		"a dialect's own":     {func(c *Config) { c.Dialect = &Dialect{Name: "y", Send: "x"} }, "dialect y: send: {payload} is missing"},
		"no connection":       {func(c *Config) { c.Connections = 0 }, "--connections 0: want 1 to 10000000"},
		"too many":            {func(c *Config) { c.Connections = maxConnections + 1 }, "--connections 10000001: want 1 to 10000000"},
		"channels":            {func(c *Config) { c.Channels = -1 }, "--channels -1: want 0 to 1000000"},
		"raw channels":        {func(c *Config) { c.URL, c.Channels = "ws://127.0.0.1:1/raw/x", 2 }, "{channel}"},
		"size":                {func(c *Config) { c.Scenario, c.Size = ScenarioEcho, MinSize-1 }, "--size 62: want 63"},
		"big size":            {func(c *Config) { c.Scenario, c.Size = ScenarioEcho, 16<<20+1 }, "--size 16777217: want 63 to 16777216 bytes"},
		"drop":                {func(c *Config) { c.Scenario, c.Drop = ScenarioStorm, 1.5 }, "--drop 1.5: want a share from 0 to 1"},
		"rate":                {func(c *Config) { c.Scenario, c.Rate = ScenarioChurn, -1 }, "--rate -1: want 0 to 10000000 a second"},
		"connect rate":        {func(c *Config) { c.ConnectRate = 1e8 }, "--connect-rate 1e+08: want 0 to 10000000 a second"},
		"negative":            {func(c *Config) { c.Timeout = -time.Second }, "--timeout -1s: want 0 or more"},
		"negative number":     {func(c *Config) { c.InFlight = -1 }, "--in-flight -1: want 0 to 10000000"},
		"messages":            {func(c *Config) { c.Scenario, c.Messages = ScenarioEcho, 100_000_001 }, "--messages 100000001: want 0 to 100000000"},
		"rate of a loop":      {func(c *Config) { c.Scenario, c.Rate, c.Concurrency = ScenarioEcho, 5, 5 }, "--rate and --concurrency exclude each other"},
		"who goes":            {func(c *Config) { c.Scenario, c.Kill, c.Drop = ScenarioStorm, "TERM", 0.5 }, "--kill and --drop exclude each other"},
		"how to publish":      {func(c *Config) { c.Scenario, c.PublishWS, c.Publish = ScenarioStorm, true, []string{"http://h"} }, "--publish and --publish-by ws exclude each other"},
		"nowhere to publish":  {func(c *Config) { c.Scenario, c.Dialect = ScenarioStorm, &Dialect{Name: "mute"} }, "dialect mute does not say how to publish"},
		"kill without a pid":  {func(c *Config) { c.Scenario, c.Kill = ScenarioStorm, "TERM" }, "--kill needs --pid"},
		"restart, no kill":    {func(c *Config) { c.Scenario, c.Restart = ScenarioStorm, "true" }, "--restart needs --kill"},
		"another signal":      {func(c *Config) { c.Scenario, c.Kill, c.PIDs = ScenarioStorm, "HUP", []int{1} }, `--kill "HUP": want TERM or KILL`},
		"pid 0":               {func(c *Config) { c.PIDs = []int{0} }, "--pid 0: want the number of a process"},
		"a group of pids":     {func(c *Config) { c.PIDs = []int{os.Getpid(), -1} }, "--pid -1: want the number of a process"},
		"one of the pids":     {func(c *Config) { c.PIDs = []int{os.Getpid(), 1 << 30} }, "--pid 1073741824 cannot be read"},
		"to kill init":        {killing(1), "--pid 1 with --kill: this tool would go with it"},
		"to kill itself":      {killing(os.Getpid()), "with --kill: this tool would go with it"},
		"to kill its parent":  {killing(os.Getppid()), "with --kill: this tool would go with it"},
		"threshold":           {func(c *Config) { c.FailIf = []string{"lost"} }, `threshold "lost"`},
		"threshold elsewhere": {func(c *Config) { c.FailIf = []string{"lost>0"} }, "the scenario idle does not measure lost"},
		"no source":           {func(c *Config) { c.Sources = []netip.Addr{{}} }, "family"},
		"source's family":     {func(c *Config) { c.Sources = []netip.Addr{netip.MustParseAddr("::1")} }, "family"},
		"source elsewhere":    {func(c *Config) { c.Sources = []netip.Addr{netip.MustParseAddr("192.0.2.1")} }, "address of this machine"},
		"workers":             {func(c *Config) { c.Workers = -1 }, "--workers -1: want 0"},
		"no command":          {func(c *Config) { c.Workers = 2 }, "WorkerCommand"},
		"too many each":       {func(c *Config) { c.Connections, c.Workers = maxConnections, 1 }, "1 workers would hold 10000000 connections each"},
	} {
		cfg := Config{Scenario: ScenarioIdle, URL: testURL, Connections: 10}
		c.change(&cfg)
		_, err := cfg.resolve()
		var fault *Error
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// What does nothing in a scenario is refused there, and by its name.
func TestSettingsThatDoNothing(t *testing.T) {
	all := []string{ScenarioIdle, ScenarioBroadcast, ScenarioEcho, ScenarioChurn, ScenarioStorm}
	for flag, c := range map[string]struct {
		set   func(c *Config)
		where []string
	}{
		"--messages":      {func(c *Config) { c.Messages = 5 }, []string{"broadcast", "echo"}},
		"--rate":          {func(c *Config) { c.Rate = 5 }, []string{"broadcast", "echo", "churn", "storm"}},
		"--burst":         {func(c *Config) { c.Burst = 5 }, []string{"broadcast", "storm"}},
		"--size":          {func(c *Config) { c.Size = 500 }, []string{"broadcast", "echo", "storm"}},
		"--concurrency":   {func(c *Config) { c.Concurrency = 5 }, []string{"echo"}},
		"--warm-up":       {func(c *Config) { c.WarmUp = 5 }, []string{"broadcast", "echo", "storm"}},
		"--grace":         {func(c *Config) { c.Grace = 5 }, []string{"broadcast", "echo", "storm"}},
		"--publish":       {func(c *Config) { c.Publish = []string{"http://h"} }, []string{"broadcast", "storm"}},
		"--publish-by ws": {func(c *Config) { c.PublishWS = true }, []string{"broadcast", "storm"}},
		"--drop":          {func(c *Config) { c.Drop = 0.5 }, []string{"storm"}},
		"--kill":          {func(c *Config) { c.Kill, c.PIDs = "TERM", []int{os.Getpid()} }, nil}, // nor itself
		"--restart":       {func(c *Config) { c.Restart = "true" }, nil},
		"--spread":        {func(c *Config) { c.Spread = 5 }, []string{"storm"}},
		"--backoff":       {func(c *Config) { c.Backoff = 5 }, []string{"churn", "storm"}},
		"":                {func(c *Config) { c.Size, c.Burst, c.Duration, c.Seed = 128, 1, 5, 5 }, all},
	} {
		for _, scenario := range all {
			cfg := Config{Scenario: scenario, URL: testURL, Connections: 10}
			c.set(&cfg)
			_, err := cfg.resolve()
			if slices.Contains(c.where, scenario) {
				if err != nil {
					t.Errorf("%s in %s: %v", flag, scenario, err)
				}
			} else if want := flag + " does nothing in the scenario " + scenario + ": it is for "; scenario != ScenarioStorm && (err == nil || !strings.HasPrefix(err.Error(), want)) {
				t.Errorf("%s in %s: %v", flag, scenario, err)
			} else if err == nil {
				t.Errorf("%s in %s was taken", flag, scenario)
			}
		}
	}
}

func TestConfigResolves(t *testing.T) {
	for _, c := range []struct {
		url, host, path, dialect, channel string
		target                            string
	}{
		{"ws://127.0.0.1:8080/ws", "127.0.0.1:8080", "/ws", "native", "loadtest", "127.0.0.1:8080"},
		{"ws://127.0.0.1", "127.0.0.1", "/", "native", "loadtest", "127.0.0.1:80"},
		{"http://127.0.0.1:9?token=a%20b#there", "127.0.0.1:9", "/?token=a%20b", "native", "loadtest", "127.0.0.1:9"},
		{"ws://[::1]:9/raw/news?x=/y", "[::1]:9", "/raw/news?x=/y", "raw", "news", "[::1]:9"},
		{"ws://127.0.0.1:9/raw/{channel}", "127.0.0.1:9", "/raw/{channel}", "raw", "loadtest", "127.0.0.1:9"},
		{"ws://127.0.0.1:9/app/key?protocol=6", "127.0.0.1:9", "/app/key?protocol=6", "pusher", "loadtest", "127.0.0.1:9"},
		{"ws://127.0.0.1:9/app/key?x=1&protocol=6", "127.0.0.1:9", "/app/key?x=1&protocol=6", "pusher", "loadtest", "127.0.0.1:9"},
		{"ws://127.0.0.1:9/app/key?x=1", "127.0.0.1:9", "/app/key?x=1&protocol=7", "pusher", "loadtest", "127.0.0.1:9"},
		{"ws://127.0.0.1:9/app/key", "127.0.0.1:9", "/app/key?protocol=7", "pusher", "loadtest", "127.0.0.1:9"},
		{"ws://127.0.0.1:9/echo", "127.0.0.1:9", "/echo", "echo", "loadtest", "127.0.0.1:9"},
		{"ws://127.0.0.1:9/ws?user={n}", "127.0.0.1:9", "/ws?user={n}", "native", "loadtest", "127.0.0.1:9"},
	} {
		p, err := (&Config{Scenario: ScenarioIdle, URL: c.url, Connections: 10}).resolve()
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if p.host != c.host || p.path != c.path || p.dialect.Name != c.dialect || p.Channel != c.channel || p.target.String() != c.target {
			t.Errorf("%s: host %s, path %s, dialect %s, channel %s, target %s", c.url, p.host, p.path, p.dialect.Name, p.Channel, p.target)
		}
		if x := p.dialect.Publish; x != nil && !strings.HasPrefix(x.URL, "http://"+c.host+"/") {
			t.Errorf("%s: publishes at %s", c.url, x.URL)
		}
		if c.dialect == "pusher" && p.dialect.Publish.Pusher.Key != "key" {
			t.Errorf("%s: key %q", c.url, p.dialect.Publish.Pusher.Key)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		good func(p *plan) bool
	}{
		"idle": {Config{Scenario: ScenarioIdle}, func(p *plan) bool { return p.Duration == 10*time.Second && p.Timeout == 10*time.Second && p.Seed != 0 }},
		"broadcast": {Config{Scenario: ScenarioBroadcast}, func(p *plan) bool {
			return p.Rate == 10 && p.messages == 100 && p.Size == 128 && p.Grace == 5*time.Second
		}},
		"broadcast, for a time": {Config{Scenario: ScenarioBroadcast, Rate: 7, Duration: 3 * time.Second, WarmUp: 5}, func(p *plan) bool { return p.Messages == 21 && p.messages == 26 }},
		"echo":                  {Config{Scenario: ScenarioEcho, Connections: 5000}, func(p *plan) bool { return p.Concurrency == 1000 && p.Duration == 10*time.Second && p.messages == 0 }},
		"few echoes":            {Config{Scenario: ScenarioEcho, Concurrency: 50, Messages: 30, WarmUp: 5}, func(p *plan) bool { return p.Concurrency == 10 && p.Duration == 0 && p.messages == 35 }},
		"churn":                 {Config{Scenario: ScenarioChurn, Connections: 200}, func(p *plan) bool { return p.Rate == 20 && p.Duration == 30*time.Second }},
		"storm": {Config{Scenario: ScenarioStorm}, func(p *plan) bool {
			return p.Rate == 10 && p.Duration == 2*time.Minute && p.messages == 0 && p.Backoff == 100*time.Millisecond
		}},
		"channels": {Config{Scenario: ScenarioIdle, Channels: 3, Channel: "c"}, func(p *plan) bool { return slices.Equal(p.channels, []string{"c-0", "c-1", "c-2"}) }},
		"workers":  {Config{Scenario: ScenarioIdle, Workers: 50, WorkerCommand: []string{"x"}}, func(p *plan) bool { return p.workers == 10 }},
	} {
		c.cfg.URL = testURL
		if c.cfg.Connections == 0 {
			c.cfg.Connections = 10
		}
		p, err := c.cfg.resolve()
		if err != nil || !c.good(p) {
			t.Errorf("%s: %v, %+v", name, err, p)
		}
	}
}

// Each client is in one worker, and workers are of the same size.
func TestShare(t *testing.T) {
	for _, connections := range []int{1, 2, 7, 100, 99_999, maxConnections} {
		for _, workers := range []int{0, 1, 2, 3, 7, 50} {
			p := &plan{Config: Config{Connections: connections}, workers: min(workers, connections)}
			next, least, most := 0, connections, 0
			for i := range p.processes() {
				first, count := p.share(i)
				if first != next || count < 1 {
					t.Fatalf("worker %d of %d has %d from %d on, want from %d on", i, workers, count, first, next)
				}
				next, least, most = first+count, min(least, count), max(most, count)
			}
			if next != connections || most-least > 1 {
				t.Errorf("%d workers hold %d of %d, from %d to %d each", workers, next, connections, least, most)
			}
		}
	}
}

// Each worker has addresses of its own, four at least, and enough for its clients.
func TestSources(t *testing.T) {
	for _, c := range []struct{ connections, workers, each int }{{10, 0, 4}, {10, 2, 4}, {100_000, 2, 10}, {190_000, 0, 38}, {5_000_000, 300, 4}} {
		p := &plan{Config: Config{Connections: c.connections}, workers: c.workers, target: netip.MustParseAddrPort("127.0.0.1:80")}
		seen := map[netip.Addr]bool{}
		for i := range p.processes() {
			list := p.sources(i)
			if len(list) != c.each {
				t.Fatalf("%d connections, %d workers: %d sources", c.connections, c.workers, len(list))
			}
			for _, a := range list {
				if seen[a] || !a.IsLoopback() || swarm.CanBind(a) != nil {
					t.Fatalf("worker %d comes from %s", i, a)
				}
				seen[a] = true
			}
		}
	}
	p := &plan{Config: Config{Connections: 10}, target: netip.MustParseAddrPort("192.0.2.1:80")}
	if list := p.sources(0); list != nil {
		t.Errorf("to another host from %v", list)
	}
	p.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.9")}
	if list := p.sources(0); !slices.Equal(list, p.Sources) {
		t.Errorf("from %v, want from those that were named", list)
	}
}

// Shares are of the whole, and in proportion.
func TestPortions(t *testing.T) {
	for _, n := range []int64{0, 1, 2, 10, 999, 1 << 36} {
		for _, weights := range [][]int64{{1}, {1, 1, 1}, {0, 5, 0}, {3, 0, 4, 1_000_000}, {7, 7, 7, 7, 7, 7, 7}} {
			parts := portions(n, weights)
			if sum(parts) != n {
				t.Errorf("%d by %v: %v", n, weights, parts)
			}
			for i, w := range weights {
				if exact := float64(n) * float64(w) / float64(sum(weights)); float64(parts[i]) < exact-1 || float64(parts[i]) > exact+1 || w == 0 && parts[i] != 0 {
					t.Errorf("%d by %v: %v", n, weights, parts)
				}
			}
		}
	}
	if parts := portions(5, []int64{0, 0}); sum(parts) != 0 {
		t.Errorf("nobody gets %v", parts)
	}
}
