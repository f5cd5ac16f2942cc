package pusher

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"stentor/protocol"
)

func publish(channel, name string, kind protocol.Kind, data string) Command {
	return Command{Type: ClientEvent, Channel: channel, Event: protocol.Event{Name: name, Kind: kind, Data: []byte(data)}}
}

var longEvent = prefixClient + strings.Repeat("e", protocol.MaxEventName-len(prefixClient))

// goodCommands are messages and how they are read.
var goodCommands = []struct {
	text string
	want Command
}{
	{`{"event":"pusher:ping","data":{}}`, Command{Type: Ping}},
	{`{"event":"pusher:ping"}`, Command{Type: Ping}},
	{`{"event":"pusher:ping","data":""}`, Command{Type: Ping}},
	{`{"event":"pusher:ping","data":[null]}`, Command{Type: Ping}},
	{" {\n\t\"data\" : { \"event\" : \"x\" } ,\r\"event\" : \"pusher:ping\" }\n", Command{Type: Ping}},
	{`{"\u0065vent":"pusher\u003aping"}`, Command{Type: Ping}},
	{`{"Event":"pusher:pong","event":"pusher:ping","EVENT":1,"event ":2,"":3}`, Command{Type: Ping}},
	{`{"x":{"event":"pusher:pong"},"y":["}","{\"",[]],"event":"pusher:ping","z":-1.5e3,"z":true}`, Command{Type: Ping}},
	{`{"event":"pusher:pong","data":{}}`, Command{Type: Pong}},

	{`{"event":"pusher:subscribe","data":{"channel":"news"}}`, Command{Type: Subscribe, Channel: "news"}},
	{`{"event":"pusher:subscribe","data":{"auth":"","channel":"news"}}`, Command{Type: Subscribe, Channel: "news"}},
	{`{"event":"pusher:subscribe","data":{"auth":null,"channel_data":null,"channel":"news"}}`, Command{Type: Subscribe, Channel: "news"}},
	{`{"event":"pusher:subscribe","data":{"auth":"k:1","channel":"presence-x","channel_data":"{\"user_id\":\"1\"}"}}`,
		Command{Type: Subscribe, Channel: "presence-x", Auth: "k:1", ChannelData: `{"user_id":"1"}`}},
	{`{"event":"pusher:subscribe","channel":7,"data":{"user_data":7,"shared_secret":"x","channel":"any form/\u00e9\n"}}`,
		Command{Type: Subscribe, Channel: "any form/é\n"}},
	{`{"event":"pusher:subscribe","data":"{\"channel\":\"presence-x\",\"auth\":\"k:1\",\"channel_data\":\"{\\\"user_id\\\":1}\"}"}`,
		Command{Type: Subscribe, Channel: "presence-x", Auth: "k:1", ChannelData: `{"user_id":1}`}},
	{`{"event":"pusher:subscribe","data":{"channel":""}}`, Command{Type: Subscribe}},
	{`{"event":"pusher:subscribe","data":{"Channel":"a","channel":"b"}}`, Command{Type: Subscribe, Channel: "b"}},
	{`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`, Command{Type: Unsubscribe, Channel: "news"}},
	{`{"event":"pusher:unsubscribe","data":"{\"channel\":\"news\"}"}`, Command{Type: Unsubscribe, Channel: "news"}},
	{`{"event":"pusher:unsubscribe","data":{"channel":"news","auth":7}}`, Command{Type: Unsubscribe, Channel: "news"}},
	{`{"event":"pusher:signin","data":{"auth":"k:1","user_data":"{\"id\":\"1\"}"}}`, Command{Type: SignIn, Auth: "k:1", UserData: `{"id":"1"}`}},
	{`{"event":"pusher:signin","data":{"auth":"","user_data":"","channel":7}}`, Command{Type: SignIn}},

	{`{"event":"client-x","channel":"private-a","data":{ "z" : [1.50, "\u00e9 <&>"],  "a":null}}`,
		publish("private-a", "client-x", protocol.JSON, `{ "z" : [1.50, "\u00e9 <&>"],  "a":null}`)},
	{`{"event":"client-x","channel":"private-a"}`, publish("private-a", "client-x", protocol.JSON, `null`)},
	{`{"event":"client-x","channel":"private-a","data":null}`, publish("private-a", "client-x", protocol.JSON, `null`)},
	{`{"event":"client-x","channel":"private-a","data":7}`, publish("private-a", "client-x", protocol.JSON, `7`)},
	{`{"event":"client-x","channel":"private-a","data":"text"}`, publish("private-a", "client-x", protocol.Text, `text`)},
	{`{"event":"client-x","channel":"private-a","data":""}`, publish("private-a", "client-x", protocol.Text, ``)},
	{`{"event":"client-x","channel":"private-a","data":"{\"a\":\"\\u00e9\"}"}`, publish("private-a", "client-x", protocol.JSON, `{"a":"\u00e9"}`)},
	{`{"event":"client-x","channel":"private-a","data":"\"text\""}`, publish("private-a", "client-x", protocol.JSON, `"text"`)},
	{`{"event":"client-x","channel":"private-a","data":"{\"a\":"}`, publish("private-a", "client-x", protocol.Text, `{"a":`)},
	{`{"event":"client-x","channel":"private-a","data":"\ud83d\ude00\ud800"}`, publish("private-a", "client-x", protocol.Text, "\U0001F600\ufffd")},
	{`{"event":"client-x","channel":"private-a","data":1,"user_id":"forged","socket_id":"1.2"}`, publish("private-a", "client-x", protocol.JSON, `1`)},
	{`{"event":"client-","channel":"","data":1}`, publish("", "client-", protocol.JSON, `1`)},
	{`{"event":"` + longEvent + `","channel":"a b","data":1}`, publish("a b", longEvent, protocol.JSON, `1`)},
}

func TestParseReadsCommands(t *testing.T) {
	for _, c := range goodCommands {
		got, err := Parse([]byte(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, error %v\nwant %+v", c.text, got, err, c.want)
		}
	}
}

// A connection reads into the same memory again.
func TestParseKeepsNothingOfItsInput(t *testing.T) {
	for _, c := range goodCommands {
		b := []byte(c.text)
		got, err := Parse(b)
		for i := range b {
			b[i] = 'x'
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, error %v, after its memory was used again", c.text, got, err)
		}
	}
	b := []byte(`{"event":"fly","channel":"news"}`)
	_, err := Parse(b)
	copy(b, strings.Repeat("x", len(b)))
	if !strings.Contains(err.Error(), `"fly"`) {
		t.Errorf("%v", err)
	}
}

// badCommands are messages and what their errors say.
var badCommands = []struct{ text, says, channel string }{
	{``, "not valid JSON: unexpected end", ""},
	{` `, "not valid JSON", ""},
	{"\x00", "not valid JSON", ""},
	{"\xef\xbb\xbf{}", "not valid JSON", ""},
	{"{\"event\":\"pusher:ping\",\"x\":\"\xff\"}", "not valid UTF-8", ""},
	{"{\"event\":\"pusher:ping\",\"\xed\xa0\x80\":1}", "not valid UTF-8", ""},
	{`{"event":"pusher:ping"`, "not valid JSON: unexpected end", ""},
	{`{"event":"pusher:ping"}}`, "not valid JSON", ""},
	{`{"event":"pusher:ping"} {"event":"pusher:ping"}`, "not valid JSON", ""},
	{`{'event':'pusher:ping'}`, "not valid JSON", ""},
	{`{"event":"pusher:ping",}`, "not valid JSON", ""},
	{`{"event":"pusher:ping","x":01}`, "not valid JSON", ""},
	{"{\"event\":\"pusher:ping\n\"}", "not valid JSON", ""},
	{`{"event":"pusher:ping","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "exceeded max depth", ""},
	{strings.Repeat("[", 1<<20), "not valid JSON", ""},
	{`null`, "must be an object, not null", ""},
	{`[]`, "must be an object, not a list", ""},
	{` [{"event":"pusher:ping"}]`, "must be an object, not a list", ""},
	{`"pusher:ping"`, "must be an object, not a string", ""},
	{`-7`, "must be an object, not a number", ""},
	{`true`, "must be an object, not a boolean", ""},
	{`false`, "must be an object, not a boolean", ""},

	{`{}`, `"event" is missing`, ""},
	{`{"Event":"pusher:ping"}`, `"event" is missing`, ""},
	{`{"event":null}`, `"event" must be a string, not null`, ""},
	{`{"event":7}`, `"event" must be a string, not a number`, ""},
	{`{"event":["pusher:ping"]}`, `"event" must be a string, not a list`, ""},
	{`{"event":{}}`, `"event" must be a string, not an object`, ""},
	{`{"event":"pusher:ping","event":"pusher:ping"}`, `"event" twice`, ""},
	{`{"event":"pusher:ping","\u0065vent":"pusher:pong"}`, `"event" twice`, ""},
	{`{"event":null,"event":"pusher:pong"}`, `"event" twice`, ""},
	{`{"event":"client-x","channel":"a","channel":"b","data":1}`, `"channel" twice`, ""},
	{`{"event":"client-x","channel":"a","data":1,"data":2}`, `"data" twice`, ""},

	{`{"event":""}`, `unknown event ""`, ""},
	{`{"event":"my-event","channel":"news","data":"x"}`, `begin with client-`, ""},
	{`{"event":"Client-x","channel":"news","data":"x"}`, `begin with client-`, ""},
	{`{"event":" client-x","channel":"news","data":"x"}`, `begin with client-`, ""},
	{`{"event":"pusher:fly"}`, `unknown event "pusher:fly": clients send pusher:subscribe`, ""},
	{`{"event":"pusher:"}`, `clients send pusher:subscribe`, ""},
	{`{"event":"pusher:ping "}`, `clients send pusher:subscribe`, ""},
	{`{"event":"Pusher:ping"}`, `begin with client-`, ""},
	{`{"event":"pusher:error","data":{"code":4001}}`, `clients send pusher:subscribe`, ""},
	{`{"event":"pusher:connection_established"}`, `clients send pusher:subscribe`, ""},
	{`{"event":"pusher_internal:subscription_succeeded","channel":"a","data":{}}`, `clients send pusher:subscribe`, ""},
	{`{"event":"pusher_internal:member_added","channel":"presence-a","data":"{}"}`, `clients send pusher:subscribe`, ""},
	{`{"event":"` + strings.Repeat("水", 20000) + `"}`, `unknown event "水`, ""},

	{`{"event":"pusher:subscribe"}`, `pusher:subscribe: "data" is missing`, ""},
	{`{"event":"pusher:subscribe","data":null}`, `"data": it must be an object, not null`, ""},
	{`{"event":"pusher:subscribe","data":["news"]}`, `"data": it must be an object, not a list`, ""},
	{`{"event":"pusher:subscribe","data":""}`, `"data" is a string that is not valid JSON`, ""},
	{`{"event":"pusher:subscribe","data":"news"}`, `"data" is a string that is not valid JSON`, ""},
	{`{"event":"pusher:subscribe","data":"null"}`, `"data": it must be an object, not null`, ""},
	{`{"event":"pusher:subscribe","data":"\"{}\""}`, `"data": it must be an object, not a string`, ""},
	{`{"event":"pusher:subscribe","channel":"news","data":{}}`, `"channel" is missing`, ""},
	{`{"event":"pusher:subscribe","data":{"channel":null}}`, `"channel" must be a string, not null`, ""},
	{`{"event":"pusher:subscribe","data":{"channel":7}}`, `"channel" must be a string, not a number`, ""},
	{`{"event":"pusher:subscribe","data":{"channel":["a"]}}`, `"channel" must be a string, not a list`, ""},
	{`{"event":"pusher:subscribe","data":{"channel":"news","channel":"private-x"}}`, `"channel" twice`, ""},
	{`{"event":"pusher:subscribe","data":"{\"channel\":\"a\",\"channel\":\"b\"}"}`, `"channel" twice`, ""},
	{`{"event":"pusher:subscribe","data":{"channel":"news","auth":7}}`, `"auth" must be a string, not a number`, "news"},
	{`{"event":"pusher:subscribe","data":{"channel":"news","auth":"k:1","auth":""}}`, `"auth" twice`, ""},
	{`{"event":"pusher:subscribe","data":{"channel":"news","channel_data":{"user_id":"1"}}}`, `"channel_data" must be a string, not an object`, "news"},
	{`{"event":"pusher:subscribe","data":{"channel":"` + strings.Repeat("x", 165) + `","auth":7}}`, `"auth" must be a string`, ""},
	{`{"event":"pusher:unsubscribe","data":{}}`, `pusher:unsubscribe: "channel" is missing`, ""},
	{`{"event":"pusher:unsubscribe"}`, `pusher:unsubscribe: "data" is missing`, ""},
	{`{"event":"pusher:signin"}`, `pusher:signin: "data" is missing`, ""},
	{`{"event":"pusher:signin","data":{"auth":"k:1"}}`, `"user_data" is missing`, ""},
	{`{"event":"pusher:signin","data":{"user_data":"{}"}}`, `"auth" is missing`, ""},
	{`{"event":"pusher:signin","data":{"auth":null,"user_data":"{}"}}`, `"auth" must be a string, not null`, ""},
	{`{"event":"pusher:signin","data":{"auth":"k:1","user_data":{"id":"1"}}}`, `"user_data" must be a string, not an object`, ""},
	{`{"event":"pusher:signin","data":{"auth":"k:1","user_data":"a","user_data":"b"}}`, `"user_data" twice`, ""},

	{`{"event":"client-x","data":1}`, `"client-x": "channel" is missing`, ""},
	{`{"event":"client-x","channel":null,"data":1}`, `"channel" must be a string, not null`, ""},
	{`{"event":"client-x","channel":["private-a"],"data":1}`, `"channel" must be a string, not a list`, ""},
	{`{"event":"client-x\n","channel":"private-a","data":1}`, `control character`, "private-a"},
	{`{"event":"` + longEvent + `e","channel":"private-a","data":1}`, `201 bytes, at most 200`, "private-a"},
	{`{"event":"` + longEvent + `e","channel":"` + strings.Repeat("x", 165) + `","data":1}`, `201 bytes, at most 200`, ""},
}

// repeated is the channel that AppendError tells of one.
func repeated(channel string) string {
	if CheckChannel(channel, 0) != nil {
		return ""
	}
	return channel
}

// mostMessage bounds the text of an error, whatever it repeats of a command.
const mostMessage = 800

func TestParseNamesTheFault(t *testing.T) {
	for _, c := range badCommands {
		got, err := Parse([]byte(c.text))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.100s: %+v, error %v", c.text, got, err)
			continue
		}
		if !strings.Contains(e.Message, c.says) || e.Channel != c.channel && repeated(e.Channel) != c.channel || e.Code != 0 || err.Error() != e.Message {
			t.Errorf("%.100s: %+v\nwant %q, channel %q", c.text, e, c.says, c.channel)
		}
		if len(e.Message) > mostMessage {
			t.Errorf("%.100s: the message has %d bytes", c.text, len(e.Message))
		}
		if !reflect.DeepEqual(got, Command{}) {
			t.Errorf("%.100s: refused, and read as %+v", c.text, got)
		}
	}
}

// A text cut short is never read.
func TestParseOfEveryCut(t *testing.T) {
	for _, c := range goodCommands {
		whole := strings.TrimSpace(c.text)
		for i := range len(whole) {
			if got, err := Parse([]byte(whole[:i])); err == nil {
				t.Errorf("%s: read as %+v", whole[:i], got)
			}
		}
	}
}

func TestDataIsJSONIfItCanBe(t *testing.T) {
	for s, want := range map[string]protocol.Kind{
		`{"a":[1.50]}`:      protocol.JSON,
		`7`:                 protocol.JSON,
		`1e999`:             protocol.JSON,
		`null`:              protocol.JSON,
		`"text"`:            protocol.JSON,
		" \n[ ] ":           protocol.JSON,
		`"\ud800"`:          protocol.JSON,
		``:                  protocol.Text,
		` `:                 protocol.Text,
		`text`:              protocol.Text,
		`{"a":1}}`:          protocol.Text,
		`{a:1}`:             protocol.Text,
		`NaN`:               protocol.Text,
		`'x'`:               protocol.Text,
		"\"\xff\"":          protocol.Text,
		"\u00a07":           protocol.Text,
		`"unfinished`:       protocol.Text,
		"{\"nonce\":\"n\"}": protocol.JSON,
	} {
		kind, data := EventData(s)
		if kind != want || string(data) != s {
			t.Errorf("%q: kind %d, %q, want kind %d", s, kind, data, want)
		}
		if kind == protocol.JSON && !json.Valid(data) {
			t.Errorf("%q is no JSON", data)
		}
	}
}
