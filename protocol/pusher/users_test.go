package pusher

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseMember(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		text, user, info string // info empty: nil
		says             string
	}{
		{`{"user_id":"1"}`, "1", "", ""},
		{`{"user_id":"1","user_info":{ "name" : "<\u00e9>" }}`, "1", `{ "name" : "<\u00e9>" }`, ""},
		{`{"user_id":10,"user_info":{"name":"Mr. Channels"}}`, "10", `{"name":"Mr. Channels"}`, ""},
		{" {\n\"user_info\" : [] , \"user_id\" : 7 } ", "7", `[]`, ""},
		{`{"user_id":0}`, "0", "", ""},
		{`{"user_id":-5}`, "-5", "", ""},
		{`{"user_id":12345678901234567890123}`, "12345678901234567890123", "", ""},
		{`{"user_id":` + strings.Repeat("9", 128) + `}`, strings.Repeat("9", 128), "", ""},
		{`{"user_id":"10.0"}`, "10.0", "", ""},
		{`{"user_id":"` + x(128) + `"}`, x(128), "", ""},
		{`{"user_id":"a b/\u00fc:#\"\ud83d\ude00"}`, "a b/ü:#\"\U0001F600", "", ""},
		{`{"user_id":"1","user_info":null}`, "1", "", ""},
		{`{"user_id":"1","user_info":"text"}`, "1", `"text"`, ""},
		{`{"user_id":"1","user_info":0}`, "1", `0`, ""},
		{`{"user_id":"1","user_info":false}`, "1", `false`, ""},
		{`{"user_id":"1","user_info":"` + x(98) + `"}`, "1", `"` + x(98) + `"`, ""},
		{`{"user_id":"1","USER_ID":"2","user":"3","id":"4"}`, "1", "", ""},

		{`{"user_id":"1","user_info":"` + x(99) + `"}`, "", "", `"user_info" has 101 bytes, at most 100`},
		{`{"user_id":""}`, "", "", "the user id is empty"},
		{`{"user_id":"` + x(129) + `"}`, "", "", "129 bytes, at most 128"},
		{`{"user_id":` + strings.Repeat("9", 129) + `}`, "", "", "129 bytes, at most 128"},
		{`{"user_id":"a\n"}`, "", "", "U+000A"},
		{`{"user_id":".."}`, "", "", "only dots"},
		{`{"user_id":null}`, "", "", "a string or a whole number, not null"},
		{`{"user_id":true}`, "", "", "a string or a whole number, not a boolean"},
		{`{"user_id":["1"]}`, "", "", "a string or a whole number, not a list"},
		{`{"user_id":{}}`, "", "", "a string or a whole number, not an object"},
		{`{"user_id":1e2}`, "", "", "the number 1e2: write it as a string"},
		{`{"user_id":1E2}`, "", "", "the number 1E2"},
		{`{"user_id":10.0}`, "", "", "the number 10.0"},
		{`{"user_id":-0}`, "", "", "the number -0"},
		{`{"user_id":1.5}`, "", "", "the number 1.5"},
		{`{"user_id":1` + strings.Repeat("0", 10000) + `.5}`, "", "", "the number 1000"},
		{`{"user_id":"1","user_id":"2"}`, "", "", `"user_id" twice`},
		{`{"user_id":"1","user\u005fid":"2"}`, "", "", `"user_id" twice`},
		{`{"user_id":"1","user_info":1,"user_info":2}`, "", "", `"user_info" twice`},
		{`null`, "", "", "must be an object, not null"},
		{`"1"`, "", "", "must be an object, not a string"},
		{`[{"user_id":"1"}]`, "", "", "must be an object, not a list"},
		{`{"user_id":"1"`, "", "", "not valid JSON"},
		{`{"user_id":01}`, "", "", "not valid JSON"},
		{` `, "", "", "not valid JSON"},
		{"{\"user_id\":\"\xff\"}", "", "", "not valid UTF-8"},
	} {
		m, err := ParseMember(c.text, 100)
		if c.says != "" {
			if err == nil || errors.Is(err, ErrNoUser) || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "channel_data: ") ||
				len(err.Error()) > mostMessage || !reflect.DeepEqual(m, Member{}) {
				t.Errorf("%.100s: %+v, error %v, want %q", c.text, m, err, c.says)
			}
			continue
		}
		if err != nil || m.User != c.user || string(m.Info) != c.info || (m.Info == nil) != (c.info == "") {
			t.Errorf("%.100s: %q, %s, error %v", c.text, m.User, m.Info, err)
		}
	}
	if m, err := ParseMember(`{"user_id":"1","user_info":"`+x(100000)+`"}`, 0); err != nil || len(m.Info) != 100002 {
		t.Errorf("without a limit: %d bytes, error %v", len(m.Info), err)
	}
}

func TestMemberWithoutAUser(t *testing.T) {
	for text, info := range map[string]string{"": "", "{}": "", `{"user_info":{"a":1}}`: `{"a":1}`, `{"USER_ID":"1"}`: ""} {
		m, err := ParseMember(text, 100)
		if err != ErrNoUser || m.User != "" || string(m.Info) != info {
			t.Errorf("%q: %+v, error %v", text, m, err)
		}
	}
}

func TestParseUser(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		text string
		want User
		says string
	}{
		{`{"id":"12345"}`, User{ID: "12345"}, ""},
		{`{"id":"aZ0_-=@,.;"}`, User{ID: "aZ0_-=@,.;"}, ""},
		{`{"id":"` + x(128) + `"}`, User{ID: x(128)}, ""},
		{`{"id":"1","user_info":{ "a" : 1 },"watchlist":["2","ü b"],"x":1,"ID":7}`,
			User{ID: "1", Info: []byte(`{ "a" : 1 }`), Watchlist: []string{"2", "ü b"}}, ""},
		{`{"id":"1","user_info":null,"watchlist":null}`, User{ID: "1"}, ""},
		{`{"id":"1","watchlist":[]}`, User{ID: "1"}, ""},
		{`{"id":"1","watchlist":["2","3","2","1","3"]}`, User{ID: "1", Watchlist: []string{"2", "3", "1"}}, ""},

		{``, User{}, "not valid JSON"},
		{`{"id":"1"}x`, User{}, "not valid JSON"},
		{"{\"id\":\"\xff\"}", User{}, "not valid UTF-8"},
		{`"1"`, User{}, "must be an object, not a string"},
		{`null`, User{}, "must be an object, not null"},
		{`{}`, User{}, `"id" is missing`},
		{`{"ID":"1"}`, User{}, `"id" is missing`},
		{`{"user_id":"1"}`, User{}, `"id" is missing`},
		{`{"id":null}`, User{}, `"id" must be a string, not null`},
		{`{"id":1}`, User{}, `"id" must be a string, not a number`},
		{`{"id":["1"]}`, User{}, `"id" must be a string, not a list`},
		{`{"id":""}`, User{}, "the user id is empty"},
		{`{"id":"` + x(129) + `"}`, User{}, "129 bytes, at most 128"},
		{`{"id":"a b"}`, User{}, "letters, digits and _ - = @ , . ; only"},
		{`{"id":"a:b"}`, User{}, "letters, digits"},
		{`{"id":"#1"}`, User{}, "letters, digits"},
		{`{"id":"a/b"}`, User{}, "letters, digits"},
		{`{"id":"\u00fc"}`, User{}, "letters, digits"},
		{`{"id":"a\n"}`, User{}, "U+000A"},
		{`{"id":".."}`, User{}, "only dots"},
		{`{"id":"1","id":"2"}`, User{}, `"id" twice`},
		{`{"id":"1","\u0069d":"2"}`, User{}, `"id" twice`},
		{`{"id":"1","user_info":"text"}`, User{}, `"user_info" must be an object, not a string`},
		{`{"id":"1","user_info":[]}`, User{}, `"user_info" must be an object, not a list`},
		{`{"id":"1","user_info":{"a":"` + x(93) + `"}}`, User{}, `"user_info" has 101 bytes, at most 100`},
		{`{"id":"1","watchlist":"2"}`, User{}, `"watchlist" must be a list, not a string`},
		{`{"id":"1","watchlist":{"0":"2"}}`, User{}, `"watchlist" must be a list, not an object`},
		{`{"id":"1","watchlist":["2",3]}`, User{}, `watchlist[1] must be a string, not a number`},
		{`{"id":"1","watchlist":[1e999]}`, User{}, `watchlist[0] must be a string, not a number`},
		{`{"id":"1","watchlist":[null]}`, User{}, `watchlist[0] must be a string, not null`},
		{`{"id":"1","watchlist":["2",""]}`, User{}, `watchlist[1]: the user id is empty`},
		{`{"id":"1","watchlist":["` + x(129) + `"]}`, User{}, `watchlist[0]: the user id has 129 bytes`},
	} {
		u, err := ParseUser(c.text, 100)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "user_data: ") ||
				len(err.Error()) > mostMessage || !reflect.DeepEqual(u, User{}) {
				t.Errorf("%.100s: %+v, error %v, want %q", c.text, u, err, c.says)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(u, c.want) {
			t.Errorf("%.100s: %+v, error %v, want %+v", c.text, u, err, c.want)
		}
	}
}

// The first hundred count, each once.
func TestLongWatchlistsAreCut(t *testing.T) {
	for n, cut := range map[int]bool{99: false, 100: false, 101: true, 1000: true} {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf(`"u%d"`, i))
		}
		list := strings.Join(ids, ",")
		for _, text := range []string{list, `"u0","u0",` + list, list + `,"u1"`} {
			u, err := ParseUser(`{"id":"1","watchlist":[`+text+`]}`, 0)
			if err != nil || u.Cut != cut || len(u.Watchlist) != min(n, MaxWatchlist) || u.Watchlist[98] != "u98" {
				t.Errorf("%d users: %d, cut %t, error %v", n, len(u.Watchlist), u.Cut, err)
			}
		}
	}
}
