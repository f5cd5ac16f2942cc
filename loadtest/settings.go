package loadtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	defaultSize = 128
	maxRate     = 1e7 // a second
	maxMessages = 100_000_000
)

// checkSettings refuses settings that do nothing in the scenario: who gives them
// expects something of them.
func (p *plan) checkSettings() error {
	messages := []string{ScenarioBroadcast, ScenarioEcho}
	published := []string{ScenarioBroadcast, ScenarioStorm}
	counted := []string{ScenarioBroadcast, ScenarioEcho, ScenarioStorm}
	storm := []string{ScenarioStorm}
	for _, s := range []struct {
		flag      string
		given     bool
		scenarios []string
	}{
		{"--messages", p.Messages != 0, messages},
		{"--rate", p.Rate != 0, []string{ScenarioBroadcast, ScenarioEcho, ScenarioChurn, ScenarioStorm}},
		{"--burst", p.Burst != 0 && p.Burst != 1, published},
		{"--size", p.Size != 0 && p.Size != defaultSize, counted},
		{"--concurrency", p.Concurrency != 0, []string{ScenarioEcho}},
		{"--warm-up", p.WarmUp != 0, counted},
		{"--grace", p.Grace != 0, counted},
		{"--publish", len(p.Publish) != 0, published},
		{"--publish-by ws", p.PublishWS, published},
		{"--drop", p.Drop != 0, storm},
		{"--kill", p.Kill != "", storm},
		{"--restart", p.Restart != "", storm},
		{"--spread", p.Spread != 0, storm},
		{"--backoff", p.Backoff != 0, []string{ScenarioChurn, ScenarioStorm}},
	} {
		if s.given && !slices.Contains(s.scenarios, p.Scenario) {
			return fmt.Errorf("%s does nothing in the scenario %s: it is for %s", s.flag, p.Scenario, strings.Join(s.scenarios, ", "))
		}
	}
	switch {
	case p.Rate != 0 && p.Concurrency != 0:
		return errors.New("--rate and --concurrency exclude each other: messages are sent when they are due, or when others have come back")
	case p.Kill != "" && p.Drop != 0:
		return errors.New("--kill and --drop exclude each other: with the server all clients go")
	case p.PublishWS && len(p.Publish) != 0:
		return errors.New("--publish and --publish-by ws exclude each other: --publish is for HTTP")
	}
	return nil
}

// checkNumbers checks that numbers and times are such.
func (p *plan) checkNumbers() error {
	for _, n := range []struct {
		flag        string
		value       int
		least, most int
	}{
		{"--connections", p.Connections, 1, maxConnections},
		{"--messages", p.Messages, 0, maxMessages},
		{"--warm-up", p.WarmUp, 0, maxMessages},
		{"--burst", p.Burst, 0, maxMessages},
		{"--concurrency", p.Concurrency, 0, maxConnections},
		{"--channels", p.Channels, 0, maxChannels},
		{"--in-flight", p.InFlight, 0, maxConnections},
		{"--workers", p.Workers, 0, maxConnections},
	} {
		if n.value < n.least || n.value > n.most {
			return fmt.Errorf("%s %d: want %d to %d", n.flag, n.value, n.least, n.most)
		}
	}
	if p.Size != 0 && (p.Size < MinSize || p.Size > 16<<20) {
		return fmt.Errorf("--size %d: want %d to %d bytes (less does not hold what a client has to know to account for a message)", p.Size, MinSize, 16<<20)
	}
	for _, r := range []struct {
		flag  string
		value float64
	}{{"--rate", p.Rate}, {"--connect-rate", p.ConnectRate}} {
		if !(r.value >= 0 && r.value <= maxRate) {
			return fmt.Errorf("%s %v: want 0 to %.0f a second", r.flag, r.value, maxRate)
		}
	}
	if !(p.Drop >= 0 && p.Drop <= 1) {
		return fmt.Errorf("--drop %v: want a share from 0 to 1", p.Drop)
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"--duration", p.Duration}, {"--timeout", p.Timeout}, {"--grace", p.Grace}, {"--spread", p.Spread}, {"--backoff", p.Backoff}} {
		if d.value < 0 {
			return fmt.Errorf("%s %v: want 0 or more", d.flag, d.value)
		}
	}
	return nil
}
