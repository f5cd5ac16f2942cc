package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func (s *server) fetch(path string) (status int, body string) {
	s.t.Helper()
	resp, err := http.Get("http://" + s.admin + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func TestHealth(t *testing.T) {
	s := newTest(t, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := s.fetch(path); status != 200 || body != "ok\n" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	s.ready.Store(false)
	if status, body := s.fetch("/readyz"); status != 503 || !strings.Contains(body, "not ready") {
		t.Errorf("/readyz: %d %q", status, body)
	}
	if status, _ := s.fetch("/healthz"); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	if status, body := s.fetch("/debug/pprof/goroutine?debug=1"); status != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("pprof: %d %.80q", status, body)
	}
	if status, _ := s.fetch("/debug/free"); status != 405 {
		t.Errorf("GET /debug/free: %d", status)
	}
	// The public listener has none of it.
	for _, path := range []string{"/metrics", "/debug/pprof/", "/healthz"} {
		if status, _ := s.call("GET", path, "", ""); status != 404 {
			t.Errorf("%s on the public listener: %d", path, status)
		}
	}
}

// A page that an operator's browser shows cannot make it ask for what is dear.
func TestDebugIsNotForPages(t *testing.T) {
	s := newTest(t, nil)
	for _, c := range []struct {
		method, path, header, value string
		want                        int
	}{
		{"POST", "/debug/free", "", "", 200},
		{"POST", "/debug/free", "Origin", "https://evil.example", 403},
		{"POST", "/debug/free", "Origin", "null", 403},
		{"POST", "/debug/pprof/profile?seconds=1", "Origin", "https://evil.example", 403},
		{"GET", "/debug/pprof/profile?seconds=1", "Sec-Fetch-Site", "cross-site", 403},
		{"GET", "/debug/pprof/trace?seconds=1", "Sec-Fetch-Site", "same-site", 403},
		{"GET", "/debug/pprof/heap", "Sec-Fetch-Site", "cross-site", 403},
		{"GET", "/debug/pprof/cmdline", "Sec-Fetch-Site", "same-origin", 200},
		{"GET", "/debug/pprof/cmdline", "Sec-Fetch-Site", "none", 200},
	} {
		req, err := http.NewRequest(c.method, "http://"+s.admin+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s, %s %s: %s, want %d", c.method, c.path, c.header, c.value, resp.Status, c.want)
		}
	}
}

// metric reads one value of /metrics.
func (s *server) metric(name string, labels ...string) float64 {
	s.t.Helper()
	f := s.metrics()[name]
	if f == nil {
		s.t.Fatalf("there is no metric %s", name)
	}
	for _, m := range f.Metric {
		match := len(labels) == 0
		for _, l := range m.Label {
			if len(labels) == 2 && l.GetName() == labels[0] && l.GetValue() == labels[1] {
				match = true
			}
		}
		if !match {
			continue
		}
		switch {
		case m.Gauge != nil:
			return m.Gauge.GetValue()
		case m.Counter != nil:
			return m.Counter.GetValue()
		case m.Histogram != nil:
			return float64(m.Histogram.GetSampleCount())
		}
	}
	s.t.Fatalf("metric %s has no labels %v", name, labels)
	return 0
}

func (s *server) metrics() map[string]*dto.MetricFamily {
	s.t.Helper()
	_, body := s.fetch("/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	return families
}

// The metrics tell what happened.
func TestMetrics(t *testing.T) {
	s := newTest(t, nil)
	p, _ := s.native("?user=ann")
	p.ask(`{"type":"subscribe","channel":"x"}`, `{"type":"subscribed","channel":"x"}`)
	r := s.raw("x", "")
	for range 3 {
		s.publish(`{"to":{"channels":["x"]},"data":"hello","wait":true}`, `{"matched":2,"written":2,"queued":0,"dropped":0}`)
	}
	r.Close()
	soon(t, "the raw client is gone", func() bool { return s.subscriptions("x") == 1 })
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"stentor_connections", nil, 1},
		{"stentor_handshakes_total", []string{"result", "accepted"}, 2},
		{"stentor_messages_received_total", nil, 1},
		{"stentor_messages_sent_total", nil, 8}, // welcome, subscribed, 3 x 2
		{"stentor_deliveries_total", []string{"outcome", "written"}, 6},
		{"stentor_deliveries_total", []string{"outcome", "dropped"}, 0},
		{"stentor_publish_to_write_seconds", nil, 6},
		{"stentor_publications_total", []string{"app", "dev"}, 3},
		{"stentor_clients", []string{"app", "dev"}, 1},
		{"stentor_users", []string{"app", "dev"}, 1},
		{"stentor_channels", []string{"app", "dev"}, 1},
		{"stentor_subscriptions", []string{"app", "dev"}, 1},
		{"stentor_queued_bytes", nil, 0},
		{"stentor_partial_bytes", nil, 0},
		{"stentor_drops_total", []string{"reason", "overflow"}, 0},
		{"stentor_build_info", nil, 1},
	} {
		if got := s.metric(c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if s.metric("stentor_received_bytes_total") == 0 || s.metric("stentor_sent_bytes_total") == 0 || s.metric("stentor_accepted_total") < 2 {
		t.Error("bytes or accepts are not counted")
	}
	closes := s.metrics()["stentor_closes_total"]
	sum := 0.0
	for _, m := range closes.Metric {
		sum += m.Counter.GetValue()
	}
	if sum != 1 {
		t.Errorf("%v ends are counted, want 1", sum)
	}
	if s.metrics()["stentor_loop_lag_seconds"] == nil || s.metrics()["go_memstats_heap_alloc_bytes"] == nil || s.metrics()["process_open_fds"] == nil {
		t.Error("loop lag, or the runtime's or the process's metrics are missing")
	}
}

// The names follow the conventions.
func TestMetricNames(t *testing.T) {
	s := newTest(t, nil)
	_, body := s.fetch("/metrics")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "stentor_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestAdminErrors(t *testing.T) {
	s := newTest(t, nil)
	cfg := Default()
	cfg.Listen, cfg.Admin = []string{"127.0.0.1:0"}, s.admin
	g, err := New(cfg, s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Start(); err == nil || !strings.Contains(err.Error(), "admin "+s.admin) {
		t.Errorf("an admin address in use: %v", err)
	}
	cfg.Listen, cfg.Admin = []string{s.addr}, "127.0.0.1:0"
	h, err := New(cfg, s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Start(); err == nil || !strings.Contains(err.Error(), s.addr) {
		t.Errorf("a public address in use: %v", err)
	}
}

// An address that is taken by something else than a dead socket stays as it is.
func TestUnixInTheWay(t *testing.T) {
	dir := t.TempDir()
	file, folder, link, live := filepath.Join(dir, "file"), filepath.Join(dir, "folder"), filepath.Join(dir, "link"), filepath.Join(dir, "live")
	dead := filepath.Join(dir, "dead")
	if err := errors.Join(os.WriteFile(file, []byte("precious"), 0o600), os.Mkdir(folder, 0o700), os.Symlink(dead, link)); err != nil {
		t.Fatal(err)
	}
	listen := func(path string) *net.UnixListener {
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		ln.SetUnlinkOnClose(false)
		return ln
	}
	defer listen(live).Close()
	start := func(listen, admin string) error {
		cfg := Default()
		cfg.Listen, cfg.Admin = []string{listen}, admin
		g, err := New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		return g.Start()
	}
	for path, says := range map[string]string{file: "no socket", folder: "no socket", link: "no socket", live: "another process"} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{start("unix:"+path, "127.0.0.1:0"), start("127.0.0.1:0", "unix:"+path)} {
			if err == nil || !strings.Contains(err.Error(), "unix:"+path) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: error %v, want %q in it", path, err, says)
			}
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s is gone", path)
		}
	}
	for range 2 {
		listen(dead).Close()
		if err := start("unix:"+dead, "127.0.0.1:0"); err != nil {
			t.Errorf("a socket that a crash has left: %v", err)
		}
		listen(dead).Close()
		if err := start("127.0.0.1:0", "unix:"+dead); err != nil {
			t.Errorf("a socket that a crash has left: %v", err)
		}
	}
}

func TestUnixListeners(t *testing.T) {
	dir := t.TempDir()
	public, admin := filepath.Join(dir, "p.sock"), filepath.Join(dir, "a.sock")
	newTest(t, func(c *Config) { c.Listen, c.Admin = []string{"unix:" + public}, "unix:"+admin })
	for _, path := range []string{public, admin} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET /api/channels HTTP/1.0\r\n\r\n")
		b, _ := io.ReadAll(c)
		c.Close()
		if !strings.Contains(string(b), " 401 ") {
			t.Errorf("%s: %q", path, b)
		}
	}
}
