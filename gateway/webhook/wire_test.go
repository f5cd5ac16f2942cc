package webhook

import (
	"bytes"
	"testing"
)

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		k    kind
		e    Event
		want string
	}{
		{occupied, Event{Channel: "a", User: "no", Data: "no", Count: 9}, `{"name":"channel_occupied","channel":"a"}`},
		{vacated, Event{Channel: "a"}, `{"name":"channel_vacated","channel":"a"}`},
		{added, Event{Channel: "presence-a", User: "7"}, `{"name":"member_added","channel":"presence-a","user_id":"7"}`},
		{removed, Event{Channel: "presence-a", User: "7"}, `{"name":"member_removed","channel":"presence-a","user_id":"7"}`},
		{clientEvent, Event{Channel: "private-a", Event: "client-x", Data: `{"a":"<b>"}`, Socket: "1.2"},
			`{"name":"client_event","channel":"private-a","event":"client-x","data":"{\"a\":\"<b>\"}","socket_id":"1.2"}`},
		{clientEvent, Event{Channel: "presence-a", Event: "client-x", Socket: "1.2", User: "7"},
			`{"name":"client_event","channel":"presence-a","event":"client-x","data":"","socket_id":"1.2","user_id":"7"}`},
		{cacheMiss, Event{Channel: "cache-a"}, `{"name":"cache_miss","channel":"cache-a"}`},
		{subscriptionCount, Event{Channel: "a", Count: 0}, `{"name":"subscription_count","channel":"a","subscription_count":0}`},
		{subscriptionCount, Event{Channel: "a", Count: 12}, `{"name":"subscription_count","channel":"a","subscription_count":12}`},
		{clientEvent, Event{Channel: "private-a", Event: "client-x", Data: "\xff", Socket: "1.2"},
			`{"name":"client_event","channel":"private-a","event":"client-x","data":"\ufffd","socket_id":"1.2"}`},
	} {
		if got := string(encode(c.k, c.e)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got, want := string(payload(1700000000123, [][]byte{[]byte("{}"), []byte(`{"a":1}`)})), `{"time_ms":1700000000123,"events":[{},{"a":1}]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzRecords reads keys and values as a damaged store may hold them: whatever
// is understood means the same when it is written again.
func FuzzRecords(f *testing.F) {
	f.Add(eventKey(queuePrefix("app", "http://a/b"), 7))
	f.Add(eventValue(1700000000123, "private-a", []byte(`{"name":"x"}`)))
	f.Add(markKey(queuePrefix("app", here), mark{channel: "a"}))
	f.Add(markKey(queuePrefix("app", here), mark{"presence-a", "7", true}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if app, url, id, ok := parseEventKey(b); ok {
			k := eventKey(queuePrefix(string(app), string(url)), id)
			if a, u, i, ok := parseEventKey(k); !ok || !bytes.Equal(a, app) || !bytes.Equal(u, url) || i != id {
				t.Errorf("%q became %q", b, k)
			}
		}
		if ms, channel, body, ok := parseEventValue(b); ok {
			v := eventValue(ms, string(channel), body)
			if m, c, x, ok := parseEventValue(v); !ok || m != ms || !bytes.Equal(c, channel) || !bytes.Equal(x, body) {
				t.Errorf("%q became %q", b, v)
			}
		}
		if app, url, m, ok := parseMarkKey(b); ok {
			k := markKey(queuePrefix(app, url), m)
			if a, u, n, ok := parseMarkKey(k); !ok || a != app || u != url || n != m {
				t.Errorf("%q became %q", b, k)
			}
		}
	})
}
