package engine

import "sync"

// task is something that a loop is asked to do, from any goroutine. For a
// connection it names the generation that is meant, and is void for any other.
type task struct {
	kind   taskKind
	gen    uint32
	conn   *conn
	reason Reason
	arg    any
}

type taskKind uint8

const (
	taskClosing   taskKind = iota // a Close frame was queued: begin to close, for reason
	taskBroken                    // writing failed, for reason
	taskPeerClose                 // the messages before the peer's Close frame are handled
	taskReads                     // whether to read has changed
	taskHup                       // netpoll saw a hang-up and dropped the operator; any generation
	taskAnswer                    // arg is the *Answer to a handshake
	taskHandover                  // arg is what was read of a request for net/http
	taskAdopt                     // arg is an *adoption
	taskWorkDone                  // nothing of it is on the pool any more
	taskTick                      // look for timeouts
	taskSweep                     // go on with a sweep that was cut short
	taskAccept                    // arg is a *listener that may accept again
	taskBackOff                   // arg is a *listener that must wait
	taskUnlisten                  // arg is a *listener to close
	taskCall                      // arg is a func()
)

// mailbox is a loop's queue of tasks.
type mailbox struct {
	mu     sync.Mutex
	tasks  []task
	closed bool
}

// post queues t and wakes the loop. It may be called with a connection's lock
// held, and reports false when the loop has ended.
func (l *loop) post(t task) bool {
	l.mail.mu.Lock()
	if l.mail.closed {
		l.mail.mu.Unlock()
		return false
	}
	l.mail.tasks = append(l.mail.tasks, t)
	l.mail.mu.Unlock()
	l.poll.Wake()
	return true
}

// onWake is a turn of the mailbox. There is at most one in a batch of events.
func (l *loop) onWake() {
	l.closeDead()
	l.mail.mu.Lock()
	tasks := l.mail.tasks
	l.mail.tasks = l.spare
	l.mail.mu.Unlock()
	for i := range tasks {
		l.do(&tasks[i])
	}
	clear(tasks)
	l.spare = nil
	if cap(tasks) <= 4096 { // what a storm needed is not kept
		l.spare = tasks[:0]
	}
}

func (l *loop) do(t *task) {
	c := t.conn
	if c != nil && t.kind != taskHup && c.word.gen() != t.gen {
		return
	}
	switch t.kind {
	case taskClosing:
		l.closeBegun(c, t.reason)
	case taskBroken:
		l.broken(c, t.reason)
	case taskPeerClose:
		l.peerClosed(c)
	case taskReads:
		l.adjustReads(c)
	case taskHup:
		l.hungUp(c)
	case taskAnswer:
		l.answer(c, t.arg.(*Answer))
	case taskHandover:
		l.handover(c, t.arg.([]byte))
	case taskAdopt:
		l.adopt(t.arg.(*adoption))
	case taskWorkDone:
		l.workDone(c)
	case taskTick:
		l.tick()
	case taskSweep:
		l.sweep()
	case taskAccept:
		t.arg.(*listener).resume()
	case taskBackOff:
		t.arg.(*listener).pause()
	case taskUnlisten:
		t.arg.(*listener).close()
	case taskCall:
		t.arg.(func())()
	}
}
