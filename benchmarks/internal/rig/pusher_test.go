package rig

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/benchmarks/internal/wire"
)

// The signature of a request is that of the example in the documentation of
// Pusher's HTTP API.
func TestSigned(t *testing.T) {
	a := &PusherApp{ID: "3", Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}
	body := []byte(`{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`)
	got := a.signed("/apps/3/events", body, time.Unix(1353088179, 0))
	want := "/apps/3/events?auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0" +
		"&body_md5=ec365a775a4cd0599faeb73354201b6f" +
		"&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// One message goes by itself, several in batches of ten, in order.
func TestPusherPublish(t *testing.T) {
	for count, want := range map[int][]string{
		1:  {"/apps/dev/events"},
		25: {"/apps/dev/batch_events", "/apps/dev/batch_events", "/apps/dev/batch_events"},
	} {
		var paths, data []string
		err := StentorApp.Publish(7, count, 20, func(target string, b []byte) error {
			path, _, _ := strings.Cut(target, "?")
			paths = append(paths, path)
			var body struct {
				pusherPublication
				Batch []pusherPublication
			}
			if err := json.Unmarshal(b, &body); err != nil {
				return err
			}
			if body.Batch == nil {
				body.Batch = []pusherPublication{body.pusherPublication}
			}
			if n := len(body.Batch); n > pusherBatch {
				t.Errorf("%d events in a request", n)
			}
			for _, p := range body.Batch {
				data = append(data, p.Data)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(paths, want) {
			t.Errorf("%d messages: requests to %v, want %v", count, paths, want)
		}
		var due []string
		for i := range count {
			due = append(due, wire.Payload(7+i, 20))
		}
		if !slices.Equal(data, due) {
			t.Errorf("%d messages: published %v, want %v", count, data, due)
		}
	}
}

// What a Pusher client receives of 128 bytes is 179 on the wire.
func TestPusherFrame(t *testing.T) {
	if n := len(wire.Enveloped(StentorApp.Subscriber().Envelope, 1, 1, 128)); n != 179 {
		t.Errorf("the frame has %d bytes, want 179", n)
	}
}
