package pusher

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"stentor/protocol"
)

var someLimits = Limits{EventBytes: 100, ChannelName: 50}

func trigger(name string, kind protocol.Kind, data string, channels ...string) Trigger {
	return Trigger{Event: protocol.Event{Name: name, Kind: kind, Data: []byte(data)}, Channels: channels}
}

func (t Trigger) of(socketID string, info Info) Trigger {
	t.SocketID, t.Info = socketID, info
	return t
}

// names is a JSON list of n channels, from c0 on.
func names(n int) (text string, list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("c%d", i))
	}
	return `["` + strings.Join(list, `","`) + `"]`, list
}

func checkHTTP(t *testing.T, text string, err error, status int, says string) {
	t.Helper()
	e := new(HTTPError)
	if !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Message, says) || err.Error() != e.Message || len(e.Message) > mostMessage {
		t.Errorf("%.200s: error %v, want %d with %q", text, err, status, says)
	}
}

func TestParseTrigger(t *testing.T) {
	hundred, list := names(100)
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		text string
		want Trigger
	}{
		{vectorBody, trigger("foo", protocol.JSON, `{"some":"data"}`, "project-3")},
		{`{"name":"e","data":"text","channel":"a"}`, trigger("e", protocol.Text, "text", "a")},
		{`{"name":"e","data":"","channel":"a"}`, trigger("e", protocol.Text, "", "a")},
		{`{"name":"e","data":"\"text\"","channels":["a"],"channel":null}`, trigger("e", protocol.JSON, `"text"`, "a")},
		{`{"name":"e","data":"7","channels":null,"channel":"a"}`, trigger("e", protocol.JSON, "7", "a")},
		{` { "name" : "e" , "data" : "7" , "channels" : [ "a" , "b" , "a" ] } `, trigger("e", protocol.JSON, "7", "a", "b")},
		{`{"name":"e","data":"7","channels":` + hundred + `}`, trigger("e", protocol.JSON, "7", list...)},
		{`{"name":"e","data":"` + x(100) + `","channel":"` + x(50) + `"}`, trigger("e", protocol.Text, x(100), x(50))},
		{`{"name":"e","data":"7","channel":"a","socket_id":"1.2","info":"user_count,subscription_count"}`,
			trigger("e", protocol.JSON, "7", "a").of("1.2", UserCount|SubscriptionCount)},
		{`{"name":"e","data":"7","channel":"a","socket_id":null,"info":null,"Name":"x","more":[{}]}`, trigger("e", protocol.JSON, "7", "a")},
		{`{"name":"e","data":"7","channel":"a","socket_id":""}`, trigger("e", protocol.JSON, "7", "a")},
		{`{"name":"e","data":"7","channel":"a","info":""}`, trigger("e", protocol.JSON, "7", "a")},
		{`{"name":"e","data":"7","channels":["private-encrypted-a","private-encrypted-a"]}`, trigger("e", protocol.JSON, "7", "private-encrypted-a")},
		{`{"name":"e","data":"7","channels":["private-a","presence-b","cache-c","#server-to-user-1"]}`,
			trigger("e", protocol.JSON, "7", "private-a", "presence-b", "cache-c", "#server-to-user-1")},
		{`{"name":"client-x","data":"\ud83d\ude00","channel":"a"}`, trigger("client-x", protocol.Text, "\U0001F600", "a")},
	} {
		body := []byte(c.text)
		got, err := ParseTrigger(body, someLimits)
		copy(body, strings.Repeat("x", len(body)))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.200s: %+v, error %v\nwant %+v", c.text, got, err, c.want)
		}
	}
	if _, err := ParseTrigger([]byte(`{"name":"e","data":"`+x(1<<20)+`","channel":"`+x(164)+`"}`), Limits{}); err != nil {
		t.Errorf("without limits: %v", err)
	}
}

// badEvents are wrong in an event on its own as well as in a batch.
var badEvents = []struct {
	text   string
	status int
	says   string
}{
	{`null`, 400, "must be an object, not null"},
	{`[]`, 400, "must be an object, not a list"},
	{`"e"`, 400, "must be an object, not a string"},
	{`{}`, 400, `"name" is missing`},
	{`{"Name":"e","data":"7","channel":"a"}`, 400, `"name" is missing`},
	{`{"name":null,"data":"7","channel":"a"}`, 400, `"name" must be a string, not null`},
	{`{"name":7,"data":"7","channel":"a"}`, 400, `"name" must be a string, not a number`},
	{`{"name":"","data":"7","channel":"a"}`, 400, "the event name is empty"},
	{`{"name":"a\n","data":"7","channel":"a"}`, 400, "U+000A"},
	{`{"name":"` + strings.Repeat("e", 201) + `","data":"7","channel":"a"}`, 400, "201 bytes, at most 200"},
	{`{"name":"pusher:error","data":"7","channel":"a"}`, 400, `"pusher:error" begins as only those of the protocol may`},
	{`{"name":"pusher_internal:member_added","data":"7","channel":"presence-a"}`, 400, "only those of the protocol"},
	{`{"name":"e","name":"f","data":"7","channel":"a"}`, 400, `"name" twice`},
	{`{"name":"e","channel":"a"}`, 400, `"data" is missing`},
	{`{"name":"e","data":null,"channel":"a"}`, 400, `"data" must be a string, not null`},
	{`{"name":"e","data":{"a":1},"channel":"a"}`, 400, `"data" must be a string, not an object`},
	{`{"name":"e","data":7,"channel":"a"}`, 400, `"data" must be a string, not a number`},
	{`{"name":"e","data":"7","data":"8","channel":"a"}`, 400, `"data" twice`},
	{`{"name":"e","data":"` + strings.Repeat("x", 101) + `","channel":"a"}`, 413, "101 bytes, at most 100"},
	{`{"name":"e","data":"` + strings.Repeat("\\u00e9", 51) + `","channel":"a"}`, 413, "102 bytes, at most 100"},
	{`{"name":"e","data":"7"}`, 400, `is missing`},
	{`{"name":"e","data":"7","channel":7}`, 400, `"channel" must be a string, not a number`},
	{`{"name":"e","data":"7","channel":["a"]}`, 400, `"channel" must be a string, not a list`},
	{`{"name":"e","data":"7","channel":""}`, 400, "the channel name is empty"},
	{`{"name":"e","data":"7","channel":"a b"}`, 400, "' '"},
	{`{"name":"e","data":"7","channel":"#a"}`, 400, "'#'"},
	{`{"name":"e","data":"7","channel":"#server-to-user-"}`, 400, "the user id is empty"},
	{`{"name":"e","data":"7","channel":"` + strings.Repeat("x", 51) + `"}`, 400, "51 bytes, at most 50"},
	{`{"name":"e","data":"7","channel":"a","channel":"b"}`, 400, `"channel" twice`},
	{`{"name":"e","data":"7","channel":"a","socket_id":"1.2\n"}`, 400, "a socket id is digits"},
	{`{"name":"e","data":"7","channel":"a","socket_id":1.2}`, 400, `"socket_id" must be a string, not a number`},
	{`{"name":"e","data":"7","channel":"a","socket_id":"1.2","socket_id":"1.3"}`, 400, `"socket_id" twice`},
	{`{"name":"e","data":"7","channel":"a","info":["user_count"]}`, 400, `"info" must be a string, not a list`},
}

func TestParseTriggerNamesTheFault(t *testing.T) {
	tooMany, _ := names(101)
	bad := append([]struct {
		text   string
		status int
		says   string
	}{
		{``, 400, "not valid JSON: unexpected end"},
		{`{"name":"e"`, 400, "not valid JSON"},
		{`name=e`, 400, "not valid JSON"},
		{"{\"name\":\"\xff\",\"data\":\"7\",\"channel\":\"a\"}", 400, "not valid UTF-8"},
		{"{\"name\":\"e\",\"data\":\"\xff\",\"channel\":\"a\"}", 400, "not valid UTF-8"},
		{`{"name":"e","data":"7","channels":"a"}`, 400, `"channels" must be a list, not a string`},
		{`{"name":"e","data":"7","channels":{"0":"a"}}`, 400, `"channels" must be a list, not an object`},
		{`{"name":"e","data":"7","channels":[]}`, 400, `"channels" has 0 names, it may have 1 to 100`},
		{`{"name":"e","data":"7","channels":` + tooMany + `}`, 400, `"channels" has 101 names`},
		{`{"name":"e","data":"7","channels":["a",7]}`, 400, "channels[1] must be a string, not a number"},
		{`{"name":"e","data":"7","channels":[null]}`, 400, "channels[0] must be a string, not null"},
		{`{"name":"e","data":"7","channels":["a","b c"]}`, 400, "' '"},
		{`{"name":"e","data":"7","channels":["a"],"channel":"b"}`, 400, `both "channels" and "channel"`},
		{`{"name":"e","data":"7","channels":["a","private-encrypted-b"]}`, 400, "for that channel only"},
		{`{"name":"e","data":"7","channels":["private-encrypted-cache-b","a"]}`, 400, "for that channel only"},
	}, badEvents...)
	for _, c := range bad {
		got, err := ParseTrigger([]byte(c.text), someLimits)
		checkHTTP(t, c.text, err, c.status, c.says)
		if !reflect.DeepEqual(got, Trigger{}) {
			t.Errorf("%.200s: refused, and read as %+v", c.text, got)
		}
	}
}

func TestParseBatch(t *testing.T) {
	got, err := ParseBatch([]byte(`{"batch":[{"name":"e","data":"{}","channel":"a","socket_id":"1.2","info":"cache"},
		{"name":"f","data":"text","channel":"private-encrypted-b"},{"name":"f","data":"text","channel":"private-encrypted-c"}],"x":1}`), someLimits)
	want := []Trigger{
		trigger("e", protocol.JSON, "{}", "a").of("1.2", CacheInfo),
		trigger("f", protocol.Text, "text", "private-encrypted-b"),
		trigger("f", protocol.Text, "text", "private-encrypted-c"),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, error %v\nwant %+v", got, err, want)
	}
	event := `{"name":"e","data":"7","channel":"a"}`
	if got, err := ParseBatch([]byte(`{"batch":[`+event+strings.Repeat(","+event, 9)+`]}`), someLimits); err != nil || len(got) != 10 {
		t.Errorf("ten events: %d, error %v", len(got), err)
	}
	for _, c := range []struct{ text, says string }{
		{``, "not valid JSON"},
		{"{\"batch\":[\"\xff\"]}", "not valid UTF-8"},
		{`[` + event + `]`, "must be an object, not a list"},
		{`{}`, `"batch" is missing`},
		{`{"Batch":[` + event + `]}`, `"batch" is missing`},
		{`{"batch":null}`, `"batch" must be a list, not null`},
		{`{"batch":` + event + `}`, `"batch" must be a list, not an object`},
		{`{"batch":[]}`, `"batch" has 0 events, it may have 1 to 10`},
		{`{"batch":[` + event + strings.Repeat(","+event, 10) + `]}`, `"batch" has 11 events`},
		{`{"batch":[` + event + `],"batch":[` + event + `]}`, `"batch" twice`},
		{`{"batch":[` + event + `,{"name":"e","data":"7","channels":["a"]}]}`, `batch[1]: an event of a batch has one "channel"`},
		{`{"batch":[` + event + `,{"name":"e","data":"7"}]}`, `batch[1]: "channel" is missing`},
	} {
		got, err := ParseBatch([]byte(c.text), someLimits)
		checkHTTP(t, c.text, err, 400, c.says)
		if got != nil {
			t.Errorf("%s: refused, and read as %+v", c.text, got)
		}
	}
	for _, c := range badEvents {
		_, err := ParseBatch([]byte(`{"batch":[`+event+`,`+event+`,`+c.text+`]}`), someLimits)
		checkHTTP(t, c.text, err, c.status, c.says)
		if err != nil && !strings.HasPrefix(err.Error(), "batch[2]: ") {
			t.Errorf("%.200s: %v does not name the event", c.text, err)
		}
	}
}

func TestParseLegacy(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		channel, query, body string
		want                 Trigger
		status               int
		says                 string
	}{
		{"a", "name=e", `{"a":1}`, trigger("e", protocol.JSON, `{"a":1}`, "a"), 0, ""},
		{"a", "name=e&auth_key=k", `text`, trigger("e", protocol.Text, `text`, "a"), 0, ""},
		{"a", "name=e&socket_id=1.2&info=user_count", ``, trigger("e", protocol.Text, ``, "a").of("1.2", UserCount), 0, ""},
		{"private-encrypted-a", "name=e", x(100), trigger("e", protocol.Text, x(100), "private-encrypted-a"), 0, ""},
		{"a", "", `{}`, Trigger{}, 400, "the event name is empty"},
		{"a", "Name=e", `{}`, Trigger{}, 400, "the event name is empty"},
		{"a", "name=pusher:error", `{}`, Trigger{}, 400, "only those of the protocol"},
		{"a", "name=%FF", `{}`, Trigger{}, 400, "not valid UTF-8"},
		{"a b", "name=e", `{}`, Trigger{}, 400, "' '"},
		{x(51), "name=e", `{}`, Trigger{}, 400, "51 bytes, at most 50"},
		{"a", "name=e&socket_id=", `{}`, trigger("e", protocol.JSON, `{}`, "a"), 0, ""},
		{"a", "name=e&socket_id=1", `{}`, Trigger{}, 400, "a socket id is digits"},
		{"a", "name=e&info=x,user_count", `{}`, trigger("e", protocol.JSON, `{}`, "a").of("", UserCount), 0, ""},
		{"a", "name=e", "\xff", Trigger{}, 400, "not valid UTF-8"},
		{"a", "name=e", x(101), Trigger{}, 413, "101 bytes, at most 100"},
	} {
		query, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		body := []byte(c.body)
		got, err := ParseLegacy(c.channel, query, body, someLimits)
		copy(body, strings.Repeat("-", len(body)))
		if c.status != 0 {
			checkHTTP(t, c.channel+" "+c.query, err, c.status, c.says)
		} else if err != nil {
			t.Errorf("%s: %v", c.query, err)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.query, got, c.want)
		}
	}
}

func TestParseInfo(t *testing.T) {
	for s, want := range map[string]Info{
		"":                   0,
		"user_count":         UserCount,
		"subscription_count": SubscriptionCount,
		"cache":              CacheInfo,
		"cache,user_count, subscription_count,cache": UserCount | SubscriptionCount | CacheInfo,
	} {
		if got, err := ParseInfo(s); err != nil || got != want {
			t.Errorf("%q: %03b, error %v", s, got, err)
		}
	}
	for _, s := range []string{" ", ",", "user_count,", "User_count", "user_count;cache", "members", strings.Repeat("水", 10000)} {
		got, err := ParseInfo(s)
		checkHTTP(t, s, err, 400, "unknown attribute")
		if got != 0 {
			t.Errorf("%q: refused, and read as %03b", s, got)
		}
	}
}
