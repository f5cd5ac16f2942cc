package host

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 7 1 1 0 -1 4194560 1 0 0 0 12 34 99 99 20 0 3 0"
	for _, name := range []string{"stentor", "a b", "x) R 3 (y", "(", ""} {
		got, err := parseStat("42 (" + name + ")" + rest)
		if err != nil || got.parent != 7 || got.threads != 3 || got.cpu != 460*time.Millisecond {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", ")", "42 (x) S 7", "42 (x) S 7 1 1 0 -1 4194560 1 0 0 0 12 34",
		"42 (x) S p 1 1 0 -1 4194560 1 0 0 0 12 34 99 99 20 0 3", "42 (x) S 7 1 1 0 -1 4194560 1 0 0 0 12 34 99 99 20 0 p",
		"42 (x) S 7 1 1 0 -1 4194560 1 0 0 0 -12 34 99 99 20 0 3", "42 (x) S 7 1 1 0 -1 4194560 1 0 0 0 9223372036854775807 34 99 99 20 0 3"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestParseSchedstatAndStatm(t *testing.T) {
	if got, err := parseSchedstat("1234567890 48453 17"); err != nil || got != 1234567890 {
		t.Errorf("schedstat: %v, %v", got, err)
	}
	if got, err := parseStatm("300 20 1 1 0 1 0"); err != nil || got != 20 {
		t.Errorf("statm: %v, %v", got, err)
	}
	for _, bad := range []string{"", "1", "x y z", "-1 -2 -3"} {
		if _, err := parseSchedstat(bad); err == nil {
			t.Errorf("schedstat: accepted %q", bad)
		}
		if _, err := parseStatm(bad); err == nil {
			t.Errorf("statm: accepted %q", bad)
		}
	}
}

// needLinux skips a test that reads the real host.
func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
}

// shell starts a shell that waits for its input to end, with a child that does
// the same.
func shell(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is where we want it
		t.Fatal(err)
	}
	return cmd
}

func TestTree(t *testing.T) {
	needLinux(t)
	cmd := shell(t, `sh -c 'echo; read x'; true`)
	pid := cmd.Process.Pid
	got := Tree(pid)
	if len(got) != 2 || !slices.Contains(got, pid) {
		t.Errorf("the tree of %d is %v", pid, got)
	}
	all := Tree(os.Getpid(), pid, pid)
	for _, p := range append(got, os.Getpid()) {
		if !slices.Contains(all, p) {
			t.Errorf("%d is not in the tree of this process, %v", p, all)
		}
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("not sorted, or one is there twice: %v", all)
	}
}

func TestProcesses(t *testing.T) {
	needLinux(t)
	self := []int{os.Getpid()}
	before, err := Processes(self)
	if err != nil {
		t.Fatal(err)
	}
	const work = 60 * time.Millisecond
	done := make(chan bool)
	go func() { // on a thread that ends with it
		runtime.LockOSThread()
		for start, err := Processes(self); err == nil; {
			if now, _ := Processes(self); now.CPU-start.CPU > work {
				break
			}
		}
		close(done)
	}()
	<-done
	after, err := Processes(self)
	if err != nil || after.CPU-before.CPU < work {
		t.Errorf("%v of CPU after %v, %v; worked %v", after.CPU, before.CPU, err, work)
	}
	if after.RSS < 1<<20 {
		t.Errorf("RSS is %d", after.RSS)
	}

	cmd := shell(t, `echo; read x`)
	both, err := Processes([]int{os.Getpid(), cmd.Process.Pid, 1 << 30})
	if err != nil || both.RSS <= 0 || both.CPU < after.CPU {
		t.Errorf("both: %+v, %v", both, err)
	}
	if u, err := Processes([]int{1 << 30}); err == nil {
		t.Errorf("no process has taken %+v", u)
	}
	if u, err := Processes(nil); err == nil {
		t.Errorf("nothing has taken %+v", u)
	}
}

// The clock of a process, its threads and its ticks tell the same.
func TestSourcesOfCPU(t *testing.T) {
	needLinux(t)
	cmd := shell(t, `i=0; while [ $i -lt 50000 ]; do i=$((i+1)); : </dev/null; done; echo; read x`) // in the kernel too
	pid := cmd.Process.Pid
	clock, err := processClock(pid)
	if err != nil {
		t.Skip("no clock of another process here:", err)
	}
	st, err := real.stat(pid)
	if err != nil {
		t.Fatal(err)
	}
	threads := root("/").exactCPU(pid)
	const near, tick = time.Millisecond, 50 * time.Millisecond
	if (clock-st.cpu).Abs() > tick || threads != 0 && (clock-threads).Abs() > near {
		t.Errorf("clock %v, ticks %v, threads %v", clock, st.cpu, threads)
	}
	if u, err := Processes([]int{pid}); err != nil || clock <= 0 || (u.CPU-clock).Abs() > near {
		t.Errorf("%v, %v; the clock is at %v", u.CPU, err, clock)
	}
}

// A process that has ended is gone, even if its parent does not ask for it.
func TestZombie(t *testing.T) {
	for state, gone := range map[string]bool{"S": false, "R": false, "Z": true, "X": true} {
		st, err := parseStat("7 (a b) " + state + " 1 7 7 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 9 0 0")
		if err != nil || st.ended != gone {
			t.Errorf("%s: %+v, %v", state, st, err)
		}
	}
}

// A process whose first thread has ended has not, while there are others: they may
// hold a port.
func TestEnded(t *testing.T) {
	needLinux(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), headlessEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	pid := cmd.Process.Pid
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("waited in vain until ", what)
			}
		}
	}
	until("its first thread has ended", func() bool {
		st, err := real.stat(pid)
		return err == nil && st.ended
	})
	if Ended(pid) {
		t.Error("a process with threads has ended")
	}
	in.Close()
	until("it has ended", func() bool { return Ended(pid) })
	if cmd.Wait(); !Ended(pid) {
		t.Error("a process that is no more has not ended")
	}
}
