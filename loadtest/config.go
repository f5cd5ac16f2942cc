package loadtest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"stentor/loadtest/host"
)

// Config says what to run. Zero fields mean defaults, which Run fills in.
type Config struct {
	Scenario string // one of the constants above
	URL      string // ws://host:port/path; {n} and {channel} are filled in

	Connections int
	ConnectRate float64       // new connections a second; 0: as fast as handshakes end
	InFlight    int           // handshakes under way at once in all; 0: 512
	Timeout     time.Duration // of a handshake, and again of subscribing; 0: 10 s

	// Dialect is how to subscribe and publish. nil: by DialectName, or, if that is
	// empty too, by the URL's path: /echo, /raw/..., /app/... (Pusher), else native.
	Dialect     *Dialect
	DialectName string // echo, raw, native or pusher
	Secret      string // of the app, to publish; empty: dev-secret
	AppID       string // pusher: in the path of its HTTP API; empty: dev

	Channel  string // empty: loadtest, or the last part of the path of a raw URL
	Channels int    // more than 1: the clients are divided among so many, Channel-0 and so on

	Messages    int     // publications (default 100; storm: as long as it takes), or echoes (default: as many as Duration takes)
	WarmUp      int     // messages before those, which do not count for latencies
	Rate        float64 // publications (default 10), echoes or new connections a second (churn: default a tenth of Connections)
	Burst       int     // publications that are due at once; Rate is of all of them. 0: 1
	Size        int     // bytes of a payload; 0: 128
	Concurrency int     // echo without Rate: messages under way; 0: one a connection, at most 1000
	Duration    time.Duration

	Publish   []string // base URLs that each get every publication; empty: the dialect's own
	PublishWS bool     // publish by a WebSocket client instead, at URL

	Drop    float64       // storm: share of the clients that drop at once, 0 to 1; 0: wait until the server drops them
	Kill    string        // storm: send this signal to PIDs instead: TERM or KILL
	Restart string        // storm: shell command that starts the server again after Kill
	Spread  time.Duration // storm: time over which the first attempts to come back are spread
	Backoff time.Duration // storm, churn: before the second attempt; it doubles up to 5 s; 0: 100 ms
	Grace   time.Duration // how long nothing may come until what is missing counts as lost; 0: 5 s

	Workers       int      // processes for the clients; 0: one for each 19,000 or so that descriptors allow, none if this one can
	WorkerCommand []string // starts a worker, see RunWorker; needed if there is one
	Loops         int      // event loops a process; 0: its processors, divided among the workers
	Sources       []netip.Addr

	PIDs    []int    // the server's processes, if it runs here; children are found
	Metrics []string // base URLs with /metrics, for the live heap

	Seed       uint64         // 0: by chance
	FailIf     []string       // see Metrics
	OnProgress func(Progress) // called about four times a second, on one goroutine
	Version    string
	Command    []string
}

// Error is a fault of the configuration: what is wrong, and what to do. It calls
// settings by the flags of the command.
type Error struct{ error }

func (e *Error) Unwrap() error { return e.error }

func faultf(format string, args ...any) error { return &Error{fmt.Errorf(format, args...)} }

// plan is a Config with all defaults and everything resolved.
type plan struct {
	Config
	dialect    *Dialect
	target     netip.AddrPort
	host       string
	path       string
	channels   []string
	messages   int // with WarmUp; 0: until told to stop
	thresholds []rule
	limit      int // descriptors of a process
	workers    int
}

const (
	maxConnections = 10_000_000
	maxChannels    = 1_000_000
)

// resolve checks a Config and fills in its defaults.
func (c Config) resolve() (*plan, error) {
	p := &plan{Config: c}
	for _, f := range []func() error{p.checkScenario, p.checkSettings, p.checkNumbers, p.resolveURL, p.resolveDialect, p.resolveLoad, p.resolveServer, p.resolveThresholds, p.resolveSources, p.resolveWorkers} {
		if err := f(); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				err = &Error{err}
			}
			return nil, err
		}
	}
	return p, nil
}

func (p *plan) checkScenario() error {
	all := []string{ScenarioIdle, ScenarioBroadcast, ScenarioEcho, ScenarioChurn, ScenarioStorm}
	if !slices.Contains(all, p.Scenario) {
		return fmt.Errorf("scenario %q is none of %s", p.Scenario, strings.Join(all, ", "))
	}
	return nil
}

func (p *plan) resolveURL() error {
	u, err := url.Parse(strings.NewReplacer("{n}", "0", "{channel}", "c").Replace(p.URL))
	if err != nil || u.Hostname() == "" {
		return fmt.Errorf("URL %q: want ws://host:port/path", p.URL)
	}
	if u.User != nil {
		return errors.New("a name and password in the URL would not be sent: put an Authorization header into a template")
	}
	switch u.Scheme {
	case "ws", "http":
	case "wss", "https":
		return fmt.Errorf("URL %q: TLS is not spoken; put the load on the server's plain port", p.URL)
	default:
		return fmt.Errorf("URL %q: want ws://host:port/path", p.URL)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	_, rest, _ := strings.Cut(p.URL, "://")
	p.host = u.Host
	p.path = "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		p.path = rest[i:]
		if p.path[0] == '?' {
			p.path = "/" + p.path
		}
	}
	p.path, _, _ = strings.Cut(p.path, "#")
	if strings.ContainsAny(p.path, " \r\n\t") {
		return fmt.Errorf("URL %q has a space in it: write %%20", p.URL)
	}
	addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return fmt.Errorf("URL %q: %w", p.URL, err)
	}
	p.target = addr.AddrPort()
	p.target = netip.AddrPortFrom(p.target.Addr().Unmap(), p.target.Port())
	return nil
}

// withVersion adds the version of the Pusher protocol, which servers demand, to a
// path that names none.
func withVersion(path string) string {
	_, query, ok := strings.Cut(path, "?")
	switch {
	case !ok:
		return path + "?protocol=7"
	case strings.HasPrefix(query, "protocol=") || strings.Contains(query, "&protocol="):
		return path
	}
	return path + "&protocol=7"
}

// resolveDialect chooses the dialect and names the channels.
func (p *plan) resolveDialect() (err error) {
	path, _, _ := strings.Cut(p.path, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	name := p.DialectName
	if name == "" {
		switch {
		case parts[0] == "echo" || p.Scenario == ScenarioEcho:
			name = "echo"
		case parts[0] == "raw":
			name = "raw"
		case parts[0] == "app":
			name = "pusher"
		default:
			name = "native"
		}
	}
	base, secret := "http://"+p.host, p.Secret
	if secret == "" {
		secret = "dev-secret"
	}
	switch {
	case p.Dialect != nil:
		p.dialect = p.Dialect
	case name == "echo":
		p.dialect = Echo()
	case name == "raw":
		p.dialect = Raw(base, secret)
		if p.Channel == "" && !strings.Contains(path, "{channel}") {
			if p.Channel, err = url.PathUnescape(parts[len(parts)-1]); err != nil {
				return fmt.Errorf("URL %q: %w", p.URL, err)
			}
		}
	case name == "native":
		p.dialect = Native(base, secret)
	case name == "pusher":
		appID := p.AppID
		if appID == "" {
			appID = "dev"
		}
		p.dialect = Pusher(base, appID, parts[len(parts)-1], secret)
		p.path = withVersion(p.path)
	default:
		return fmt.Errorf("dialect %q is none of echo, raw, native, pusher", name)
	}
	if err := p.dialect.Validate(); err != nil {
		return fmt.Errorf("dialect %s: %w", p.dialect.Name, err)
	}
	if p.Channel == "" {
		p.Channel = "loadtest"
	}
	if p.Channels == 0 {
		p.Channels = 1
	}
	if p.Channels > 1 && p.dialect.Name == "raw" && !strings.Contains(path, "{channel}") {
		return errors.New("several channels need {channel} in the path of a raw URL: /raw/{channel}")
	}
	if p.Channels > 1 && p.PublishWS && !strings.Contains(p.dialect.Send, "{channel}") {
		return fmt.Errorf("dialect %s publishes by a WebSocket to the channel of its own only: use one channel, or publish by HTTP", p.dialect.Name)
	}
	for i := range p.Channels {
		name := p.Channel
		if p.Channels > 1 {
			name = fmt.Sprintf("%s-%d", p.Channel, i)
		}
		p.channels = append(p.channels, name)
	}
	return nil
}

// resolveLoad fills in numbers.
func (p *plan) resolveLoad() error {
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	if p.Size == 0 {
		p.Size = defaultSize
	}
	if p.Burst == 0 {
		p.Burst = 1
	}
	def(&p.Timeout, 10*time.Second)
	def(&p.Grace, 5*time.Second)
	def(&p.Backoff, 100*time.Millisecond)
	if p.Seed == 0 {
		p.Seed = uint64(time.Now().UnixNano())
	}
	if p.InFlight == 0 {
		p.InFlight = 512
	}
	return p.resolveScenario(def)
}

// resolveScenario fills in what depends on the scenario.
func (p *plan) resolveScenario(def func(*time.Duration, time.Duration)) error {
	publishes := p.Scenario == ScenarioBroadcast || p.Scenario == ScenarioStorm
	if publishes && p.dialect.Publish == nil && !p.PublishWS {
		return fmt.Errorf("dialect %s does not say how to publish: add publish to the template, or use --publish-by ws", p.dialect.Name)
	}
	switch p.Scenario {
	case ScenarioIdle:
		def(&p.Duration, 10*time.Second)
	case ScenarioBroadcast:
		if p.Rate == 0 {
			p.Rate = 10
		}
		if p.Messages == 0 && p.Duration > 0 {
			p.Messages = max(1, int(p.Rate*p.Duration.Seconds()))
		}
		if p.Messages == 0 {
			p.Messages = 100
		}
		p.messages = p.Messages + p.WarmUp
	case ScenarioEcho:
		if p.Messages == 0 {
			def(&p.Duration, 10*time.Second)
		}
		if p.Rate == 0 && p.Concurrency == 0 {
			p.Concurrency = min(p.Connections, 1000)
		}
		p.Concurrency = min(p.Concurrency, p.Connections)
		p.messages = p.Messages
		if p.messages > 0 {
			p.messages += p.WarmUp
		}
	case ScenarioChurn:
		def(&p.Duration, 30*time.Second)
		if p.Rate == 0 {
			p.Rate = max(1, float64(p.Connections)/10)
		}
	case ScenarioStorm:
		if p.Rate == 0 {
			p.Rate = 10
		}
		def(&p.Duration, 2*time.Minute)
	}
	return nil
}

// resolveServer checks what is to happen to the server's processes.
func (p *plan) resolveServer() error {
	if p.Kill != "" && p.Kill != "TERM" && p.Kill != "KILL" {
		return fmt.Errorf("--kill %q: want TERM or KILL", p.Kill)
	}
	if p.Kill != "" && len(p.PIDs) == 0 {
		return errors.New("--kill needs --pid, which names the server's process")
	}
	if p.Restart != "" && p.Kill == "" {
		return errors.New("--restart needs --kill: a server that has not ended cannot be started again")
	}
	p.PIDs = slices.Compact(slices.Sorted(slices.Values(p.PIDs)))
	for _, pid := range p.PIDs {
		if pid < 1 { // for kill(2) a group, or all processes
			return fmt.Errorf("--pid %d: want the number of a process", pid)
		}
		if _, err := host.Processes([]int{pid}); err != nil {
			return fmt.Errorf("--pid %d cannot be read: is the server running, and yours?", pid)
		}
		if p.Kill == "" {
			continue
		}
		if pid == 1 || pid == os.Getppid() || slices.Contains(host.Tree(pid), os.Getpid()) {
			return fmt.Errorf("--pid %d with --kill: this tool would go with it", pid)
		}
		if err := syscall.Kill(pid, 0); err != nil {
			return fmt.Errorf("--pid %d with --kill: it takes no signal from here: %w", pid, err)
		}
	}
	return nil
}

func (p *plan) resolveThresholds() error {
	for _, s := range p.FailIf {
		r, err := parseThreshold(s)
		if err != nil {
			return err
		}
		if !slices.Contains(r.metric.scenarios, p.Scenario) {
			return fmt.Errorf("threshold %q: the scenario %s does not measure %s", s, p.Scenario, r.metric.name)
		}
		p.thresholds = append(p.thresholds, r)
	}
	return nil
}

// secretParameters are those of a URL that nobody else should read.
var secretParameters = regexp.MustCompile(`([?&](?:token|secret|password|auth|access_token|key|signature)=)[^&#]*`)

// MaskURL leaves secrets out of a URL's query.
func MaskURL(s string) string { return secretParameters.ReplaceAllString(s, "${1}***") }
