package rig

import (
	"fmt"
	"strconv"
	"strings"
)

// Metrics is what /metrics told: values by name, with labels as they stand
// there.
type Metrics map[string]float64

// parseMetrics reads Prometheus's text format, as far as Stentor writes it: no
// time stamps.
func parseMetrics(text string) (Metrics, error) {
	m := Metrics{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("metrics: cannot read %q", line)
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: cannot read %q", line)
		}
		m[line[:at]] = v
	}
	return m, nil
}

// Expect fails unless the metrics have these values.
func (m Metrics) Expect(values map[string]int) error {
	for name, want := range values {
		if got, ok := m[name]; !ok || got != float64(want) {
			return fmt.Errorf("%s is %v, want %d", name, got, want)
		}
	}
	return nil
}
