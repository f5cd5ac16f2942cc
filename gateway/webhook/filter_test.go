package webhook

import "testing"

func TestWants(t *testing.T) {
	q := open(t, Config{Dir: t.TempDir()})
	q.Set("usual", signer("s"), []Endpoint{{URL: "http://127.0.0.1:1/"}})
	q.Set("some", signer("s"), []Endpoint{
		{URL: "http://127.0.0.1:1/", Events: []string{ChannelVacated, "unknown"}, ChannelPrefix: "room-"},
		{URL: "http://127.0.0.1:1/", Events: []string{SubscriptionCount}},
		{URL: "http://127.0.0.1:2/", Events: []string{MemberAdded}, ChannelPrefix: "presence-"},
	})
	q.Set("gone", signer("s"), []Endpoint{{URL: "http://127.0.0.1:1/"}})
	q.Remove("gone")
	q.Set("none", signer("s"), nil)
	for _, c := range []struct {
		app, event, channel string
		want                bool
	}{
		{"usual", ChannelOccupied, "a", true},
		{"usual", CacheMiss, "a", true},
		{"usual", SubscriptionCount, "a", false},
		{"usual", "unknown", "a", false},
		{"some", ChannelVacated, "room-1", true},
		{"some", ChannelOccupied, "room-1", true}, // its other half is wanted
		{"some", ChannelVacated, "hall-1", false},
		{"some", ChannelVacated, "x-room-1", false},
		{"some", SubscriptionCount, "hall-1", true},
		{"some", MemberRemoved, "presence-1", true}, // as above
		{"some", MemberAdded, "1", false},
		{"some", ClientEvent, "room-1", false},
		{"gone", ChannelOccupied, "a", false},
		{"none", ChannelOccupied, "a", false},
		{"never", ChannelOccupied, "a", false},
	} {
		if got := q.Wants(c.app, c.event, c.channel); got != c.want {
			t.Errorf("app %s, %s of %s: %v, want %v", c.app, c.event, c.channel, got, c.want)
		}
	}
	closed(t, q)
	if q.Wants("usual", ChannelOccupied, "a") {
		t.Error("a closed queue wants events")
	}
}

// TestUnwantedEventsDoNotAllocate: most apps have no endpoints, most events
// none that wants them.
func TestUnwantedEventsDoNotAllocate(t *testing.T) {
	q := open(t, Config{Dir: t.TempDir()})
	q.Set("app", signer("s"), []Endpoint{{URL: "http://127.0.0.1:1/", ChannelPrefix: "room-"}})
	e := said("private-a", "hello")
	if n := testing.AllocsPerRun(1000, func() {
		q.Emit("app", e)
		q.Emit("other", e)
		if q.Wants("app", ChannelOccupied, "a") {
			t.Error("wanted")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
