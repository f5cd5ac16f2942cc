package loadtest

import (
	"time"

	"stentor/loadtest/host"
)

// Format is the version of Result's JSON form. It rises when a field changes
// its meaning or goes; new fields do not raise it.
const Format = 1

// Result is all that a run has found out. Its JSON form is what
// `stentor loadtest --json` writes. Fields that do not apply to a scenario, or
// could not be measured, are left out.
type Result struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the tool
	Command []string  `json:"command"` // the command line
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	Run     RunConfig `json:"run"`

	Interrupted bool   `json:"interrupted,omitempty"` // by a signal: the rest is what there was until then
	Failed      string `json:"failed,omitempty"`      // why the run could not go on, empty if it did

	Phases     []Phase     `json:"phases"` // in order
	Connect    Connect     `json:"connect"`
	Messages   *Messages   `json:"messages,omitempty"` // broadcast, echo and storm
	Churn      *Churn      `json:"churn,omitempty"`
	Storm      *Storm      `json:"storm,omitempty"`
	Errors     []Count     `json:"errors"` // of connections, by cause, most frequent first
	Client     Client      `json:"client"` // the tool itself
	Server     *Server     `json:"server,omitempty"`
	Series     []Moment    `json:"series"`     // about one a second; in the first minute, with few workers, four
	Thresholds []Threshold `json:"thresholds"` // in the order of the command line
	Notes      []string    `json:"notes"`      // what a reader has to know to judge the figures
}

// Machine is where the tool has run.
type Machine struct {
	host.Machine

	Go string `json:"go"`
}

// RunConfig is what was asked for, with the defaults filled in and without
// secrets.
type RunConfig struct {
	Scenario    string   `json:"scenario"`
	URL         string   `json:"url"`
	Dialect     string   `json:"dialect"`
	Connections int      `json:"connections"`
	Channels    int      `json:"channels,omitempty"`
	Messages    int      `json:"messages,omitempty"`    // publications, or echoes in all
	Rate        float64  `json:"rate,omitempty"`        // publications, echoes or new connections a second; 0: as fast as answers come
	Burst       int      `json:"burst,omitempty"`       // publications due at once, if more than 1
	Size        int      `json:"size,omitempty"`        // bytes of payload
	Concurrency int      `json:"concurrency,omitempty"` // echoes under way in a closed loop
	WarmUp      int      `json:"warm_up,omitempty"`     // messages before those that count
	DurationS   float64  `json:"duration_s,omitempty"`
	ConnectRate float64  `json:"connect_rate,omitempty"` // a second; 0: as fast as handshakes end
	Workers     int      `json:"workers"`                // processes; 0: all in this one
	Publish     []string `json:"publish,omitempty"`      // where publications go
	Drop        float64  `json:"drop,omitempty"`         // share that a storm drops, 0 to 1
	Seed        uint64   `json:"seed"`
}

// Phase is a stretch of the run: "connect", "warm-up", "measure", "drain",
// "drop", "return", "hold".
type Phase struct {
	Name  string  `json:"name"`
	FromS float64 `json:"from_s"` // since Started
	ToS   float64 `json:"to_s"`
}

// Connect tells how connections came about. A connection counts when it is
// ready: the handshake is done and, where the dialect has such, it is subscribed.
type Connect struct {
	Asked     int      `json:"asked"`
	Succeeded int      `json:"succeeded"`
	Failed    int      `json:"failed"`
	Open      int      `json:"open"`              // when the run ended
	Dropped   int      `json:"dropped"`           // ended by the server or the network without being asked to
	TookS     float64  `json:"took_s"`            // first attempt to last one ready
	RateS     float64  `json:"rate_s"`            // ready ones a second, on average
	Latency   *Latency `json:"latency,omitempty"` // from when the attempt was due to ready
	Pings     int64    `json:"pings"`             // of the server, answered
}

// Latency is a distribution of times in milliseconds. Percentiles are exact to
// three digits.
type Latency struct {
	Count  int64   `json:"count"`
	MinMS  float64 `json:"min_ms"`
	MeanMS float64 `json:"mean_ms"`
	P50MS  float64 `json:"p50_ms"`
	P90MS  float64 `json:"p90_ms"`
	P95MS  float64 `json:"p95_ms"`
	P99MS  float64 `json:"p99_ms"`
	P999MS float64 `json:"p999_ms"`
	MaxMS  float64 `json:"max_ms"`
	// Bars is the distribution for a chart: some hundred bars at most, each with
	// its upper bound.
	Bars []Bar `json:"bars,omitempty"`
	// HDR is the whole histogram in HdrHistogram's V2 compressed form, base64, in
	// microseconds: what other tools of that family read and merge.
	HDR string `json:"hdr,omitempty"`
}

// Bar is one bar of a histogram.
type Bar struct {
	UpToMS float64 `json:"up_to_ms"`
	Count  int64   `json:"count"`
}

// Messages is the account of messages, those of the warm-up too. For a broadcast
// one that is sent to N subscribers is due N times; an echo is due once. A
// message counts as received when it first comes whole and unchanged, and as
// lost if it comes in no form: Due = Received + Lost + Corrupted, unless one of
// two copies was corrupted, and less what was Missed.
type Messages struct {
	Sent          int64 `json:"sent"`             // publications or echoes, those of the warm-up too
	Failed        int64 `json:"failed"`           // publications that the server did not accept; nothing is due for them, but for those by a WebSocket: which ones it refuses it does not say
	Partly        int64 `json:"partly,omitempty"` // accepted at some of several addresses only; due all the same
	Unsent        int64 `json:"unsent,omitempty"` // were to be sent, and were not: nobody was connected, say; not in Due
	Due           int64 `json:"due"`
	Received      int64 `json:"received"`
	Lost          int64 `json:"lost"`           // never came
	Duplicated    int64 `json:"duplicated"`     // came again
	Reordered     int64 `json:"reordered"`      // came after a later one
	Corrupted     int64 `json:"corrupted"`      // recognised, but not what was sent
	Unexpected    int64 `json:"unexpected"`     // no message of this run, nor of the dialect
	Missed        int64 `json:"missed"`         // storm: published while a client was away; not lost
	ReceivedBytes int64 `json:"received_bytes"` // of the sockets
	SentBytes     int64 `json:"sent_bytes"`

	TookS   float64  `json:"took_s"`            // first one due to last one received
	RateS   float64  `json:"rate_s"`            // received ones a second, without warm-up
	Latency *Latency `json:"latency,omitempty"` // from when it was due to be sent until it came, without warm-up
	Publish *Latency `json:"publish,omitempty"` // broadcast: until the server had accepted the publication
	// Failures says why publications failed, most frequent first.
	Failures []Count `json:"failures,omitempty"`
}

// Churn is the account of steady connects and disconnects.
type Churn struct {
	Connects    int64   `json:"connects"`
	Disconnects int64   `json:"disconnects"`
	Behind      int64   `json:"behind"` // turns at which the client was not back yet from the one before
	Failed      int64   `json:"failed"` // attempts to come back
	RateS       float64 `json:"rate_s"` // connects a second
	// Latency is from when a client was to be replaced until it was back, or until
	// the end if it was not; a turn that found it away counts, too.
	Latency *Latency `json:"latency,omitempty"`
}

// Storm is the way back after many connections have gone at once.
type Storm struct {
	Dropped   int     `json:"dropped"`          // connections that went
	Returned  int     `json:"returned"`         // of those, back and ready
	DownS     float64 `json:"down_s,omitempty"` // server gone: from the first loss to the first return
	P50S      float64 `json:"p50_s"`            // from the drop until half were back; 0 if they never were
	P95S      float64 `json:"p95_s"`
	P100S     float64 `json:"p100_s"`
	Attempts  int64   `json:"attempts"`   // to connect
	Missed    int64   `json:"missed"`     // publications, over all who were away
	MissedMax int64   `json:"missed_max"` // by one client
}

// Count is how often something happened.
type Count struct {
	Cause   string `json:"cause"`
	Count   int64  `json:"count"`
	Example string `json:"example,omitempty"` // what the server has said to it, once: 200 bytes at most
}

// Client tells what the tool itself took, all workers together, and whether it
// was in the way.
type Client struct {
	CPUSeconds   float64  `json:"cpu_s"`
	CPUShare     float64  `json:"cpu_share"`          // of the cores, while messages were measured: 1 is all of them
	PeakShare    float64  `json:"peak_share"`         // the same in the busiest second of the busiest worker, of what it may use
	MachineShare float64  `json:"machine_share"`      // of the whole machine, by everybody: by the kernel's ticks, or, if that is more, by the clocks of tool and server
	LoopLag      *Latency `json:"loop_lag,omitempty"` // how late the tool's event loops came to a turn, with the turns that a stall has kept from coming
	SendLag      *Latency `json:"send_lag,omitempty"` // how late it sent what was due; contained in the latencies
	RSSBytes     int64    `json:"rss_bytes"`
	RSSEach      float64  `json:"rss_each_bytes"`       // above the empty tool, a connection
	Bottleneck   string   `json:"bottleneck,omitempty"` // why the tool, and not the server, may have set the figures
}

// Server is what a local server took, all its processes together.
type Server struct {
	PIDs         []int   `json:"pids"`                // with children
	RSSEmpty     int64   `json:"rss_empty_bytes"`     // before the first connection
	RSSConnected int64   `json:"rss_connected_bytes"` // with all connections, before the first message
	RSSPeak      int64   `json:"rss_peak_bytes"`
	KernelEach   float64 `json:"kernel_each_bytes,omitempty"` // kernel slab a connection, both ends if both are here
	KernelEnds   int     `json:"kernel_ends,omitempty"`       // 2: KernelEach is for both ends
	CPUSeconds   float64 `json:"cpu_s"`
	// nil is not measured; 0 and less are what it was.
	RSSEach      *float64 `json:"rss_each_bytes,omitempty"`  // a connection
	HeapEach     *float64 `json:"heap_each_bytes,omitempty"` // live heap a connection, where the server's metrics tell
	CPUConnectUS *float64 `json:"cpu_connect_us,omitempty"`  // a connection until ready
	CPUMessageUS *float64 `json:"cpu_message_us,omitempty"`  // a delivery or an echo
}

// Moment is one point of the run's course. There is one at each change of phase.
// Rates are those since the one before, and the same as there if that is not 50 ms
// ago.
type Moment struct {
	AtS         float64 `json:"at_s"` // since Started
	Phase       string  `json:"phase"`
	Open        int     `json:"open"`
	Connecting  int     `json:"connecting"`
	Connects    float64 `json:"connects_s"`
	Failures    float64 `json:"failures_s"` // connects that failed
	Drops       float64 `json:"drops_s"`    // connections that the server ended
	Sent        float64 `json:"sent_s"`
	Received    float64 `json:"received_s"`
	Faults      int64   `json:"faults"`           // duplicated, corrupted and unexpected, so far
	P50MS       float64 `json:"p50_ms,omitempty"` // of messages that came since the moment before
	P99MS       float64 `json:"p99_ms,omitempty"`
	MaxMS       float64 `json:"max_ms,omitempty"`
	ClientCPU   float64 `json:"client_cpu"`           // cores
	ClientLagMS float64 `json:"client_lag_ms"`        // the worst turn
	ServerCPU   float64 `json:"server_cpu,omitempty"` // cores
	ServerRSS   int64   `json:"server_rss_bytes,omitempty"`
}

// Threshold is a --fail-if and how it came out.
type Threshold struct {
	Rule   string  `json:"rule"`   // as it was written
	Value  float64 `json:"value"`  // what was measured, in the unit of the metric
	Shown  string  `json:"shown"`  // the same for people: "12.3 ms"
	Missed bool    `json:"missed"` // the rule applied: the run has failed
}

// Progress is the state of a run while it goes on.
type Progress struct {
	Phase   string
	Elapsed time.Duration
	// Done of Total is how far the phase has come, in Unit: "connections",
	// "publications", "messages" or "seconds". Total is 0 if there is no end to see.
	Done, Total int64
	Unit        string
	Moment      Moment  // the newest point of the series
	Errors      []Count // of connections so far, most frequent first
}
