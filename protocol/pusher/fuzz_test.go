package pusher

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stentor/protocol"
)

// valid puts U+FFFD for each byte that is not UTF-8.
func valid(s string) string { return string([]rune(s)) }

// decoded reads JSON, numbers as they are written.
func decoded(t *testing.T, b []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil || !json.Valid(b) || !utf8.Valid(b) {
		t.Fatalf("%q is not JSON in UTF-8: %v", b, err)
	}
	return v
}

// compare reads a message to a client; "data" that is a string is compared as
// the JSON in it if want has it as something else.
func compare(t *testing.T, b []byte, want map[string]any) {
	t.Helper()
	got, _ := decoded(t, b).(map[string]any)
	if s, ok := got["data"].(string); ok {
		if _, text := want["data"].(string); !text {
			got["data"] = decoded(t, []byte(s))
		}
	} else if got["event"] != "pusher:error" && got["event"] != "pusher:subscription_error" && got["event"] != "pusher:signin_success" {
		t.Fatalf("%q: the data is no string", b)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q is read as %v\nwant %v", b, got, want)
	}
}

// slowFields reads the fields of an object by encoding/json, step by step. ok is
// false for what is no object in UTF-8, or has one of the names twice.
func slowFields(b []byte, names []string) (found map[string]json.RawMessage, ok bool) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return nil, false
	}
	found = map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return nil, false
		}
		if !slices.Contains(names, name.(string)) {
			continue
		}
		if found[name.(string)] != nil {
			return nil, false
		}
		found[name.(string)] = value
	}
	return found, true
}

// FuzzFields compares what is read by hand with encoding/json.
func FuzzFields(f *testing.F) {
	for _, c := range goodCommands {
		f.Add([]byte(c.text))
	}
	for _, c := range badCommands {
		if len(c.text) < 1000 {
			f.Add([]byte(c.text))
		}
	}
	f.Add([]byte(`{"a":"\"","data":"}\\","\"":{"channel":[",:"]},"event" : -0.1e+2 }`))
	f.Fuzz(func(t *testing.T, b []byte) {
		want, ok := slowFields(b, messageFields)
		var got [3][]byte
		err := check(b)
		if err == nil {
			err = fields(b, messageFields, got[:])
		}
		if (err == nil) != ok {
			t.Fatalf("%q: error %v, by encoding/json %t", b, err, ok)
		}
		for i, name := range messageFields {
			if ok && (!bytes.Equal(got[i], want[name]) || (got[i] == nil) != (want[name] == nil)) {
				t.Fatalf("%q: %s is %q, want %q", b, name, got[i], want[name])
			}
		}
	})
}

// FuzzParse gives any bytes: what is read is what encoding/json finds there, and
// says the same when it is written again.
func FuzzParse(f *testing.F) {
	for _, c := range goodCommands {
		f.Add([]byte(c.text))
	}
	for _, c := range badCommands {
		if len(c.text) < 1000 {
			f.Add([]byte(c.text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		c, err := Parse(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the message was changed")
		}
		for i := range b {
			b[i] = '-'
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || !reflect.DeepEqual(c, Command{}) || e.Message == "" || len(e.Message) > mostMessage {
				t.Fatalf("%q: %+v, error %v", before, c, err)
			}
			want := map[string]any{"event": "pusher:error", "data": map[string]any{"code": nil, "message": valid(e.Message)}}
			if channel := repeated(e.Channel); channel != "" {
				want["channel"] = channel
			}
			compare(t, AppendError(nil, e), want)
			return
		}
		m, ok := slowFields(before, messageFields)
		if !ok {
			t.Fatalf("%q is read as %+v", before, c)
		}
		again, err := Parse(written(t, c))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%q is read as %+v, and when written again as %+v, error %v", before, c, again, err)
		}
		if c.Type != ClientEvent {
			return
		}
		name, channel := unquoted(t, m["event"]), unquoted(t, m["channel"])
		if c.Channel != channel || c.Event.Name != name || c.Event.User != "" || !strings.HasPrefix(name, "client-") || Reserved(name) {
			t.Fatalf("%q is read as %+v", before, c)
		}
		checkEvent(t, c.Event, m["data"])
	})
}

// written is a command as a client would send it.
func written(t *testing.T, c Command) []byte {
	m := map[string]any{}
	switch c.Type {
	case Ping:
		m["event"], m["data"] = "pusher:ping", map[string]any{}
	case Pong:
		m["event"], m["data"] = "pusher:pong", map[string]any{}
	case Subscribe:
		m["event"], m["data"] = "pusher:subscribe", map[string]string{"channel": c.Channel, "auth": c.Auth, "channel_data": c.ChannelData}
	case Unsubscribe:
		m["event"], m["data"] = "pusher:unsubscribe", map[string]string{"channel": c.Channel}
	case SignIn:
		m["event"], m["data"] = "pusher:signin", map[string]string{"auth": c.Auth, "user_data": c.UserData}
	case ClientEvent:
		m["event"], m["channel"], m["data"] = c.Event.Name, c.Channel, string(c.Event.Data)
	default:
		t.Fatalf("a command of the type %d", c.Type)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unquoted(t *testing.T, b []byte) (s string) {
	if err := json.Unmarshal(b, &s); err != nil || b[0] != '"' {
		t.Fatalf("%q is no string: %v", b, err)
	}
	return s
}

// checkEvent compares an event with the data that it was made of, and what is
// sent of it.
func checkEvent(t *testing.T, ev protocol.Event, data json.RawMessage) {
	want := string(data)
	switch {
	case data == nil:
		want = "null"
	case data[0] == '"':
		want = unquoted(t, data)
	}
	kind := protocol.Text
	if json.Valid([]byte(want)) {
		kind = protocol.JSON
	}
	if string(ev.Data) != want || ev.Kind != kind || !utf8.Valid(ev.Data) {
		t.Fatalf("%q is read as %q, kind %d", data, ev.Data, ev.Kind)
	}
	ev.User = "ann"
	b, ok := AppendEvent(nil, "presence-a", ev)
	frame := map[string]any{"event": ev.Name, "channel": "presence-a", "data": want}
	if strings.HasPrefix(ev.Name, "client-") {
		frame["user_id"] = "ann"
	}
	if !ok {
		t.Fatalf("%+v is not sent", ev)
	}
	compare(t, b, frame)
}

// FuzzTrigger gives any bytes to the requests that publish.
func FuzzTrigger(f *testing.F) {
	f.Add([]byte(vectorBody))
	f.Add([]byte(`{"name":"e","data":"7","channel":"a","socket_id":"1.2","info":"user_count,subscription_count,cache"}`))
	f.Add([]byte(`{"batch":[{"name":"e","data":"7","channel":"a"},{"name":"e","data":"7","channel":"b"}]}`))
	f.Add([]byte(`{"name":"e","data":"7","channels":["private-encrypted-a","b","b"]}`))
	for _, c := range badEvents {
		f.Add([]byte(c.text))
		f.Add([]byte(`{"batch":[` + c.text + `]}`))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		one, err := ParseTrigger(b, someLimits)
		many, batchErr := ParseBatch(b, someLimits)
		for _, err := range []error{err, batchErr} {
			var e *HTTPError
			if err != nil && (!errors.As(err, &e) || e.Status != 400 && e.Status != 413 || e.Message == "" || len(e.Message) > mostMessage) {
				t.Fatalf("%q: error %v", b, err)
			}
		}
		if !bytes.Equal(b, before) {
			t.Fatal("the body was changed")
		}
		for i := range b {
			b[i] = '-'
		}
		if err == nil {
			m, ok := slowFields(before, triggerFields)
			if !ok {
				t.Fatalf("%q is read as %+v", before, one)
			}
			checkTrigger(t, one, m)
			if again, err := ParseTrigger(writtenTrigger(t, one, false), someLimits); err != nil || !reflect.DeepEqual(again, one) {
				t.Fatalf("%q is read as %+v, and when written again as %+v, error %v", before, one, again, err)
			}
		} else if !reflect.DeepEqual(one, Trigger{}) {
			t.Fatalf("%q: refused, and read as %+v", before, one)
		}
		if batchErr == nil {
			m, ok := slowFields(before, batchFields)
			var list []json.RawMessage
			if !ok || json.Unmarshal(m["batch"], &list) != nil || len(list) != len(many) || len(many) == 0 || len(many) > MaxBatch {
				t.Fatalf("%q is read as %+v", before, many)
			}
			for i, one := range many {
				m, ok := slowFields(list[i], triggerFields)
				if !ok || len(one.Channels) != 1 {
					t.Fatalf("%q is read as %+v", before, many)
				}
				checkTrigger(t, one, m)
				text := append(append([]byte(`{"batch":[`), writtenTrigger(t, one, true)...), ']', '}')
				if again, err := ParseBatch(text, someLimits); err != nil || !reflect.DeepEqual(again, []Trigger{one}) {
					t.Fatalf("%q is read as %+v, and when written again as %+v, error %v", before, one, again, err)
				}
			}
		} else if many != nil {
			t.Fatalf("%q: refused, and read as %+v", before, many)
		}
	})
}

func checkTrigger(t *testing.T, tr Trigger, m map[string]json.RawMessage) {
	if tr.Event.Name != unquoted(t, m["name"]) || tr.Event.User != "" || Reserved(tr.Event.Name) ||
		protocol.CheckEvent(tr.Event.Name) != nil || len(tr.Event.Data) > someLimits.EventBytes || m["data"][0] != '"' {
		t.Fatalf("%q is read as %+v", m, tr)
	}
	checkEvent(t, tr.Event, m["data"])
	if len(tr.Channels) == 0 || len(tr.Channels) > MaxChannels {
		t.Fatalf("%d channels", len(tr.Channels))
	}
	for i, c := range tr.Channels {
		if CheckChannel(c, someLimits.ChannelName) != nil || slices.Contains(tr.Channels[:i], c) ||
			strings.HasPrefix(c, "private-encrypted-") && len(tr.Channels) > 1 {
			t.Fatalf("channels %q", tr.Channels)
		}
	}
	if tr.SocketID != "" && CheckSocketID(tr.SocketID) != nil {
		t.Fatalf("socket id %q", tr.SocketID)
	}
}

func writtenTrigger(t *testing.T, tr Trigger, batch bool) []byte {
	m := map[string]any{"name": tr.Event.Name, "data": string(tr.Event.Data), "channels": tr.Channels}
	if batch {
		delete(m, "channels")
		m["channel"] = tr.Channels[0]
	}
	if tr.SocketID != "" {
		m["socket_id"] = tr.SocketID
	}
	var info []string
	for i, name := range []string{"user_count", "subscription_count", "cache"} {
		if tr.Info&(1<<i) != 0 {
			info = append(info, name)
		}
	}
	m["info"] = strings.Join(info, ",")
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzRequest signs one request and sends another with what was signed: it is
// accepted if it is the same, and only then.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/apps/3/events", "", []byte(vectorBody), "POST", "/apps/3/events", "", []byte(vectorBody), 0)
	f.Add("GET", "/apps/3/channels", "info=user_count&filter_by_prefix=presence-", []byte{}, "GET", "/apps/3/channels", "info=user_count", []byte{}, 600)
	f.Add("GET", "/a", "b=c", []byte{}, "GET", "/a\nb=c", "", []byte{}, -600)
	f.Add("GET", "/a", "b=c%26d=e", []byte{}, "GET", "/a", "b=c&d=e", []byte{}, 601)
	f.Add("GET", "/a", "b=c&d=e", []byte{}, "GET", "/a", "b=c%26d%3De", []byte{}, 0)
	f.Add("GET", "/a", "b=c&d=e", []byte{}, "GET", "/a", "D=e&B=c", []byte{}, 0)
	f.Add("GET", "/a", "b=c=d", []byte{}, "GET", "/a", "b%3Dc=d", []byte{}, 0)
	f.Add("GET", "/a", "b=c&b=d", []byte{}, "GET", "/a", "b=d&b=c", []byte{}, 0)
	f.Add("GET\n/a", "/b", "", []byte("x"), "GET", "/a\n/b", "", []byte("X"), 0)
	f.Fuzz(func(t *testing.T, method, path, raw string, body []byte, method2, path2, raw2 string, body2 []byte, late int) {
		query, ok := plainQuery(raw)
		query2, ok2 := plainQuery(raw2)
		signed := vectorKeys.SignRequest(method, path, query, body, epoch)
		now := epoch.Add(time.Duration(late%2000) * time.Second)
		good := ok && !strings.Contains(path, "\n") && late%2000 >= -600 && late%2000 <= 600
		err := checkWhole(vectorKeys, method, []string{path}, signed, body, now)
		if (err == nil) != good {
			t.Fatalf("%q %q %v: error %v, within the rules: %t", method, path, signed, err, good)
		}
		checkRefusal(t, err)

		if !ok { // what it may be taken for is the signer's fault
			return
		}
		for _, name := range []string{"auth_key", "auth_timestamp", "auth_version", "auth_signature", "body_md5"} {
			if signed.Has(name) {
				query2[name] = signed[name]
			}
		}
		same := good && ok2 && method == method2 && path == path2 && bytes.Equal(body, body2) &&
			reflect.DeepEqual(lowerNames(signed), lowerNames(query2))
		err = checkWhole(vectorKeys, method2, []string{path2}, query2, body2, now)
		if (err == nil) != same {
			t.Fatalf("signed %q %q %v %q\nsent   %q %q %v %q: error %v", method, path, signed, body, method2, path2, query2, body2, err)
		}
		checkRefusal(t, err)

		refused := func(what, method, path string, query url.Values, body []byte) {
			if checkWhole(vectorKeys, method, []string{path}, query, body, epoch) == nil {
				t.Fatalf("%q %q %v %q: accepted with %s", method, path, query, body, what)
			}
		}
		refused("another method", method+"X", path, signed, body)
		refused("a longer path", method, path+"/", signed, body)
		refused("a longer body", method, path, signed, append(slices.Clone(body), '\n'))
		for name := range signed {
			for what, values := range map[string][]string{"none": nil, "another": {signed.Get(name) + "0"}, "two": {signed.Get(name), ""}} {
				forged := maps.Clone(signed)
				forged[name] = values
				if values == nil {
					delete(forged, name)
				}
				refused(what+" of "+name, method, path, forged, body)
			}
			forged := maps.Clone(signed)
			forged[name+"0"] = forged[name]
			refused("one more like "+name, method, path, forged, body)
		}
	})
}

// plainQuery reads a query without what SignRequest adds. ok is false if no
// signature of it can be good.
func plainQuery(raw string) (query url.Values, ok bool) {
	query, _ = url.ParseQuery(raw)
	ok = true
	for name, values := range query {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "auth_") || lower == "body_md5" {
			delete(query, name)
			continue
		}
		ok = ok && len(values) == 1 && !strings.ContainsAny(lower, "&=\n") && !strings.ContainsAny(values[0], "&\n")
	}
	return query, ok && len(lowerNames(query)) == len(query)
}

func lowerNames(query url.Values) map[string][]string {
	lower := map[string][]string{}
	for name, values := range query {
		lower[strings.ToLower(name)] = values
	}
	return lower
}

func checkRefusal(t *testing.T, err error) {
	var e *HTTPError
	if err != nil && (!errors.As(err, &e) || e.Status != 400 && e.Status != 401 || e.Message == "" || len(e.Message) > mostMessage) {
		t.Fatalf("error %v", err)
	}
}

// FuzzAuth signs for one subscription or sign-in, and uses it for another.
func FuzzAuth(f *testing.F) {
	f.Add("1.2", "private-x", "", "1.2", "private-x", "")
	f.Add("1.2", "presence-x", "{}", "1.2", "presence-x:{}", "")
	f.Add("1.2", ":user:", "{}", "1.2", "", "user::{}")
	f.Add("1.2", "", "{}", "1.2", ":user::{}", "")
	f.Fuzz(func(t *testing.T, socket, channel, data, socket2, channel2, data2 string) {
		if CheckSocketID(socket) != nil || CheckSocketID(socket2) != nil {
			return
		}
		ok := channel2 != "" && !strings.Contains(channel2, ":")
		same := socket == socket2 && channel == channel2 && data == data2
		auth := vectorKeys.SignChannel(socket, channel, data)
		if err := vectorKeys.CheckChannelAuth(auth, socket2, channel2, data2); (err == nil) != (ok && same) {
			t.Fatalf("signed %q %q %q, used for %q %q %q: error %v", socket, channel, data, socket2, channel2, data2, err)
		}
		if CheckChannel(channel, 0) == nil && vectorKeys.CheckUserAuth(auth, socket2, data2) == nil {
			t.Fatalf("signed for the channel %q, used for the user %q", channel, data2)
		}
		auth = vectorKeys.SignUser(socket, data)
		if err := vectorKeys.CheckUserAuth(auth, socket2, data2); (err == nil) != (socket == socket2 && data == data2) {
			t.Fatalf("signed for the user %q at %q, used for %q at %q: error %v", data, socket, data2, socket2, err)
		}
		if vectorKeys.CheckChannelAuth(auth, socket2, channel2, data2) == nil {
			t.Fatalf("signed for the user %q, used for the channel %q, data %q", data, channel2, data2)
		}
		if vectorKeys.CheckChannelAuth(data, socket, channel, data) == nil || vectorKeys.CheckUserAuth(data, socket, data) == nil {
			t.Fatalf("%q is an auth", data)
		}
	})
}

// FuzzUsers gives any text as channel_data and as user_data.
func FuzzUsers(f *testing.F) {
	for _, s := range []string{
		`{"user_id":10,"user_info":{"name":"Mr. Channels"}}`, `{"user_id":"a\"b","user_info":[1.50,"\ud800"]}`, `{"user_info":null}`, ``,
		`{"user_id":1e2}`, `{"user_id":10.0}`, `{"user_id":-0}`, `{"user_id":12345678901234567890}`, `{"user_id":"1","user_id":"2"}`,
		`{"id":"12345"}`, `{"id":"1","user_info":{"a":1},"watchlist":["2","2","3"]}`, `{"id":1}`, `{"id":"a b","ID":"a"}`,
	} {
		f.Add(s)
	}
	const most = 100
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMember(s, most)
		checkInfo(t, m.Info, most)
		fields, ok := slowFields([]byte(s), memberFields)
		switch {
		case err == nil:
			id := fields["user_id"]
			var want any
			if !ok || protocol.CheckUser(m.User) != nil || id == nil {
				t.Fatalf("%q is read as %+v", s, m)
			}
			if want = decoded(t, id); want != m.User && want != json.Number(m.User) {
				t.Fatalf("%q is the user %q", s, m.User)
			}
			checkAgain(t, m)
		case err == ErrNoUser:
			if m.User != "" || s != "" && (!ok || fields["user_id"] != nil) {
				t.Fatalf("%q is read as %+v without a user", s, m)
			}
		case !reflect.DeepEqual(m, Member{}) || len(err.Error()) > mostMessage:
			t.Fatalf("%q: %+v, error %v", s, m, err)
		}

		u, err := ParseUser(s, most)
		if err != nil {
			if !reflect.DeepEqual(u, User{}) || len(err.Error()) > mostMessage {
				t.Fatalf("%q: %+v, error %v", s, u, err)
			}
			return
		}
		checkInfo(t, u.Info, most)
		fields, ok = slowFields([]byte(s), userFields)
		if !ok || u.ID != unquoted(t, fields["id"]) || protocol.CheckChannel(u.ID) != nil || len(u.ID) > protocol.MaxUserID ||
			CheckChannel(PrefixServerToUser+u.ID, 0) != nil || len(u.Watchlist) > MaxWatchlist || u.Cut && len(u.Watchlist) < MaxWatchlist {
			t.Fatalf("%q is read as %+v", s, u)
		}
		for i, id := range u.Watchlist {
			if protocol.CheckUser(id) != nil || slices.Contains(u.Watchlist[:i], id) {
				t.Fatalf("%q has the watchlist %q", s, u.Watchlist)
			}
		}
		compare(t, AppendSignedIn(nil, s), map[string]any{"event": "pusher:signin_success", "data": map[string]any{"user_data": s}})
	})
}

func checkInfo(t *testing.T, info json.RawMessage, most int) {
	if info != nil && (!json.Valid(info) || !utf8.Valid(info) || len(info) > most || string(info) == "null") {
		t.Fatalf("info %q", info)
	}
}

// checkAgain writes a member as channel_data and reads it.
func checkAgain(t *testing.T, m Member) {
	text := protocol.AppendString([]byte(`{"user_id":`), m.User)
	if m.Info != nil {
		text = append(append(text, `,"user_info":`...), m.Info...)
	}
	again, err := ParseMember(string(append(text, '}')), 0)
	if err != nil || !reflect.DeepEqual(again, m) {
		t.Fatalf("%+v is read again as %+v, error %v", m, again, err)
	}
}

// FuzzAppend gives any text to the encoders, and reads what they write.
func FuzzAppend(f *testing.F) {
	f.Add("news", "said", "bob", []byte(`{"text":"hi"}`), 17)
	f.Add("\"", "\\", "\n\x00\x1f\x7f", []byte("\xff"), -1)
	f.Add("\xed\xa0\x80", "\u2028\u2029", "é水\U0001F600", []byte(" [ 1.50 , null ] "), 1<<53+1)
	f.Add("presence-x", "client-x", "__proto__", []byte(`"\ud800"`), 4301)
	f.Add("\",\"x\":\"", "pusher:error", "</script>", []byte{}, 0)
	f.Fuzz(func(t *testing.T, channel, name, user string, data []byte, n int) {
		type m = map[string]any
		frame := func(event, channel string, data any) m {
			want := m{"event": valid(event), "data": data}
			if channel != "" {
				want["channel"] = valid(channel)
			}
			return want
		}
		number := func(n int) json.Number { b, _ := json.Marshal(n); return json.Number(b) }
		info, _ := json.Marshal([]string{user})
		members := []Member{{user, nil}, {name + user, info}} // of two users, however they are written
		if valid(user) == valid(name+user) {
			members = members[:1]
		}
		ids, hash := []any{}, m{}
		for _, member := range members {
			ids = append(ids, valid(member.User))
			hash[valid(member.User)] = nil
			if member.Info != nil {
				hash[valid(member.User)] = []any{valid(user)}
			}
		}
		wait := time.Duration(n%1000000) * time.Second
		compare(t, AppendEstablished(nil, "1.2", wait), frame("pusher:connection_established", "",
			m{"socket_id": "1.2", "activity_timeout": number(max(1, n%1000000))}))
		code := any(nil)
		if n != 0 {
			code = number(n)
		}
		compare(t, AppendError(nil, &Error{n, user, channel}), frame("pusher:error", repeated(channel), m{"code": code, "message": valid(user)}))
		compare(t, AppendSubscriptionError(nil, channel, name, user, n), frame("pusher:subscription_error", channel,
			m{"type": valid(name), "error": valid(user), "status": number(n)}))
		compare(t, AppendSubscribed(nil, channel), frame("pusher_internal:subscription_succeeded", channel, m{}))
		compare(t, AppendSubscribedPresence(nil, channel, members), frame("pusher_internal:subscription_succeeded", channel,
			m{"presence": m{"ids": ids, "hash": hash, "count": number(len(members))}}))
		compare(t, AppendMemberAdded(nil, channel, Member{name, info}), frame("pusher_internal:member_added", channel,
			m{"user_id": valid(name), "user_info": []any{valid(user)}}))
		compare(t, AppendMemberRemoved(nil, channel, user), frame("pusher_internal:member_removed", channel, m{"user_id": valid(user)}))
		compare(t, AppendSubscriptionCount(nil, channel, n), frame("pusher_internal:subscription_count", channel, m{"subscription_count": number(n)}))
		compare(t, AppendCacheMiss(nil, channel), frame("pusher:cache_miss", channel, m{}))
		compare(t, AppendSignedIn(nil, user), frame("pusher:signin_success", "", m{"user_data": valid(user)}))
		compare(t, AppendWatchlist(nil, []string{user, name}, []string{channel}), frame("pusher_internal:watchlist_events", "",
			m{"events": []any{
				m{"name": "online", "user_ids": []any{valid(user), valid(name)}},
				m{"name": "offline", "user_ids": []any{valid(channel)}},
			}}))

		for _, kind := range []protocol.Kind{protocol.JSON, protocol.Text, protocol.Binary} {
			b, ok := AppendEvent([]byte("before"), channel, protocol.Event{Name: name, Kind: kind, Data: data, User: user})
			if ok != (kind != protocol.Binary && !Reserved(name)) || !bytes.HasPrefix(b, []byte("before")) || !ok && len(b) != 6 {
				t.Fatalf("%q, kind %d: %t, %q", name, kind, ok, b)
			}
			if !ok {
				continue
			}
			want := frame(name, channel, valid(string(data)))
			if user != "" && strings.HasPrefix(channel, "presence-") && strings.HasPrefix(name, "client-") {
				want["user_id"] = valid(user)
			}
			compare(t, b[6:], want)
		}
	})
}
