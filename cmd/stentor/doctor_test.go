package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"stentor/loadtest/host"
)

const page = "../../docs/doctor.md"

// vps is a made-up host, and beside it is what doctor says of it.
const vps = "../../loadtest/host/testdata/vps"

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDoctor(t *testing.T) {
	for _, c := range []struct {
		args         string
		code         int
		stdout, errs string // the whole, "..." for part of it
	}{
		{"--root " + vps, 1, golden(t, vps+".txt"), "stentor: 100000 connections do not fit: descriptors\n"},
		{"--root " + vps + " --json", 1, golden(t, vps+".json"), "stentor: 100000 connections do not fit: descriptors\n"},
		{"--root " + vps + " --connections 100", 0, "...\n100 connections: fine in 13 of 13 checks, 0 warnings. This host holds 4010, bound by descriptors; its memory is enough for 114005.\n", ""},
		{"--root " + vps + " --connections 4000", 0, "...\n4000 connections: fine in 12 of 13 checks, 1 warning. ...", ""},
		{"--root " + vps + " --connections 300000", 1, "...", "stentor: 300000 connections do not fit: descriptors, fs.epoll.max_user_watches, memory\n"},
		{"--connections 0", 2, "", "stentor: 0 connections: the number must be from 1 ..."},
		{"--connections=-5", 2, "", "stentor: -5 connections: the number must be from 1 ..."},
		{"--connections 1000000001", 2, "", "stentor: 1000000001 connections: the number must be from 1 ..."},
		{"--connections many", 2, "", "...is not a whole number..."},
		{"--connections 99999999999999999999", 2, "", "...is not a whole number..."},
		{"100000", 2, "", "...doctor takes flags only..."},
		{"--bogus", 2, "", "...unknown flag..."},
		{"--root /nowhere/at/all", 2, "", "...no such file or directory..."},
		{"--root=", 2, "", "...--root is empty..."},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, stdout, stderr := run(t, nil, append([]string{"doctor"}, strings.Fields(c.args)...)...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for got, want := range map[string]string{"standard output\n" + stdout: "standard output\n" + c.stdout, "standard error\n" + stderr: "standard error\n" + c.errs} {
				pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, "(?s:.*)") + "$"
				if !regexp.MustCompile(pattern).MatchString(got) {
					t.Errorf("%s\n\nwant\n\n%s", got, want)
				}
			}
		})
	}
}

// report runs doctor on this host, whose limits are its own.
func report(t *testing.T, descriptors, connections string) (host.Report, int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	code, stdout, stderr := run(t, []string{"RUN_WITH_DESCRIPTORS=" + descriptors}, "doctor", "--json", "--connections", connections)
	var r host.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	return r, code
}

// Doctor keeps its word: a server holds as many connections as it says that the
// descriptors allow.
func TestDoctorKeepsItsWord(t *testing.T) {
	const descriptors = "320"
	r, code := report(t, descriptors, "1")
	if code != 0 || r.Holds.BoundBy != "descriptors" || r.Checks[0].Name != "descriptors" || r.Checks[0].Current != descriptors {
		t.Fatalf("exit code %d: %+v", code, r)
	}
	n := int(*r.Checks[0].Allows)
	if n < 100 {
		t.Skipf("%d cores leave too few descriptors", runtime.GOMAXPROCS(0))
	}
	if _, code := report(t, descriptors, r.Checks[0].Needed); code != 0 {
		t.Errorf("what one connection needs is not enough for one: %d", code)
	}

	i := start(t, []string{"RUN_WITH_DESCRIPTORS=" + descriptors})
	open := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c, _, _, err := ws.Dial(ctx, "ws://"+i.public+"/ws")
		cancel()
		if err != nil {
			t.Fatalf("connection %d of %d: %v", len(open)+1, n, err)
		}
		open = append(open, c)
	}
}

// A copy of this host's files gives what the host itself gives.
func TestDoctorReadsACopy(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	block := regexp.MustCompile(`(?s)\n( +mkdir host\n.*?)\n\n`).FindStringSubmatch(golden(t, page))
	if block == nil {
		t.Fatal("docs/doctor.md does not tell how to copy a host's files")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", block[1])
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("%v\n%s", err, out) // not all files are on all hosts
	}
	_, here, _ := run(t, nil, "doctor", "--json", "--connections", "1000")
	code, there, stderr := run(t, nil, "doctor", "--json", "--connections", "1000", "--root", filepath.Join(dir, "host"))
	var a, b host.Report
	if json.Unmarshal([]byte(here), &a) != nil || json.Unmarshal([]byte(there), &b) != nil {
		t.Fatalf("exit code %d\n%s\n%s", code, there, stderr)
	}
	if a.Container != b.Container {
		t.Errorf("in a container: %v; the copy: %v", a.Container, b.Container)
	}
	for i := range a.Checks {
		a, b := a.Checks[i], b.Checks[i]
		how := func(s, t host.Setting) bool { return s.How == t.How }
		if a.Name != b.Name || a.Status != b.Status || !slices.EqualFunc(a.Set, b.Set, how) {
			t.Errorf("here %+v\nthe copy %+v", a, b)
		}
	}
}

// The page has each check and each field.
func TestDoctorIsDocumented(t *testing.T) {
	text := golden(t, page)
	r, err := host.Diagnose(vps, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Checks {
		if !regexp.MustCompile(`(?m)^\| .*` + "`" + regexp.QuoteMeta(c.Name) + "`.* \\| (short|warning) \\|").MatchString(text) {
			t.Errorf("the check %s is not in the table", c.Name)
		}
		if !regexp.MustCompile(`(?m)^(ok|short|warning) +` + regexp.QuoteMeta(c.Name) + " ").MatchString(text) {
			t.Errorf("the check %s is not in the sample", c.Name)
		}
	}
	for _, m := range regexp.MustCompile(`"([a-z_]+)":`).FindAllStringSubmatch(golden(t, vps+".json"), -1) {
		if !regexp.MustCompile("`[a-z_.\\[\\]]*\\b"+m[1]+"`").MatchString(text) && m[1] != "checks" && m[1] != "set" && m[1] != "holds" {
			t.Errorf("the field %s is not in the page", m[1])
		}
	}
}
