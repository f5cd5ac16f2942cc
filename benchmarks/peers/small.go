package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"syscall"
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/peer"
	"stentor/benchmarks/internal/rig"
)

// small is a small server on somebody's library, see internal/peer.
type small struct {
	*child.Child
	http    caller
	address string
	control string
}

// startSmall starts one and waits until it is ready.
func startSmall(r *rig.Rig, name, program string, args ...string) (*small, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	c, err := r.Group.Start(name, path, args, r.Environment())
	if err != nil {
		return nil, err
	}
	line, err := c.Line()
	if err != nil {
		return nil, err
	}
	s := &small{Child: c, http: newCaller(r)}
	if _, err := fmt.Sscanf(line, "ready %s control %s", &s.address, &s.control); err != nil {
		return nil, fmt.Errorf("%s: this is no ready line: %q", name, line)
	}
	return s, nil
}

// Address returns where clients connect.
func (s *small) Address() string { return s.address }

// Publish has the server make the messages and send them.
func (s *small) Publish(first, count, size, subscribers int) error {
	body, err := json.Marshal(peer.Publication{First: first, Count: count, Size: size})
	if err != nil {
		return err
	}
	var answer peer.Connections
	if err := s.http.json("POST", "http://"+s.control+"/publish", body, &answer); err != nil {
		return err
	}
	if answer.Connections != subscribers {
		return fmt.Errorf("the server has %d connections, want %d", answer.Connections, subscribers)
	}
	return nil
}

// Empty reports whether the server has no connections.
func (s *small) Empty() (bool, error) {
	var answer peer.Connections
	err := s.http.json("GET", "http://"+s.control+"/connections", nil, &answer)
	return answer.Connections == 0, err
}

// Free makes the server collect garbage.
func (s *small) Free() (int64, bool, error) {
	var m peer.Memory
	err := s.http.json("POST", "http://"+s.control+"/free", nil, &m)
	return m.Heap + m.Stacks, true, err
}

// End stops the server.
func (s *small) End() error {
	s.http.client.CloseIdleConnections()
	return s.Stop(syscall.SIGTERM, 10*time.Second)
}

// caller makes HTTP requests, one after another on a connection that stays.
type caller struct {
	ctx    context.Context
	client *http.Client
}

func newCaller(r *rig.Rig) caller {
	return caller{r.Group.Context(), &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
}

// json makes a request, which must succeed, and reads the answer into result if
// that is not nil.
func (c caller) json(method, url string, body []byte, result any) error {
	req, err := http.NewRequestWithContext(c.ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %.300s", method, url, resp.Status, answer)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer, result)
}
