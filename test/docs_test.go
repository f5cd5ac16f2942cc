package test

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/gateway"
)

// quoted is a word in backquotes.
var quoted = regexp.MustCompile("`([^`]+)`")

// words returns the words of a cell that are in backquotes.
func words(cell string) (list []string) {
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		list = append(list, m[1])
	}
	return list
}

// table returns the rows of the tables of a page of docs, each without its
// header, whose header begins with this cell.
func table(t *testing.T, page, header string) (rows [][]string) {
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var first string // cell of the table's header; empty outside of tables
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			first = ""
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case first == "":
			first = cells[0]
		case first == header && strings.Trim(line, "|- ") != "":
			rows = append(rows, cells)
		}
	}
	return rows
}

// same compares what a page documents with what the program has.
func same(t *testing.T, page, what string, documented, known map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if d, ok := documented[name]; !ok {
			t.Errorf("the %s %s is not in docs/%s", what, name, page)
		} else if d != known[name] {
			t.Errorf("docs/%s has %q for the %s %s, the program %q", page, d, what, name, known[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if _, ok := known[name]; !ok {
			t.Errorf("docs/%s has the %s %s, which the program has not", page, what, name)
		}
	}
}

// keysOf returns the keys of a configuration with their values in words.
func keysOf(v reflect.Value, prefix string, keys map[string]string) map[string]string {
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("koanf")
		switch f := v.Field(i); {
		case name == "-":
		case f.Kind() == reflect.Struct:
			keysOf(f, prefix+name+".", keys)
		default:
			keys[prefix+name] = inWords(f)
		}
	}
	return keys
}

func inWords(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		return fmt.Sprintf("%vs", value.Seconds())
	case []string:
		return strings.Join(value, ", ")
	}
	if v.Kind() == reflect.Slice {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// documentedKeys reads a table of keys, in the order key, default, words.
func documentedKeys(t *testing.T, header string) map[string]string {
	keys := map[string]string{}
	for _, row := range table(t, "configuration.md", header) {
		value := strings.Join(words(row[1]), ", ")
		for _, name := range words(row[0]) {
			if _, twice := keys[name]; twice {
				t.Errorf("docs/configuration.md has the key %s twice", name)
			}
			keys[name] = value
		}
	}
	return keys
}

func TestConfigurationKeysAreDocumentedWithTheirDefaults(t *testing.T) {
	known := keysOf(reflect.ValueOf(gateway.Default()), "", map[string]string{})
	delete(known, "apps") // has a table of its own
	same(t, "configuration.md", "key", documentedKeys(t, "key"), known)

	// What the program itself takes for its keys is the same.
	for _, k := range gateway.Keys() {
		if _, ok := known[k.Name]; !ok {
			t.Errorf("the key %s has no default", k.Name)
		}
	}
	if len(gateway.Keys()) != len(known) {
		t.Errorf("%d keys, and defaults of %d", len(gateway.Keys()), len(known))
	}
}

func TestKeysOfAppsAreDocumentedWithTheirDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stentor.yaml")
	if err := os.WriteFile(file, []byte("apps: [{}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := gateway.Load(file, nil, nil)
	if err != nil || len(cfg.Apps) != 1 {
		t.Fatalf("%+v, error %v", cfg, err)
	}
	known := keysOf(reflect.ValueOf(cfg.Apps[0]), "", map[string]string{})
	documented := documentedKeys(t, "key of an app")
	same(t, "configuration.md", "key of an app", documented, known)
}

// sample is a line of /metrics.
var sample = regexp.MustCompile(`^(stentor_[a-z_]+)(?:\{([^}]*)\})? `)

// label is one of its labels.
var label = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// scraped is what /metrics tells: the types by name, with labels as the page
// writes them, and the values of labels that are not free.
func scraped(t *testing.T) (types map[string]string, values map[string][]string) {
	cfg := gateway.Default()
	cfg.Listen, cfg.Admin = []string{"127.0.0.1:0"}, "127.0.0.1:0"
	cfg.DataDir = t.TempDir()
	cfg.Apps = []gateway.App{{ID: "a", Key: "a-key", Secret: "a-secret", MaxChannelName: 164, Webhooks: []gateway.Webhook{{URL: "http://127.0.0.1:9"}}}}
	g, err := gateway.New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	_, admin := g.Addresses()
	resp, err := http.Get("http://" + admin.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}

	types, values = map[string]string{}, map[string][]string{}
	kinds := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "# TYPE stentor_"); ok {
			name, kind, _ := strings.Cut(strings.TrimSpace(name), " ")
			kinds["stentor_"+name] = kind
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := m[1]
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if whole := strings.TrimSuffix(name, part); kinds[whole] == "histogram" {
				name = whole
			}
		}
		full := name
		labels := label.FindAllStringSubmatch(m[2], -1)
		if kinds[name] == "histogram" {
			labels = nil // le
		}
		if len(labels) > 0 {
			names := []string{}
			for _, l := range labels {
				names = append(names, l[1])
			}
			full += "{" + strings.Join(names, ",") + "}"
		}
		types[full] = kinds[name]
		for _, l := range labels {
			if slices.Contains([]string{"result", "reason", "outcome"}, l[1]) {
				values[full] = append(values[full], l[2])
			}
		}
	}
	return types, values
}

func TestMetricsAreDocumented(t *testing.T) {
	types, values := scraped(t)
	documented := map[string]string{}
	for _, row := range table(t, "metrics.md", "name") {
		for _, name := range words(row[0]) {
			documented[name] = row[1]
		}
		name := strings.Join(words(row[0]), " ")
		if known := slices.Sorted(slices.Values(values[name])); len(known) > 0 {
			if list := slices.Sorted(slices.Values(words(row[2]))); !slices.Equal(list, known) {
				t.Errorf("docs/metrics.md has for %s %q, the program %q", name, list, known)
			}
			delete(values, name)
		}
	}
	same(t, "metrics.md", "metric", documented, types)
	for name := range values {
		t.Errorf("the values of %s are not in docs/metrics.md", name)
	}
}

// A name that any page mentions is one that there is.
func TestPagesNameMetricsThatThereAre(t *testing.T) {
	types, _ := scraped(t)
	known := map[string]bool{}
	for name, kind := range types {
		name, _, _ = strings.Cut(name, "{")
		known[name] = true
		if kind == "histogram" {
			known[name+"_bucket"], known[name+"_sum"], known[name+"_count"] = true, true, true
		}
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages, error %v", err)
	}
	mention := regexp.MustCompile(`\bstentor_[a-z_]+\b`)
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range mention.FindAllString(string(text), -1) {
			found++
			if !known[name] {
				t.Errorf("docs/%s names the metric %s, which there is not", filepath.Base(page), name)
			}
		}
	}
	if found == 0 {
		t.Error("no page names a metric: is this test looking in the right place?")
	}
}
