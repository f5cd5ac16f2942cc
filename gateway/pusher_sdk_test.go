package gateway

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/pusher/pusher-http-go/v5"
	"golang.org/x/crypto/nacl/secretbox"

	"stentor/gateway/webhook"
)

// masterKey is for encrypted channels, which the server knows nothing of.
const masterKey = "0123456789abcdef0123456789abcdef"

// sdkClient is the stock Go library, set to the gateway.
func (s *server) sdkClient(app App) *sdk.Client {
	return &sdk.Client{AppID: app.ID, Key: app.Key, Secret: app.Secret, Host: s.addr,
		EncryptionMasterKeyBase64: base64.StdEncoding.EncodeToString([]byte(masterKey))}
}

func ptr[T any](v T) *T { return &v }

// fails demands an error that says something.
func fails(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want %q in it", err, says)
	}
}

// same demands a result of the library.
func same[T any](t *testing.T, got T, err error, want T) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, error %v\nwant %+v", got, err, want)
	}
}

func TestSDKTrigger(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	c := s.sdkClient(a)
	p, other := s.pusher(a), s.pusher(a)
	for _, p := range []*pusherPeer{p, other} {
		p.subscribe("x")
		p.subscribe("y=@,.;_-")
	}
	p.enter("presence-x", `{"user_id":"1"}`, "1", "null")
	data := map[string]string{"hello": "wörld <&>"}
	if err := c.Trigger("x", "greet", data); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*pusherPeer{p, other} {
		p.want(eventText("x", "greet", `{"hello":"wörld \u003c\u0026\u003e"}`))
	}
	if err := c.Trigger("x", "greet", "plain text"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*pusherPeer{p, other} {
		p.want(eventText("x", "greet", "plain text"))
	}
	if err := c.TriggerMulti([]string{"y=@,.;_-", "nobody"}, "multi", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	p.want(eventText("y=@,.;_-", "multi", `{}`))
	other.want(eventText("y=@,.;_-", "multi", `{}`))

	list, err := c.TriggerWithParams("presence-x", "e", 1, sdk.TriggerParams{SocketID: &p.id, Info: ptr("user_count,subscription_count")})
	same(t, list, err, &sdk.TriggerChannelsList{Channels: map[string]sdk.TriggerChannelListItem{"presence-x": {UserCount: ptr(1), SubscriptionCount: ptr(1)}}})
	list, err = c.TriggerMultiWithParams([]string{"x", "nobody"}, "e", 2, sdk.TriggerParams{SocketID: &p.id, Info: ptr("subscription_count")})
	same(t, list, err, &sdk.TriggerChannelsList{Channels: map[string]sdk.TriggerChannelListItem{"x": {SubscriptionCount: ptr(2)}, "nobody": {SubscriptionCount: ptr(0)}}})
	other.want(eventText("x", "e", "2"))
	list, err = c.TriggerWithParams("x", "e", 3, sdk.TriggerParams{})
	same(t, list, err, &sdk.TriggerChannelsList{})
	p.want(eventText("x", "e", "3"))
	other.want(eventText("x", "e", "3"))

	batch, err := c.TriggerBatch([]sdk.Event{
		{Channel: "x", Name: "a", Data: "1"},
		{Channel: "x", Name: "b", Data: "2", SocketID: &p.id},
		{Channel: "x", Name: "c", Data: "3"},
	})
	same(t, batch, err, &sdk.TriggerBatchChannelsList{})
	p.want(eventText("x", "a", "1"))
	p.want(eventText("x", "c", "3"))
	other.want(eventText("x", "a", "1"))
	other.want(eventText("x", "b", "2"))
	other.want(eventText("x", "c", "3"))
	batch, err = c.TriggerBatch([]sdk.Event{
		{Channel: "presence-x", Name: "a", Data: "1", Info: ptr("user_count")},
		{Channel: "nobody", Name: "b", Data: "2"},
		{Channel: "x", Name: "c", Data: "3", Info: ptr("subscription_count")},
	})
	same(t, batch, err, &sdk.TriggerBatchChannelsList{Batch: []sdk.TriggerBatchChannelListItem{{UserCount: ptr(1)}, {}, {SubscriptionCount: ptr(2)}}})
}

func TestSDKQueries(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	c := s.sdkClient(a)
	p, other := s.pusher(a), s.pusher(a)
	for _, p := range []*pusherPeer{p, other} {
		p.subscribe("x")
	}
	p.subscribe("private-y=@,.;_-")
	p.enter("presence-x", `{"user_id":10}`, "10", "null")
	other.enter("presence-x", `{"user_id":"ann"}`, "10", "null", "ann", "null")

	channels, err := c.Channels(sdk.ChannelsParams{})
	same(t, channels, err, &sdk.ChannelsList{Channels: map[string]sdk.ChannelListItem{"x": {}, "private-y=@,.;_-": {}, "presence-x": {}}})
	channels, err = c.Channels(sdk.ChannelsParams{FilterByPrefix: ptr("presence-"), Info: ptr("user_count")})
	same(t, channels, err, &sdk.ChannelsList{Channels: map[string]sdk.ChannelListItem{"presence-x": {UserCount: 2}}})
	for _, prefix := range []string{"private-y=@,.", "private-y=@,.;_"} { // the library does not escape it
		channels, err = c.Channels(sdk.ChannelsParams{FilterByPrefix: &prefix})
		same(t, channels, err, &sdk.ChannelsList{Channels: map[string]sdk.ChannelListItem{"private-y=@,.;_-": {}}})
	}

	channel, err := c.Channel("presence-x", sdk.ChannelParams{Info: ptr("user_count,subscription_count")})
	same(t, channel, err, &sdk.Channel{Name: "presence-x", Occupied: true, UserCount: 2, SubscriptionCount: 2})
	channel, err = c.Channel("private-y=@,.;_-", sdk.ChannelParams{Info: ptr("subscription_count")})
	same(t, channel, err, &sdk.Channel{Name: "private-y=@,.;_-", Occupied: true, SubscriptionCount: 1})
	channel, err = c.Channel("nobody", sdk.ChannelParams{})
	same(t, channel, err, &sdk.Channel{Name: "nobody"})

	users, err := c.GetChannelUsers("presence-x")
	same(t, users, err, &sdk.Users{List: []sdk.User{{ID: "10"}, {ID: "ann"}}})
	users, err = c.GetChannelUsers("presence-nobody")
	same(t, users, err, &sdk.Users{List: []sdk.User{}})
}

// What the library's auth endpoints answer is what clients get in with.
func TestSDKAuth(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	c := s.sdkClient(a)
	p, other := s.pusher(a), s.pusher(a)
	type answer struct {
		Auth         string
		ChannelData  string `json:"channel_data"`
		UserData     string `json:"user_data"`
		SharedSecret string `json:"shared_secret"`
	}
	ask := func(b []byte, err error) (an answer) {
		t.Helper()
		if err == nil {
			err = json.Unmarshal(b, &an)
		}
		if err != nil {
			t.Fatal(err)
		}
		return an
	}
	form := func(id, channel string) []byte {
		return []byte(url.Values{"socket_id": {id}, "channel_name": {channel}}.Encode())
	}

	an := ask(c.AuthorizePrivateChannel(form(p.id, "private-x")))
	p.ask(subscribeText("private-x", an.Auth, ""), subscribedText("private-x"))
	other.refused(subscribeText("private-x", an.Auth, ""), 401, "private-x", "does not match")

	member := sdk.MemberData{UserID: "10", UserInfo: map[string]string{"name": "Mr. <Channels> é"}}
	an = ask(c.AuthorizePresenceChannel(form(p.id, "presence-x"), member))
	p.ask(subscribeText("presence-x", an.Auth, an.ChannelData), enteredText("presence-x", "10", `{"name":"Mr. \u003cChannels\u003e é"}`))
	other.refused(subscribeText("presence-x", an.Auth, an.ChannelData), 401, "presence-x", "does not match")

	an = ask(c.AuthenticateUser([]byte("socket_id="+p.id), map[string]any{"id": "ann", "user_info": map[string]any{"a": 1}, "watchlist": []string{"bob"}}))
	p.ask(`{"event":"pusher:signin","data":{"auth":`+quote(an.Auth)+`,"user_data":`+quote(an.UserData)+`}}`, signedInText(an.UserData))
	if err := c.SendToUser("ann", "hello", map[string]int{"n": 1}); err != nil {
		t.Fatal(err)
	}
	p.want(eventText("#server-to-user-ann", "hello", `{"n":1}`))
	if err := c.SendToUser("nobody", "hello", 1); err != nil {
		t.Fatal(err)
	}
	p.quiet()

	// Encrypted channels: the server passes on what it cannot read.
	an = ask(c.AuthorizePrivateChannel(form(p.id, "private-encrypted-x")))
	p.ask(subscribeText("private-encrypted-x", an.Auth, ""), subscribedText("private-encrypted-x"))
	shared, err := base64.StdEncoding.DecodeString(an.SharedSecret)
	if want := sha256.Sum256([]byte("private-encrypted-x" + masterKey)); err != nil || string(shared) != string(want[:]) {
		t.Fatalf("the shared secret is %x, error %v", shared, err)
	}
	if err := c.Trigger("private-encrypted-x", "secret", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	if text := opened(t, p, [32]byte(shared)); text != `{"a":"b"}` {
		t.Errorf("opened %s", text)
	}
	if _, err := c.TriggerBatch([]sdk.Event{{Channel: "private-encrypted-x", Name: "secret", Data: "batch"}}); err != nil {
		t.Fatal(err)
	}
	if text := opened(t, p, [32]byte(shared)); text != "batch" {
		t.Errorf("opened %s", text)
	}
}

// opened reads an event and decrypts it.
func opened(t *testing.T, p *pusherPeer, key [32]byte) string {
	t.Helper()
	_, text := p.next()
	var event struct{ Event, Channel, Data string }
	var box struct{ Nonce, Ciphertext []byte }
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(event.Data), &box); err != nil || len(box.Nonce) != 24 {
		t.Fatalf("%s: %v", text, err)
	}
	plain, ok := secretbox.Open(nil, box.Ciphertext, (*[24]byte)(box.Nonce), &key)
	if !ok {
		t.Fatalf("%s cannot be opened", text)
	}
	return string(plain)
}

// What is wrong the library tells in the server's words.
func TestSDKErrors(t *testing.T) {
	a, off := tenant("a", func(a *App) { a.APIRate = 3 }), tenant("off", func(a *App) { a.Disabled = true })
	b := tenant("b")
	s := newTest(t, tenants(a, b, off))
	c := s.sdkClient(b)
	c.OverrideMaxMessagePayloadKB = 100
	fails(t, c.Trigger("x", "pusher:x", 1), "Status Code: 400 - ")
	fails(t, c.Trigger("x", "", 1), "the event name is empty")
	fails(t, c.Trigger(strings.Repeat("x", 165), "e", 1), "at most 164")
	fails(t, c.Trigger("x", "e", strings.Repeat("x", 10241)), "Status Code: 413 - the data has 10241 bytes, at most 10240")
	_, err := c.Channel("x", sdk.ChannelParams{Info: ptr("user_count")})
	fails(t, err, "Status Code: 400 - info=user_count is for presence channels")
	_, err = c.Channels(sdk.ChannelsParams{Info: ptr("user_count")})
	fails(t, err, "Status Code: 400 - ")
	_, err = c.GetChannelUsers("x")
	fails(t, err, "Status Code: 400 - only presence channels have users")
	_, err = c.TriggerBatch(make([]sdk.Event, 0))
	fails(t, err, "1 to 10")
	_, err = c.TriggerBatch([]sdk.Event{{Channel: "x", Name: "e", Data: "1"}, {Channel: "x", Name: "", Data: "1"}})
	fails(t, err, "batch[1]: ")

	wrong := *c
	wrong.Secret = "wrong"
	fails(t, wrong.Trigger("x", "e", 1), "Status Code: 401 - auth_signature does not match")
	wrong = *c
	wrong.Key = "wrong"
	fails(t, wrong.Trigger("x", "e", 1), "Status Code: 401 - auth_key")
	wrong = *c
	wrong.AppID = "nobody"
	fails(t, wrong.Trigger("x", "e", 1), "Status Code: 404 - ")
	fails(t, s.sdkClient(off).Trigger("x", "e", 1), "Status Code: 403 - this app is disabled")
	limited := s.sdkClient(a)
	soon(t, "the app has used up its requests", func() bool {
		err := limited.Trigger("x", "e", 1)
		return err != nil && strings.Contains(err.Error(), "Status Code: 429 - ")
	})
}

// The library takes the gateway's webhooks for genuine, and reads them.
func TestSDKWebhooks(t *testing.T) {
	t.Parallel()
	a := tenant("a", func(a *App) { a.SubCount = true })
	client := &sdk.Client{AppID: a.ID, Key: a.Key, Secret: a.Secret}
	got := make(chan sdk.WebhookEvent, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		hook, err := client.Webhook(r.Header, body)
		if err != nil || hook.TimeMs < 1e12 || len(hook.Events) != 1 {
			t.Errorf("%s: %v", body, err)
			return
		}
		if _, err := client.Webhook(r.Header, append(body, ' ')); err == nil {
			t.Error("a signature is good for another body")
		}
		got <- hook.Events[0]
	}))
	defer receiver.Close()
	a.Webhooks = []Webhook{{URL: receiver.URL, Events: webhook.Names}}
	s := newTest(t, func(c *Config) { c.Apps, c.DataDir = []App{a}, t.TempDir() })
	// Channels are told of in any order, each in its own.
	wants := func(want ...sdk.WebhookEvent) {
		t.Helper()
		for len(want) > 0 {
			var e sdk.WebhookEvent
			select {
			case e = <-got:
			case <-time.After(patience):
				t.Fatalf("%+v are missing", want)
			}
			if e.Name == "subscription_count" {
				continue
			}
			i := slices.Index(want, e)
			if i < 0 || slices.ContainsFunc(want[:i], func(w sdk.WebhookEvent) bool { return w.Channel == e.Channel }) {
				t.Fatalf("received %+v, want %+v", e, want)
			}
			want = slices.Delete(want, i, i+1)
		}
	}
	p := s.pusher(a)
	p.subscribe("private-x")
	p.counted("private-x", 1)
	wants(sdk.WebhookEvent{Name: "channel_occupied", Channel: "private-x"})
	p.enter("presence-x", `{"user_id":7}`, "7", "null")
	wants(sdk.WebhookEvent{Name: "channel_occupied", Channel: "presence-x"}, sdk.WebhookEvent{Name: "member_added", Channel: "presence-x", UserID: "7"})
	p.subscribe("cache-x")
	p.want(`{"event":"pusher:cache_miss","channel":"cache-x","data":"{}"}`)
	wants(sdk.WebhookEvent{Name: "channel_occupied", Channel: "cache-x"}, sdk.WebhookEvent{Name: "cache_miss", Channel: "cache-x"})
	p.send(clientEvent("private-x", "client-x", `{"a":"é"}`))
	p.send(clientEvent("presence-x", "client-y", `"text"`))
	wants(sdk.WebhookEvent{Name: "client_event", Channel: "private-x", Event: "client-x", Data: `{"a":"é"}`, SocketID: p.id},
		sdk.WebhookEvent{Name: "client_event", Channel: "presence-x", Event: "client-y", Data: "text", SocketID: p.id, UserID: "7"})
	p.Close()
	wants(sdk.WebhookEvent{Name: "channel_vacated", Channel: "private-x"}, sdk.WebhookEvent{Name: "channel_vacated", Channel: "cache-x"},
		sdk.WebhookEvent{Name: "member_removed", Channel: "presence-x", UserID: "7"}, sdk.WebhookEvent{Name: "channel_vacated", Channel: "presence-x"})
}
