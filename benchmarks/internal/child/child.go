// Package child runs the benchmark's processes: the servers under measurement
// and the client crowds. A Group ends all of its children however it is left.
package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Group is the processes of one benchmark. Its methods are for one goroutine,
// which has to keep its thread (runtime.LockOSThread): the system ends the
// children of a thread that ends.
type Group struct {
	ctx      context.Context
	cancel   context.CancelFunc
	children []*Child
}

// NewGroup makes a Group whose processes are killed when ctx is done.
func NewGroup(ctx context.Context) *Group {
	ctx, cancel := context.WithCancel(ctx)
	return &Group{ctx: ctx, cancel: cancel}
}

// Context is done when the group's processes are to end.
func (g *Group) Context() context.Context { return g.ctx }

// PIDs returns the ids of the children that were not stopped.
func (g *Group) PIDs() []int {
	var list []int
	for _, c := range g.children {
		if !c.stopped {
			list = append(list, c.PID())
		}
	}
	return list
}

// End kills what still runs and waits for it.
func (g *Group) End() {
	g.cancel()
	for _, c := range g.children {
		<-c.done
		c.close()
	}
	g.children = nil
}

// Child is a process with pipes at its standard input and output. Errors are
// told with the end of what it wrote to its standard error output.
type Child struct {
	name   string
	group  *Group
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	lines  *bufio.Reader
	stderr tail
	done   chan struct{} // closed when the process has ended
	err    error         // how; valid after done

	stopped bool // by Stop
}

// Start starts a program by its path. env is its whole environment.
func (g *Group) Start(name, path string, args, env []string) (*Child, error) {
	c := &Child{name: name, group: g, done: make(chan struct{})}
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		inR.Close()
		inW.Close()
		return nil, err
	}
	c.in, c.out, c.lines = inW, outR, bufio.NewReader(outR)
	c.cmd = exec.CommandContext(g.ctx, path, args...)
	c.cmd.Env = env
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = inR, outW, &c.stderr
	c.cmd.WaitDelay = time.Second
	// A process group of its own: Ctrl-C is for the parent alone, which ends
	// its children. Should it die without, the system does.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = c.cmd.Start()
	inR.Close()
	outW.Close()
	if err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	g.children = append(g.children, c)
	return c, nil
}

// PID returns the process's id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Line reads a line of the process's output, without its end.
func (c *Child) Line() (string, error) {
	s, err := c.lines.ReadString('\n')
	if err != nil {
		return "", c.fault(err)
	}
	return s[:len(s)-1], nil
}

// Send writes a command as a line of JSON.
func (c *Child) Send(command any) error {
	b, err := json.Marshal(command)
	if err == nil {
		_, err = c.in.Write(append(b, '\n'))
	}
	if err != nil {
		return c.fault(err)
	}
	return nil
}

// Receive reads the answer to a command into result, which may be nil.
func (c *Child) Receive(result any) error {
	line, err := c.Line()
	if err != nil {
		return err
	}
	a := answer{Result: result}
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		return c.fault(fmt.Errorf("cannot read its answer %q: %w", line, err))
	}
	if a.Error != "" {
		return c.fault(errors.New(a.Error))
	}
	return nil
}

// Call is Send and Receive.
func (c *Child) Call(command, result any) error {
	if err := c.Send(command); err != nil {
		return err
	}
	return c.Receive(result)
}

// Stop closes the process's standard input, sends it a signal if that is not
// 0, and waits for it to end by itself. To be killed, or to end with an exit
// code other than 0, is an error.
func (c *Child) Stop(signal syscall.Signal, patience time.Duration) error {
	c.stopped = true
	c.in.Close()
	if signal != 0 {
		c.cmd.Process.Signal(signal)
	}
	select {
	case <-c.done:
	case <-time.After(patience):
		c.cmd.Process.Kill()
		<-c.done
		c.err = fmt.Errorf("was still running %v after it was told to stop", patience)
	}
	c.close()
	if c.err != nil {
		return c.fault(c.err)
	}
	return nil
}

// Stderr returns the end of what the process has written there.
func (c *Child) Stderr() string { return c.stderr.String() }

func (c *Child) close() {
	c.in.Close()
	c.out.Close()
}

// fault puts an error into the process's name.
func (c *Child) fault(err error) error {
	if cause := c.group.ctx.Err(); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) {
		err = errors.New("ended before its time")
		select { // its last words may be on their way
		case <-c.done:
		case <-time.After(time.Second):
		}
	}
	if s := c.stderr.String(); s != "" {
		return fmt.Errorf("%s: %w; it wrote: %s", c.name, err, s)
	}
	return fmt.Errorf("%s: %w", c.name, err)
}

// tail keeps the last bytes that were written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
