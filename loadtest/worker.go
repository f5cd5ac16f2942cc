package loadtest

import (
	"fmt"
	"net/url"
	"runtime"
	"time"

	"stentor/loadtest/swarm"
)

// worker is a share of the clients, in this process or one of its own. Orders
// come one at a time.
type worker struct {
	setup   *setup
	swarm   *swarm.Swarm
	lanes   []*lane
	clients []client
	reader  *reader
	request text     // path and query
	escaped []string // the channels' names in it
	head    []byte
	steps   []step
	refused []string
	answers []Answer
	send    text
	tick    time.Duration
}

// step is a Step of the dialect, cut.
type step struct {
	send text
	says bool
	wait string
}

// do carries out an order.
func (w *worker) do(o *order) *answer {
	a := new(answer)
	if err := w.carryOut(o, a); err != nil {
		a.Err = err.Error()
	}
	return a
}

func (w *worker) carryOut(o *order, a *answer) error {
	if w.swarm == nil && o.Setup == nil {
		return fmt.Errorf("loadtest: the first order must be setup")
	}
	switch {
	case o.Setup != nil:
		return w.begin(o.Setup)
	case o.Connect != nil:
		w.pace(w.connectTick())
		w.each(func(n *lane) { n.connect(o.Connect) })
	case o.Snapshot != nil:
		a.Snapshot = w.snapshot(o.Snapshot.Intervals)
	case o.Begin:
		a.Ready = sum(w.tally((*lane).begin))
	case o.Measure:
		w.each(func(n *lane) { n.lag.reset() })
	case o.Echo != nil:
		w.echo(o.Echo)
	case o.Churn != nil:
		w.churn(o.Churn)
	case o.Drop != nil:
		w.drop(o.Drop)
	case o.Halt:
		w.each((*lane).halt)
		w.pace(0)
	case o.Missing != nil:
		a.Missing = sum(w.tally(func(n *lane) int64 { return n.missing(o.Missing) }))
	case o.Finish != nil:
		a.Final = w.finish(o.Finish)
	}
	return nil
}

// each runs f for every lane, on its loop.
func (w *worker) each(f func(n *lane)) {
	w.swarm.Each(func(l *swarm.Loop) { f(w.lanes[l.Index]) })
}

// begin makes the clients and starts the loops.
func (w *worker) begin(s *setup) error {
	w.setup = s
	w.reader = newReader(s.Run, s.Size, s.Dialect.Bare)
	w.request = cut(s.Path)
	for _, name := range s.Channels {
		w.escaped = append(w.escaped, url.PathEscape(name))
	}
	w.head = handshakeHead(s)
	for _, x := range s.Dialect.Steps {
		w.steps = append(w.steps, step{send: cut(x.Send), says: x.Send != "", wait: x.Wait})
	}
	w.refused, w.answers = s.Dialect.Refused, s.Dialect.Answers
	w.send = cut(s.Dialect.Send)
	if s.Dialect.Send == "" {
		w.send = cut("{payload}")
	}
	w.clients = make([]client, s.Clients)
	loops := s.Loops
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	loops = min(loops, s.Clients)
	for i := range loops {
		w.lanes = append(w.lanes, newLane(w, i))
	}
	var err error
	w.swarm, err = swarm.New(swarm.Config{
		Target: s.Target, Sources: s.Sources, Clients: s.Clients, Loops: loops, Handler: w,
		Request: w.appendRequest, Subprotocols: s.Dialect.Subprotocols,
		InFlight: s.InFlight, Timeout: s.Timeout, Seed: s.Seed,
		MaxMessage: 1<<20 + 4*s.Size, MaxBacklog: 1<<20 + 8*s.Size,
	})
	if err != nil {
		return err
	}
	for i, l := range w.swarm.Loops() {
		w.lanes[i].loop = l
		l.Do(func() { l.Lag = w.lanes[i].lag.record })
	}
	return nil
}

// handshakeHead is what follows the request line and precedes the key.
func handshakeHead(s *setup) []byte {
	b := []byte(" HTTP/1.1\r\nHost: " + s.Host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
	for name, value := range s.Dialect.Headers {
		if name != "Host" {
			b = append(b, name+": "+value+"\r\n"...)
		}
	}
	for i, p := range s.Dialect.Subprotocols {
		if i == 0 {
			b = append(b, "Sec-WebSocket-Protocol: "...)
		} else {
			b = append(b, ", "...)
		}
		b = append(b, p...)
	}
	if len(s.Dialect.Subprotocols) > 0 {
		b = append(b, "\r\n"...)
	}
	return append(b, "Sec-WebSocket-Key: "...)
}

func (w *worker) appendRequest(dst []byte, number int, key []byte) []byte {
	dst = append(dst, "GET "...)
	dst = w.request.fill(dst, w.setup.First+number, w.escaped[w.channelOf(number)], nil)
	dst = append(dst, w.head...)
	dst = append(dst, key...)
	return append(dst, "\r\n\r\n"...)
}

// channelOf is the index of a client's channel.
func (w *worker) channelOf(number int) int {
	return (w.setup.First + number) % len(w.setup.Channels)
}

func (w *worker) channel(number int) string { return w.setup.Channels[w.channelOf(number)] }

// snapshot tells the state of all lanes.
func (w *worker) snapshot(intervals bool) *snapshot {
	s := &snapshot{CPU: processCPU(), Procs: runtime.GOMAXPROCS(0)}
	parts := make([]snapshot, len(w.lanes))
	w.each(func(n *lane) { n.snapshot(&parts[n.index], intervals) })
	for i := range parts {
		s.add(&parts[i])
	}
	if s.Counts.Connecting == 0 && w.tick == w.connectTick() {
		w.pace(0)
	}
	return s
}

// connectTick is often enough to keep the loops in work while clients connect,
// and no more often: the ticks of fifty workers add up.
func (w *worker) connectTick() time.Duration {
	return 2 * time.Millisecond * time.Duration(max(1, w.setup.Workers/4))
}

// pace sets how often the lanes look for what is due.
func (w *worker) pace(d time.Duration) {
	w.tick = d
	w.swarm.SetTick(d)
}

// tally asks every lane for a number, and returns them by lane.
func (w *worker) tally(of func(n *lane) int64) []int64 {
	parts := make([]int64, len(w.lanes))
	w.each(func(n *lane) { parts[n.index] = of(n) })
	return parts
}

// finish makes the account.
func (w *worker) finish(o *finishOrder) *final {
	parts := make([]final, len(w.lanes))
	w.each(func(n *lane) { n.finish(&parts[n.index], o) })
	f := &final{}
	for i := range parts {
		f.add(&parts[i])
	}
	return f
}

// closePatience is how long servers have to answer Close frames.
const closePatience = 2 * time.Second

// close ends all connections and the loops.
func (w *worker) close() {
	if w.swarm == nil {
		return
	}
	w.each((*lane).closeAll)
	for end := time.Now().Add(closePatience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if sum(w.tally((*lane).busy)) == 0 {
			break
		}
	}
	w.swarm.Close()
}
