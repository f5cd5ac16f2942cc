package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"stentor/loadtest"
	"stentor/test/kit"
)

// loadtestJSON runs a load test that is expected to end with a code, and
// returns its result.
func loadtestJSON(t *testing.T, code int, args ...string) (r loadtest.Result, raw, stderr string) {
	t.Helper()
	got, stdout, stderr := run(t, nil, append([]string{"loadtest", "--json", "-"}, args...)...)
	if got != code {
		t.Fatalf("exit code %d, want %d\n%s\n%s", got, code, stdout, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	return r, stdout, stderr
}

// The server passes its own load test.
func TestLoadtest(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	at := "ws://" + s.public
	for _, c := range []struct {
		args   string
		timed  int64 // latencies, -1: as many as were received
		due    int64 // deliveries or echoes; 0: as many as were sent
		opened int
	}{
		{"idle " + at + "/ws -c 60 -d 200ms", 0, 0, 60},
		{"broadcast " + at + "/raw/news -c 60 -m 30 -r 300 --warm-up 10", 1800, 2400, 60},
		{"broadcast " + at + "/ws -c 60 -m 30 -r 300 --channels 7", -1, 258, 60}, // 30 publications to 7 channels of 8 or 9 clients
		{"broadcast " + at + "/ws -c 60 -m 30 -r 300 --workers 2 --fail-if lost>0 --fail-if connected<60", 1800, 1800, 60},
		{"echo " + at + "/echo -c 60 -m 600 -r 3000 --warm-up 100", 600, 700, 60},
		{"echo " + at + "/echo -c 60 -m 600 -s 20000", 600, 600, 60},
		{"churn " + at + "/ws -c 60 -r 100 -d 500ms", 0, 0, 60},
	} {
		t.Run(c.args[:strings.Index(c.args, " -c")], func(t *testing.T) {
			r, _, _ := loadtestJSON(t, 0, strings.Fields(c.args)...)
			if r.Connect.Succeeded != c.opened || r.Connect.Open != c.opened || r.Connect.Failed+r.Connect.Dropped != 0 || len(r.Errors) > 0 {
				t.Errorf("%+v, %v", r.Connect, r.Errors)
			}
			if x := r.Churn; x != nil && (x.Connects != x.Disconnects || x.Connects == 0 || x.Failed != 0) {
				t.Errorf("%+v", x)
			}
			m := r.Messages
			if (m != nil) != (c.due > 0) {
				t.Fatalf("messages %+v", m)
			}
			if m == nil {
				return
			}
			if c.timed < 0 {
				c.timed = m.Received
			}
			if m.Due != c.due || m.Received != c.due || m.Latency.Count != c.timed || m.Failed+m.Lost+m.Duplicated+m.Reordered+m.Corrupted+m.Unexpected != 0 {
				t.Errorf("%+v, want %d due and received, %d timed", m, c.due, c.timed)
			}
		})
	}
}

// Thresholds and servers that are not there decide the exit code.
func TestLoadtestFails(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for args, want := range map[string]string{
		"idle ws://" + s.public + "/ws -c 5 -d 1ms --fail-if connected>4 --fail-if failed>0 --fail-if dropped<1": "stentor: missed: connected>4 (5), dropped<1 (0)\n",
		"idle ws://127.0.0.1:1/ws -c 5":                      "stentor: the load test has failed: no connection became ready: connection refused\n",
		"idle ws://" + s.public + " -c 5":                    "stentor: the load test has failed: no connection became ready: HTTP status 404 (there is no path in the URL: is it /ws, or /raw/CHANNEL?)\n",
		"idle ws://" + s.public + "/nowhere -c 5":            "stentor: the load test has failed: no connection became ready: HTTP status 404\n",
		"idle ws://" + s.public + "/ws -c 5 --pid 999999999": "999999999",
	} {
		code, stdout, stderr := run(t, nil, strings.Fields("loadtest --quiet "+args)...)
		if strings.Contains(args, "--pid") {
			if code != 2 || !strings.Contains(stderr, want) {
				t.Errorf("%s: exit code %d, %q", args, code, stderr)
			}
			continue
		}
		if code != 1 || stderr != want || !strings.Contains(stdout, "idle") {
			t.Errorf("%s: exit code %d, want 1\n%s\n%s\nwant %s", args, code, stdout, stderr, want)
		}
	}
}

// A wrong command line is told: what is wrong, and what would be right.
func TestLoadtestUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const at = " ws://127.0.0.1:1/ws "
	for args, want := range map[string][]string{
		"":                                  {"0 arguments", "a scenario (idle, broadcast, echo, churn, storm) and a URL"},
		"idle":                              {"1 arguments", "want 2"},
		"idle a b":                          {"3 arguments", "want 2"},
		"dance" + at:                        {`"dance"`, "idle, broadcast, echo, churn, storm"},
		"idle 127.0.0.1:8080":               {`"127.0.0.1:8080"`, "ws://host:port/path"},
		"idle ftp://127.0.0.1/":             {`"ftp://127.0.0.1/"`, "ws://host:port/path"},
		"idle wss://127.0.0.1/ws":           {`"wss://127.0.0.1/ws"`, "TLS", "plain port"},
		"idle ws://127.0.0.1:99999/":        {`"ws://127.0.0.1:99999/"`, "port"},
		"idle ws://:8080/ws":                {`"ws://:8080/ws"`, "ws://host:port/path"},
		"idle" + at + "--bogus":             {"unknown flag: --bogus"},
		"idle" + at + "-c 0":                {"--connections 0", "1 to 10000000"},
		"idle" + at + "-c many":             {"--connections many: want a whole number"},
		"idle" + at + "-c 1e3":              {"--connections 1e3: want a whole number"},
		"idle" + at + "--seed -7":           {"--seed -7: want a whole number, 0 or more"},
		"idle" + at + "--connect-rate fast": {"--connect-rate fast: want a number"},
		"idle" + at + "--pid 1,x":           {"--pid 1,x: want whole numbers"},
		"idle" + at + "-d 10":               {"--duration 10: want a time such as 30s"},
		"idle" + at + "--drop 30%":          {"--drop does nothing in the scenario idle", "storm"},
		"storm" + at + "-m 1":               {"--messages does nothing in the scenario storm", "broadcast, echo"},
		"storm" + at + "--kill TERM --drop 30% --pid 1":                {"--kill and --drop exclude each other"},
		"echo" + at + "-s 10":                                          {"--size 10", fmt.Sprint(loadtest.MinSize)},
		"echo" + at + "-r -1":                                          {"--rate -1", "0 to 10000000"},
		"idle" + at + "-d -1s":                                         {"--duration -1s: want 0 or more"},
		"idle" + at + "--fail-if p99":                                  {`"p99"`, "METRIC OP VALUE", "p99>250ms"},
		"idle" + at + "--fail-if nonsense>1":                           {`"nonsense"`, "--list-metrics"},
		"broadcast" + at + "--fail-if p99>5":                           {`"5"`, "250ms"},
		"idle" + at + "--fail-if lost>0":                               {"idle", "does not measure lost"},
		"storm" + at + "--drop 130%":                                   {"--drop", "130%", "30% or 0.3"},
		"storm" + at + "--kill HUP":                                    {"--kill", "HUP", "TERM or KILL"},
		"storm" + at + "--kill TERM":                                   {"--kill needs --pid"},
		"storm" + at + "--kill TERM --pid 0":                           {"--pid 0", "number of a process"},
		"storm" + at + "--kill KILL --pid -1":                          {"--pid -1", "number of a process"},
		"storm" + at + fmt.Sprint("--kill KILL --pid ", os.Getpid()):   {"--kill", "this tool would go with it"},
		"idle" + at + "--pid 0":                                        {"--pid 0", "number of a process"},
		"storm" + at + "--restart true":                                {"--restart needs --kill"},
		"idle" + at + "--ramp soon":                                    {"--ramp", "soon", "30s"},
		"idle" + at + "--ramp 1s --connect-rate 5":                     {"--ramp", "--connect-rate", "exclude"},
		"idle" + at + "--source here":                                  {"--source", "here", "IP address"},
		"idle" + at + "--source ::1":                                   {"::1", "family"},
		"idle" + at + "--source 192.0.2.77":                            {"192.0.2.77", "address of this machine"},
		"idle" + at + "--dialect klingon":                              {"klingon", "echo, raw, native, pusher"},
		"broadcast" + at + "--publish-by pigeon":                       {"--publish-by", "pigeon", "http or ws"},
		"broadcast" + at + "--dialect echo":                            {"echo", "does not say how to publish"},
		"broadcast ws://127.0.0.1:1/raw/x --channels 3":                {"{channel}", "/raw/{channel}"},
		"idle" + at + "--channels -3":                                  {"--channels -3"},
		"idle" + at + "--workers -2":                                   {"--workers -2"},
		"idle" + at + "--template " + dir + "/none":                    {"--template", "none", "no such file"},
		"idle" + at + "--template " + file("empty", ""):                {"--template", "empty"},
		"idle" + at + "--template " + file("text", "- just 1"):         {"--template", "text"},
		"idle" + at + "--template " + file("field", "subscribed: yes"): {"--template " + dir + "/field: line 1: field subscribed not found\n"},
		"idle" + at + "--template " + file("step", "steps: [{}]"):      {"--template " + dir + "/step: step", "neither send nor wait"},
		"idle" + at + "--template x --dialect raw":                     {"--template", "--dialect", "exclude"},
		"idle" + at + "--json " + dir + "/no/such/folder":              {"--json", "no such file"},
		"idle" + at + "--html " + dir:                                  {"--html", "is a directory"},
		"idle" + at + "--html - --json -":                              {"--json and --html cannot both go to -"},
		"idle" + at + "--json " + dir + "/x --html " + dir + "/./x":    {"--json and --html cannot both go to"},
		"dance" + at + "--json " + file("yesterday", "{}"):             {`"dance"`},
		"idle" + at + "-c 0 --json " + dir + "/a --html " + dir + "/b": {"--connections 0"},
		"idle" + at + "--html " + dir + "/no/such/folder":              {"--html", "no such file"},
	} {
		t.Run(args, func(t *testing.T) {
			code, stdout, stderr := run(t, nil, append([]string{"loadtest"}, strings.Fields(args)...)...)
			if code != 2 || stdout != "" {
				t.Errorf("exit code %d, want 2\n%s\n%s", code, stdout, stderr)
			}
			for _, w := range want {
				if !strings.Contains(stderr, w) {
					t.Errorf("%q does not say %q", stderr, w)
				}
			}
		})
	}
	// What there was is as it was, and there is nothing else.
	var files []string
	list, err := os.ReadDir(dir)
	for _, f := range list {
		files = append(files, f.Name())
	}
	if text, err2 := os.ReadFile(filepath.Join(dir, "yesterday")); err != nil || err2 != nil || string(text) != "{}" || !slices.Equal(files, []string{"empty", "field", "step", "text", "yesterday"}) {
		t.Errorf("%v, %v: %q is %q", err, err2, files, text)
	}
}

// A report is written when there is one, whole, wherever it is to go.
func TestLoadtestOutputs(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"old": 0o640, "linked": 0o644} {
		if err := os.WriteFile(at(name), bytes.Repeat([]byte("old "), 100_000), mode); err != nil {
			t.Fatal(err)
		}
	}
	if os.Symlink("linked", at("link")) != nil || syscall.Mkfifo(at("pipe"), 0o600) != nil {
		t.Fatal("cannot make a link and a pipe")
	}
	piped := make(chan []byte, 1)
	go func() {
		b, _ := os.ReadFile(at("pipe"))
		piped <- b
	}()
	load := []string{"loadtest", "--quiet", "idle", "ws://" + s.public + "/ws", "-c", "5", "-d", "50ms"}
	stdout := map[string]string{}
	for _, files := range []string{"--json new --html link", "--html new.html --json old", "--json pipe", "--html -"} {
		args := load
		for _, f := range strings.Fields(files) {
			if f != "-" && !strings.HasPrefix(f, "--") {
				f = at(f)
			}
			args = append(args[:len(args):len(args)], f)
		}
		code, out, stderr := run(t, nil, args...)
		if code != 0 {
			t.Errorf("%s: exit code %d\n%s", files, code, stderr)
		}
		stdout[files] = out
	}
	read := func(name string) string {
		b, err := os.ReadFile(at(name))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	for name, text := range map[string]string{"new": read("new"), "old": read("old"), "pipe": string(<-piped)} {
		if !json.Valid([]byte(text)) {
			t.Errorf("%s is no JSON:\n%.200s", name, text)
		}
	}
	for name, text := range map[string]string{"linked": read("linked"), "new.html": read("new.html"), "-": stdout["--html -"]} {
		if !strings.HasPrefix(text, "<!doctype html>") || !strings.HasSuffix(text, "</html>\n") {
			t.Errorf("%s is no HTML:\n%.200s", name, text)
		}
	}
	if !strings.Contains(stdout["--json pipe"], "idle") {
		t.Errorf("there is no table: %q", stdout["--json pipe"])
	}
	if st, err := os.Lstat(at("link")); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is none any more: %v", err)
	}
	if st, err := os.Stat(at("old")); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("old has another mode: %v, %v", st, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 6 {
		t.Errorf("%v, %v: something is left over", list, err)
	}
}

// A template that describes the native dialect finds what the native dialect
// finds, and nothing that is secret gets into a report.
func TestLoadtestTemplateAndSecrets(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	dir := t.TempDir()
	template := filepath.Join(dir, "native.yaml")
	if err := os.WriteFile(template, []byte(`
name: mine
steps:
  - send: '{"type":"subscribe","channel":"{channel}"}'
    wait: '"type":"subscribed"'
refused: ['"type":"error"']
publish:
  url: http://`+s.public+`/api/publish
  headers: {Authorization: Bearer dev-secret, Content-Type: application/json}
  body: '{"to":{"channels":["{channel}"]},"data":"{payload}"}'
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"mine":   {"--template", template},
		"native": {"--secret", "dev-secret"},
		"":       {"--secret=dev-secret", "--publish-by", "http"},
	} {
		html := filepath.Join(dir, name+".html")
		r, raw, stderr := loadtestJSON(t, 0, append(args, "broadcast", "ws://"+s.public+"/ws", "-c", "40", "-m", "20", "-r", "200", "--channels", "3", "--html", html)...)
		if name != "" && r.Run.Dialect != name {
			t.Errorf("dialect %q", r.Run.Dialect)
		}
		if m := r.Messages; r.Connect.Open != 40 || m.Sent != 20 || m.Due != 267 || m.Received != 267 || m.Failed+m.Lost+m.Duplicated+m.Unexpected != 0 {
			t.Errorf("%s: %+v, %+v", name, r.Connect, m)
		}
		page, err := os.ReadFile(html)
		if err != nil || !bytes.Contains(page, []byte("</html>")) {
			t.Errorf("the HTML report: %v\n%.200s", err, page)
		}
		for what, text := range map[string]string{"JSON": raw, "HTML": string(page), "the messages": stderr} {
			if strings.Contains(text, "dev-secret") {
				t.Errorf("%s: the secret is in %s", name, what)
			}
		}
	}
	// A wrong secret is not told either, but that publications fail is.
	r, raw, _ := loadtestJSON(t, 1, "broadcast", "ws://"+s.public+"/ws", "-c", "5", "-m", "5", "-r", "200", "--secret", "hush-hush", "--fail-if", "publish_failed>0")
	if m := r.Messages; m.Failed != 5 || m.Due != 0 || len(m.Failures) != 1 || !strings.Contains(m.Failures[0].Cause, "401") || strings.Contains(raw, "hush-hush") {
		t.Errorf("%+v\n%s", m, raw)
	}
}

// Ctrl-C ends a run with a report of what there was.
func TestLoadtestInterrupted(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for _, c := range []struct{ args, after string }{
		{"idle ws://" + s.public + "/ws -c 30 -d 1h", "hold"},
		{"idle ws://" + s.public + "/ws -c 30 -d 1h --workers 2", "hold"},
		{"broadcast ws://" + s.public + "/ws -c 30 -m 100000 -r 100", "measure"},
	} {
		file := filepath.Join(t.TempDir(), "result.json")
		cmd := command(t, nil, append(strings.Fields("loadtest "+c.args), "--json", file)...)
		var out, errs kit.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		soon(t, "the phase "+c.after, func() bool { return strings.Contains(errs.String(), c.after) })
		cmd.Process.Signal(syscall.SIGINT)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", c.args, err, &errs)
		}
		var r loadtest.Result
		b, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(b, &r) != nil || !r.Interrupted || r.Connect.Open != 30 {
			t.Errorf("%s: %v\n%s", c.args, err, b)
		}
		if m := r.Messages; m != nil && (m.Lost != 0 || m.Due != m.Sent*30) {
			t.Errorf("%s: %+v", c.args, m)
		}
		if !strings.Contains(out.String(), "INTERRUPTED") {
			t.Errorf("%s: the report does not say that it was interrupted\n%s", c.args, &out)
		}
	}
}

// The server goes and comes again, and so do all its clients.
func TestLoadtestStorm(t *testing.T) {
	for _, signal := range []string{"TERM", "KILL"} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			r, _, stderr := loadtestJSON(t, 0, "storm", "ws://"+s.public+"/ws", "-c", "80", "-r", "50", "--workers", "2", "--kill", signal, "--pid", strconv.Itoa(s.cmd.Process.Pid),
				"--restart", fmt.Sprintf("exec %s serve --listen %s --admin 127.0.0.1:0", os.Args[0], s.public), "--fail-if", "returned<100%", "--fail-if", "lost>0")
			if x := r.Storm; x.Dropped != 80 || x.Returned != 80 || x.DownS <= 0 || x.Missed == 0 || r.Connect.Open != 80 || r.Connect.Dropped != 80 || x.P100S < x.P50S {
				t.Errorf("%+v, %+v\n%s", x, r.Connect, stderr)
			}
			if m := r.Messages; m.Due != m.Received+m.Missed || m.Due != (m.Sent-m.Failed)*80 {
				t.Errorf("%+v\n%s", m, stderr)
			}
			if r.Server == nil || r.Server.RSSConnected == 0 {
				t.Errorf("the server was not measured: %+v", r.Server)
			}
		})
	}
}

func TestLoadtestMetrics(t *testing.T) {
	code, stdout, stderr := run(t, nil, "loadtest", "--list-metrics")
	for _, m := range loadtest.Metrics() {
		if !strings.Contains(stdout, m[0]+" ") {
			t.Errorf("%s is not listed", m[0])
		}
	}
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
