package loadtest

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/gobwas/ws"

	"stentor/loadtest/swarm"
)

// client is what a worker knows of a client besides its connection. It belongs
// to the goroutine of the client's loop.
type client struct {
	account account
	sentAt  int64  // echo in a closed loop: when the message under way was sent, 0 if none is
	since   int64  // storm: when it was back; churn: when it was to be replaced, until it is
	sent    uint32 // echoes
	stage   stage
	step    uint8
	tries   uint8 // to come back
	counted bool  // messages are due to it
	gone    bool  // lost its connection in a storm, not back yet
	rejoin  bool  // is back, and has received nothing yet
}

// stage is how far a client has come.
type stage uint8

const (
	away        stage = iota // no connection, or only its handshake
	subscribing              // the steps of the dialect
	ready
)

// lane is what belongs to one loop of a worker, and to its goroutine.
type lane struct {
	worker *worker
	index  int
	loop   *swarm.Loop

	counts   counts
	errors   map[swarm.Cause]told
	said     string    // what the server has refused a subscription with, for Closed
	connects histogram // from due to ready
	churned  histogram // the same, in a churn
	interval histogram // latency of messages since the last snapshot
	total    histogram // latency of messages
	lag      lagRecord
	sendLag  histogram
	returns  []int64

	dials       dialPlan
	subscribing swarm.Queue[deadline] // oldest first
	subscribers int                   // clients between the handshake and ready
	redials     redials
	echoing     echoPlan
	churning    churnPlan
	returning   bool // who loses its connection comes back
	halted      bool
	out         []byte // a message to send
	payload     []byte
}

func newLane(w *worker, index int) *lane {
	return &lane{
		worker: w, index: index, errors: map[swarm.Cause]told{},
		connects: newHistogram(), churned: newHistogram(), interval: newHistogram(), total: newHistogram(),
		lag: lagRecord{interval: newHistogram(), total: newHistogram()}, sendLag: newHistogram(),
	}
}

// lagRecord keeps loop lag twice: since the last snapshot, and in all.
type lagRecord struct {
	interval, total histogram
	worst           stall
}

func (r *lagRecord) record(ns, period int64) {
	r.interval.recordCorrected(ns, period)
	r.total.recordCorrected(ns, period)
	r.worst = r.worst.longer(stall{swarm.Now() - ns, ns})
}

// reset forgets what was in all.
func (r *lagRecord) reset() {
	r.total.hdr.Reset()
	r.worst = stall{}
}

// clients calls f with each client of the lane.
func (n *lane) clients(f func(number int, c *client)) {
	for i := n.index; i < len(n.worker.clients); i += len(n.worker.lanes) {
		f(i, &n.worker.clients[i])
	}
}

// size is the number of clients of the lane.
func (n *lane) size() int {
	all, lanes := len(n.worker.clients), len(n.worker.lanes)
	return (all - n.index + lanes - 1) / lanes
}

func (w *worker) of(c *swarm.Conn) (*lane, *client) {
	return w.lanes[c.Loop().Index], &w.clients[c.Number()]
}

// Opened begins the steps of the dialect.
func (w *worker) Opened(c *swarm.Conn, now int64) {
	n, cl := w.of(c)
	cl.stage, cl.step = subscribing, 0
	n.subscribers++
	n.subscribing.Push(deadline{int32(c.Number()), c.Due(), now + int64(w.setup.Timeout)})
	n.advance(c, cl, nil, now)
}

// advance goes through the steps, as far as they need not wait. message is what
// has come, nil at the beginning.
func (n *lane) advance(c *swarm.Conn, cl *client, message []byte, now int64) {
	steps := n.worker.steps
	if message != nil {
		if has(message, n.worker.refused) {
			n.said = excerpt(message)
			c.Fail(refusedCause)
			return
		}
		if !bytes.Contains(message, []byte(steps[cl.step].wait)) {
			return
		}
		cl.step++
	}
	for int(cl.step) < len(steps) {
		s := &steps[cl.step]
		if s.says {
			n.write(c, &s.send, nil)
		}
		if s.wait != "" {
			return
		}
		cl.step++
	}
	n.becameReady(c, cl, now)
}

// Causes of this package, beside those of swarm.
const (
	refusedCause  swarm.Cause = "subscription refused"
	silentCause   swarm.Cause = "no answer to the subscription"
	unwantedCause swarm.Cause = "closed before it was subscribed"
)

// write sends a template's text.
func (n *lane) write(c *swarm.Conn, t *text, payload []byte) {
	w := n.worker
	n.out = t.fill(n.out[:0], w.setup.First+c.Number(), w.channel(c.Number()), payload)
	c.Write(ws.OpText, n.out)
}

func (n *lane) becameReady(c *swarm.Conn, cl *client, now int64) {
	cl.stage = ready
	n.subscribers--
	n.counts.Succeeded++
	n.counts.Open++
	switch {
	case cl.gone:
		cl.gone, cl.rejoin, cl.tries, cl.since = false, true, 0, now
		n.counts.Returned++
		n.counts.ReturnedFirst = earliest(n.counts.ReturnedFirst, now)
		n.returns = append(n.returns, now)
	case n.churning.every != 0: // halted or not
		if cl.since == 0 {
			n.churned.record(now - c.Due())
		} else {
			n.churning.waited(n, c.Number(), now)
		}
		cl.since, cl.tries = 0, 0
	default:
		n.connects.record(now - c.Due())
		n.counts.ReadyFirst = earliest(n.counts.ReadyFirst, c.Due())
		n.counts.ReadyLast = max(n.counts.ReadyLast, now)
	}
}

// Message accounts for what has come.
func (w *worker) Message(c *swarm.Conn, _ bool, data []byte, now int64) {
	n, cl := w.of(c)
	t, v, end := w.reader.read(data)
	if v == foreign {
		n.aside(c, cl, data, now)
	}
	life := c.Due()
	for {
		switch {
		case v == corrupted:
			n.counts.Corrupted++
			cl.account.spoiled()
			n.answered(c, cl, now)
		case v == genuine && (t.seq == 0 || t.seq > w.highest(cl) || t.stream != w.stream(c.Number())):
			n.counts.Unexpected++ // another's, or never sent
		case v == genuine:
			n.accept(c, cl, t, now)
		}
		if data = data[end:]; end == 0 || w.reader.whole || !bytes.Contains(data, []byte(tokenMark)) || c.Due() != life {
			return
		}
		t, v, end = w.reader.read(data)
	}
}

// highest is the last number that a client may hear of.
func (w *worker) highest(cl *client) uint32 {
	if w.setup.Scenario == ScenarioEcho {
		return cl.sent
	}
	return w.setup.MaxSeq
}

// stream is what the messages of a client are numbered in: its own, or its
// channel's.
func (w *worker) stream(number int) uint32 {
	if w.setup.Scenario == ScenarioEcho {
		return uint32(w.setup.First + number)
	}
	return uint32(w.channelOf(number))
}

// accept takes a whole message of this run.
func (n *lane) accept(c *swarm.Conn, cl *client, t token, now int64) {
	switch {
	case cl.gone: // before the answer to its subscription
		cl.account.skip(t.seq)
	case cl.rejoin:
		cl.rejoin = false
		cl.account.skip(n.worker.setup.Schedule.missedBefore(t, cl.account.expected(), cl.since))
	}
	switch cl.account.arrived(t.seq) {
	case again:
		n.counts.Duplicated++
		return
	case late:
		n.counts.Reordered++
	}
	n.counts.Received++
	n.counts.Last = now
	if t.warmUp {
		n.counts.Warm++
	} else {
		n.counts.First = earliest(n.counts.First, t.due)
		n.interval.record(now - t.due)
		n.total.record(now - t.due)
	}
	n.answered(c, cl, now)
}

// aside takes a message that has nothing to do with the run: of the dialect, or
// of nobody.
func (n *lane) aside(c *swarm.Conn, cl *client, data []byte, now int64) {
	d := &n.worker.setup.Dialect
	if n.reply(c, data) {
		return
	}
	switch {
	case cl.stage == subscribing:
		n.advance(c, cl, data, now)
	case d.Bare:
		n.counts.Unexpected++
	case !known(data), d.Delivery != "" && bytes.Contains(data, []byte(d.Delivery)):
		n.counts.Unexpected++
	}
}

// reply answers the server's own pings. They may stand with others in a message,
// a line each.
func (n *lane) reply(c *swarm.Conn, data []byte) (all bool) {
	answers := n.worker.answers
	all = len(answers) > 0
	for line := range bytes.Lines(data) {
		i := slices.IndexFunc(answers, func(a Answer) bool { return string(bytes.TrimRight(line, "\n")) == a.To })
		if i >= 0 {
			c.Write(ws.OpText, []byte(answers[i].Send))
		} else {
			all = false
		}
	}
	return all
}

// known reports whether a message of a dialect with envelopes is plausible: an
// object in JSON, one after another, or what Engine.IO and the like put before.
func known(data []byte) bool {
	data = bytes.TrimLeft(data, "0123456789")
	return len(data) == 0 || data[0] == '{' || data[0] == '['
}

// Closed accounts for the end of a connection, or of an attempt.
func (w *worker) Closed(c *swarm.Conn, opened bool, why swarm.Cause, now int64) {
	n, cl := w.of(c)
	was := cl.stage
	if was == subscribing {
		n.subscribers--
	}
	cl.stage, cl.sentAt = away, 0
	cl.rejoin = false
	switch {
	case was == ready:
		n.counts.Open--
		if why == swarm.Done {
			n.closedAsAsked(c, now)
			return
		}
		n.counts.Dropped++
		n.counts.DroppedLast = now
		n.fault(why)
		n.lostConnection(c, cl, now)
	case n.halted && why == swarm.Done:
	default:
		if opened && why == swarm.Done {
			why = unwantedCause
		}
		n.counts.Failed++
		n.fault(why)
		if cl.gone || n.churning.on {
			n.tryAgain(c, cl, now)
		}
	}
}

// mostCauses bounds how many causes are told apart: a server could make up a new
// one for each connection.
const mostCauses = 100

func (n *lane) fault(why swarm.Cause) {
	if _, ok := n.errors[why]; !ok && len(n.errors) >= mostCauses {
		why = "other causes"
	}
	x := n.errors[why]
	x.Count++
	if x.Example == "" {
		x.Example = cmp.Or(n.said, excerpt([]byte(n.loop.Reason(why))))
	}
	n.errors[why], n.said = x, ""
}

// mostExcerpt is how many bytes of what a server says are kept.
const mostExcerpt = 200

// excerpt is the beginning of a server's text, without what does not print.
func excerpt(b []byte) string {
	s := strings.ToValidUTF8(string(b[:min(len(b), mostExcerpt)]), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s))
}
