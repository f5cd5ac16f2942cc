package loadtest

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// restarted is the command that has started the server again. While it runs it is
// the server; if it has ended well, the server is in other hands.
type restarted struct {
	cmd  *exec.Cmd
	over chan struct{} // closed when it has ended
	read chan struct{} // closed when nobody has its standard error any more
}

// restart starts the command. If it ends with a fault, lose is told.
func restart(command string, lose context.CancelCauseFunc) (*restarted, error) {
	s := &restarted{exec.Command("/bin/sh", "-c", command), make(chan struct{}), make(chan struct{})}
	ownGroup(s.cmd)
	// A pipe of our own: Wait would wait for all who have it, and a server in the
	// background keeps it.
	out, in, err := os.Pipe()
	if err != nil {
		return nil, failf("cannot start the server again: %w", err)
	}
	defer in.Close()
	s.cmd.Stderr = in
	if err := s.cmd.Start(); err != nil {
		out.Close()
		return nil, failf("cannot start the server again: %w", err)
	}
	last := new(tail)
	go func() {
		io.Copy(io.MultiWriter(last, os.Stderr), out)
		out.Close()
		close(s.read)
	}()
	go func() {
		defer close(s.over)
		err := s.cmd.Wait()
		if err == nil {
			return
		}
		s.readOut(time.Second)
		out.Close() // what it has left behind is no server
		if lines := last.lines(); lines != "" {
			lose(failf("the restart command ended: %w: %s", err, lines))
		} else {
			lose(failf("the restart command ended: %w", err))
		}
	}()
	return s, nil
}

// ended reports whether there was such a command, and it is no more.
func (s *restarted) ended() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// readOut waits until all that was said is read, but not for long.
func (s *restarted) readOut(most time.Duration) {
	select {
	case <-s.read:
	case <-time.After(most):
	}
}

// end stops a server that the run has started, since nobody else knows of it.
func (s *restarted) end() {
	if s == nil || s.ended() {
		return
	}
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	t := time.AfterFunc(endPatience, func() { syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) })
	defer t.Stop()
	<-s.over
	s.readOut(endPatience) // a child of the command may still be at its end
}

// endPatience is how long a server has to end.
const endPatience = 10 * time.Second

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

const (
	tailBytes = 600
	tailLines = 3
)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailBytes):]
	return len(b), nil
}

// lines returns the last lines, in one.
func (t *tail) lines() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for line := range strings.Lines(strings.ToValidUTF8(string(t.text), "")) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, line))
		if line != "" {
			list = append(list, line)
		}
	}
	return strings.Join(list[max(0, len(list)-tailLines):], " | ")
}
