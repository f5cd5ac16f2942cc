//go:build !race

// With the race detector a sync.Pool, which encoding/json has, forgets at random.

package pusher

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"stentor/protocol"
)

func allocations(t *testing.T, want float64, cases map[string]func()) {
	t.Helper()
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(1000, f); n > want {
				t.Errorf("%v allocations, at most %v are fair", n, want)
			}
		})
	}
}

// TestHotPathsDoNotAllocate where there is room for the message: a publication
// is encoded while others wait.
func TestHotPathsDoNotAllocate(t *testing.T) {
	room := make([]byte, 0, 1024)
	data := bytes.Repeat([]byte(`"234567890`), 20)
	members := []Member{{"ann", nil}, {"bob", json.RawMessage(`{"name":"Bob"}`)}}
	watched := []string{"ann", "bob"}
	refused := &Error{CodeClientEvent, "too many client events", "private-x"}
	event := func(name string, kind protocol.Kind, ok bool) func() {
		ev := protocol.Event{Name: name, Kind: kind, Data: data, User: "bob"}
		return func() {
			if _, appended := AppendEvent(room, "presence-x", ev); appended != ok {
				t.Errorf("appended %t", appended)
			}
		}
	}
	parse := func(text string) func() {
		b := []byte(text)
		return func() {
			if _, err := Parse(b); err != nil {
				t.Error(err)
			}
		}
	}
	allocations(t, 0, map[string]func(){
		"AppendEvent, JSON":        event("said", protocol.JSON, true),
		"AppendEvent, text":        event("said", protocol.Text, true),
		"AppendEvent, of a client": event("client-said", protocol.JSON, true),
		"AppendEvent, binary":      event("said", protocol.Binary, false),
		"AppendPong":               func() { AppendPong(room) },
		"AppendEstablished":        func() { AppendEstablished(room, "1.2", time.Minute) },
		"AppendSubscribed":         func() { AppendSubscribed(room, "news") },
		"AppendSubscribedPresence": func() { AppendSubscribedPresence(room, "presence-x", members) },
		"AppendMemberAdded":        func() { AppendMemberAdded(room, "presence-x", members[1]) },
		"AppendMemberRemoved":      func() { AppendMemberRemoved(room, "presence-x", "bob") },
		"AppendSubscriptionCount":  func() { AppendSubscriptionCount(room, "news", 100000) },
		"AppendWatchlist":          func() { AppendWatchlist(room, watched, watched) },
		"AppendError":              func() { AppendError(room, refused) },
		"Parse, ping":              parse(`{"event":"pusher:ping","data":{}}`),
		"Parse, pong":              parse(`{"event":"pusher:pong","data":{}}`),
		"KindOf":                   func() { _ = KindOf("private-encrypted-cache-x") },
		"CheckChannel":             func() { _ = CheckChannel("private-encrypted-cache-x", 100) },
	})
	// The names of the event and the channel, and the data.
	allocations(t, 3, map[string]func(){
		"Parse, client event":           parse(`{"event":"client-x","channel":"private-x","data":{"x":1.50,"y":[1,2,3]}}`),
		"Parse, client event, a string": parse(`{"event":"client-x","channel":"private-x","data":"[1,2,3]"}`),
	})
	allocations(t, 1, map[string]func(){
		"Parse, subscribe":   parse(`{"event":"pusher:subscribe","data":{"auth":"","channel":"news"}}`),
		"Parse, unsubscribe": parse(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`),
	})
}
