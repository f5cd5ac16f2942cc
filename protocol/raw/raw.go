// Package raw is the dialect without an envelope: each message is a payload,
// text or binary, on the one channel that the connection's path names.
package raw

import (
	"encoding/json"

	"stentor/protocol"
)

// Decode makes an event of what a client has sent. data is kept.
func Decode(binary bool, data []byte, user string) protocol.Event {
	kind := protocol.Text
	if binary {
		kind = protocol.Binary
	}
	return protocol.Event{Name: protocol.DefaultEvent, Kind: kind, Data: data, User: user}
}

// Encode returns what a client receives of an event: bytes as they are, a JSON
// string as its text, any other JSON value as it is written. data may be the
// event's own.
func Encode(ev protocol.Event) (binary bool, data []byte) {
	if ev.Kind == protocol.JSON && len(ev.Data) > 0 && ev.Data[0] == '"' {
		var s string
		if json.Unmarshal(ev.Data, &s) == nil {
			return false, []byte(s)
		}
	}
	return ev.Kind == protocol.Binary, ev.Data
}
