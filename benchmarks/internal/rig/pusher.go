package rig

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/wire"
)

// Subscriber is a client that receives what is published, and how it becomes
// one.
type Subscriber struct {
	Path      string
	Subscribe crowd.Converse // after the handshake
	Envelope  string         // of what it receives, see wire.Enveloped
}

// PusherApp is an app of a server that speaks the Pusher Channels protocol, and a
// public channel of it.
type PusherApp struct{ ID, Key, Secret, Channel string }

// pusherEvent is the name of what is published.
const pusherEvent = "message"

// pusherBatch is how many events a server takes in a request.
const pusherBatch = 10

// Subscriber returns a client on the channel. The server greets each with a
// socket id of its own.
func (a *PusherApp) Subscriber() Subscriber {
	return Subscriber{
		Path: "/app/" + a.Key + "?protocol=7&client=bench&version=1",
		Subscribe: crowd.Converse{
			Say: `{"event":"pusher:subscribe","data":{"channel":"` + a.Channel + `"}}`,
			Want: []string{
				`{"event":"pusher:connection_established","data":"{\"socket_id\":\"`,
				`{"event":"pusher_internal:subscription_succeeded","channel":"` + a.Channel + `"`,
			},
		},
		Envelope: `{"event":"` + pusherEvent + `","channel":"` + a.Channel + `","data":"{payload}"}`,
	}
}

// pusherPublication is an event for the HTTP API.
type pusherPublication struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	Data    string `json:"data"`
}

// Publish publishes count messages of size bytes on the channel, from number
// first on, in batches if there are many. post makes a request of the server's
// HTTP API, whose target is path and query, and which must succeed.
func (a *PusherApp) Publish(first, count, size int, post func(target string, body []byte) error) error {
	for end := first + count; first < end; first += pusherBatch {
		var batch []pusherPublication
		for n := first; n < min(first+pusherBatch, end); n++ {
			batch = append(batch, pusherPublication{pusherEvent, a.Channel, wire.Payload(n, size)})
		}
		path, body := "/batch_events", any(map[string]any{"batch": batch})
		if count == 1 {
			path, body = "/events", batch[0]
		}
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		if err := post(a.signed("/apps/"+a.ID+path, b, time.Now()), b); err != nil {
			return err
		}
	}
	return nil
}

// signed is the target of a POST with a body, with its signature.
func (a *PusherApp) signed(path string, body []byte, now time.Time) string {
	query := fmt.Sprintf("auth_key=%s&auth_timestamp=%d&auth_version=1.0&body_md5=%x", a.Key, now.Unix(), md5.Sum(body))
	mac := hmac.New(sha256.New, []byte(a.Secret))
	mac.Write([]byte("POST\n" + path + "\n" + query))
	return path + "?" + query + "&auth_signature=" + hex.EncodeToString(mac.Sum(nil))
}

// StentorPusher is Stentor for Pusher clients: what is published comes by their
// HTTP API.
type StentorPusher struct{ *Stentor }

// StentorApp is Stentor's app, as Pusher clients and their backends know it.
var StentorApp = PusherApp{"dev", "dev-key", secret, channel}

// Publish publishes by the HTTP API, which does not tell for how many.
func (s StentorPusher) Publish(first, count, size, _ int) error {
	return StentorApp.Publish(first, count, size, func(target string, body []byte) error {
		_, err := s.request(http.MethodPost, "http://"+s.public+target, body)
		return err
	})
}
