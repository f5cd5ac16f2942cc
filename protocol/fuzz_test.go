package protocol

import (
	"regexp"
	"testing"
	"unicode/utf8"
)

// The rules of docs/protocol.md once more, as patterns.
var (
	plainChannel = regexp.MustCompile(`^[-A-Za-z0-9_=@,.;]{1,164}$`)
	noControl    = regexp.MustCompile(`^\P{Cc}+$`)
)

// FuzzNames compares the checks of names with patterns.
func FuzzNames(f *testing.F) {
	for _, n := range append(texts("", 200), channelNames...) {
		f.Add(n.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := utf8.ValidString(s) && noControl.MatchString(s)
		for what, c := range map[string]struct {
			err  error
			want bool
		}{
			"channel": {CheckChannel(s), plainChannel.MatchString(s) && s != "." && s != ".."},
			"event":   {CheckEvent(s), text && len(s) <= 200},
			"user":    {CheckUser(s), text && len(s) <= 128 && s != "." && s != ".."},
		} {
			if (c.err == nil) != c.want {
				t.Fatalf("%s %q: error %v, allowed by the pattern: %t", what, s, c.err, c.want)
			}
			if c.err != nil && (c.err.Error() == "" || len(c.err.Error()) > 200 || !utf8.ValidString(c.err.Error())) {
				t.Fatalf("%s %q: the error is %q", what, s, c.err)
			}
		}
		if IsPresence(s) && !IsRestricted(s) {
			t.Fatalf("%q: presence without authorisation", s)
		}
	})
}
