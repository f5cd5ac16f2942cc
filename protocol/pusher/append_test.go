package pusher

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"stentor/protocol"
)

func appended(b []byte, ok bool) []byte {
	if !ok {
		return []byte("nothing")
	}
	return b
}

func TestMessagesToClients(t *testing.T) {
	info := json.RawMessage(`{"name": "Bob"}`)
	event := func(name string, kind protocol.Kind, data, user string) protocol.Event {
		return protocol.Event{Name: name, Kind: kind, Data: []byte(data), User: user}
	}
	for _, c := range []struct {
		want string
		got  []byte
	}{
		{`{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}`,
			AppendEstablished(nil, "1.2", 2*time.Minute)},
		{`{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":1}"}`,
			AppendEstablished(nil, "1.2", 1999*time.Millisecond)},
		{`{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":1}"}`, AppendEstablished(nil, "1.2", 0)},
		{`{"event":"pusher:pong","data":"{}"}`, AppendPong(nil)},
		{`{"event":"pusher:error","data":{"code":4301,"message":"a \"word\""}}`, AppendError(nil, &Error{4301, `a "word"`, ""})},
		{`{"event":"pusher:error","channel":"private-a","data":{"code":null,"message":""}}`, AppendError(nil, &Error{0, "", "private-a"})},
		{`{"event":"pusher:subscription_error","channel":"private-a","data":{"type":"AuthError","error":"no","status":401}}`,
			AppendSubscriptionError(nil, "private-a", "AuthError", "no", 401)},
		{`{"event":"pusher_internal:subscription_succeeded","channel":"news","data":"{}"}`, AppendSubscribed(nil, "news")},
		{`{"event":"pusher_internal:subscription_succeeded","channel":"presence-a","data":"{\"presence\":{\"ids\":[],\"hash\":{},\"count\":0}}"}`,
			AppendSubscribedPresence(nil, "presence-a", nil)},
		{`{"event":"pusher_internal:subscription_succeeded","channel":"presence-a","data":"{\"presence\":{\"ids\":[\"10\",\"b\\\"\"],\"hash\":{\"10\":null,\"b\\\"\":{\"name\": \"Bob\"}},\"count\":2}}"}`,
			AppendSubscribedPresence(nil, "presence-a", []Member{{"10", nil}, {`b"`, info}})},
		{`{"event":"pusher_internal:member_added","channel":"presence-a","data":"{\"user_id\":\"10\",\"user_info\":{\"name\": \"Bob\"}}"}`,
			AppendMemberAdded(nil, "presence-a", Member{"10", info})},
		{`{"event":"pusher_internal:member_added","channel":"presence-a","data":"{\"user_id\":\"10\",\"user_info\":null}"}`,
			AppendMemberAdded(nil, "presence-a", Member{"10", nil})},
		{`{"event":"pusher_internal:member_removed","channel":"presence-a","data":"{\"user_id\":\"10\"}"}`,
			AppendMemberRemoved(nil, "presence-a", "10")},
		{`{"event":"pusher_internal:subscription_count","channel":"news","data":"{\"subscription_count\":100000}"}`,
			AppendSubscriptionCount(nil, "news", 100000)},
		{`{"event":"pusher:cache_miss","channel":"cache-a","data":"{}"}`, AppendCacheMiss(nil, "cache-a")},
		{`{"event":"pusher:signin_success","data":{"user_data":"{ \"id\" : \"1\" }"}}`, AppendSignedIn(nil, `{ "id" : "1" }`)},
		{`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[]}"}`, AppendWatchlist(nil, nil, nil)},
		{`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"1\",\"2\"]}]}"}`,
			AppendWatchlist(nil, []string{"1", "2"}, nil)},
		{`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"offline\",\"user_ids\":[\"3\"]}]}"}`,
			AppendWatchlist(nil, nil, []string{"3"})},
		{`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"1\"]},{\"name\":\"offline\",\"user_ids\":[\"3\"]}]}"}`,
			AppendWatchlist(nil, []string{"1"}, []string{"3"})},

		{`{"event":"said","channel":"news","data":"{\"a\": [1.50, \"\\u00e9\"]}"}`,
			appended(AppendEvent(nil, "news", event("said", protocol.JSON, `{"a": [1.50, "\u00e9"]}`, "")))},
		{`{"event":"said","channel":"news","data":"\"text\""}`, appended(AppendEvent(nil, "news", event("said", protocol.JSON, `"text"`, "")))},
		{`{"event":"said","channel":"news","data":"text"}`, appended(AppendEvent(nil, "news", event("said", protocol.Text, `text`, "")))},
		{`{"event":"said","channel":"news","data":""}`, appended(AppendEvent(nil, "news", event("said", protocol.Text, ``, "")))},
		{`{"event":"said","data":"7"}`, appended(AppendEvent(nil, "", event("said", protocol.JSON, `7`, "ann")))},
		{`{"event":"client-x","channel":"presence-a","data":"7","user_id":"an\"n"}`,
			appended(AppendEvent(nil, "presence-a", event("client-x", protocol.JSON, `7`, `an"n`)))},
		{`{"event":"client-x","channel":"presence-cache-a","data":"7","user_id":"ann"}`,
			appended(AppendEvent(nil, "presence-cache-a", event("client-x", protocol.JSON, `7`, "ann")))},
		{`{"event":"client-x","channel":"presence-a","data":"7"}`, appended(AppendEvent(nil, "presence-a", event("client-x", protocol.JSON, `7`, "")))},
		{`{"event":"client-x","channel":"private-a","data":"7"}`, appended(AppendEvent(nil, "private-a", event("client-x", protocol.JSON, `7`, "ann")))},
		{`{"event":"server-x","channel":"presence-a","data":"7"}`, appended(AppendEvent(nil, "presence-a", event("server-x", protocol.JSON, `7`, "ann")))},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s\nwant %s", c.got, c.want)
		}
		if !json.Valid(c.got) {
			t.Errorf("%s is not JSON", c.got)
		}
	}
}

// Binary data has no form in this dialect, and nobody but the server speaks for
// the protocol, whatever dialect it is published in.
func TestEventsThatClientsNeverReceive(t *testing.T) {
	for _, ev := range []protocol.Event{
		{Name: "said", Kind: protocol.Binary, Data: []byte("x")},
		{Name: "said", Kind: protocol.Binary},
		{Name: "pusher:error", Data: []byte(`{"code":4001}`)},
		{Name: "pusher_internal:member_added", Data: []byte(`{"user_id":"1"}`)},
	} {
		if b, ok := AppendEvent([]byte("before"), "news", ev); ok || string(b) != "before" {
			t.Errorf("%s, kind %d: %t, %s", ev.Name, ev.Kind, ok, b)
		}
	}
}

// What is in the buffer stays before what is appended, whether there is room or
// not: the data is written first, and then over as a string.
func TestAppendKeepsWhatIsThere(t *testing.T) {
	members := []Member{{"ann", nil}, {`b"b`, json.RawMessage(`{"name":"B\n"}`)}}
	for name, f := range map[string]func([]byte) []byte{
		"established": func(b []byte) []byte { return AppendEstablished(b, "1.2", time.Minute) },
		"subscribed":  func(b []byte) []byte { return AppendSubscribedPresence(b, "presence-a", members) },
		"watchlist":   func(b []byte) []byte { return AppendWatchlist(b, []string{"1"}, []string{"2"}) },
		"event": func(b []byte) []byte {
			b, _ = AppendEvent(b, "news", protocol.Event{Name: "e", Data: []byte(`{"a":1}`)})
			return b
		},
	} {
		want := append([]byte("before"), f(nil)...)
		for room := 6; room < 500; room++ {
			b := append(make([]byte, 0, room), "before"...)
			if got := f(b); !bytes.Equal(got, want) {
				t.Fatalf("%s, room %d: %s", name, room, got)
			}
		}
	}
}
