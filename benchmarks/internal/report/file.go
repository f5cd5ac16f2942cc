package report

import (
	"encoding/json"
	"os"
	"path/filepath"

	"stentor/loadtest/host"
)

// File is a run, as it is kept.
type File struct {
	Benchmark string            `json:"benchmark"`
	Date      string            `json:"date"` // RFC 3339
	Commit    string            `json:"commit"`
	Command   string            `json:"command"`
	Server    []string          `json:"server"` // arguments of Stentor
	Machine   host.Machine      `json:"machine"`
	Load      [2]float64        `json:"load"` // one-minute load average before and after
	Go        string            `json:"go"`   // that has built Stentor
	Modules   map[string]string `json:"modules"`
	Plan      any               `json:"plan"`
	Seconds   float64           `json:"seconds"`
	Figures   []*Figure         `json:"figures"`
	Pairs     map[string][]Pair `json:"pairs"`  // raw rounds, by kind of work
	Memory    any               `json:"memory"` // raw readings
	Allocs    any               `json:"allocs"` // raw counts
}

// Write writes the run to path, all of it or nothing.
func (f *File) Write(path string) error { return WriteJSON(path, f) }

// WriteJSON writes v to path, all of it or nothing.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(b, '\n'))
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}

// MarshalJSON leaves out the values of a figure that was not measured.
func (f *Figure) MarshalJSON() ([]byte, error) {
	type values struct {
		Median float64 `json:"median"`
		Min    float64 `json:"min"`
		Max    float64 `json:"max"`
	}
	out := struct {
		Budget
		*values
		Verdict  string `json:"verdict"`
		Skipped  string `json:"skipped,omitempty"`
		Absolute string `json:"absolute,omitempty"`
	}{Budget: f.Budget, Verdict: f.verdict(), Skipped: f.Skipped, Absolute: f.Absolute}
	if f.Skipped == "" {
		v := values(f.Spread)
		out.values = &v
	}
	return json.Marshal(out)
}
