package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/wire"
)

// StentorArgs starts Stentor with its default settings on free ports.
var StentorArgs = []string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}

// channel is what publications go to, and secret is the app's.
const (
	channel = "bench"
	secret  = "dev-secret"
)

// Paths of Stentor: of an echo, and of a client that receives what is published
// as it is.
const (
	EchoPath = "/echo"
	PushPath = "/raw/" + channel
)

// Stentor is a Stentor server under measurement.
type Stentor struct {
	*child.Child
	ctx    context.Context
	public string // address
	admin  string // address
	http   *http.Client
}

// StartStentor starts the real binary and waits until it is ready.
func (r *Rig) StartStentor() (*Stentor, error) {
	c, err := r.Group.Start("stentor", r.Binary, StentorArgs, r.Environment())
	if err != nil {
		return nil, err
	}
	line, err := c.Line()
	if err != nil {
		return nil, err
	}
	public, admin, err := parseReady(line)
	if err != nil {
		return nil, err
	}
	return &Stentor{
		Child: c, ctx: r.Group.Context(), public: public, admin: admin,
		http: &http.Client{
			// No compression: /metrics would cost the server more.
			Transport: &http.Transport{DisableCompression: true},
			Timeout:   time.Minute,
		},
	}, nil
}

var readyLine = regexp.MustCompile(`^stentor: ready, listening on ([0-9.]+:\d+), admin ([0-9.]+:\d+)$`)

// parseReady reads the addresses from the line that a server prints when it is
// ready.
func parseReady(line string) (public, admin string, err error) {
	m := readyLine.FindStringSubmatch(line)
	if m == nil {
		return "", "", fmt.Errorf("stentor: this is no ready line: %q", line)
	}
	return m[1], m[2], nil
}

// Address returns where clients connect.
func (s *Stentor) Address() string { return s.public }

// request makes an HTTP request, which must succeed, and returns the body.
func (s *Stentor) request(method, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(s.ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.300s", method, url, resp.Status, answer)
	}
	return answer, err
}

// publication is a publication for the HTTP API.
func publication(to string, n, size int) map[string]any {
	return map[string]any{
		"to":   map[string]any{"channels": []string{to}},
		"data": wire.Payload(n, size),
	}
}

// matched is the API's answer to a publication.
type matched struct{ Matched int }

// Publish publishes count messages from number first on, in one request, and
// returns when it is answered. Each must be meant for subscribers clients.
func (s *Stentor) Publish(first, count, size, subscribers int) error {
	return s.publish(channel, first, count, size, subscribers)
}

// PublishToNobody publishes a message that reaches nobody.
func (s *Stentor) PublishToNobody(size int) error { return s.publish("nobody", 0, 1, size, 0) }

func (s *Stentor) publish(to string, first, count, size, subscribers int) error {
	path, body := "/api/publish", any(publication(to, first, size))
	if count > 1 {
		list := make([]any, count)
		for i := range list {
			list[i] = publication(to, first+i, size)
		}
		path, body = "/api/publish/batch", map[string]any{"batch": list}
	}
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := s.request(http.MethodPost, "http://"+s.public+path, b)
	if err != nil {
		return err
	}
	var results struct{ Results []matched }
	if count > 1 {
		err = json.Unmarshal(answer, &results)
	} else {
		results.Results = make([]matched, 1)
		err = json.Unmarshal(answer, &results.Results[0])
	}
	if err != nil {
		return err
	}
	if len(results.Results) != count {
		return fmt.Errorf("stentor answered %d publications of %d", len(results.Results), count)
	}
	for _, r := range results.Results {
		if r.Matched != subscribers {
			return fmt.Errorf("stentor matched %d subscribers of %d", r.Matched, subscribers)
		}
	}
	return nil
}

// Free makes the server collect its garbage and give free memory back.
func (s *Stentor) Free() error {
	_, err := s.request(http.MethodPost, "http://"+s.admin+"/debug/free", nil)
	return err
}

// Metrics reads the server's metrics.
func (s *Stentor) Metrics() (Metrics, error) {
	b, err := s.request(http.MethodGet, "http://"+s.admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	return parseMetrics(string(b))
}

// Empty reports whether the server has let go of all sockets.
func (s *Stentor) Empty() (bool, error) {
	m, err := s.Metrics()
	if err != nil {
		return false, err
	}
	return m["stentor_sockets"] == 0 && m["stentor_connections"] == 0, nil
}

// End stops the server, which must do so cleanly and have nothing to complain
// of. Its clients should have gone.
func (s *Stentor) End() error {
	s.http.CloseIdleConnections()
	if err := s.Stop(syscall.SIGTERM, 20*time.Second); err != nil {
		return err
	}
	for line := range strings.Lines(s.Stderr()) {
		complaint := strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`)
		if complaint && !strings.Contains(line, "development app") { // it is meant
			return errors.New("stentor complained: " + line)
		}
	}
	return nil
}
