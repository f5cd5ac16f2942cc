package native

import (
	"bytes"
	"testing"

	"stentor/protocol"
)

// TestHotPathsDoNotAllocate where there is room for the message: a publication
// is encoded while others wait.
func TestHotPathsDoNotAllocate(t *testing.T) {
	room := make([]byte, 0, 1024)
	data := bytes.Repeat([]byte("1234567890"), 20)
	id := raw(`"seven"`)
	message := func(kind protocol.Kind) func() {
		ev := protocol.Event{Name: "said", Kind: kind, Data: data, User: "bob"}
		return func() { AppendMessage(room, "news", ev) }
	}
	for name, f := range map[string]func(){
		"AppendMessage, JSON":   message(protocol.JSON),
		"AppendMessage, text":   message(protocol.Text),
		"AppendMessage, binary": message(protocol.Binary),
		"AppendJoin":            func() { AppendJoin(room, "presence-room", Member{"bob", id}) },
		"AppendPublished":       func() { AppendPublished(room, id, 100000) },
		"AppendPong":            func() { AppendPong(room, id) },
	} {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(1000, f); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}
