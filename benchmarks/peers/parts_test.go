package main

import (
	"testing"
	"time"

	"stentor/benchmarks/internal/comparison"
)

// The signature is the one of the example in Pusher's documentation of its HTTP
// API, in kind: the query is sorted, and the body's sum is in it.
func TestSigned(t *testing.T) {
	got := signed("/apps/app-id/events", []byte("{}"), time.Unix(1353088179, 0))
	want := "/apps/app-id/events?auth_key=app-key&auth_timestamp=1353088179&auth_version=1.0" +
		"&body_md5=99914b932bd37a50b983c5e7c90ae93b&auth_signature="
	if len(got) != len(want)+64 || got[:len(want)] != want {
		t.Errorf("got %s", got)
	}
}

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
