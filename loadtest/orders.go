package loadtest

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The coordinator directs its workers by orders, one at a time. A worker in a
// process of its own reads them from its standard input (see remote.go), one in
// this process is called. Times are swarm.Now's.

// order is what a worker is to do. One field is set.
type order struct {
	Setup    *setup
	Connect  *connectOrder
	Snapshot *snapshotOrder
	Begin    bool // messages come now: who is ready counts. Answer.Ready
	Measure  bool // what counts begins: how late the loops were until now does not
	Echo     *echoOrder
	Churn    *churnOrder
	Drop     *dropOrder
	Halt     bool         // send, dial and churn no more
	Missing  *finishOrder // how much of it has not come yet. Answer.Missing
	Finish   *finishOrder
}

// answer is what a worker has to say to an order.
type answer struct {
	Err      string
	Missing  int64
	Ready    int64 // clients that are ready
	Snapshot *snapshot
	Final    *final
}

// setup is all that a worker has to know.
type setup struct {
	Scenario string
	Run      uint32
	Seed     uint64
	Target   netip.AddrPort
	Sources  []netip.Addr
	Host     string // for the handshake
	Path     string // and query, with placeholders
	First    int    // the number of the first client
	Clients  int
	Loops    int
	Workers  int // how many there are
	InFlight int
	Timeout  time.Duration
	Dialect  Dialect
	Channels []string // client n is on number n modulo their number
	Size     int
	MaxSeq   uint32   // no message has a higher number
	Schedule schedule // of publications
	Return   returnPolicy
}

// returnPolicy says how clients come back that have lost their connection.
type returnPolicy struct {
	Spread  time.Duration // the first attempt comes at a random moment of this time
	Backoff time.Duration // between the first and the second attempt; doubles, with jitter
	Most    time.Duration // that it may double to
}

// connectOrder connects all clients. Client i of the worker is due at Start
// plus i times Every.
type connectOrder struct {
	Start int64
	Every float64 // nanoseconds; 0: all at once
}

type snapshotOrder struct{ Intervals bool } // with the histograms since the last that had them

// echoOrder sends echoes.
type echoOrder struct {
	Start       int64
	Count       int64   // in all; the first WarmUp of them do not count
	WarmUp      int64   //
	Rate        float64 // a second; 0: Concurrency under way
	Concurrency int
	Until       int64 // 0: until Count
}

// churnOrder ends connections and opens them again, oldest first.
type churnOrder struct {
	Start int64
	Rate  float64
	Until int64
}

// dropOrder drops a share of the connections at once, or only sees to it that
// those come back which the server drops.
type dropOrder struct {
	Share float64
}

// finishOrder asks for the account.
type finishOrder struct {
	Start     int64            // when the first publication was due
	Published []uint32         // by channel: the last number
	Unsent    map[int][]uint32 // by channel: numbers that nobody has accepted
}

// counts is how often things have happened so far.
type counts struct {
	Attempts, Succeeded, Failed, Dropped            int64
	Open, Connecting                                int64 // now
	Disconnects                                     int64 // churn
	Behind                                          int64 // churn: client was not back yet when its turn came
	Sent, Received, Warm                            int64 // Warm: of Received, to warm up
	Unsent                                          int64 // echoes that were due while nobody was there
	Duplicated, Reordered, Corrupted, Unexpected    int64
	Pings, SentBytes, ReceivedBytes                 int64
	First, Last                                     int64 // when the first message that counts was due, and the last came
	ReadyFirst, ReadyLast                           int64 // when the first connection was due, and the last was ready
	DroppedLast                                     int64 // when the last connection was dropped
	Gone, Returned, GoneFirst, ReturnedFirst, Tries int64 // storm
}

func (c *counts) add(d *counts) {
	c.Attempts += d.Attempts
	c.Succeeded += d.Succeeded
	c.Failed += d.Failed
	c.Dropped += d.Dropped
	c.Open += d.Open
	c.Connecting += d.Connecting
	c.Disconnects += d.Disconnects
	c.Behind += d.Behind
	c.Sent += d.Sent
	c.Received += d.Received
	c.Warm += d.Warm
	c.Unsent += d.Unsent
	c.Duplicated += d.Duplicated
	c.Reordered += d.Reordered
	c.Corrupted += d.Corrupted
	c.Unexpected += d.Unexpected
	c.Pings += d.Pings
	c.SentBytes += d.SentBytes
	c.ReceivedBytes += d.ReceivedBytes
	c.First, c.Last = earliest(c.First, d.First), max(c.Last, d.Last)
	c.ReadyFirst, c.ReadyLast = earliest(c.ReadyFirst, d.ReadyFirst), max(c.ReadyLast, d.ReadyLast)
	c.DroppedLast = max(c.DroppedLast, d.DroppedLast)
	c.Gone += d.Gone
	c.Returned += d.Returned
	c.GoneFirst = earliest(c.GoneFirst, d.GoneFirst)
	c.ReturnedFirst = earliest(c.ReturnedFirst, d.ReturnedFirst)
	c.Tries += d.Tries
}

// earliest returns the lesser of two times of which 0 is none.
func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// told is how often something has happened, and what a server has said to it.
type told struct {
	Count   int64
	Example string
}

// snapshot is the state of a worker.
type snapshot struct {
	Counts  counts
	Errors  map[string]told // of connections, by cause
	CPU     time.Duration   // of the process so far
	Procs   int             // processors that it may use
	Latency *hdrhistogram.Snapshot
	Lag     *hdrhistogram.Snapshot
}

// final is the account of a worker.
type final struct {
	Due, Lost, Missed, MissedMax int64
	Connect, Latency             *hdrhistogram.Snapshot
	Churn, Lag, SendLag          *hdrhistogram.Snapshot
	Returns                      []int64 // when each came back that had gone
	Stall                        stall   // the longest of a loop
}

// add adds up two accounts.
func (f *final) add(g *final) {
	f.Due += g.Due
	f.Lost += g.Lost
	f.Missed += g.Missed
	f.MissedMax = max(f.MissedMax, g.MissedMax)
	f.Connect, f.Latency = merged(f.Connect, g.Connect), merged(f.Latency, g.Latency)
	f.Churn, f.Lag, f.SendLag = merged(f.Churn, g.Churn), merged(f.Lag, g.Lag), merged(f.SendLag, g.SendLag)
	f.Returns = append(f.Returns, g.Returns...)
	f.Stall = f.Stall.longer(g.Stall)
}

// add adds up two states. Whose process runs how is not added: CPU and Procs stay.
func (s *snapshot) add(t *snapshot) {
	s.Counts.add(&t.Counts)
	if s.Errors == nil {
		s.Errors = map[string]told{}
	}
	for cause, x := range t.Errors {
		s.Errors[cause] = told{s.Errors[cause].Count + x.Count, cmp.Or(s.Errors[cause].Example, x.Example)}
	}
	s.Latency, s.Lag = merged(s.Latency, t.Latency), merged(s.Lag, t.Lag)
}
