package child

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a shell script in a group that ends with the test.
func shell(t *testing.T, ctx context.Context, script string) (*Group, *Child) {
	t.Helper()
	g := NewGroup(ctx)
	t.Cleanup(g.End)
	c, err := g.Start("child", "/bin/sh", []string{"-c", script}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}

func TestCall(t *testing.T) {
	_, c := shell(t, t.Context(), `read line; echo "{\"result\": $line}"`)
	var got struct{ N int }
	if err := c.Call(map[string]int{"N": 7}, &got); err != nil || got.N != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := c.Stop(0, 10*time.Second); err != nil {
		t.Error(err)
	}
}

// What a child says of its failure, and what it wrote before it ended, is in
// the error.
func TestFaults(t *testing.T) {
	for script, want := range map[string]string{
		`read line; echo '{"error":"no such thing"}'`: "child: no such thing",
		`echo "out of luck" >&2; exit 3`:              "child: ended before its time; it wrote: out of luck",
		`read line; echo nonsense`:                    `cannot read its answer "nonsense"`,
	} {
		_, c := shell(t, t.Context(), script)
		if err := c.Call(1, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", script, err, want)
		}
	}
}

// Stop waits for a child that ends by itself, kills one that does not, and
// tells of both if they end badly.
func TestStop(t *testing.T) {
	for _, c := range []struct {
		script   string
		signal   syscall.Signal
		patience time.Duration
		want     string
	}{
		{`read line; exit 0`, 0, 20 * time.Second, ""},
		{`echo; read line; exit 4`, 0, 20 * time.Second, "exit status 4"},
		{`trap 'exit 0' TERM; echo; while :; do sleep 0.01; done`, syscall.SIGTERM, 20 * time.Second, ""},
		{`trap '' TERM; echo; while :; do sleep 0.01; done`, syscall.SIGTERM, 50 * time.Millisecond, "was still running"},
	} {
		_, child := shell(t, t.Context(), c.script)
		if strings.Contains(c.script, "echo") { // ready for signals
			if _, err := child.Line(); err != nil {
				t.Fatal(err)
			}
		}
		err := child.Stop(c.signal, c.patience)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", c.script, err, c.want)
		}
	}
}

// A group that is cancelled or ended leaves nothing behind.
func TestGroupEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g, c := shell(t, ctx, `while :; do sleep 0.01; done`)
	if list := g.PIDs(); len(list) != 1 || list[0] != c.PID() {
		t.Errorf("children are %v", list)
	}
	cancel()
	if _, err := c.Line(); err != context.Canceled {
		t.Errorf("the error is %v", err)
	}
	g.End()
	if err := syscall.Kill(c.PID(), 0); err != syscall.ESRCH {
		t.Errorf("process %d is still there: %v", c.PID(), err)
	}
}

func TestStartFails(t *testing.T) {
	g := NewGroup(t.Context())
	defer g.End()
	if _, err := g.Start("child", "/does/not/exist", nil, nil); err == nil {
		t.Error("started what is not there")
	}
}

// Only the end of a long output is kept.
func TestTail(t *testing.T) {
	var b tail
	for range 3 {
		b.Write([]byte(strings.Repeat("a", tailSize)))
	}
	b.Write([]byte("the end"))
	if s := b.String(); len(s) != tailSize || !strings.HasSuffix(s, "athe end") {
		t.Errorf("%d bytes that end in %q", len(s), s[len(s)-10:])
	}
}

// Serve answers each line, errors included, until its input ends.
func TestServe(t *testing.T) {
	var out strings.Builder
	err := Serve(strings.NewReader("1\n2\n"), &out, func(line json.RawMessage) (any, error) {
		if string(line) == "2\n" {
			return nil, errors.New("not two")
		}
		return 5, nil
	})
	if want := "{\"result\":5}\n{\"error\":\"not two\"}\n"; err != nil || out.String() != want {
		t.Errorf("wrote %q, %v; want %q", out.String(), err, want)
	}
	if err := Serve(strings.NewReader("1\n"), broken{}, func(json.RawMessage) (any, error) { return nil, nil }); err != io.ErrClosedPipe {
		t.Errorf("the error is %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
