package pusher

import (
	"strings"
	"testing"

	"stentor/protocol"
)

// A prefix counts at the start of the name only, and as it is written.
func TestPrefixesMakeTheKind(t *testing.T) {
	for name, want := range map[string]Kind{
		"":                              0,
		"news":                          0,
		"private":                       0,
		"Private-x":                     0,
		"PRESENCE-x":                    0,
		"xprivate-x":                    0,
		" private-x":                    0,
		"my-cache-x":                    0,
		"cache":                         0,
		"xcache-y":                      0,
		"Cache-y":                       0,
		"encrypted-x":                   0,
		"my-#server-to-user-1":          0,
		"private-":                      Private,
		"private-x":                     Private,
		"private-mycache-x":             Private,
		"private-x-cache-y":             Private,
		"private-presence-x":            Private,
		"private-private-encrypted-x":   Private,
		"private-encrypted":             Private,
		"private-encryptedx-":           Private,
		"private-Encrypted-x":           Private,
		"private-private-cache-x":       Private,
		"presence-":                     Presence,
		"presence-x":                    Presence,
		"presence-encrypted-x":          Presence,
		"presence-private-x":            Presence,
		"presence-mycache-x":            Presence,
		"presence-x-cache-y":            Presence,
		"presence-encrypted-cache-x":    Presence,
		"private-encrypted-":            Private | Encrypted,
		"private-encrypted-x":           Private | Encrypted,
		"private-encrypted-mycache-x":   Private | Encrypted,
		"cache-":                        Cache,
		"cache-x":                       Cache,
		"cache-private-x":               Cache,
		"cache-presence-x":              Cache,
		"private-cache-y":               Private | Cache,
		"private-cache-encrypted-x":     Private | Cache,
		"private-encrypted-cache-y":     Private | Encrypted | Cache,
		"presence-cache-y":              Presence | Cache,
		"#server-to-user-1":             ServerToUser,
		"#server-to-user-private-x":     ServerToUser,
		"#server-to-user-":              ServerToUser,
		"#":                             ServerToUser,
		"#private-x":                    ServerToUser,
		"#cache-x":                      ServerToUser,
		"#server-to-user-\xff\x00cache": ServerToUser,
	} {
		if got := KindOf(name); got != want {
			t.Errorf("%q: %05b, want %05b", name, got, want)
		}
	}
}

// Authority is the channel's, not the dialect's.
func TestKindsAgreeWithTheOtherDialects(t *testing.T) {
	for _, begin := range []string{"", "x", "#", "#server-to-user-", "private-", "presence-", "private-encrypted-", "Private-"} {
		for _, next := range []string{"", "x", "cache-", "xcache-", "cache-x", "private-", "presence-x", "encrypted-x", "#"} {
			name := begin + next
			k := KindOf(name)
			if k.Restricted() != protocol.IsRestricted(name) {
				t.Errorf("%q: restricted %t here only", name, k.Restricted())
			}
			if k.Has(Presence) != protocol.IsPresence(name) {
				t.Errorf("%q: presence %t here only", name, k.Has(Presence))
			}
		}
	}
}

func TestKindHas(t *testing.T) {
	k := Private | Cache
	if !k.Has(Private) || !k.Has(Cache) || !k.Has(Private|Cache) || k.Has(Presence) || k.Has(Private|Encrypted) {
		t.Errorf("%05b", k)
	}
	for k, want := range map[Kind]bool{0: false, Cache: false, Private: true, Presence | Cache: true, ServerToUser: true} {
		if k.Restricted() != want {
			t.Errorf("%05b: restricted %t", k, !want)
		}
	}
}

func TestUserOfChannel(t *testing.T) {
	for name, want := range map[string]string{
		"#server-to-user-1":                 "1",
		"#server-to-user-#server-to-user-x": "#server-to-user-x",
		"#server-to-user-a b/ü":             "a b/ü",
		"#server-to-user-":                  "",
		"#server-to-user":                   "",
		"#Server-to-user-1":                 "",
		"server-to-user-1":                  "",
		"x#server-to-user-1":                "",
		"private-#server-to-user-1":         "",
		"":                                  "",
	} {
		if user, ok := UserOf(name); ok != (want != "") || ok && user != want {
			t.Errorf("%q: %q, %t", name, user, ok)
		}
	}
}

func TestChannelNamesFollowTheRules(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name string
		most int
		says string // empty if it is allowed
	}{
		{"news", 0, ""},
		{"private-encrypted-cache-_-=@,.;", 0, ""},
		{x(164), 0, ""},
		{x(164), 200, ""},
		{x(50), 50, ""},
		{x(51), 50, "51 bytes, at most 50"},
		{x(165), 0, "165 bytes, at most 164"},
		{x(165), 200, "165 bytes, at most 164"},
		{"", 0, "empty"},
		{"", 50, "empty"},
		{"..", 0, "only dots"},
		{"a b", 0, "' '"},
		{"a:b", 0, "':'"},
		{"#", 0, "'#'"},
		{"#server-to-use-1", 0, "'#'"},
		{"private-#server-to-user-1", 0, "'#'"},
		{"#server-to-user-1", 0, ""},
		{"#server-to-user-" + x(128), 50, ""},
		{"#server-to-user-a b/ü:#", 0, ""},
		{"#server-to-user-" + x(129), 0, "129 bytes, at most 128"},
		{"#server-to-user-", 0, "the user id is empty"},
		{"#server-to-user-..", 0, "only dots"},
		{"#server-to-user-a\n", 0, "U+000A"},
		{"#server-to-user-\xff", 0, "not valid UTF-8"},
	} {
		err := CheckChannel(c.name, c.most)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.40q, at most %d: error %v, want %q", c.name, c.most, err, c.says)
		}
	}
}

func TestReservedNames(t *testing.T) {
	for name, want := range map[string]bool{
		"pusher:ping":                  true,
		"pusher:":                      true,
		"pusher_internal:member_added": true,
		"pusher_internal:":             true,
		"pusher":                       false,
		"pusher_internal":              false,
		"pusher-x":                     false,
		"Pusher:ping":                  false,
		" pusher:ping":                 false,
		"client-pusher:ping":           false,
		"":                             false,
	} {
		if Reserved(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}

func TestSocketIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"1.2":                            true,
		"1234.1234":                      true,
		"4294967297.8164523011928475093": true,
		"00.00":                          true,
		"":                               false,
		".":                              false,
		"1":                              false,
		"1.":                             false,
		".1":                             false,
		"1.2.3":                          false,
		"1..2":                           false,
		" 1.2":                           false,
		"1.2\n":                          false, // $ of some languages would let it pass
		"1.2\x00":                        false,
		"-1.2":                           false,
		"1.2:private-x":                  false,
		"1.2e3":                          false,
		"١.٢":                            false,
	} {
		if err := CheckSocketID(id); (err == nil) != want {
			t.Errorf("%q: error %v", id, err)
		}
	}
}
