package pusher

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"stentor/protocol"
)

// Type is what a client wants.
type Type uint8

// Types of commands.
const (
	Subscribe Type = iota + 1
	Unsubscribe
	SignIn
	Ping
	Pong
	ClientEvent
)

// Command is a message from a client.
type Command struct {
	Type        Type
	Channel     string         // Subscribe, Unsubscribe, ClientEvent: any text
	Auth        string         // Subscribe: empty if none; SignIn
	ChannelData string         // Subscribe: empty if none
	UserData    string         // SignIn
	Event       protocol.Event // ClientEvent: without User
}

// Error is a fault in a command, or a refusal, as pusher:error tells it. The
// connection stays.
type Error struct {
	Code    int    // 0: none
	Message string // what is wrong and what to do
	Channel string // empty: none
}

func (e *Error) Error() string { return e.Message }

var (
	messageFields = []string{"event", "channel", "data"}
	dataFields    = []string{"channel", "auth", "channel_data", "user_data"}
)

// Parse reads a text message. It keeps nothing of b. The error is an *Error.
// Fields that a command does not have are passed over, and so is what data a
// ping has; "data" may be an object or, as some clients send it, a string that
// holds one. A field that may be missing may be null.
func Parse(b []byte) (Command, error) {
	if err := check(b); err != nil {
		return Command{}, fault("the message is %v", err)
	}
	var v [3][]byte
	if err := fields(b, messageFields, v[:]); err != nil {
		return Command{}, fault("a message is a JSON object: %v", err)
	}
	name, channel, data := v[0], v[1], v[2]
	if !isString(name) {
		_, err := stringField("event", name)
		return Command{}, fault("%v", err)
	}
	name = text(name)
	switch string(name) {
	case "pusher:ping":
		return Command{Type: Ping}, nil
	case "pusher:pong":
		return Command{Type: Pong}, nil
	case "pusher:subscribe":
		return parseData(Subscribe, "pusher:subscribe", data)
	case "pusher:unsubscribe":
		return parseData(Unsubscribe, "pusher:unsubscribe", data)
	case "pusher:signin":
		return parseData(SignIn, "pusher:signin", data)
	}
	if bytes.HasPrefix(name, []byte(prefixClient)) {
		return clientEvent(string(name), channel, data)
	}
	if Reserved(string(name)) {
		return Command{}, fault("unknown event %.60q: clients send pusher:subscribe, pusher:unsubscribe, pusher:signin, pusher:ping and pusher:pong", name)
	}
	return Command{}, fault("unknown event %.60q: the names of events that clients publish begin with %s", name, prefixClient)
}

func fault(format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...)}
}

// parseData reads the commands that have their fields in "data".
func parseData(typ Type, name string, data []byte) (Command, error) {
	if data == nil {
		return Command{}, fault(`%s: "data" is missing`, name)
	}
	if isString(data) {
		data = text(data)
		if err := check(data); err != nil {
			return Command{}, fault(`%s: "data" is a string that is %v`, name, err)
		}
	}
	var v [4][]byte
	if err := fields(data, dataFields, v[:]); err != nil {
		return Command{}, fault(`%s: "data": %v`, name, err)
	}
	c := Command{Type: typ}
	var err error
	read := func(to *string, at int, from func(string, []byte) (string, error)) {
		if err == nil {
			*to, err = from(dataFields[at], v[at])
		}
	}
	switch typ {
	case Subscribe:
		read(&c.Channel, 0, stringField)
		read(&c.Auth, 1, stringOrNone)
		read(&c.ChannelData, 2, stringOrNone)
	case Unsubscribe:
		read(&c.Channel, 0, stringField)
	case SignIn:
		read(&c.Auth, 1, stringField)
		read(&c.UserData, 3, stringField)
	}
	if err != nil {
		return Command{}, &Error{Message: name + ": " + err.Error(), Channel: c.Channel}
	}
	return c, nil
}

// clientEvent reads what a client publishes.
func clientEvent(name string, channel, data []byte) (Command, error) {
	to, err := stringField("channel", channel)
	if err == nil {
		err = protocol.CheckEvent(name)
	}
	if err != nil {
		return Command{}, &Error{Message: fmt.Sprintf("%.60q: %v", name, err), Channel: to}
	}
	ev := protocol.Event{Name: name}
	switch {
	case data == nil:
		ev.Data = []byte("null")
	case isString(data):
		ev.Data = bytes.Clone(text(data))
		ev.Kind = dataKind(ev.Data)
	default:
		ev.Data = bytes.Clone(data)
	}
	return Command{Type: ClientEvent, Channel: to, Event: ev}, nil
}

// EventData makes an event's data of the string that Pusher clients and
// backends have for it: JSON if the string holds that, byte for byte, else Text.
// So other dialects get JSON, and Pusher clients the same string again. s must
// be UTF-8.
func EventData(s string) (protocol.Kind, []byte) {
	data := []byte(s)
	return dataKind(data), data
}

func dataKind(data []byte) protocol.Kind {
	if utf8.Valid(data) && json.Valid(data) {
		return protocol.JSON
	}
	return protocol.Text
}
