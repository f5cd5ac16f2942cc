package engine

import (
	"slices"
	"sync"
)

// event is something to tell the Handler, or to call.
type event struct {
	kind   eventKind
	op     OpCode
	data   []byte
	reason Reason
	call   func()
}

type eventKind uint8

const (
	eventOpen eventKind = iota
	eventMessage
	eventClose
	eventCall      // a function given to Conn.Go
	eventPeerClose // not for the Handler: the peer's Close frame has its turn
)

// work is the events of one connection that wait for the pool, and the run of
// them: one goroutine at a time, so that order holds. The lock of its
// connection guards the queue. A connection has one only while it is busy.
type work struct {
	conn  *conn
	gen   uint32
	queue []event
	head  int
	bytes int    // of messages that wait
	run   func() // w.drain, made once
}

const (
	pauseBytes  = 64 << 10 // waiting for the pool: stop reading from here
	pauseEvents = 64
	workTurn    = 16 // events of one connection before others have their turn
)

var works = sync.Pool{New: func() any { return new(work) }}

// raise tells the Handler that a connection is open or closed, in order with
// its messages.
func (l *loop) raise(c *conn, ev event) {
	if l.engine.cfg.Inline && !c.has(flagBusy) {
		l.engine.call(c.handle(), ev)
		return
	}
	l.enqueue(c, ev)
}

// enqueue makes an event wait for the pool.
func (l *loop) enqueue(c *conn, ev event) {
	if ev.kind == eventMessage {
		bp := l.engine.buffers.get(len(ev.data))
		*bp = append((*bp)[:0], ev.data...)
		ev.data = *bp
	}
	c.word.lockAlways(c.word.gen())
	start := c.addWork(ev)
	if ev.kind == eventClose {
		c.set(flagEvent)
	}
	if w := c.work; ev.kind == eventMessage && (w.bytes >= pauseBytes || len(w.queue)-w.head >= pauseEvents) {
		c.stopReads(flagPauseWork)
	}
	c.word.unlock()
	if start != nil {
		l.engine.workers.Submit(start)
	}
}

// addWork queues an event. The caller holds the lock, and submits what is
// returned, if anything.
func (c *conn) addWork(ev event) (start func()) {
	w := c.work
	if w == nil {
		w = works.Get().(*work)
		if w.run == nil {
			w.run = w.drain
		}
		w.conn, w.gen = c, c.word.gen()
		c.work = w
		c.set(flagBusy)
		start = w.run
	}
	w.queue = append(w.queue, ev)
	w.bytes += len(ev.data)
	return start
}

// Go runs f on the pool of goroutines that may block, and makes the events of
// this connection that come later wait for it, so that order holds: what a
// Handler called inline does with work that takes long. It may be called from
// the Handler, during an event of this connection; after its Close event f is
// not run. A Message's Data is no longer valid in f: give it a copy.
func (h Conn) Go(f func()) {
	if h.c == nil || !h.c.word.lockAlways(h.gen) {
		return
	}
	if h.c.has(flagClosed) && !h.c.has(flagBusy) {
		h.c.word.unlock()
		return
	}
	start := h.c.addWork(event{kind: eventCall, call: f})
	h.c.word.unlock()
	if start != nil {
		h.c.loop().engine.workers.Submit(start)
	}
}

// drain handles a turn's events, and submits itself again if there are more.
func (w *work) drain() {
	e := w.conn.loop().engine
	h := Conn{w.conn, w.gen}
	for range workTurn {
		ev, ok := w.next()
		if !ok {
			return
		}
		if ev.kind != eventPeerClose {
			e.call(h, ev)
		}
		switch ev.kind {
		case eventPeerClose:
			h.c.loop().post(task{kind: taskPeerClose, conn: h.c, gen: h.gen})
		case eventMessage:
			poison(ev.data)
			e.buffers.put(&ev.data)
		case eventClose:
			w.conn.word.lockAlways(w.gen)
			w.conn.clear(flagEvent)
			h.c.word.unlock()
		}
	}
	e.workers.Submit(w.run)
}

// next takes an event, or ends the busy time if there is none. Messages wait
// while too many answers do.
func (w *work) next() (event, bool) {
	c := w.conn
	c.word.lockAlways(w.gen)
	defer c.word.unlock()
	if w.head == len(w.queue) {
		w.end()
		return event{}, false
	}
	ev := w.queue[w.head]
	if ev.kind == eventMessage && c.has(flagPauseOut) && !c.has(flagSealed) {
		c.set(flagParked) // allowReads goes on
		return event{}, false
	}
	w.queue[w.head] = event{}
	w.head++
	if w.head > pauseEvents && w.head > len(w.queue)/2 {
		w.queue = slices.Delete(w.queue, 0, w.head)
		w.head = 0
	}
	w.bytes -= len(ev.data)
	if c.has(flagPauseWork) && w.bytes < pauseBytes/2 && len(w.queue)-w.head < pauseEvents/2 {
		c.allowReads(flagPauseWork)
	}
	return ev, true
}

// end ends the busy time of the connection, whose slot may have waited for it.
// The caller holds its lock.
func (w *work) end() {
	c := w.conn
	c.work = nil
	c.clear(flagBusy)
	if c.has(flagSealed) {
		c.loop().post(task{kind: taskWorkDone, conn: c, gen: w.gen})
	}
	clear(w.queue)
	w.conn, w.queue, w.head, w.bytes = nil, w.queue[:0], 0, 0
	if cap(w.queue) > 4*pauseEvents {
		w.queue = nil
	}
	works.Put(w)
}
