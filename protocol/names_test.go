package protocol

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// name is a name and what is said against it, empty if it is allowed.
type name struct{ text, says string }

func checkNames(t *testing.T, check func(string) error, list []name) {
	t.Helper()
	for _, n := range list {
		err := check(n.text)
		switch {
		case n.says == "" && err != nil:
			t.Errorf("%.60q is refused: %v", n.text, err)
		case n.says != "" && err == nil:
			t.Errorf("%.60q is allowed", n.text)
		case n.says != "" && (!strings.Contains(err.Error(), n.says) || !utf8.ValidString(err.Error())):
			t.Errorf("%.60q: %q does not say %q", n.text, err, n.says)
		}
	}
}

var channelNames = []name{
	{"a", ""},
	{"news", ""},
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", ""},
	{"abcdefghijklmnopqrstuvwxyz", ""},
	{"0123456789", ""},
	{"_-=@,.;", ""},
	{"private-x", ""},
	{"presence-", ""},
	{"-", ""},
	{"...", ""},
	{".a", ""},
	{strings.Repeat("x", 164), ""},
	{"", "empty"},
	{strings.Repeat("x", 165), "165 bytes, at most 164"},
	{strings.Repeat("é", 100), "200 bytes"},
	{".", "only dots"},
	{"..", "only dots"},
	{"a b", "' '"},
	{" a", "' '"},
	{"a ", "' '"},
	{"a/b", "'/'"},
	{"a:b", "':'"},
	{"a*", "'*'"},
	{"a%20", "'%'"},
	{"a+b", "'+'"},
	{"#server", "'#'"},
	{"a#", "'#'"},
	{"a\n", `'\n'`},
	{"\x00", `'\x00'`},
	{"a\x7f", `'\x7f'`},
	{"é", "'é'"},
	{"а", "'а'"}, // Cyrillic
	{"a\U0001F600", "'\U0001F600'"},
	{"a\xff", "'\ufffd'"},
	{"\xc3", "'\ufffd'"},
}

func TestChannelNamesFollowTheRules(t *testing.T) {
	checkNames(t, CheckChannel, channelNames)
}

// texts is for names that may be any text up to a size: event names, user ids.
func texts(what string, most int) []name {
	return []name{
		{"a", ""},
		{" ", ""},
		{"client-said: a/b#c%", ""},
		{"böb \U0001F600 水", ""},
		{"\u2028\u200d\u202e\ufffd", ""}, // not of the category Cc
		{strings.Repeat("x", most), ""},
		{strings.Repeat("é", most/2), ""},
		{"", "the " + what + " is empty"},
		{strings.Repeat("x", most+1), "at most"},
		{strings.Repeat("é", most/2) + "x", "at most"},
		{"a\nb", "U+000A"},
		{"\x00", "U+0000"},
		{"a\x7f", "U+007F"},
		{"a\u0085", "U+0085"},
		{"a\xff", "not valid UTF-8"},
		{"\xed\xa0\x80", "not valid UTF-8"}, // a surrogate
		{"a\xc3", "not valid UTF-8"},
		{"\n\xff", "not valid UTF-8"},
	}
}

func TestEventNamesFollowTheRules(t *testing.T) {
	checkNames(t, CheckEvent, texts("event name", 200))
	checkNames(t, CheckEvent, []name{{DefaultEvent, ""}, {".", ""}, {"..", ""}})
}

func TestUserIDsFollowTheRules(t *testing.T) {
	checkNames(t, CheckUser, texts("user id", 128))
	checkNames(t, CheckUser, []name{{".", "only dots"}, {"..", "only dots"}, {"...", ""}, {".a", ""}})
}

// A prefix counts at the start of a name only, and as it is written.
func TestPrefixesDecideWhatAChannelIs(t *testing.T) {
	for _, c := range []struct {
		name                 string
		presence, restricted bool
	}{
		{"news", false, false},
		{"private-x", false, true},
		{"private-", false, true},
		{"presence-x", true, true},
		{"presence-", true, true},
		{"presence-private-x", true, true},
		{"private-presence-x", false, true},
		{"#server", false, true},
		{"private", false, false},
		{"presence", false, false},
		{"private_x", false, false},
		{"Private-x", false, false},
		{"PRESENCE-x", false, false},
		{"xprivate-x", false, false},
		{"x-presence-x", false, false},
		{" private-x", false, false},
		{"a#", false, false},
		{"", false, false},
	} {
		if p, r := IsPresence(c.name), IsRestricted(c.name); p != c.presence || r != c.restricted {
			t.Errorf("%q: presence %t, restricted %t, want %t, %t", c.name, p, r, c.presence, c.restricted)
		}
	}
}
