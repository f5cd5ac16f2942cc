package loadtest

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// crew is one worker as the coordinator sees it.
type crew interface {
	do(o *order) (*answer, error)
	gone() bool // it has ended by itself, and do fails
	end()
}

// local is a worker in this process.
type local struct {
	mu     sync.Mutex // one order at a time
	worker *worker
}

func (l *local) do(o *order) (*answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.worker.do(o)
	if a.Err != "" {
		return nil, errors.New(a.Err)
	}
	return a, nil
}

func (l *local) gone() bool { return false }
func (l *local) end()       { l.worker.close() }

// remote is a worker in a process of its own. Orders and answers are gobs on
// its standard input and output.
type remote struct {
	mu    sync.Mutex // one order at a time
	cmd   *exec.Cmd
	in    io.WriteCloser
	enc   *gob.Encoder
	dec   *gob.Decoder
	index int
	lost  error // why it has gone
}

// startRemote starts a worker process.
func startRemote(command []string, index int) (*remote, error) {
	r := &remote{index: index, cmd: exec.Command(command[0], command[1:]...)}
	r.cmd.Stderr = os.Stderr
	ownGroup(r.cmd) // a Ctrl-C is for the coordinator, which wants the account
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		r.in, err = r.cmd.StdinPipe()
	}
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("loadtest: cannot start worker %d: %w", index, err)
	}
	r.enc, r.dec = gob.NewEncoder(r.in), gob.NewDecoder(out)
	return r, nil
}

func (r *remote) do(o *order) (*answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost != nil {
		return nil, r.lost
	}
	a := new(answer)
	err := r.enc.Encode(o)
	if err == nil {
		err = r.dec.Decode(a)
	}
	if err != nil {
		r.end()
		how := err.Error()
		if s := r.cmd.ProcessState; s != nil && !s.Success() {
			how = s.String()
			if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signal() == syscall.SIGKILL {
				how += " (was the memory short?)"
			}
		}
		r.lost = failf("worker %d (process %d) has gone: %s", r.index, r.cmd.Process.Pid, how)
		return nil, r.lost
	}
	if a.Err != "" {
		return nil, fmt.Errorf("loadtest: worker %d: %s", r.index, a.Err)
	}
	return a, nil
}

func (r *remote) gone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost != nil
}

// end lets the process end, and makes it if it does not.
func (r *remote) end() {
	if r.cmd.ProcessState != nil {
		return
	}
	r.in.Close()
	t := time.AfterFunc(5*time.Second, func() { r.cmd.Process.Kill() })
	r.cmd.Wait()
	t.Stop()
}

// RunWorker is what a process started by Config.WorkerCommand has to call: it
// obeys orders from in until that ends.
func RunWorker(in io.Reader, out io.Writer) error {
	dec, enc := gob.NewDecoder(in), gob.NewEncoder(out)
	w := new(worker)
	defer w.close()
	for {
		o := new(order)
		if err := dec.Decode(o); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("loadtest: worker: %w", err)
		}
		if err := enc.Encode(w.do(o)); err != nil {
			return fmt.Errorf("loadtest: worker: %w", err)
		}
	}
}
