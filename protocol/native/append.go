package native

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"

	"stentor/protocol"
)

// The functions below append messages to a client, one JSON object each. They
// are written out by hand because data passes through byte for byte, and
// because a publication is encoded while others wait.

// Welcome is the first message that a client receives.
type Welcome struct {
	Client string        // the client's id
	User   string        // its identity, empty if it has none
	Idle   time.Duration // silence after which the server pings
	Pong   time.Duration // silence after that ping that ends the connection
	Max    int           // greatest message in bytes that the client may send
}

// AppendWelcome appends the greeting.
func AppendWelcome(b []byte, w Welcome) []byte {
	b = append(b, `{"type":"welcome","client":"`...)
	b = append(b, w.Client...)
	b = append(b, '"')
	if w.User != "" {
		b = appendField(b, "user", w.User)
	}
	b = append(b, `,"idle_ms":`...)
	b = strconv.AppendInt(b, w.Idle.Milliseconds(), 10)
	b = append(b, `,"pong_ms":`...)
	b = strconv.AppendInt(b, w.Pong.Milliseconds(), 10)
	b = append(b, `,"max_bytes":`...)
	b = strconv.AppendInt(b, int64(w.Max), 10)
	return append(b, '}')
}

// Member is a user in a presence channel.
type Member struct {
	User string
	Info json.RawMessage // nil if there is none
}

// AppendSubscribed appends the acknowledgement of a subscription. members is
// nil for a channel without presence. id is nil if the client gave none, or if
// it was subscribed by its backend.
func AppendSubscribed(b []byte, id json.RawMessage, channel string, members []Member) []byte {
	b = appendHead(b, "subscribed", id)
	b = appendField(b, "channel", channel)
	if members != nil {
		b = appendMembers(b, members)
	}
	return append(b, '}')
}

// AppendUnsubscribed appends the acknowledgement of the end of a subscription.
func AppendUnsubscribed(b []byte, id json.RawMessage, channel string) []byte {
	b = appendHead(b, "unsubscribed", id)
	return append(appendField(b, "channel", channel), '}')
}

// AppendPublished appends the acknowledgement of a publication: how many
// clients it is for.
func AppendPublished(b []byte, id json.RawMessage, matched int) []byte {
	b = append(appendHead(b, "published", id), `,"matched":`...)
	return append(strconv.AppendInt(b, int64(matched), 10), '}')
}

// AppendPresence appends the answer to a presence command.
func AppendPresence(b []byte, id json.RawMessage, channel string, members []Member) []byte {
	b = appendHead(b, "presence", id)
	b = appendField(b, "channel", channel)
	return append(appendMembers(b, members), '}')
}

// AppendPong appends the answer to a ping.
func AppendPong(b []byte, id json.RawMessage) []byte {
	return append(appendHead(b, "pong", id), '}')
}

// AppendError appends an error.
func AppendError(b []byte, e *Error) []byte {
	b = appendHead(b, "error", e.ID)
	b = appendField(b, "code", e.Code)
	return append(appendField(b, "message", e.Message), '}')
}

// AppendMessage appends an event. channel is empty if it was addressed to the
// client, its user or all.
func AppendMessage(b []byte, channel string, ev protocol.Event) []byte {
	b = append(b, `{"type":"message"`...)
	if channel != "" {
		b = appendField(b, "channel", channel)
	}
	b = appendField(b, "event", ev.Name)
	if ev.User != "" {
		b = appendField(b, "user", ev.User)
	}
	switch ev.Kind {
	case protocol.JSON:
		b = append(append(b, `,"data":`...), ev.Data...)
	case protocol.Text:
		b = protocol.AppendString(append(b, `,"data":`...), ev.Data)
	case protocol.Binary:
		b = append(b, `,"encoding":"base64","data":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, ev.Data), '"')
	}
	return append(b, '}')
}

// AppendJoin appends the news that a user has come to a presence channel,
// AppendLeave that it has gone.
func AppendJoin(b []byte, channel string, m Member) []byte {
	return appendMembership(b, "join", channel, m)
}

// AppendLeave: see AppendJoin.
func AppendLeave(b []byte, channel string, m Member) []byte {
	return appendMembership(b, "leave", channel, m)
}

// AppendBye appends the announcement that the server is about to close, with
// the time after which the client should come back.
func AppendBye(b []byte, code int, reason string, retry time.Duration) []byte {
	b = append(b, `{"type":"bye","code":`...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = appendField(b, "reason", reason)
	b = append(b, `,"retry_ms":`...)
	return append(strconv.AppendInt(b, retry.Milliseconds(), 10), '}')
}

func appendMembership(b []byte, typ, channel string, m Member) []byte {
	b = appendHead(b, typ, nil)
	b = appendField(b, "channel", channel)
	b = appendField(b, "user", m.User)
	if m.Info != nil {
		b = append(append(b, `,"info":`...), m.Info...)
	}
	return append(b, '}')
}

func appendMembers(b []byte, members []Member) []byte {
	b = append(b, `,"members":[`...)
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = protocol.AppendString(append(b, `{"user":`...), m.User)
		if m.Info != nil {
			b = append(append(b, `,"info":`...), m.Info...)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendHead(b []byte, typ string, id json.RawMessage) []byte {
	b = append(append(append(b, `{"type":"`...), typ...), '"')
	if id != nil {
		b = append(append(b, `,"id":`...), id...)
	}
	return b
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return protocol.AppendString(b, value)
}
