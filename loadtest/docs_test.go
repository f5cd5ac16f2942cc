package loadtest

import (
	"os"
	"strings"
	"testing"
)

// The templates of the document are taken by the program, and its fields are
// those that there are.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../docs/load-testing.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for block := range strings.SplitSeq(string(b), "\n\n") {
		var yaml strings.Builder
		for line := range strings.Lines(block) {
			code, ok := strings.CutPrefix(line, "    ")
			if !ok {
				break
			}
			yaml.WriteString(code)
		}
		if !strings.Contains(yaml.String(), ".yaml, for:") {
			continue
		}
		found++
		if d, err := ReadTemplate(strings.NewReader(yaml.String())); err != nil {
			t.Errorf("%v in\n%s", err, yaml.String())
		} else if d.Name == "template" {
			t.Errorf("a template without a name:\n%s", yaml.String())
		}
	}
	if found != 2 {
		t.Errorf("%d templates were found, want 2", found)
	}
	for _, field := range []string{"headers", "subprotocols", "steps", "refused", "answers", "bare", "delivery", "send", "publish"} {
		if !strings.Contains(string(b), "`"+field+"`") {
			t.Errorf("the field %s is not described", field)
		}
	}
}
