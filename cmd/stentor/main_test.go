package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"stentor/test/kit"
)

// Generous: it only decides how long a failing test takes.
const patience = 30 * time.Second

// The test binary is the program too, when it is told so: what is tested is the
// process, with its exit code, signals and output.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_MAIN_OF_STENTOR") == "1" {
		if n, err := strconv.ParseUint(os.Getenv("RUN_WITH_DESCRIPTORS"), 10, 32); err == nil {
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
		}
		main()
		return
	}
	os.Exit(kit.Main(m))
}

// command prepares a run of the program, with nothing of ours in its
// environment but what is given.
func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "STENTOR_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(append(cmd.Env, "RUN_MAIN_OF_STENTOR=1"), env...)
	return cmd
}

// run runs the program to its end.
func run(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := command(t, env, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// instance is a `stentor serve` that runs.
type instance struct {
	t             *testing.T
	cmd           *exec.Cmd
	public, admin string
	ready         string // the line
	log           *kit.Buffer
	end           chan error
	stopped       bool
}

// start runs the server on free ports and waits for its ready line.
func start(t *testing.T, env []string, args ...string) *instance {
	t.Helper()
	if !slices.Contains(args, "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	args = append([]string{"serve", "--admin", "127.0.0.1:0", "--drain-window", "0s"}, args...)
	i := &instance{t: t, cmd: command(t, env, args...), log: new(kit.Buffer), end: make(chan error, 1)}
	i.cmd.Stderr = i.log
	out, err := i.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	i.ready, err = r.ReadString('\n')
	if err != nil {
		i.cmd.Process.Kill()
		i.cmd.Wait()
		t.Fatalf("no ready line: %v\n%s", err, i.log)
	}
	t.Cleanup(func() { i.stop(syscall.SIGKILL) })
	go func() {
		rest, _ := io.ReadAll(r)
		err := i.cmd.Wait()
		if len(rest) > 0 {
			err = errors.Join(err, errors.New("more on standard output: "+string(rest)))
		}
		i.end <- err
	}()
	m := regexp.MustCompile(`^stentor: ready, listening on (\S+), admin (\S+)\n$`).FindStringSubmatch(i.ready)
	if m == nil {
		t.Fatalf("the first line is %q", i.ready)
	}
	i.public, i.admin = m[1], m[2]
	return i
}

// stop sends signals, and returns the exit code.
func (i *instance) stop(signals ...os.Signal) int {
	i.t.Helper()
	if i.stopped {
		return i.cmd.ProcessState.ExitCode()
	}
	for _, s := range signals {
		i.cmd.Process.Signal(s)
	}
	select {
	case err := <-i.end:
		i.stopped = true
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			i.t.Error(err)
		}
	case <-time.After(patience):
		i.t.Fatalf("the server does not stop\n%s", i.log)
	}
	return i.cmd.ProcessState.ExitCode()
}

func (i *instance) dial(path string) net.Conn {
	i.t.Helper()
	c, _, _, err := ws.Dial(context.Background(), "ws://"+i.public+path)
	if err != nil {
		i.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	i.t.Cleanup(func() { c.Close() })
	return c
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// The way of a newcomer: serve, subscribe, publish, Ctrl-C.
func TestServeSubscribePublish(t *testing.T) {
	s := start(t, nil)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200} {
		resp, err := http.Get("http://" + s.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	url := []string{"STENTOR_URL=http://" + s.public}
	sub := command(t, url, "subscribe", "news", "other", "--count", "3", "--user", "ann")
	var out, notes kit.Buffer
	sub.Stdout, sub.Stderr = &out, &notes
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	soon(t, "both subscriptions", func() bool { return strings.Count(notes.String(), "subscribed to") == 2 })
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"publish", "news", `{ "hello": "wörld" }`}, `{"matched":1}`},
		{[]string{"publish", "other", "plain text", "--event", "greeting", "--wait"}, `{"matched":1,"written":1,"queued":0,"dropped":0}`},
		{[]string{"publish", "--to-user", "ann", "7"}, `{"matched":1}`},
		{[]string{"publish", "nobody", "1"}, `{"matched":0}`},
		{[]string{"publish", "--to-user", "ann,bob", "1"}, `{"matched":0}`}, // one user
		{[]string{"publish", "nobody", "1", "--url", s.public + "/"}, `{"matched":0}`},
	} {
		if code, got, errs := run(t, url, c.args...); code != 0 || strings.TrimSpace(got) != c.want {
			t.Errorf("%q: %d %s %s", c.args, code, got, errs)
		}
	}
	if err := sub.Wait(); err != nil {
		t.Fatalf("subscribe: %v %s", err, notes.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{`news message { "hello": "wörld" }`, `other greeting "plain text"`, `- message 7`} {
		if i >= len(lines) || !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d of %q, want %q", i, out.String(), want)
		}
	}
	if code := s.stop(os.Interrupt); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
	if !strings.HasPrefix(s.log.String(), "{") { // JSON, since it is no terminal
		t.Errorf("log %q", s.log.String())
	}
	if !strings.Contains(s.log.String(), `"level":"WARN","msg":"no app is configured, so the development app is served`) {
		t.Errorf("no warning of the development app: %s", s.log)
	}
}

// Subscribe comes back when the server does, and ends when it is sent away.
func TestSubscribeComesBack(t *testing.T) {
	s := start(t, nil)
	sub := command(t, nil, "subscribe", "news", "--url", s.public+"/", "--json", "--user", "ann")
	var out, notes kit.Buffer
	sub.Stdout, sub.Stderr = &out, &notes
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	soon(t, "the subscription", func() bool { return strings.Contains(notes.String(), "subscribed") })
	s.stop(syscall.SIGKILL)
	soon(t, "it noticed", func() bool { return strings.Contains(notes.String(), "again in") })
	again := start(t, nil, "--listen", s.public)
	soon(t, "it is back", func() bool { return strings.Count(notes.String(), "subscribed") == 2 })
	run(t, nil, "publish", "--url", "http://"+again.public, "news", "1")
	soon(t, "a message", func() bool {
		return out.String() == `{"type":"message","channel":"news","event":"message","data":1}`+"\n"
	})
	req, _ := http.NewRequest("POST", "http://"+again.admin+"/api/users/ann/disconnect", nil)
	req.Header.Set("Authorization", "Bearer dev-secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var exit *exec.ExitError
	if err := sub.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(notes.String(), "4403") {
		t.Errorf("%v\n%s", err, notes.String())
	}
	if code := again.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A signal drains: clients are told and the exit code is 0. A second one ends
// it at once, with exit code 1.
func TestSignals(t *testing.T) {
	t.Run("one", func(t *testing.T) {
		s := start(t, nil)
		c, err := dial(t.Context(), target{}, "ws://"+s.public+"/ws")
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		done := make(chan int, 1)
		go func() { done <- s.stop(syscall.SIGTERM) }()
		var closed *closeError
		for !errors.As(err, &closed) {
			if _, err = c.receive(); err != nil && !errors.As(err, &closed) {
				t.Error(err)
				break
			}
		}
		if closed != nil && closed.code != 1012 {
			t.Errorf("closed with %d", closed.code)
		}
		c.Close()
		if code := <-done; code != 0 {
			t.Errorf("exit code %d\n%s", code, s.log)
		}
		if !regexp.MustCompile(`"msg":"stopped","took":"[0-9.]+m?s"`).MatchString(s.log.String()) {
			t.Errorf("log %s", s.log)
		}
	})
	t.Run("a closed terminal", func(t *testing.T) { // which may say so several times
		s := start(t, nil, "--drain-window", "1h")
		var conns []net.Conn
		for range 50 { // half a second at 100 a second
			conns = append(conns, s.dial("/echo"))
		}
		s.cmd.Process.Signal(syscall.SIGHUP)
		soon(t, "it drains", func() bool { return strings.Contains(s.log.String(), "draining") })
		s.cmd.Process.Signal(syscall.SIGHUP)
		for _, c := range conns {
			io.ReadFull(c, make([]byte, 2)) // a Close frame
			c.Close()
		}
		if code := s.stop(); code != 0 {
			t.Errorf("exit code %d\n%s", code, s.log)
		}
	})
	t.Run("two", func(t *testing.T) {
		s := start(t, nil, "--drain-window", "1h")
		for range 300 { // three seconds at 100 a second
			s.dial("/echo")
		}
		s.cmd.Process.Signal(syscall.SIGTERM)
		soon(t, "it drains", func() bool { return strings.Contains(s.log.String(), "draining") })
		if code := s.stop(syscall.SIGINT); code != 1 || !strings.Contains(s.log.String(), "second signal") || strings.Contains(s.log.String(), `"stopped"`) {
			t.Errorf("exit code %d\n%s", code, s.log)
		}
	})
}

// Exit code 2 is for the command line and the configuration, 1 for what goes
// wrong at run time; each says what it is.
func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "c.yaml")
	os.WriteFile(file, []byte("limits: {max_conections: 5}\nbogus: 1\n"), 0o600)
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	os.WriteFile(empty, []byte("echo: true\napps:\n"), 0o600)
	for _, c := range []struct {
		env  []string
		args []string
		code int
		says string
	}{
		{nil, []string{"serve", "--listen", taken.Addr().String(), "--admin", "127.0.0.1:0"}, 1, "cannot listen on " + taken.Addr().String()},
		{nil, []string{"serve", "--listen", "127.0.0.1:0", "--admin", taken.Addr().String()}, 1, "cannot listen on admin"},
		{nil, []string{"serve", "--listen", "0.0.0.0:0"}, 2, "listen: 0.0.0.0:0 is reachable from outside"},
		{nil, []string{"serve", "--admin", ":0"}, 2, "admin: "},
		{nil, []string{"serve", "--config", "/no/such/file"}, 2, "/no/such/file"},
		{nil, []string{"serve", "--config", file}, 2, "bogus: there is no such key"},
		{nil, []string{"serve", "--config", ""}, 2, "--config is empty: name a file"},
		{[]string{"STENTOR_CONFIG="}, []string{"checkconfig"}, 2, "STENTOR_CONFIG is empty: name a file"},
		{[]string{"STENTOR_CONFIG="}, []string{"checkconfig", "--config", file}, 2, "bogus: there is no such key"},
		{nil, []string{"serve", "--config", empty}, 2, "apps: is empty"},
		{nil, []string{"checkconfig", "--config", empty}, 2, "apps: is empty"},
		{[]string{"STENTOR_CONFIG=" + file}, []string{"checkconfig"}, 2, "did you mean max_connections?"},
		{[]string{"STENTOR_LISTN=x"}, []string{"serve"}, 2, "STENTOR_LISTN"},
		{nil, []string{"serve", "--bogus"}, 2, "unknown flag: --bogus"},
		{nil, []string{"serve", "extra"}, 2, "extra"},
		{nil, []string{"serve", "--limits.max-connections", "many"}, 2, "max-connections"},
		{nil, []string{"serve", "--limits.max-connections", "0x10"}, 2, "not a whole number"},
		{nil, []string{"bogus"}, 2, "bogus"},
		{nil, []string{"publish", "--to-all", "--to-user", "ann", "1"}, 2, "exclude each other"},
		{nil, []string{"publish", "news"}, 2, "1 arguments, want 2"},
		{nil, []string{"publish", "--to-all", "news", "1"}, 2, "2 arguments, want 1"},
		{nil, []string{"publish", "news", "1", "--url", "ftp://x"}, 2, "ftp://x"},
		{nil, []string{"publish", "news", "1", "--url", "http://127.0.0.1:1"}, 1, "cannot reach the gateway"},
		{nil, []string{"publish", "news", "-1"}, 2, "stentor publish -- news -1"},
		{nil, []string{"publish", "--to-all", "-{}", "--bogus"}, 2, "goes after --"},
		{nil, []string{"publish", "news", "1", "--url", "http://"}, 2, "has no host"},
		{nil, []string{"publish", "news", "1", "--url", "http://x:99999"}, 2, "has no valid port"},
		{nil, []string{"publish", "news", "1", "--url", "unix:"}, 2, "has no path"},
		{nil, []string{"subscribe"}, 2, "name a channel"},
		{nil, []string{"subscribe", "--count", "-1", "news"}, 2, "--count is -1"},
		{nil, []string{"subscribe", "news", "--url", "https://"}, 2, "has no host"},
		{nil, []string{"serve", "--echo", "yes"}, 2, "write --echo or --echo=true"},
		{nil, []string{"checkconfig", "--reuse-port", "false"}, 2, "write --reuse-port or --reuse-port=true"},
		{nil, []string{"--version"}, 0, ""},
		{nil, []string{"version", "extra"}, 2, "extra"},
		{nil, []string{"version"}, 0, ""},
		{nil, []string{"help"}, 0, ""},
		{nil, []string{}, 0, ""},
	} {
		code, out, errs := run(t, c.env, c.args...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%q: exit code %d, %q; want %d with %q", c.args, code, errs, c.code, c.says)
		}
		if code == 0 && out == "" {
			t.Errorf("%q prints nothing", c.args)
		}
		if strings.Contains(errs, "goroutine") {
			t.Errorf("%q: %s", c.args, errs)
		}
	}
}

// The flag and the command tell the same version.
func TestVersion(t *testing.T) {
	_, flag, _ := run(t, nil, "--version")
	_, cmd, _ := run(t, nil, "version")
	if flag != cmd || !strings.HasPrefix(flag, "stentor ") {
		t.Errorf("%q and %q", flag, cmd)
	}
}

func TestParseTarget(t *testing.T) {
	for s, want := range map[string]target{
		"127.0.0.1:8080":         {url: "http://127.0.0.1:8080"},
		"localhost":              {url: "http://localhost"},
		"http://[::1]:80/":       {url: "http://[::1]:80"},
		"wss://push.example/a/":  {url: "https://push.example/a"},
		"ws://push.example":      {url: "http://push.example"},
		"unix:/run/stentor.sock": {"http://localhost", "/run/stentor.sock"},
	} {
		if got, err := parseTarget(s); err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
}

// Publish and subscribe reach a gateway on a unix socket too.
func TestUnixSocket(t *testing.T) {
	folder, err := os.MkdirTemp("", "stentor") // t.TempDir's may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	at := "unix:" + filepath.Join(folder, "s")
	s := start(t, nil, "--listen", at)
	sub := command(t, []string{"STENTOR_URL=" + at}, "subscribe", "news", "--count", "1", "--json")
	var out, notes kit.Buffer
	sub.Stdout, sub.Stderr = &out, &notes
	if err := sub.Start(); err != nil {
		t.Fatal(err)
	}
	soon(t, "the subscription", func() bool { return strings.Contains(notes.String(), "subscribed") })
	if code, got, errs := run(t, []string{"HTTP_PROXY=http://192.0.2.1:1"}, "publish", "--url", at, "news", "--", "-1"); code != 0 || got != "{\"matched\":1}\n" {
		t.Errorf("%d %s %s", code, got, errs)
	}
	if err := sub.Wait(); err != nil || !strings.Contains(out.String(), `"data":-1`) {
		t.Errorf("%v %s %s", err, out.String(), notes.String())
	}
	s.stop(syscall.SIGTERM)
}

// Where TLS cannot succeed, subscribe says so and ends.
func TestSubscribeTLS(t *testing.T) {
	s := start(t, nil)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS() // nobody knows its certificate
	defer secure.Close()
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	old.StartTLS()
	defer old.Close()
	for url, says := range map[string]string{
		"https://" + s.public: "no TLS is spoken there: write http://",
		secure.URL:            "certificate",
		old.URL:               "no TLS connection: ",
	} {
		if code, _, errs := run(t, nil, "subscribe", "news", "--url", url); code != 1 || !strings.Contains(errs, says) || strings.Contains(errs, "again in") {
			t.Errorf("%s: exit code %d, %q; want %q in it", url, code, errs, says)
		}
	}
}

// Nobody comes back at once.
func TestJitter(t *testing.T) {
	for range 1000 {
		if d := jitter(least); d < least || d >= 2*least {
			t.Fatal(d)
		}
	}
}

func TestPublishRefused(t *testing.T) {
	s := start(t, nil)
	url := "http://" + s.public
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"publish", "--url", url, "--secret", "wrong", "news", "1"}, "401"},
		{[]string{"publish", "--url", url, "bad name", "1"}, "to.channels[0]"},
		{[]string{"subscribe", "--url", url, "bad name"}, "bad_channel"},
		{[]string{"subscribe", "--url", url, "--app", "nobody", "news"}, "4001"},
		{[]string{"subscribe", "--url", url, "--token", "nonsense", "news"}, "4401"},
	} {
		if code, _, errs := run(t, nil, c.args...); code != 1 || !strings.Contains(errs, c.says) {
			t.Errorf("%q: exit code %d, %q; want %q in it", c.args, code, errs, c.says)
		}
	}
	stdin := command(t, nil, "publish", "--url", url, "news", "-")
	stdin.Stdin = strings.NewReader("from a pipe\n")
	if out, err := stdin.CombinedOutput(); err != nil || string(out) != "{\"matched\":0}\n" {
		t.Errorf("%v %s", err, out)
	}
	s.stop(syscall.SIGTERM)
}

// Checkconfig prints what is in effect, from all sources, without secrets.
func TestCheckconfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	os.WriteFile(file, []byte("listen: 0.0.0.0:80\napps: [{id: shop, key: shop-key, secret: do-not-print, previous_secret: nor-print-this}]\n"), 0o600)
	code, out, errs := run(t, []string{"STENTOR_LIMITS__QUEUE_BYTES=2048"}, "checkconfig", "--config", file, "--limits.max-connections", "010", "--listen", "127.0.0.1:1,127.0.0.1:2")
	for _, want := range []string{"id: shop", " secret: '********'", "previous_secret: '********'", "queue_bytes: 2048", "max_connections: 10", "- 127.0.0.1:2", "idle_timeout: 120s"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if code != 0 || strings.Contains(out+errs, "do-not-print") || strings.Contains(out, "nor-print-this") || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// The files of apps_dir are checked and printed, too.
func TestCheckconfigAppsDir(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "shop.yaml")
	os.WriteFile(at, []byte("id: shop\nkey: shop-key\nsecret: do-not-print\nmax_connections: 77\n"), 0o600)
	code, out, errs := run(t, []string{"STENTOR_APPS_DIR=" + dir}, "checkconfig", "--listen", "0.0.0.0:80")
	for _, want := range []string{"apps_dir: " + dir, "--- # " + at + "\n", "\nid: shop\n", "\nsecret: '********'\n", "\nmax_connections: 77\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if code != 0 || errs != "" || strings.Contains(out, "do-not-print") || strings.Contains(out, "dev-key") {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
	os.WriteFile(at, []byte("id: shop\nkey: shop-key\nsecret: short\n"), 0o600)
	for _, command := range []string{"checkconfig", "serve"} {
		if code, out, errs := run(t, nil, command, "--apps-dir", dir); code != 2 || !strings.Contains(errs, at+": secret: has 5 characters") {
			t.Errorf("%s: exit code %d, %s, %s", command, code, out, errs)
		}
	}
}

// Help does not tell what is in the environment.
func TestHelpSecrets(t *testing.T) {
	env := []string{"STENTOR_TOKEN=do-not-print", "STENTOR_SECRET=do-not-print", "STENTOR_URL=http://do-not-print"}
	for _, cmd := range newRoot().Commands() {
		code, out, errs := run(t, env, cmd.Name(), "--help")
		if code != 0 || strings.Contains(out+errs, "do-not-print") {
			t.Errorf("%s: %d %s%s", cmd.Name(), code, out, errs)
		}
	}
	s := start(t, nil) // and yet it counts
	env = []string{"STENTOR_TOKEN=nonsense", "STENTOR_URL=" + s.public}
	if code, _, errs := run(t, env, "subscribe", "news"); code != 1 || !strings.Contains(errs, "4401") {
		t.Errorf("%d %s", code, errs)
	}
}

// What is printed for people does not reach the terminal as commands.
func TestLine(t *testing.T) {
	info := []byte(`{"name":"` + "\u009b2J\x7f\x1b[31m" + `"}`)
	for _, typ := range []string{"message", "join", "leave"} {
		got := line(typ, "presence-x", "e", "ann", "", info, info)
		if !strings.Contains(got, "\uFFFD2J\uFFFD\uFFFD[31m") || strings.ContainsAny(got, "\u009b\x7f\x1b") {
			t.Errorf("%s: %q", typ, got)
		}
	}
}

// A gateway that pings is there, however long it has nothing else to say.
func TestSubscribePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		silence := pingsWithin([]byte(`{"type":"welcome","idle_ms":3600000,"pong_ms":60000}`))
		if silence != time.Hour+time.Minute+slack || pingsWithin([]byte(`{"type":"message","idle_ms":1}`)) != 0 {
			t.Errorf("silence %v", silence)
		}
		c := &client{here, here, silence}
		go io.Copy(io.Discard, there) // the pongs
		go func() {
			for range 5 {
				time.Sleep(time.Hour)
				ws.WriteFrame(there, ws.NewPingFrame(nil))
			}
			ws.WriteFrame(there, ws.NewTextFrame([]byte("hello")))
		}()
		if text, err := c.receive(); err != nil || string(text) != "hello" {
			t.Errorf("%q, %v", text, err)
		}
		if _, err := c.receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("silence for ever: %v", err)
		}
	})
}

// The script that runs the server from source passes signals on, once, and exit
// codes back, and leaves nothing behind.
func TestRunScript(t *testing.T) {
	// Where the tests run in the background, Ctrl-C is ignored, by bash too.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, os.Interrupt)
	defer signal.Stop(heard)
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte("apps: [{id: shop, key: shop-key, secret: shop-secret}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		signal syscall.Signal
		group  bool // as Ctrl-C does
		args   []string
		code   int
	}{
		"SIGTERM":          {syscall.SIGTERM, false, nil, 0},
		"Ctrl-C":           {syscall.SIGINT, true, nil, 0},
		"usage":            {0, false, []string{"--bogus"}, 2},
		"run-time failure": {0, false, []string{"--admin", "192.0.2.1:1"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			args := append([]string{"../../scripts/run.sh", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--echo"}, c.args...)
			cmd := command(t, []string{"TMPDIR=" + temp, "STENTOR_CONFIG=" + config})
			cmd.Path, cmd.Args = "/bin/bash", append([]string{"bash"}, args...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			var out, log kit.Buffer
			cmd.Stdout, cmd.Stderr = &out, &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if c.signal != 0 {
				var m []string
				soon(t, "it is ready", func() bool {
					m = regexp.MustCompile(`listening on ([^,]+),`).FindStringSubmatch(out.String())
					return m != nil
				})
				conn, _, _, err := ws.Dial(t.Context(), "ws://"+m[1]+"/echo")
				if err != nil {
					t.Fatal(err)
				}
				pid := cmd.Process.Pid
				if c.group {
					pid = -pid
				}
				syscall.Kill(pid, c.signal)
				soon(t, "it drains", func() bool { return strings.Contains(log.String(), "draining") })
				conn.Close() // only now may it end
			}
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != c.code || strings.Count(log.String(), "stopping") > 1 {
				t.Errorf("exit code %d, want %d\n%s", code, c.code, log.String())
			}
			if left, _ := os.ReadDir(temp); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Every command has help that ends in examples, and the examples use flags that
// exist.
func TestHelp(t *testing.T) {
	root := newRoot()
	for _, cmd := range append(root.Commands(), root) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s has no help or no examples", cmd.Name())
		}
		for _, line := range strings.Split(cmd.Example, "\n") {
			for _, flag := range regexp.MustCompile(`--([a-z.-]+)`).FindAllStringSubmatch(line, -1) {
				if cmd.Flags().Lookup(flag[1]) == nil && cmd != root {
					t.Errorf("%s: the example %q uses a flag that does not exist", cmd.Name(), line)
				}
			}
		}
	}
	code, out, _ := run(t, nil, "serve", "--help")
	if code != 0 || !strings.Contains(out, "STENTOR_LIMITS__MAX_CONNECTIONS") || !strings.Contains(out, "--limits.max-connections int") {
		t.Errorf("%d %s", code, out)
	}
}

// When clients have taken all descriptors that there are for them, the admin
// listener still answers, and those who wait get the places that become free.
func TestAdminOfFullProcess(t *testing.T) {
	i := start(t, []string{"RUN_WITH_DESCRIPTORS=64"})
	const n = 64
	open := make(chan net.Conn, n)
	for range n {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			c, _, _, err := ws.Dial(ctx, "ws://"+i.public+"/ws")
			if err != nil {
				t.Error(err)
			}
			open <- c
		}()
	}
	admin := func(path string) string {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
		resp, err := client.Get("http://" + i.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, resp.Status, err)
		}
		return string(body)
	}
	full := regexp.MustCompile(`(?m)^stentor_accept_errors_total [1-9]`)
	soon(t, "the server is full", func() bool { return full.MatchString(admin("/metrics")) })
	admin("/healthz")
	for range n { // each that leaves makes room for another
		if c := <-open; c != nil {
			c.Close()
		}
	}
}
