package native

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"stentor/protocol"
)

// Command is a message from a client.
type Command struct {
	Type    string          // one of the constants below
	ID      json.RawMessage // number or string to repeat in the answer; nil if none
	Channel string          // subscribe, unsubscribe, presence; publish to a channel
	User    string          // publish to a user
	All     bool            // publish to all
	Echo    bool            // publish: the sender receives it too, if it is among those meant
	Event   protocol.Event  // publish
}

// Types of commands.
const (
	Subscribe   = "subscribe"
	Unsubscribe = "unsubscribe"
	Publish     = "publish"
	Presence    = "presence"
	Ping        = "ping"
)

// Error is a fault in a command, or a refusal, as the client is told of it. The
// connection stays.
type Error struct {
	ID      json.RawMessage // of the command, if it could be read
	Code    string          // one of the constants below
	Message string          // what is wrong and what to do
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Codes of errors.
const (
	BadJSON     = "bad_json"     // not one JSON object
	BadMessage  = "bad_message"  // a field is missing, unknown or of the wrong type
	UnknownType = "unknown_type" // type is none of the commands
	BadChannel  = "bad_channel"  // the channel's name breaks the rules, or such channels have no members
	Forbidden   = "forbidden"    // the client may not do that
	TooMany     = "too_many"     // subscriptions, or members of a presence channel
	NotMember   = "not_member"   // presence of a channel that the client is not subscribed to
)

// MaxID is the greatest length in bytes of an id, as JSON, the quotes of a
// string included.
const MaxID = 64

// form is a command as JSON. Pointers tell what is missing.
type form struct {
	Type     *string         `json:"type"`
	ID       json.RawMessage `json:"id"`
	Channel  *string         `json:"channel"`
	User     *string         `json:"user"`
	All      *bool           `json:"all"`
	Echo     *bool           `json:"echo"`
	Event    *string         `json:"event"`
	Data     json.RawMessage `json:"data"`
	Encoding *string         `json:"encoding"`
}

// Parse reads a command. It keeps nothing of b. The error is an *Error.
func Parse(b []byte) (Command, error) {
	var f form
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return Command{}, jsonError(f, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Command{}, &Error{goodID(f.ID), BadJSON, "a message is one JSON object, and nothing after it"}
	}
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		return Command{}, &Error{nil, BadJSON, "a message is a JSON object, not null"}
	}
	id := goodID(f.ID)
	if f.ID != nil && id == nil {
		return Command{}, &Error{nil, BadMessage, fmt.Sprintf(`"id" must be a number or a string, of at most %d bytes with its quotes`, MaxID)}
	}
	c := Command{ID: id}
	if f.Type == nil {
		return Command{}, &Error{id, BadMessage, `"type" is missing: subscribe, unsubscribe, publish, presence or ping`}
	}
	c.Type = *f.Type
	var err *Error
	switch c.Type {
	case Subscribe, Unsubscribe, Presence:
		err = c.oneChannel(&f)
	case Publish:
		err = c.publish(&f)
	case Ping:
		err = f.only(c.Type, "")
	default:
		err = &Error{Code: UnknownType, Message: fmt.Sprintf("unknown type %q: use subscribe, unsubscribe, publish, presence or ping", clip(c.Type))}
	}
	if err != nil {
		err.ID = id
		return Command{}, err
	}
	return c, nil
}

// oneChannel reads the commands that consist of a channel.
func (c *Command) oneChannel(f *form) *Error {
	if err := f.only(c.Type, "channel"); err != nil {
		return err
	}
	if f.Channel == nil {
		return &Error{Code: BadMessage, Message: `"channel" is missing`}
	}
	c.Channel = *f.Channel
	return checkChannel(c.Channel)
}

// publish reads a publication.
func (c *Command) publish(f *form) *Error {
	targets := 0
	if f.Channel != nil {
		targets++
		c.Channel = *f.Channel
		if err := checkChannel(c.Channel); err != nil {
			return err
		}
	}
	if f.User != nil {
		targets++
		c.User = *f.User
		if err := protocol.CheckUser(c.User); err != nil {
			return &Error{Code: BadMessage, Message: `"user": ` + err.Error()}
		}
	}
	if f.All != nil && *f.All {
		targets++
		c.All = true
	}
	if targets != 1 {
		return &Error{Code: BadMessage, Message: `publish needs exactly one of "channel", "user" and "all": true`}
	}
	c.Echo = f.Echo == nil || *f.Echo
	name := protocol.DefaultEvent
	if f.Event != nil {
		name = *f.Event
	}
	encoding := ""
	if f.Encoding != nil {
		encoding = *f.Encoding
	}
	ev, err := Event(name, f.Data, encoding)
	if err != nil {
		return &Error{Code: BadMessage, Message: err.Error()}
	}
	c.Event = ev
	return nil
}

// Event makes an event of its parts in JSON. data is kept; without data it is
// null. encoding is empty, or "base64" for data that is a string of that form
// and stands for bytes.
func Event(name string, data json.RawMessage, encoding string) (protocol.Event, error) {
	if err := protocol.CheckEvent(name); err != nil {
		return protocol.Event{}, fmt.Errorf(`"event": %w`, err)
	}
	if len(data) == 0 {
		data = json.RawMessage("null")
	}
	if !utf8.Valid(data) {
		return protocol.Event{}, fmt.Errorf(`"data" is not valid UTF-8`)
	}
	switch encoding {
	case "":
		return protocol.Event{Name: name, Kind: protocol.JSON, Data: data}, nil
	case "base64":
		var s string
		if data[0] != '"' || json.Unmarshal(data, &s) != nil {
			return protocol.Event{}, fmt.Errorf(`with "encoding": "base64", "data" must be a string`)
		}
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return protocol.Event{}, errors.New(`"data" is not base64: use A-Z a-z 0-9 + / and fill up with = to a multiple of four characters`)
		}
		return protocol.Event{Name: name, Kind: protocol.Binary, Data: raw}, nil
	}
	return protocol.Event{}, fmt.Errorf(`"encoding" %q is unknown: leave it out, or use "base64"`, clip(encoding))
}

// only complains of fields that the type does not have; channel is "channel"
// if that is one of its.
func (f *form) only(typ, channel string) *Error {
	extra := ""
	switch {
	case f.Channel != nil && channel == "":
		extra = "channel"
	case f.User != nil:
		extra = "user"
	case f.All != nil:
		extra = "all"
	case f.Echo != nil:
		extra = "echo"
	case f.Event != nil:
		extra = "event"
	case f.Data != nil:
		extra = "data"
	case f.Encoding != nil:
		extra = "encoding"
	default:
		return nil
	}
	return &Error{Code: BadMessage, Message: fmt.Sprintf("%s has no field %q", typ, extra)}
}

func checkChannel(name string) *Error {
	if err := protocol.CheckChannel(name); err != nil {
		return &Error{Code: BadChannel, Message: err.Error()}
	}
	return nil
}

// jsonError puts a decoder's error into the client's words.
func jsonError(f form, err error) *Error {
	e := &Error{ID: goodID(f.ID), Code: BadJSON}
	if typeErr, ok := err.(*json.UnmarshalTypeError); ok {
		e.Code = BadMessage
		e.Message = fmt.Sprintf("%q must be %s, not %s", typeErr.Field, article(typeErr.Type.String()), article(typeErr.Value))
		if typeErr.Field == "" {
			e.Code, e.Message = BadJSON, "a message is a JSON object, not "+article(typeErr.Value)
		}
		return e
	}
	if strings.HasPrefix(err.Error(), "json: unknown field") {
		e.Code = BadMessage
		e.Message = clip(strings.TrimPrefix(err.Error(), "json: "))
		return e
	}
	e.Message = "not valid JSON: " + clip(strings.TrimPrefix(err.Error(), "json: "))
	return e
}

// article names a type of encoding/json in words.
func article(t string) string {
	switch t {
	case "bool":
		return "a boolean"
	case "array", "object":
		return "an " + t
	}
	return "a " + t
}

// goodID returns id if it is a number or a string of fair length, else nil.
func goodID(id json.RawMessage) json.RawMessage {
	if len(id) == 0 || len(id) > MaxID || !utf8.Valid(id) {
		return nil
	}
	if c := id[0]; c == '"' || c == '-' || '0' <= c && c <= '9' {
		return id
	}
	return nil
}

// clip shortens what a client has sent before it is told about it.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
