package pusher

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"stentor/protocol"
)

// Limits are those of an app, in bytes. 0 is none beyond what all apps have.
type Limits struct{ EventBytes, ChannelName int }

// Trigger is what a backend publishes.
type Trigger struct {
	Event    protocol.Event
	Channels []string // each once
	SocketID string   // the client that does not receive it; empty: none
	Info     Info     // what the answer should tell of the channels
}

// Most that one request may have.
const (
	MaxChannels = 100 // of one event
	MaxBatch    = 10  // events
)

// Info is what a backend wants to know of channels, a set of bits.
type Info uint8

// Attributes of channels.
const (
	UserCount         Info = 1 << iota // users of a presence channel
	SubscriptionCount                  // connections
	CacheInfo                          // the last event of a cache channel
)

// ParseInfo reads a list of attributes, such as "user_count,cache"; empty is
// none. The error is an *HTTPError.
func ParseInfo(s string) (Info, error) {
	info, unknown := readInfo(s)
	if unknown != nil {
		return 0, badRequest("info has the unknown attribute %.60q: it may have user_count, subscription_count and cache", *unknown)
	}
	return info, nil
}

// readInfo reads the attributes that there are, and returns the first other one.
func readInfo(s string) (info Info, unknown *string) {
	if s == "" {
		return 0, nil
	}
	for name := range strings.SplitSeq(s, ",") {
		switch strings.TrimSpace(name) {
		case "user_count":
			info |= UserCount
		case "subscription_count":
			info |= SubscriptionCount
		case "cache":
			info |= CacheInfo
		default:
			if unknown == nil {
				unknown = &name
			}
		}
	}
	return info, unknown
}

var (
	triggerFields = []string{"name", "data", "channels", "channel", "socket_id", "info"}
	batchFields   = []string{"batch"}
)

// ParseTrigger reads the body of a request to events. Its errors are
// *HTTPErrors: 413 for too much data, else 400. It keeps nothing of body.
func ParseTrigger(body []byte, l Limits) (Trigger, error) {
	if err := check(body); err != nil {
		return Trigger{}, badRequest("the body is %v", err)
	}
	t, err := parseTrigger(body, l, false)
	if err != nil {
		return Trigger{}, asHTTP("", err)
	}
	return t, nil
}

// ParseBatch reads the body of a request to batch_events. Errors are as those
// of ParseTrigger, and name the event.
func ParseBatch(body []byte, l Limits) ([]Trigger, error) {
	if err := check(body); err != nil {
		return nil, badRequest("the body is %v", err)
	}
	var v [1][]byte
	if err := fields(body, batchFields, v[:]); err != nil {
		return nil, badRequest("the body: %v", err)
	}
	if v[0] == nil {
		return nil, badRequest(`"batch" is missing`)
	}
	events, err := list("batch", v[0])
	if err != nil {
		return nil, asHTTP("", err)
	}
	if len(events) == 0 || len(events) > MaxBatch {
		return nil, badRequest(`"batch" has %d events, it may have 1 to %d`, len(events), MaxBatch)
	}
	triggers := make([]Trigger, len(events))
	for i, b := range events {
		t, err := parseTrigger(b, l, true)
		if err != nil {
			return nil, asHTTP(fmt.Sprintf("batch[%d]: ", i), err)
		}
		triggers[i] = t
	}
	return triggers, nil
}

// ParseLegacy reads a request to the events of one channel, as old libraries
// send it: the body is the data itself. Errors are as those of ParseTrigger.
func ParseLegacy(channel string, query url.Values, body []byte, l Limits) (Trigger, error) {
	if !utf8.Valid(body) {
		return Trigger{}, badRequest("the body is not valid UTF-8")
	}
	t := Trigger{Channels: []string{channel}}
	err := CheckChannel(channel, l.ChannelName)
	if err == nil {
		err = t.event(query.Get("name"), string(body), l)
	}
	if t.SocketID = query.Get("socket_id"); err == nil && t.SocketID != "" {
		err = CheckSocketID(t.SocketID)
	}
	t.Info, _ = readInfo(query.Get("info"))
	if err != nil {
		return Trigger{}, asHTTP("", err)
	}
	return t, nil
}

// parseTrigger reads an event, which in a batch has one channel.
func parseTrigger(b []byte, l Limits, batch bool) (t Trigger, err error) {
	var v [6][]byte
	if err := fields(b, triggerFields, v[:]); err != nil {
		return t, err
	}
	name, err := stringField("name", v[0])
	if err != nil {
		return t, err
	}
	data, err := stringField("data", v[1])
	if err != nil {
		return t, err
	}
	if err := t.event(name, data, l); err != nil {
		return t, err
	}
	if t.Channels, err = channels(v[2], v[3], batch); err != nil {
		return t, err
	}
	for _, c := range t.Channels {
		if err := CheckChannel(c, l.ChannelName); err != nil {
			return t, err
		}
		if len(t.Channels) > 1 && KindOf(c).Has(Encrypted) {
			return t, errors.New("an event for an encrypted channel is for that channel only")
		}
	}
	if !absent(v[4]) {
		if t.SocketID, err = stringField("socket_id", v[4]); err != nil {
			return t, err
		}
		if t.SocketID != "" { // backends pass on what they have been sent
			if err := CheckSocketID(t.SocketID); err != nil {
				return t, err
			}
		}
	}
	info, err := stringOrNone("info", v[5])
	if err != nil {
		return t, err
	}
	t.Info, _ = readInfo(info) // what is unknown must not keep the event back
	return t, nil
}

// event sets the event of a trigger.
func (t *Trigger) event(name, data string, l Limits) error {
	if err := protocol.CheckEvent(name); err != nil {
		return err
	}
	if Reserved(name) {
		return fmt.Errorf("the event name %.60q begins as only those of the protocol may", name)
	}
	if l.EventBytes > 0 && len(data) > l.EventBytes {
		return httpError(http.StatusRequestEntityTooLarge, "the data has %d bytes, at most %d are allowed", len(data), l.EventBytes)
	}
	t.Event.Name = name
	t.Event.Kind, t.Event.Data = EventData(data)
	return nil
}

// channels reads "channels" or "channel".
func channels(many, one []byte, batch bool) ([]string, error) {
	switch {
	case batch && !absent(many):
		return nil, errors.New(`an event of a batch has one "channel", not "channels"`)
	case absent(many):
		channel, err := stringField("channel", one)
		if one == nil && !batch {
			err = errors.New(`"channels" is missing`)
		}
		return []string{channel}, err
	case !absent(one):
		return nil, errors.New(`there are both "channels" and "channel"`)
	}
	names, err := stringList("channels", many)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 || len(names) > MaxChannels {
		return nil, fmt.Errorf(`"channels" has %d names, it may have 1 to %d`, len(names), MaxChannels)
	}
	var found []string
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			found = append(found, name)
		}
	}
	return found, nil
}

func badRequest(format string, args ...any) *HTTPError {
	return httpError(http.StatusBadRequest, format, args...)
}

// asHTTP makes an *HTTPError of an error, with words before it.
func asHTTP(before string, err error) *HTTPError {
	var e *HTTPError
	if errors.As(err, &e) {
		return &HTTPError{e.Status, before + e.Message}
	}
	return badRequest("%s%v", before, err)
}
