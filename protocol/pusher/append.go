package pusher

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"stentor/protocol"
)

// The functions below append messages to a client, one JSON object each. "data"
// is a string that holds JSON, as clients that are written in other languages
// than JavaScript rely on, except where the protocol says that it is an object.

// AppendEstablished appends the greeting: the client's socket id, and the
// silence after which it should ping, in whole seconds and at least one.
func AppendEstablished(b []byte, socketID string, activity time.Duration) []byte {
	b, n := begin(b, "pusher:connection_established", "")
	b = protocol.AppendString(append(b, `{"socket_id":`...), socketID)
	b = append(b, `,"activity_timeout":`...)
	b = strconv.AppendInt(b, max(1, int64(activity/time.Second)), 10)
	return end(append(b, '}'), n)
}

// AppendPong appends the answer to a ping.
func AppendPong(b []byte) []byte { return append(b, `{"event":"pusher:pong","data":"{}"}`...) }

// AppendError appends an error. "data" is an object. A channel that breaks the
// rules for names is not repeated.
func AppendError(b []byte, e *Error) []byte {
	channel := e.Channel
	if CheckChannel(channel, 0) != nil {
		channel = ""
	}
	b = append(head(b, "pusher:error", channel), `,"data":{"code":`...)
	if e.Code == 0 {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, int64(e.Code), 10)
	}
	return append(protocol.AppendString(append(b, `,"message":`...), e.Message), '}', '}')
}

// AppendSubscriptionError appends the refusal of a subscription: typ is such as
// "AuthError", status one of HTTP. "data" is an object.
func AppendSubscriptionError(b []byte, channel, typ, message string, status int) []byte {
	b = append(head(b, "pusher:subscription_error", channel), `,"data":{"type":`...)
	b = protocol.AppendString(b, typ)
	b = protocol.AppendString(append(b, `,"error":`...), message)
	b = append(b, `,"status":`...)
	return append(strconv.AppendInt(b, int64(status), 10), '}', '}')
}

// AppendSubscribed appends the acknowledgement of a subscription to a channel
// without presence.
func AppendSubscribed(b []byte, channel string) []byte {
	return empty(b, "pusher_internal:subscription_succeeded", channel)
}

// AppendSubscribedPresence appends the acknowledgement of a subscription to a
// presence channel. members has each user once.
func AppendSubscribedPresence(b []byte, channel string, members []Member) []byte {
	b, n := begin(b, "pusher_internal:subscription_succeeded", channel)
	b = append(b, `{"presence":{"ids":[`...)
	for i, m := range members {
		b = protocol.AppendString(comma(b, i), m.User)
	}
	b = append(b, `],"hash":{`...)
	for i, m := range members {
		b = append(protocol.AppendString(comma(b, i), m.User), ':')
		b = appendInfo(b, m.Info)
	}
	b = append(b, `},"count":`...)
	return end(append(strconv.AppendInt(b, int64(len(members)), 10), '}', '}'), n)
}

// AppendMemberAdded appends the news that a user has come to a presence channel.
func AppendMemberAdded(b []byte, channel string, m Member) []byte {
	b, n := begin(b, "pusher_internal:member_added", channel)
	b = protocol.AppendString(append(b, `{"user_id":`...), m.User)
	b = appendInfo(append(b, `,"user_info":`...), m.Info)
	return end(append(b, '}'), n)
}

// AppendMemberRemoved appends the news that a user has gone.
func AppendMemberRemoved(b []byte, channel, user string) []byte {
	b, n := begin(b, "pusher_internal:member_removed", channel)
	b = protocol.AppendString(append(b, `{"user_id":`...), user)
	return end(append(b, '}'), n)
}

// AppendSubscriptionCount appends how many connections a channel has.
func AppendSubscriptionCount(b []byte, channel string, count int) []byte {
	b, n := begin(b, "pusher_internal:subscription_count", channel)
	b = strconv.AppendInt(append(b, `{"subscription_count":`...), int64(count), 10)
	return end(append(b, '}'), n)
}

// AppendCacheMiss appends that a cache channel has no event to begin with.
func AppendCacheMiss(b []byte, channel string) []byte {
	return empty(b, "pusher:cache_miss", channel)
}

// AppendSignedIn appends the acknowledgement of a sign-in, with user_data as
// the client has sent it. "data" is an object.
func AppendSignedIn(b []byte, userData string) []byte {
	b = append(head(b, "pusher:signin_success", ""), `,"data":{"user_data":`...)
	return append(protocol.AppendString(b, userData), '}', '}')
}

// AppendWatchlist appends which users, of those that the client watches, are
// online or offline now.
func AppendWatchlist(b []byte, online, offline []string) []byte {
	b, n := begin(b, "pusher_internal:watchlist_events", "")
	b = append(b, `{"events":[`...)
	if len(online) > 0 {
		b = appendIDs(append(b, `{"name":"online","user_ids":[`...), online)
	}
	if len(online) > 0 && len(offline) > 0 {
		b = append(b, ',')
	}
	if len(offline) > 0 {
		b = appendIDs(append(b, `{"name":"offline","user_ids":[`...), offline)
	}
	return end(append(b, ']', '}'), n)
}

// AppendEvent appends an event; channel is empty for one without. ok is false,
// and nothing is appended, for what clients of this dialect never receive:
// binary data, and names that are Reserved, which would pass for the server's
// own word. Who sent it is told on presence channels, of client events only.
func AppendEvent(b []byte, channel string, ev protocol.Event) (_ []byte, ok bool) {
	if ev.Kind == protocol.Binary || Reserved(ev.Name) {
		return b, false
	}
	b = head(b, ev.Name, channel)
	b = protocol.AppendString(append(b, `,"data":`...), ev.Data)
	if ev.User != "" && protocol.IsPresence(channel) && strings.HasPrefix(ev.Name, prefixClient) {
		b = protocol.AppendString(append(b, `,"user_id":`...), ev.User)
	}
	return append(b, '}'), true
}

// head begins a message.
func head(b []byte, event, channel string) []byte {
	b = protocol.AppendString(append(b, `{"event":`...), event)
	if channel != "" {
		b = protocol.AppendString(append(b, `,"channel":`...), channel)
	}
	return b
}

// begin begins a message as far as its data, which is JSON that becomes a
// string; end makes it one, and ends the message.
func begin(b []byte, event, channel string) (_ []byte, data int) {
	b = append(head(b, event, channel), `,"data":`...)
	return b, len(b)
}

func end(b []byte, data int) []byte {
	n := len(b)
	b = protocol.AppendString(b, b[data:])
	return append(b[:data+copy(b[data:], b[n:])], '}')
}

// empty appends a message that says all by its name.
func empty(b []byte, event, channel string) []byte {
	return append(head(b, event, channel), `,"data":"{}"}`...)
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

func appendInfo(b []byte, info json.RawMessage) []byte {
	if info == nil {
		return append(b, "null"...)
	}
	return append(b, info...)
}

func appendIDs(b []byte, ids []string) []byte {
	for i, id := range ids {
		b = protocol.AppendString(comma(b, i), id)
	}
	return append(b, ']', '}')
}
