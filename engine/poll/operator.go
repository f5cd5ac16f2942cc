package poll

import "github.com/cloudwego/netpoll"

// Operator is netpoll's operator: a descriptor and the callbacks for its
// events. OnRead and OnWrite run on the goroutine in Run; OnHup runs on one of
// netpoll's, after the operator was detached.
type Operator = netpoll.FDOperator

// Poller is what callbacks are given; they have no need of it.
type Poller = netpoll.Poll

// Add registers a stamped operator for input and hang-ups.
func (p *Poll) Add(op *Operator) error { return p.Control(op, netpoll.PollReadable) }

// AddDialing registers a stamped operator whose socket is about to connect. Its
// OnWrite is called once when it has; what fails is a hang-up. Resume makes it
// one for input.
func (p *Poll) AddDialing(op *Operator) error { return p.Control(op, netpoll.PollWritable) }

// WatchWrite makes a registered operator's OnWrite run whenever its socket takes
// output, or no longer.
func (p *Poll) WatchWrite(op *Operator, on bool) error {
	if on {
		return p.Control(op, netpoll.PollR2RW)
	}
	return p.Control(op, netpoll.PollRW2R)
}
