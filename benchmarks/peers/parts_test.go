package main

import (
	"testing"

	"stentor/benchmarks/internal/comparison"
)

func TestChoose(t *testing.T) {
	all := allEntrants("", "")
	if list, err := choose(all, ""); err != nil || len(list) != len(all) {
		t.Errorf("%d servers, %v", len(list), err)
	}
	list, err := choose(allEntrants("", ""), "gws,floor")
	if err != nil || len(list) != 2 || list[0].Name != "floor" || list[1].Name != "gws" {
		t.Errorf("got %v, %v", list, err)
	}
	if _, err := choose(allEntrants("", ""), "gws,nobody"); err == nil {
		t.Error("took an unknown server")
	}
}

// -sizes takes the plan of the levels that it knows, and makes one for others.
func TestSizes(t *testing.T) {
	o := options{sizes: "19000,300"}
	p, err := o.plan()
	if err != nil {
		t.Fatal(err)
	}
	known := comparison.Full().Levels[0]
	if len(p.Levels) != 2 || p.Levels[0] != known || p.Levels[1].Connections != 300 {
		t.Errorf("levels are %+v", p.Levels)
	}
	for _, bad := range []string{"x", "0", "1,,2"} {
		o.sizes = bad
		if _, err := o.plan(); err == nil {
			t.Errorf("took %q", bad)
		}
	}
}
