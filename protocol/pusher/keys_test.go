package pusher

import (
	"strings"
	"testing"
)

// The vectors are those of the protocol's documentation, except the last: what
// it shows for presence does not come of its own text.
var (
	vectorKeys = Keys{Key: "278d425bdf160c739803", Secrets: []string{"7ad3773142a6692b25b8"}}

	channelVectors = []struct{ channel, data, signature string }{
		{"private-foobar", "", "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"},
		{"presence-foobar", `{"user_id":10,"user_info":{"name":"Mr. Channels"}}`, "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"},
	}
	userVector = struct{ data, signature string }{`{"id":"12345"}`, "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"}
)

const vectorSocket = "1234.1234"

func TestVectorsOfSignatures(t *testing.T) {
	for _, v := range channelVectors {
		want := vectorKeys.Key + ":" + v.signature
		if got := vectorKeys.SignChannel(vectorSocket, v.channel, v.data); got != want {
			t.Errorf("%s: %s, want %s", v.channel, got, want)
		}
		if err := vectorKeys.CheckChannelAuth(want, vectorSocket, v.channel, v.data); err != nil {
			t.Errorf("%s: %v", v.channel, err)
		}
	}
	want := vectorKeys.Key + ":" + userVector.signature
	if got := vectorKeys.SignUser(vectorSocket, userVector.data); got != want {
		t.Errorf("user: %s, want %s", got, want)
	}
	if err := vectorKeys.CheckUserAuth(want, vectorSocket, userVector.data); err != nil {
		t.Errorf("user: %v", err)
	}
	// HMAC-SHA256 by RFC 4231, case 2.
	if got := (Keys{Secrets: []string{"Jefe"}}).SignBody([]byte("what do ya want for nothing?")); got != "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Errorf("body: %s", got)
	}
}

func TestForgedAuthIsRefused(t *testing.T) {
	k := vectorKeys
	presence := channelVectors[1]
	good := k.SignChannel(vectorSocket, presence.channel, presence.data)
	signature := strings.TrimPrefix(good, k.Key+":")
	other := Keys{Key: k.Key, Secrets: []string{"another"}}
	empty := Keys{Key: k.Key, Secrets: []string{""}}
	for what, c := range map[string]struct{ auth, socket, channel, data, says string }{
		"none":                      {"", vectorSocket, presence.channel, presence.data, "missing"},
		"no colon":                  {signature, vectorSocket, presence.channel, presence.data, "not KEY:SIGNATURE"},
		"no signature":              {k.Key + ":", vectorSocket, presence.channel, presence.data, "does not match"},
		"no key":                    {":" + signature, vectorSocket, presence.channel, presence.data, "key of another app"},
		"another key":               {"x" + good, vectorSocket, presence.channel, presence.data, "key of another app"},
		"key in capitals":           {strings.ToUpper(k.Key) + "x:" + signature, vectorSocket, presence.channel, presence.data, "key of another app"},
		"signature in capitals":     {k.Key + ":" + strings.ToUpper(signature), vectorSocket, presence.channel, presence.data, "does not match"},
		"cut":                       {good[:len(good)-1], vectorSocket, presence.channel, presence.data, "does not match"},
		"longer":                    {good + "0", vectorSocket, presence.channel, presence.data, "does not match"},
		"a line after it":           {good + "\n", vectorSocket, presence.channel, presence.data, "does not match"},
		"another secret":            {other.SignChannel(vectorSocket, presence.channel, presence.data), vectorSocket, presence.channel, presence.data, "does not match"},
		"an empty secret":           {empty.SignChannel(vectorSocket, presence.channel, presence.data), vectorSocket, presence.channel, presence.data, "does not match"},
		"of another socket":         {k.SignChannel("1234.1235", presence.channel, presence.data), vectorSocket, presence.channel, presence.data, "does not match"},
		"of another channel":        {k.SignChannel(vectorSocket, "presence-foobaz", presence.data), vectorSocket, presence.channel, presence.data, "does not match"},
		"of other data":             {k.SignChannel(vectorSocket, presence.channel, `{"user_id":11}`), vectorSocket, presence.channel, presence.data, "does not match"},
		"of data with a blank":      {good, vectorSocket, presence.channel, presence.data + " ", "does not match"},
		"without its data":          {good, vectorSocket, presence.channel, "", "does not match"},
		"data in the channel":       {good, vectorSocket, presence.channel + ":" + presence.data, "", "colon"},
		"of a user":                 {k.SignUser(vectorSocket, userVector.data), vectorSocket, "", "user::" + userVector.data, "empty"},
		"of a user, as a channel":   {k.SignUser(vectorSocket, userVector.data), vectorSocket, ":user::" + userVector.data, "", "colon"},
		"of a user, as a channel 2": {k.SignUser(vectorSocket, userVector.data), vectorSocket, ":user:", userVector.data, "colon"},
	} {
		err := k.CheckChannelAuth(c.auth, c.socket, c.channel, c.data)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", what, err, c.says)
			continue
		}
		for _, secret := range []string{k.Secrets[0], signature} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error tells a secret: %v", what, err)
			}
		}
	}
	for what, c := range map[string]struct{ auth, socket, data string }{
		"none":               {"", vectorSocket, userVector.data},
		"of another socket":  {k.SignUser("1.2", userVector.data), vectorSocket, userVector.data},
		"of another user":    {k.SignUser(vectorSocket, `{"id":"12346"}`), vectorSocket, userVector.data},
		"of a channel":       {good, vectorSocket, presence.data},
		"of another app":     {"other:" + userVector.signature, vectorSocket, userVector.data},
		"of another secret":  {other.SignUser(vectorSocket, userVector.data), vectorSocket, userVector.data},
		"of an empty secret": {empty.SignUser(vectorSocket, userVector.data), vectorSocket, userVector.data},
	} {
		if k.CheckUserAuth(c.auth, c.socket, c.data) == nil {
			t.Errorf("user, %s: is accepted", what)
		}
	}
}

// While a secret is rotated both are good, and the new one signs.
func TestSecretsCanBeRotated(t *testing.T) {
	before := Keys{"key", []string{"old"}}
	both := Keys{"key", []string{"new", "old"}}
	after := Keys{"key", []string{"new"}}
	for what, c := range map[string]struct {
		signs, checks Keys
		want          bool
	}{
		"old by both":   {before, both, true},
		"new by both":   {after, both, true},
		"both by new":   {both, after, true},
		"both by old":   {both, before, false},
		"old by new":    {before, after, false},
		"new by old":    {after, before, false},
		"by no secret":  {after, Keys{Key: "key"}, false},
		"by empty ones": {Keys{"key", []string{""}}, Keys{"key", []string{"", ""}}, false},
	} {
		if err := c.checks.CheckChannelAuth(c.signs.SignChannel("1.2", "private-x", ""), "1.2", "private-x", ""); (err == nil) != c.want {
			t.Errorf("%s: channel: %v", what, err)
		}
		if err := c.checks.CheckUserAuth(c.signs.SignUser("1.2", "{}"), "1.2", "{}"); (err == nil) != c.want {
			t.Errorf("%s: user: %v", what, err)
		}
		query := c.signs.SignRequest("GET", "/p", nil, nil, epoch)
		if err := checkWhole(c.checks, "GET", []string{"/p"}, query, nil, epoch); (err == nil) != c.want {
			t.Errorf("%s: request: %v", what, err)
		}
	}
}
