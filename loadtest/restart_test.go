package loadtest

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stentor/loadtest/faulty"
	"stentor/loadtest/host"
)

// victim starts a process that a storm may end.
func victim(t *testing.T) (pid int) {
	t.Helper()
	cmd := exec.Command("sleep", "3600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

// A restart that fails ends the run at once, with what it had to say.
func TestRestartFails(t *testing.T) {
	for command, want := range map[string]string{
		"exit 3": "the restart command ended: exit status 3",
		"for i in 1 2 3 4; do echo line $i; echo; done >&2; printf 'no\\033 port' >&2; exit 1": "the restart command ended: exit status 1: line 3 | line 4 | no  port",
		"kill -9 $$":        "the restart command ended: signal: killed",
		"sleep 1; exit 1":   "the restart command ended: exit status 1",
		"/nowhere/to/be":    "the restart command ended: exit status 127: ",
		"sleep 60 & exit 1": "the restart command ended: exit status 1", // who has its standard error does not hold it up
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := faulty.Start(t, faulty.Plan{})
			r, _ := load(t, s, "/ws", Config{
				Scenario: ScenarioStorm, Duration: time.Hour, Kill: "KILL", PIDs: []int{victim(t)}, Restart: command,
			})
			if !strings.HasPrefix(r.Failed, want) || want[len(want)-1] != ' ' && r.Failed != want {
				t.Errorf("failed: %q, want %q", r.Failed, want)
			}
			if r.Storm == nil || r.Messages == nil || r.Connect.Succeeded != 100 {
				t.Errorf("there is no account: %+v, %+v, %+v", r.Storm, r.Messages, r.Connect)
			}
		})
	}
}

// What the command starts is the server as long as it runs, and ends with the run.
// A command that ends well has left the server to somebody else.
func TestRestarted(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		stays   bool
	}{
		"itself":        {`echo $$ >"$F"; exec sleep 3600`, false},
		"a child":       {`sleep 3600 & echo $! >"$F"; wait`, false},
		"in background": {`sleep 3600 2>/dev/null & echo $! >"$F"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, file := faulty.Start(t, faulty.Plan{}), filepath.Join(t.TempDir(), "pid")
			r, _ := load(t, s, "/ws", Config{
				Scenario: ScenarioStorm, Duration: 500 * time.Millisecond, Kill: "TERM", PIDs: []int{victim(t)}, Restart: "F=" + file + "; " + c.command,
			})
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			ended := host.Ended(pid)
			for end := time.Now().Add(30 * time.Second); !c.stays && !ended && time.Now().Before(end); ended = host.Ended(pid) {
				time.Sleep(time.Millisecond) // its standard error is closed before it has ended
			}
			if r.Failed != "" || ended == c.stays {
				t.Errorf("failed %q; ended %v", r.Failed, ended)
			}
			if c.stays {
				syscall.Kill(pid, syscall.SIGTERM)
			}
		})
	}
}

// gate passes connections on, until it is shut.
type gate struct {
	net.Listener
	mu   sync.Mutex // guards open
	open []net.Conn
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l}
	go func() {
		for {
			outer, err := l.Accept()
			if err != nil {
				return
			}
			inner, err := net.Dial("tcp", to)
			if err != nil {
				outer.Close()
				continue
			}
			g.mu.Lock()
			g.open = append(g.open, outer, inner)
			g.mu.Unlock()
			pass := func(dst, src net.Conn) {
				io.Copy(dst, src)
				dst.Close()
			}
			go pass(outer, inner)
			go pass(inner, outer)
		}
	}()
	t.Cleanup(g.shut)
	return g
}

func (g *gate) shut() {
	g.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.open {
		c.Close()
	}
}

// A storm from which nobody comes back has failed.
func TestNobodyBack(t *testing.T) {
	for command, want := range map[string]string{
		"true":            "not one client was back after 1s, and the restart command has ended",
		"exec sleep 3600": "not one client was back after 1s",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, faulty.Start(t, faulty.Plan{}).Address())
			r, err := Run(t.Context(), Config{
				Scenario: ScenarioStorm, URL: "ws://" + g.Addr().String() + "/ws", Secret: faulty.Secret, Connections: 20, Grace: grace,
				Duration: time.Second, Kill: "KILL", PIDs: []int{victim(t)}, Restart: command,
				OnProgress: func(p Progress) {
					if p.Phase == "return" {
						g.shut()
					}
				},
			})
			if err != nil || r.Failed != want || r.Storm.Dropped != 20 || r.Storm.Returned != 0 {
				t.Errorf("%v; failed %q, want %q; %+v", err, r.Failed, want, r.Storm)
			}
		})
	}
}

// The last lines are the last, however they come.
func TestTail(t *testing.T) {
	said := new(tail)
	for _, s := range []string{"one\ntwo\n", "th", "ree\r\n\n", "\x1b[31mfour \xff\x00", "five\n"} {
		said.Write([]byte(s))
	}
	if got := said.lines(); got != "two | three | [31mfour  five" {
		t.Errorf("%q", got)
	}
	said.Write([]byte(strings.Repeat("x", 5*tailBytes)))
	if got := said.lines(); got != strings.Repeat("x", tailBytes) {
		t.Errorf("%q", got)
	}
}
