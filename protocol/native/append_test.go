package native

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"stentor/protocol"
)

// The texts are those of docs/protocol.md where it shows them.
func TestMessagesToClients(t *testing.T) {
	info := raw(`{"name": "Bob"}`)
	for _, c := range []struct {
		want string
		got  []byte
	}{
		{`{"type":"welcome","client":"4294967297.8164523011928475093","user":"alice","idle_ms":120000,"pong_ms":30000,"max_bytes":65536}`,
			AppendWelcome(nil, Welcome{"4294967297.8164523011928475093", "alice", 2 * time.Minute, 30 * time.Second, 65536})},
		{`{"type":"welcome","client":"1.2","idle_ms":1,"pong_ms":0,"max_bytes":0}`,
			AppendWelcome(nil, Welcome{Client: "1.2", Idle: 1999 * time.Microsecond})},
		{`{"type":"subscribed","id":1,"channel":"news"}`, AppendSubscribed(nil, raw(`1`), "news", nil)},
		{`{"type":"subscribed","channel":"presence-x","members":[]}`, AppendSubscribed(nil, nil, "presence-x", []Member{})},
		{`{"type":"subscribed","channel":"presence-x","members":[{"user":"ann"},{"user":"bob","info":{"name": "Bob"}}]}`,
			AppendSubscribed(nil, nil, "presence-x", []Member{{"ann", nil}, {"bob", info}})},
		{`{"type":"unsubscribed","id":"two","channel":"news"}`, AppendUnsubscribed(nil, raw(`"two"`), "news")},
		{`{"type":"unsubscribed","channel":"news"}`, AppendUnsubscribed(nil, nil, "news")},
		{`{"type":"published","id":3,"matched":17}`, AppendPublished(nil, raw(`3`), 17)},
		{`{"type":"presence","id":4,"channel":"presence-room","members":[{"user":"alice"}]}`,
			AppendPresence(nil, raw(`4`), "presence-room", []Member{{"alice", nil}})},
		{`{"type":"presence","channel":"presence-room","members":[]}`, AppendPresence(nil, nil, "presence-room", nil)},
		{`{"type":"pong","id":5}`, AppendPong(nil, raw(`5`))},
		{`{"type":"pong"}`, AppendPong(nil, nil)},
		{`{"type":"error","id":3,"code":"forbidden","message":"clients without a token may not publish"}`,
			AppendError(nil, &Error{raw(`3`), Forbidden, "clients without a token may not publish"})},
		{`{"type":"error","code":"bad_json","message":"a \"quoted\" word"}`, AppendError(nil, &Error{nil, BadJSON, `a "quoted" word`})},
		{`{"type":"message","channel":"news","event":"said","user":"bob","data":{"text":"hi"}}`,
			AppendMessage(nil, "news", protocol.Event{Name: "said", Data: []byte(`{"text":"hi"}`), User: "bob"})},
		{`{"type":"message","event":"said","data":{ "z" : 1.50,  "a":"\u00e9"}}`,
			AppendMessage(nil, "", event("said", `{ "z" : 1.50,  "a":"\u00e9"}`))},
		{`{"type":"message","channel":"a","event":"message","data":"{\"a\":1}"}`,
			AppendMessage(nil, "a", protocol.Event{Name: "message", Kind: protocol.Text, Data: []byte(`{"a":1}`)})},
		{`{"type":"message","channel":"a","event":"message","data":""}`,
			AppendMessage(nil, "a", protocol.Event{Name: "message", Kind: protocol.Text})},
		{`{"type":"message","channel":"a","event":"message","user":"bob","encoding":"base64","data":"AP8Q"}`,
			AppendMessage(nil, "a", protocol.Event{Name: "message", Kind: protocol.Binary, Data: []byte{0, 255, 16}, User: "bob"})},
		{`{"type":"message","channel":"a","event":"message","encoding":"base64","data":""}`,
			AppendMessage(nil, "a", protocol.Event{Name: "message", Kind: protocol.Binary})},
		{`{"type":"join","channel":"presence-room","user":"bob","info":{"name": "Bob"}}`, AppendJoin(nil, "presence-room", Member{"bob", info})},
		{`{"type":"join","channel":"presence-room","user":"bob"}`, AppendJoin(nil, "presence-room", Member{"bob", nil})},
		{`{"type":"leave","channel":"presence-room","user":"bob"}`, AppendLeave(nil, "presence-room", Member{"bob", nil})},
		{`{"type":"bye","code":1012,"reason":"restart","retry_ms":1500}`, AppendBye(nil, 1012, "restart", 1500*time.Millisecond)},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s\nwant %s", c.got, c.want)
		}
		if !json.Valid(c.got) {
			t.Errorf("%s is not JSON", c.got)
		}
	}
}

// valid puts U+FFFD for each byte that is not UTF-8.
func valid(s string) string { return string([]rune(s)) }

// What is in the buffer stays before what is appended, whether there is room
// or not.
func TestAppendKeepsWhatIsThere(t *testing.T) {
	ev := protocol.Event{Name: "e", Kind: protocol.Binary, Data: []byte("data"), User: "ann"}
	want := append([]byte("before"), AppendMessage(nil, "a", ev)...)
	for _, room := range []int{6, 7, 50, 1000} {
		b := append(make([]byte, 0, room), "before"...)
		if got := AppendMessage(b, "a", ev); !bytes.Equal(got, want) {
			t.Errorf("room %d: %s", room, got)
		}
	}
}
