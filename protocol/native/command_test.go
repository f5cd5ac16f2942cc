package native

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"stentor/protocol"
)

var (
	longID      = `"` + strings.Repeat("x", MaxID-2) + `"`
	longChannel = strings.Repeat("c", protocol.MaxChannelName)
	longUser    = strings.Repeat("u", protocol.MaxUserID)
	longEvent   = strings.Repeat("e", protocol.MaxEventName)
)

func event(name string, data string) protocol.Event {
	return protocol.Event{Name: name, Kind: protocol.JSON, Data: []byte(data)}
}

// goodCommands are messages and how they are read.
var goodCommands = []struct {
	text string
	want Command
}{
	{`{"type":"subscribe","id":1,"channel":"news"}`, Command{Type: Subscribe, ID: raw(`1`), Channel: "news"}},
	{`{"type":"subscribe","channel":"` + longChannel + `"}`, Command{Type: Subscribe, Channel: longChannel}},
	{`{"type":"unsubscribe","id":"two","channel":"news"}`, Command{Type: Unsubscribe, ID: raw(`"two"`), Channel: "news"}},
	{`{"type":"presence","id":-1.5e3,"channel":"presence-room"}`, Command{Type: Presence, ID: raw(`-1.5e3`), Channel: "presence-room"}},
	{`{"type":"ping"}`, Command{Type: Ping}},
	{`{"type":"ping","id":0}`, Command{Type: Ping, ID: raw(`0`)}},
	{`{"type":"ping","id":""}`, Command{Type: Ping, ID: raw(`""`)}},
	{`{"type":"ping","id":1e999}`, Command{Type: Ping, ID: raw(`1e999`)}},
	{`{"type":"ping","id":"\u0041\n"}`, Command{Type: Ping, ID: raw(`"\u0041\n"`)}},
	{`{"type":"ping","id":` + longID + `}`, Command{Type: Ping, ID: raw(longID)}},
	{" {\n\t\"id\" : 1 , \"type\" : \"ping\" }\r\n", Command{Type: Ping, ID: raw(`1`)}},
	{`{"\u0074ype":"p\u0069ng"}`, Command{Type: Ping}},
	{`{"type":"publish","id":3,"channel":"news","event":"said","data":{"text":"hi"}}`,
		Command{Type: Publish, ID: raw(`3`), Channel: "news", Echo: true, Event: event("said", `{"text":"hi"}`)}},
	{`{"type":"publish","channel":"a","data": { "z" : [1.50, "\u00e9 <&>"],  "a":null} }`,
		Command{Type: Publish, Channel: "a", Echo: true, Event: event("message", `{ "z" : [1.50, "\u00e9 <&>"],  "a":null}`)}},
	{`{"type":"publish","channel":"a"}`, Command{Type: Publish, Channel: "a", Echo: true, Event: event("message", `null`)}},
	{`{"type":"publish","user":"` + longUser + `","event":"` + longEvent + `","echo":true,"data":"水"}`,
		Command{Type: Publish, User: longUser, Echo: true, Event: event(longEvent, `"水"`)}},
	{`{"type":"publish","all":true,"echo":false,"data":1}`, Command{Type: Publish, All: true, Event: event("message", `1`)}},
	{`{"type":"publish","all":false,"user":"ann","data":1}`, Command{Type: Publish, User: "ann", Echo: true, Event: event("message", `1`)}},
	{`{"type":"publish","channel":"a","encoding":"","data":""}`, Command{Type: Publish, Channel: "a", Echo: true, Event: event("message", `""`)}},
	{`{"type":"publish","channel":"a","encoding":"base64","data":"AP8Q"}`,
		Command{Type: Publish, Channel: "a", Echo: true, Event: protocol.Event{Name: "message", Kind: protocol.Binary, Data: []byte{0, 255, 16}}}},
	{`{"type":"publish","channel":"a","encoding":"base64","data":""}`,
		Command{Type: Publish, Channel: "a", Echo: true, Event: protocol.Event{Name: "message", Kind: protocol.Binary, Data: []byte{}}}},
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func TestParseReadsCommands(t *testing.T) {
	for _, c := range goodCommands {
		got, err := Parse([]byte(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.100s:\n%+v, error %v\nwant %+v", c.text, got, err, c.want)
		}
	}
}

// badCommands are messages, the codes of their errors, words of these that name
// the fault, and the ids that are told.
var badCommands = []struct{ text, code, says, id string }{
	{``, BadJSON, "not valid JSON", ""},
	{` `, BadJSON, "not valid JSON", ""},
	{`nonsense`, BadJSON, "invalid character 'o'", ""},
	{`{"type":"ping"`, BadJSON, "unexpected EOF", ""},
	{`{"type":"ping","id":1,}`, BadJSON, "invalid character '}'", ""},
	{`{'type':'ping'}`, BadJSON, `invalid character '\''`, ""},
	{`{"type":"ping","id":01}`, BadJSON, "invalid character '1'", ""},
	{"{\"type\":\"pi\nng\"}", BadJSON, `invalid character '\n'`, ""},
	{"\ufeff" + `{"type":"ping"}`, BadJSON, "invalid character", ""},
	{strings.Repeat(`[`, 20000), BadJSON, "not valid JSON", ""},
	{`{"type":"publish","all":true,"data":` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `}`, BadJSON, "depth", ""},
	{`{"type":"ping"} {"type":"ping"}`, BadJSON, "nothing after it", ""},
	{`{"type":"ping","id":7}]`, BadJSON, "nothing after it", "7"},
	{`[{"type":"ping"}]`, BadJSON, "not an array", ""},
	{`"ping"`, BadJSON, "not a string", ""},
	{`17`, BadJSON, "not a number", ""},
	{`true`, BadJSON, "JSON object", ""},

	{`{}`, BadMessage, `"type" is missing`, ""},
	{`{"id":7}`, BadMessage, `"type" is missing`, "7"},
	{`{"id":7,"type":null}`, BadMessage, `"type" is missing`, "7"},
	{`{"id":7,"type":1}`, BadMessage, `"type" must be a string, not a number`, "7"},
	{`{"type":["ping"],"id":7}`, BadMessage, `"type" must be a string, not an array`, "7"},
	{`{"id":7,"type":"publish","all":"yes"}`, BadMessage, `"all" must be a boolean, not a string`, "7"},
	{`{"id":7,"type":"publish","all":true,"echo":0}`, BadMessage, `"echo" must be a boolean`, "7"},
	{`{"id":7,"type":"publish","all":true,"event":{}}`, BadMessage, `"event" must be a string, not an object`, "7"},
	{`{"id":7,"type":"subscribe","channel":5}`, BadMessage, `"channel" must be a string`, "7"},
	{`{"id":7,"type":"ping","colour":1}`, BadMessage, `unknown field "colour"`, "7"},
	{`{"colour":1,"type":"ping","id":7}`, BadMessage, `unknown field "colour"`, "7"},
	{`{"id":7,"type":"ping","` + strings.Repeat("x", 5000) + `":1}`, BadMessage, `unknown field "xxx`, "7"},

	{`{"type":"ping","id":null}`, BadMessage, `"id" must be`, ""},
	{`{"type":"ping","id":true}`, BadMessage, `"id" must be`, ""},
	{`{"type":"ping","id":{"a":1}}`, BadMessage, `"id" must be`, ""},
	{`{"type":"ping","id":[1]}`, BadMessage, `"id" must be`, ""},
	{`{"type":"ping","id":"x` + longID[1:] + `}`, BadMessage, `at most 64 bytes with its quotes`, ""},
	{`{"type":"ping","id":` + strings.Repeat("1", MaxID+1) + `}`, BadMessage, `at most 64 bytes with its quotes`, ""},
	{`{"type":"ping","id":"` + "\xff" + `"}`, BadMessage, `"id" must be`, ""},

	{`{"id":"a","type":"fly"}`, UnknownType, `"fly"`, `"a"`},
	{`{"id":7,"type":""}`, UnknownType, `""`, "7"},
	{`{"id":7,"type":"Ping"}`, UnknownType, `"Ping"`, "7"},
	{`{"id":7,"type":"ping "}`, UnknownType, `"ping "`, "7"},
	{`{"id":7,"type":"welcome"}`, UnknownType, `"welcome"`, "7"},
	{`{"id":7,"type":"` + strings.Repeat("水", 5000) + `"}`, UnknownType, `水…"`, "7"},

	{`{"id":7,"type":"subscribe"}`, BadMessage, `"channel" is missing`, "7"},
	{`{"id":7,"type":"unsubscribe"}`, BadMessage, `"channel" is missing`, "7"},
	{`{"id":7,"type":"presence","channel":null}`, BadMessage, `"channel" is missing`, "7"},
	{`{"id":7,"type":"subscribe","channel":""}`, BadChannel, "empty", "7"},
	{`{"id":7,"type":"unsubscribe","channel":"a b"}`, BadChannel, "' '", "7"},
	{`{"id":7,"type":"presence","channel":"#x"}`, BadChannel, "'#'", "7"},
	{`{"id":7,"type":"subscribe","channel":".."}`, BadChannel, "dots", "7"},
	{`{"id":7,"type":"subscribe","channel":"` + "\xff" + `"}`, BadChannel, "'\ufffd'", "7"},
	{`{"id":7,"type":"subscribe","channel":"c` + longChannel + `"}`, BadChannel, "at most 164", "7"},
	{`{"id":7,"type":"publish","channel":"a b"}`, BadChannel, "' '", "7"},

	{`{"id":7,"type":"subscribe","channel":"a","user":"ann"}`, BadMessage, `subscribe has no field "user"`, "7"},
	{`{"id":7,"type":"subscribe","channel":"a","data":null}`, BadMessage, `subscribe has no field "data"`, "7"},
	{`{"id":7,"type":"unsubscribe","channel":"a","all":false}`, BadMessage, `unsubscribe has no field "all"`, "7"},
	{`{"id":7,"type":"unsubscribe","channel":"a","echo":false}`, BadMessage, `unsubscribe has no field "echo"`, "7"},
	{`{"id":7,"type":"presence","channel":"a","event":"e"}`, BadMessage, `presence has no field "event"`, "7"},
	{`{"id":7,"type":"presence","channel":"a","encoding":""}`, BadMessage, `presence has no field "encoding"`, "7"},
	{`{"id":7,"type":"ping","channel":"a"}`, BadMessage, `ping has no field "channel"`, "7"},
	{`{"id":7,"type":"ping","data":1}`, BadMessage, `ping has no field "data"`, "7"},

	{`{"id":7,"type":"publish"}`, BadMessage, "exactly one of", "7"},
	{`{"id":7,"type":"publish","all":false}`, BadMessage, "exactly one of", "7"},
	{`{"id":7,"type":"publish","channel":"a","all":true}`, BadMessage, "exactly one of", "7"},
	{`{"id":7,"type":"publish","channel":"a","user":"ann"}`, BadMessage, "exactly one of", "7"},
	{`{"id":7,"type":"publish","user":"ann","all":true}`, BadMessage, "exactly one of", "7"},
	{`{"id":7,"type":"publish","user":""}`, BadMessage, `"user": the user id is empty`, "7"},
	{`{"id":7,"type":"publish","user":".."}`, BadMessage, `"user": the user id is only dots`, "7"},
	{`{"id":7,"type":"publish","user":"a\u0000"}`, BadMessage, `"user": the user id has the control character`, "7"},
	{`{"id":7,"type":"publish","user":"u` + longUser + `"}`, BadMessage, `"user": the user id has 129 bytes, at most 128`, "7"},
	{`{"id":7,"type":"publish","all":true,"event":""}`, BadMessage, `"event": the event name is empty`, "7"},
	{`{"id":7,"type":"publish","all":true,"event":"a\nb"}`, BadMessage, `"event": the event name has the control character`, "7"},
	{`{"id":7,"type":"publish","all":true,"event":"e` + longEvent + `"}`, BadMessage, `"event": the event name has 201 bytes, at most 200`, "7"},
	{`{"id":7,"type":"publish","all":true,"data":"` + "\xff" + `"}`, BadMessage, `"data" is not valid UTF-8`, "7"},
	{`{"id":7,"type":"publish","all":true,"encoding":"hex","data":""}`, BadMessage, `"encoding" "hex" is unknown`, "7"},
	{`{"id":7,"type":"publish","all":true,"encoding":"BASE64","data":""}`, BadMessage, `"encoding" "BASE64" is unknown`, "7"},
	{`{"id":7,"type":"publish","all":true,"encoding":"base64","data":1}`, BadMessage, `"data" must be a string`, "7"},
	{`{"id":7,"type":"publish","all":true,"encoding":"base64","data":"!"}`, BadMessage, `"data" is not base64: use A-Z`, "7"},
	{`{"id":7,"type":"publish","all":true,"encoding":"base64","data":"AP8"}`, BadMessage, `"data" is not base64: use A-Z`, "7"}, // no padding
	{`{"id":7,"type":"publish","all":true,"encoding":"base64","data":"_-8="}`, BadMessage, `"data" is not base64: use A-Z`, "7"},
}

func TestParseNamesTheFault(t *testing.T) {
	for _, c := range badCommands {
		got, err := Parse([]byte(c.text))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.100s: %+v, error %v", c.text, got, err)
			continue
		}
		if e.Code != c.code || !strings.Contains(e.Message, c.says) || string(e.ID) != c.id {
			t.Errorf("%.100s: id %q, %v\nwant id %q, %s with %q", c.text, e.ID, e, c.id, c.code, c.says)
		}
		if len(e.Message) > mostMessage {
			t.Errorf("%.100s: the message has %d bytes", c.text, len(e.Message))
		}
		if !strings.HasPrefix(err.Error(), c.code+": ") {
			t.Errorf("%.100s: the error is %q", c.text, err)
		}
		if !reflect.DeepEqual(got, Command{}) {
			t.Errorf("%.100s: refused, and read as %+v", c.text, got)
		}
	}
}

// mostMessage bounds the text of an error, whatever it repeats of a command.
const mostMessage = 400

// A connection reads into the same memory again.
func TestParseKeepsNothingOfItsInput(t *testing.T) {
	for _, c := range goodCommands {
		b := []byte(c.text)
		got, err := Parse(b)
		for i := range b {
			b[i] = 'x'
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.100s: %+v, error %v, after its memory was used again", c.text, got, err)
		}
	}
	b := []byte(`{"type":"fly","id":"seven"}`)
	_, err := Parse(b)
	copy(b, strings.Repeat("x", len(b)))
	if want := `{"type":"error","id":"seven","code":"unknown_type"`; !strings.HasPrefix(string(AppendError(nil, err.(*Error))), want) {
		t.Errorf("%s, want %s ...", AppendError(nil, err.(*Error)), want)
	}
}

// Whatever the bytes before the cut, what is left is text.
func TestClipCutsBetweenCharacters(t *testing.T) {
	for i := range 8 {
		s := clip(strings.Repeat("x", i) + strings.Repeat("\U0001F600", 30))
		kept := strings.TrimSuffix(s, "…")
		if kept == s || len(kept) > 60 || len(kept) < 57 || strconv.Quote(kept) != `"`+kept+`"` {
			t.Errorf("%q", s)
		}
	}
	if s := strings.Repeat("x", 60); clip(s) != s {
		t.Errorf("60 bytes are cut to %q", clip(s))
	}
}
