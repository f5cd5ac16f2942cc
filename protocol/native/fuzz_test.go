package native

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"stentor/protocol"
)

// The rules of docs/protocol.md once more, as patterns.
var (
	plainChannel = regexp.MustCompile(`^[-A-Za-z0-9_=@,.;]{1,164}$`)
	noControl    = regexp.MustCompile(`^\P{Cc}+$`)
)

func goodChannel(s string) bool { return plainChannel.MatchString(s) && s != "." && s != ".." }

func goodUser(s string) bool { return goodText(s, 128) && s != "." && s != ".." }

func goodText(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && noControl.MatchString(s)
}

// fields is a command as encoding/json reads it.
type fields struct {
	Type, Channel, User, Event, Encoding *string
	All, Echo                            *bool
	ID, Data                             json.RawMessage
}

// first reads the first JSON value of a message. rest tells whether anything
// but white space follows.
func first(b []byte) (value json.RawMessage, rest bool, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&value); err != nil {
		return nil, false, err
	}
	_, err = dec.Token()
	return value, err != io.EOF, nil
}

// idOf returns the id of a message that is one object and has one that may be.
func idOf(value []byte) json.RawMessage {
	var f struct{ ID json.RawMessage }
	if json.Unmarshal(value, &f) != nil || f.ID == nil || len(f.ID) > 64 || !utf8.Valid(f.ID) {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(f.ID))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	switch v.(type) {
	case string, json.Number:
		return f.ID
	}
	return nil
}

// FuzzParse gives a message to Parse. What is accepted obeys the limits and is
// what encoding/json reads; what is refused gets an error with its code, a
// text and the id.
func FuzzParse(f *testing.F) {
	for _, c := range goodCommands {
		f.Add([]byte(c.text))
	}
	for _, c := range badCommands {
		if len(c.text) < 2000 {
			f.Add([]byte(c.text))
		}
	}
	f.Add([]byte(`null`))
	f.Add([]byte(`{"type":1} x`))
	f.Add([]byte(`{"TYPE":"ping","type":"publish","all":true,"all":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		c, err := Parse(in)
		if !bytes.Equal(in, b) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			if !reflect.DeepEqual(c, Command{}) {
				t.Fatalf("refused, and read as %+v", c)
			}
			checkRefusal(t, b, err)
			return
		}
		checkCommand(t, b, c)
		for i := range in {
			in[i] = 'x'
		}
		if again, err := Parse(b); err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v, and again %+v, error %v", c, again, err)
		}
	})
}

func checkRefusal(t *testing.T, b []byte, err error) {
	e, ok := err.(*Error)
	if !ok || !slices.Contains([]string{BadJSON, BadMessage, UnknownType, BadChannel}, e.Code) {
		t.Fatalf("error %T %v", err, err)
	}
	if e.Message == "" || len(e.Message) > mostMessage || !utf8.ValidString(e.Message) {
		t.Fatalf("the message is %q", e.Message)
	}
	value, rest, invalid := first(b)
	isObject := invalid == nil && value[0] == '{'
	switch {
	case isObject && !rest && e.Code == BadJSON:
		t.Fatalf("one JSON object, and the error is %v", e)
	case !isObject && e.Code != BadJSON:
		t.Fatalf("no JSON object, and the error is %v", e)
	}
	if id := idOf(value); !bytes.Equal(e.ID, id) && !(rest && e.ID == nil) {
		t.Fatalf("the id is %q, and the error has %q", id, e.ID)
	}
	want := map[string]any{"type": "error", "code": e.Code, "message": e.Message}
	if e.ID != nil {
		want["id"] = decoded(t, e.ID)
	}
	compare(t, AppendError(nil, e), want)
}

func checkCommand(t *testing.T, b []byte, c Command) {
	var f fields
	if err := json.Unmarshal(b, &f); err != nil || f.Type == nil || c.Type != *f.Type {
		t.Fatalf("read as %+v, by encoding/json as %+v, error %v", c, f, err)
	}
	if !bytes.Equal(c.ID, idOf(b)) || (c.ID == nil) != (f.ID == nil) {
		t.Fatalf("the id is %q, read as %q", f.ID, c.ID)
	}
	if f.Channel != nil && c.Channel != *f.Channel || f.User != nil && c.User != *f.User {
		t.Fatalf("read as %+v", c)
	}
	if c.Channel != "" && !goodChannel(c.Channel) || c.User != "" && !goodUser(c.User) {
		t.Fatalf("a name breaks the rules: %+v", c)
	}
	switch c.Type {
	case Subscribe, Unsubscribe, Presence:
		if !reflect.DeepEqual(c, Command{Type: c.Type, ID: c.ID, Channel: c.Channel}) || c.Channel == "" {
			t.Fatalf("read as %+v", c)
		}
	case Ping:
		if !reflect.DeepEqual(c, Command{Type: c.Type, ID: c.ID}) {
			t.Fatalf("read as %+v", c)
		}
	case Publish:
		targets := 0
		for _, is := range []bool{c.Channel != "", c.User != "", c.All} {
			if is {
				targets++
			}
		}
		if targets != 1 || c.All != (f.All != nil && *f.All) || c.Echo != (f.Echo == nil || *f.Echo) {
			t.Fatalf("read as %+v", c)
		}
		checkEvent(t, f, c)
	default:
		t.Fatalf("there is no command %q", c.Type)
	}
}

// checkEvent looks at what is published, and at what the others receive of it.
func checkEvent(t *testing.T, f fields, c Command) {
	ev := c.Event
	if !goodText(ev.Name, 200) || f.Event != nil && ev.Name != *f.Event || f.Event == nil && ev.Name != "message" || ev.User != "" {
		t.Fatalf("event %+v", ev)
	}
	data := f.Data
	if data == nil {
		data = json.RawMessage("null")
	}
	want := map[string]any{"type": "message", "event": ev.Name}
	if c.Channel != "" {
		want["channel"] = c.Channel
	}
	switch base64d := f.Encoding != nil && *f.Encoding == "base64"; {
	case base64d && ev.Kind == protocol.Binary:
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		if raw, err := base64.StdEncoding.DecodeString(s); err != nil || !bytes.Equal(raw, ev.Data) {
			t.Fatalf("%s is read as %x, error %v", data, ev.Data, err)
		}
		want["encoding"], want["data"] = "base64", base64.StdEncoding.EncodeToString(ev.Data)
	case !base64d && ev.Kind == protocol.JSON && bytes.Equal(ev.Data, data) && utf8.Valid(data):
		want["data"] = decoded(t, data)
	default:
		t.Fatalf("event %+v of data %q", ev, data)
	}
	compare(t, AppendMessage(nil, c.Channel, ev), want)
}

// decoded reads JSON, numbers as they are written.
func decoded(t *testing.T, b []byte) (v any) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil || !json.Valid(b) {
		t.Fatalf("%q is not JSON: %v", b, err)
	}
	return v
}

// compare reads a message to a client: UTF-8, and one object with these fields.
func compare(t *testing.T, text []byte, want map[string]any) {
	if got := decoded(t, text); !utf8.Valid(text) || !reflect.DeepEqual(got, any(want)) {
		t.Fatalf("%q is read as %v\nwant %v", text, got, want)
	}
}

// FuzzPublish writes publish commands with encoding/json: those that obey the
// rules are accepted, and no others.
func FuzzPublish(f *testing.F) {
	f.Add(uint8(0), "news", "said", "7", []byte("\x00\xff"))
	f.Add(uint8(1), "ann", "a\nb", longID[1:MaxID-1], []byte("text"))
	f.Add(uint8(2), "", longEvent, "<\u2028>", []byte{})
	f.Add(uint8(3), "a b", "\u200d", "\"", []byte(`\ud800`))
	f.Fuzz(func(t *testing.T, to uint8, name, event, id string, data []byte) {
		name, event, id = valid(name), valid(event), valid(id)
		m := map[string]any{"type": "publish", "event": event, "id": id}
		good := goodText(event, 200)
		switch to % 3 {
		case 0:
			m["channel"], good = name, good && goodChannel(name)
		case 1:
			m["user"], good = name, good && goodUser(name)
		case 2:
			m["all"] = true
		}
		if to&4 == 0 {
			m["encoding"], m["data"] = "base64", data
		} else {
			m["data"] = valid(string(data))
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		wantID, _ := json.Marshal(id)
		good = good && len(wantID) <= MaxID
		c, err := Parse(text)
		if (err == nil) != good {
			t.Fatalf("%s: error %v, within the rules: %t", text, err, good)
		}
		if err == nil {
			if !bytes.Equal(c.ID, wantID) || c.Channel+c.User != name && !c.All || c.Event.Name != event {
				t.Fatalf("%s is read as %+v", text, c)
			}
			if c.Event.Kind == protocol.Binary && !bytes.Equal(c.Event.Data, data) {
				t.Fatalf("%s is read as %x", text, c.Event.Data)
			}
			checkCommand(t, text, c)
		}
	})
}

// FuzzAppend gives any text to the encoders, and reads what they write.
func FuzzAppend(f *testing.F) {
	f.Add("news", "said", "bob", []byte(`{"text":"hi"}`), 17)
	f.Add("\"", "\\", "\n\x00\x1f\x7f", []byte("\xff"), -1)
	f.Add("\xed\xa0\x80", "\u2028\u2029", "é水\U0001F600", []byte(" [ 1.50 , null ] "), 1<<53+1)
	f.Add("\",\"x\":\"", "\xc3", "</script>", []byte(`"\ud800"`), 0)
	f.Fuzz(func(t *testing.T, channel, name, user string, data []byte, n int) {
		number := func(n int) json.Number { return json.Number(strconv.Itoa(n)) }
		id, _ := json.Marshal(name)
		info, _ := json.Marshal([]string{user})
		members := []Member{{user, nil}, {name, info}}
		list := []any{map[string]any{"user": valid(user)},
			map[string]any{"user": valid(name), "info": []any{valid(user)}}}
		wait := time.Duration(n%1000000) * time.Millisecond
		ms := number(n % 1000000)

		type m = map[string]any
		greeting := m{"type": "welcome", "client": "1.2", "idle_ms": ms, "pong_ms": ms, "max_bytes": number(n)}
		if user != "" {
			greeting["user"] = valid(user)
		}
		compare(t, AppendWelcome(nil, Welcome{"1.2", user, wait, wait, n}), greeting)
		compare(t, AppendSubscribed(nil, id, channel, nil), m{"type": "subscribed", "id": valid(name), "channel": valid(channel)})
		compare(t, AppendSubscribed(nil, nil, channel, members), m{"type": "subscribed", "channel": valid(channel), "members": list})
		compare(t, AppendUnsubscribed(nil, id, channel), m{"type": "unsubscribed", "id": valid(name), "channel": valid(channel)})
		compare(t, AppendPublished(nil, id, n), m{"type": "published", "id": valid(name), "matched": number(n)})
		compare(t, AppendPresence(nil, id, channel, members), m{"type": "presence", "id": valid(name), "channel": valid(channel), "members": list})
		compare(t, AppendPong(nil, id), m{"type": "pong", "id": valid(name)})
		compare(t, AppendError(nil, &Error{id, channel, user}), m{"type": "error", "id": valid(name), "code": valid(channel), "message": valid(user)})
		compare(t, AppendJoin(nil, channel, members[1]), m{"type": "join", "channel": valid(channel), "user": valid(name), "info": []any{valid(user)}})
		compare(t, AppendLeave(nil, channel, members[0]), m{"type": "leave", "channel": valid(channel), "user": valid(user)})
		compare(t, AppendBye(nil, n, name, wait), m{"type": "bye", "code": number(n), "reason": valid(name), "retry_ms": ms})

		message := m{"type": "message", "event": valid(name)}
		if channel != "" {
			message["channel"] = valid(channel)
		}
		if user != "" {
			message["user"] = valid(user)
		}
		ev := protocol.Event{Name: name, Kind: protocol.Text, Data: data, User: user}
		message["data"] = valid(string(data))
		compare(t, AppendMessage(nil, channel, ev), message)
		if utf8.Valid(data) && json.Valid(data) {
			ev.Kind, message["data"] = protocol.JSON, decoded(t, data)
			text := AppendMessage(nil, channel, ev)
			compare(t, text, message)
			if !bytes.HasSuffix(text, append(append([]byte(`"data":`), data...), '}')) {
				t.Fatalf("%q does not have %q byte for byte", text, data)
			}
		}
		ev.Kind = protocol.Binary
		message["encoding"], message["data"] = "base64", base64.StdEncoding.EncodeToString(data)
		compare(t, AppendMessage(nil, channel, ev), message)
	})
}
