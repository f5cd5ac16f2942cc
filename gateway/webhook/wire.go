package webhook

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
)

// wireEvent is an event as backends read it.
type wireEvent struct {
	Name    string  `json:"name"`
	Channel string  `json:"channel"`
	Event   string  `json:"event,omitempty"`
	Data    *string `json:"data,omitempty"`
	Socket  string  `json:"socket_id,omitempty"`
	User    string  `json:"user_id,omitempty"`
	Count   *int    `json:"subscription_count,omitempty"`
}

// encode returns an event as JSON, with the fields that its kind has.
func encode(k kind, e Event) []byte {
	w := wireEvent{Name: Names[k], Channel: e.Channel}
	switch k {
	case added, removed:
		w.User = e.User
	case clientEvent:
		w.Event, w.Data, w.Socket, w.User = e.Event, &e.Data, e.Socket, e.User
	case subscriptionCount:
		w.Count = &e.Count
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		panic("webhook: texts and numbers always have a JSON: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// payload returns the body of a call. Its time is the first event's, so that
// each try to send one event has the same bytes.
func payload(ms int64, events [][]byte) []byte {
	size := 64
	for _, e := range events {
		size += len(e) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, `{"time_ms":`...)
	b = strconv.AppendInt(b, ms, 10)
	b = append(b, `,"events":[`...)
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, "]}"...)
}

// The store's keys and values are texts with their length before them, and
// numbers of eight bytes, big-endian:
//
//	event  app, URL, id -> milliseconds, channel, JSON to the end
//	mark   app, URL, 0 for a channel or 1 for a member, channel, user to the end -> nothing

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cutText splits a text off. What it returns points into b.
func cutText(b []byte) (text, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	return b[used : used+int(n)], b[used+int(n):], true
}

// queuePrefix is what the keys of an endpoint's events and marks begin with.
func queuePrefix(app, url string) string {
	return string(appendText(appendText(nil, app), url))
}

func eventKey(prefix string, id uint64) []byte {
	b := make([]byte, 0, len(prefix)+8)
	return binary.BigEndian.AppendUint64(append(b, prefix...), id)
}

func parseEventKey(k []byte) (app, url []byte, id uint64, ok bool) {
	if app, k, ok = cutText(k); !ok {
		return nil, nil, 0, false
	}
	if url, k, ok = cutText(k); !ok || len(k) != 8 {
		return nil, nil, 0, false
	}
	return app, url, binary.BigEndian.Uint64(k), true
}

func eventValue(ms int64, channel string, body []byte) []byte {
	b := make([]byte, 0, 8+binary.MaxVarintLen64+len(channel)+len(body))
	b = binary.BigEndian.AppendUint64(b, uint64(ms))
	return append(appendText(b, channel), body...)
}

func parseEventValue(v []byte) (ms int64, channel, body []byte, ok bool) {
	if len(v) < 8 {
		return 0, nil, nil, false
	}
	channel, body, ok = cutText(v[8:])
	return int64(binary.BigEndian.Uint64(v)), channel, body, ok
}

func markKey(prefix string, m mark) []byte {
	b := append(make([]byte, 0, len(prefix)+len(m.channel)+len(m.user)+8), prefix...)
	if m.member {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return append(appendText(b, m.channel), m.user...)
}

func parseMarkKey(k []byte) (app, url string, m mark, ok bool) {
	name, k, ok := cutText(k)
	if !ok {
		return "", "", mark{}, false
	}
	address, k, ok := cutText(k)
	if !ok || len(k) == 0 || k[0] > 1 {
		return "", "", mark{}, false
	}
	m.member = k[0] == 1
	channel, user, ok := cutText(k[1:])
	m.channel, m.user = string(channel), string(user)
	return string(name), string(address), m, ok && m.member == (m.user != "")
}
