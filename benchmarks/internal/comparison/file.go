// Package comparison is what a comparison of Stentor with its peers has found:
// raw rounds by server, and the figures that are made of them.
package comparison

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/report"
	"stentor/loadtest/host"
)

// File is a run, as it is kept.
type File struct {
	Benchmark string       `json:"benchmark"`
	Date      string       `json:"date"` // RFC 3339
	Commit    string       `json:"commit"`
	Command   string       `json:"command"`
	Machine   host.Machine `json:"machine"`
	Load      [2]float64   `json:"load"` // one-minute load average before and after
	Go        string       `json:"go"`
	Node      string       `json:"node"`
	Plan      Plan         `json:"plan"`
	Seconds   float64      `json:"seconds"`
	Servers   []Server     `json:"servers"`
	Targets   []Target     `json:"targets"`
	Figures   []Figure     `json:"figures"`
	Visits    []*Visit     `json:"visits"` // raw
}

// Kind is what a server is.
type Kind string

// Kinds.
const (
	Floor   Kind = "floor"   // bare system calls
	Stentor Kind = "stentor" // the real binary
	Go      Kind = "go"      // a small server on a Go library
	Node    Kind = "node"    // a small server on a Node library
	Product Kind = "product" // somebody else's gateway
)

// Server is one of those that are compared.
type Server struct {
	Name    string `json:"name"`  // for flags, and for visits
	Label   string `json:"label"` // for people
	Version string `json:"version"`
	Kind    Kind   `json:"kind"`
	// Most is the most connections that it is measured with, 0 if there is no
	// such limit.
	Most int `json:"most,omitempty"`
}

// Peer reports whether it is neither Stentor nor the floor.
func (s *Server) Peer() bool { return s.Kind != Floor && s.Kind != Stentor }

// Visit is what was measured of a fresh process of a server with a crowd.
type Visit struct {
	Server      string   `json:"server"`
	Connections int      `json:"connections"`
	Repetition  int      `json:"repetition"`
	Seconds     float64  `json:"seconds"`
	Error       string   `json:"error,omitempty"` // why it ended early
	Memory      []Memory `json:"memory,omitempty"`
	Rounds      []Round  `json:"rounds,omitempty"`
	Paced       []Paced  `json:"paced,omitempty"`
}

// Failure tells in a line that a visit has failed, empty if it has not.
func (v *Visit) Failure() string {
	if v.Error == "" {
		return ""
	}
	line, _, _ := strings.Cut(v.Error, "\n")
	if v.Connections == 0 {
		return fmt.Sprintf("%s could not be measured: %.200s", v.Server, line)
	}
	return fmt.Sprintf("%s failed with %d connections, repetition %d: %.200s", v.Server, v.Connections, v.Repetition+1, line)
}

// Clients are of two kinds where a server makes a difference.
const (
	Idle       = "idle"       // has echoed a message
	Subscriber = "subscriber" // receives what is published
)

// Memory is a reading of a server, empty and with its clients, in bytes.
type Memory struct {
	Client    string `json:"client"` // Idle or Subscriber
	Freed     bool   `json:"freed"`  // the server had collected garbage and given back what is free
	EmptyRSS  int64  `json:"empty_rss"`
	RSS       int64  `json:"rss"`
	EmptyLive int64  `json:"empty_live,omitempty"` // heap and stacks in use, if it tells
	Live      int64  `json:"live,omitempty"`
}

// Kinds of work of a round.
const (
	Handshake = "handshake" // of idle clients, where there is a difference
	Subscribe = "subscribe" // of clients that receive; with the handshake if that is one step
	Serial    = "serial"    // one publication to all
	Burst     = "burst"     // some, back to back
	Echo      = "echo"
)

// Round is a sample of some events: handshakes, deliveries or messages.
type Round struct {
	Work   string `json:"work"`
	Size   int    `json:"size,omitempty"` // of a payload
	Events int    `json:"events"`
	report.Sample
}

// Paced is deliveries of publications that were due to be sent in even
// intervals.
type Paced struct {
	Size     int           `json:"size"`
	Count    int           `json:"count"` // publications
	Interval time.Duration `json:"interval_ns"`
	CPU      time.Duration `json:"cpu_ns"`
	Others   float64       `json:"others"`
	crowd.Delays
}

// Write writes the run to path, all of it or nothing.
func (f *File) Write(path string) error { return report.WriteJSON(path, f) }

// Read reads a run.
func Read(path string) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{}
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}
