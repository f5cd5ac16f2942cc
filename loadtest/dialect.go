package loadtest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Dialect is how a client of some server subscribes, and how one publishes to
// it. Echo, Raw, Native and Pusher are those that need no file.
//
// In all texts {n} stands for the client's number, {channel} for the channel's
// name and {payload} for a message's payload, which needs no escaping in JSON
// or URLs.
type Dialect struct {
	Name string `yaml:"name"`

	// Of the opening handshake.
	Headers      map[string]string `yaml:"headers"`
	Subprotocols []string          `yaml:"subprotocols"`

	// Steps are gone through in order when the connection is open. A client is
	// ready when the last is done.
	Steps []Step `yaml:"steps"`
	// Refused are texts that a message contains if the server refuses what a step
	// asked for.
	Refused []string `yaml:"refused"`
	// Answers are what to say to the server's own pings.
	Answers []Answer `yaml:"answers"`

	// Bare says that a message is a payload and nothing else.
	Bare bool `yaml:"bare"`
	// Delivery is a text that every message with a payload contains and no other
	// does. One with the text, but without a payload of this run, is unexpected.
	// Empty: nobody knows, and only what is no JSON is unexpected.
	Delivery string `yaml:"delivery"`
	// Send is the message that sends a payload: for an echo, and for publishing by
	// a WebSocket. Empty: the payload.
	Send string `yaml:"send"`
	// Publish is how one publishes by HTTP.
	Publish *Publish `yaml:"publish"`
}

// Step is a part of subscribing: something to send, something to wait for, or
// both, in this order.
type Step struct {
	Send string `yaml:"send"`
	Wait string `yaml:"wait"` // a text that the awaited message contains
}

// Answer is a message of the server's that demands one.
type Answer struct {
	To   string `yaml:"to"` // the whole message
	Send string `yaml:"send"`
}

// Publish is an HTTP request that publishes. A status of 200 to 299 accepts it.
type Publish struct {
	Method  string            `yaml:"method"` // POST if it is empty
	URL     string            `yaml:"url"`
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`
	// Pusher signs the request as Pusher's HTTP API demands.
	Pusher *PusherAuth `yaml:"pusher"`
}

// PusherAuth is an app's key and secret.
type PusherAuth struct {
	Key    string `yaml:"key"`
	Secret string `yaml:"secret"`
}

// Echo is a server that sends every message back.
func Echo() *Dialect { return &Dialect{Name: "echo", Bare: true} }

// Raw is Stentor's dialect without an envelope; the channel is in the URL's
// path. Any server whose clients hear everything without asking will do, too.
func Raw(base, secret string) *Dialect {
	return &Dialect{Name: "raw", Bare: true, Publish: stentorPublish(base, secret)}
}

// Native is Stentor's JSON dialect.
func Native(base, secret string) *Dialect {
	return &Dialect{
		Name:     "native",
		Steps:    []Step{{Send: `{"type":"subscribe","channel":"{channel}"}`, Wait: `"type":"subscribed"`}},
		Refused:  []string{`"type":"error"`, `"type":"bye"`},
		Delivery: `"type":"message"`,
		Send:     `{"type":"publish","channel":"{channel}","data":"{payload}"}`,
		Publish:  stentorPublish(base, secret),
	}
}

func stentorPublish(base, secret string) *Publish {
	return &Publish{
		URL:     base + "/api/publish",
		Headers: map[string]string{"Authorization": "Bearer " + secret, "Content-Type": "application/json"},
		Body:    `{"to":{"channels":["{channel}"]},"data":"{payload}"}`,
	}
}

// Pusher is the Channels protocol, version 7, with the HTTP API of base.
// Publishing by a WebSocket sends client events, which only private channels
// have.
func Pusher(base, appID, key, secret string) *Dialect {
	return &Dialect{
		Name: "pusher",
		Steps: []Step{
			{Wait: `pusher:connection_established`},
			{Send: `{"event":"pusher:subscribe","data":{"channel":"{channel}"}}`, Wait: `subscription_succeeded`},
		},
		Refused: []string{`pusher:error`, `pusher:subscription_error`},
		Answers: []Answer{
			{To: `{"event":"pusher:ping","data":{}}`, Send: `{"event":"pusher:pong","data":{}}`},
			{To: `{"event":"pusher:ping","data":"{}"}`, Send: `{"event":"pusher:pong","data":{}}`},
			{To: `{"event":"pusher:ping"}`, Send: `{"event":"pusher:pong","data":{}}`},
		},
		Delivery: `"event":"message"`,
		Send:     `{"event":"client-message","channel":"{channel}","data":"{payload}"}`,
		Publish: &Publish{
			URL:     base + "/apps/" + url.PathEscape(appID) + "/events",
			Headers: map[string]string{"Content-Type": "application/json"},
			Body:    `{"name":"message","channels":["{channel}"],"data":"{payload}"}`,
			Pusher:  &PusherAuth{Key: key, Secret: secret},
		},
	}
}

// checkDialect names what a dialect of ours cannot do.
func (p *plan) checkDialect() error {
	if p.Dialect != nil || p.DialectName == "echo" {
		return nil
	}
	if p.Scenario == ScenarioEcho && p.dialect.Name == "echo" {
		path, _, _ := strings.Cut(strings.Trim(p.path, "/"), "?")
		if first, _, _ := strings.Cut(path, "/"); slices.Contains([]string{"ws", "raw", "app"}, first) {
			return faultf("at /%s Stentor echoes nothing, at /echo it does; if another server echoes there, say --dialect echo", first)
		}
	}
	if p.PublishWS && p.dialect.Name == "pusher" {
		return faultf("a client of the Pusher protocol publishes to private channels only, and this one cannot subscribe to them: publish by HTTP (without --publish-by ws), or describe the server by a template")
	}
	if strings.ContainsFunc(p.Channel, func(r rune) bool { return r == '"' || r == '\\' || r < ' ' }) {
		return faultf("channel %q: a quote, a backslash or a line break ends the JSON that it is sent in", p.Channel)
	}
	return nil
}

// Validate names what is wrong with a dialect.
func (d *Dialect) Validate() error {
	for i, s := range d.Steps {
		if s.Send == "" && s.Wait == "" {
			return fmt.Errorf("steps: number %d has neither send nor wait", i+1)
		}
	}
	for i, a := range d.Answers {
		if a.To == "" || a.Send == "" {
			return fmt.Errorf("answers: number %d needs to and send", i+1)
		}
	}
	if slices.Contains(d.Refused, "") {
		return errors.New("refused: an empty text is in every message")
	}
	if d.Send != "" && !strings.Contains(d.Send, "{payload}") {
		return errors.New("send: {payload} is missing")
	}
	for name, value := range d.Headers {
		if err := checkHeader(name, value); err != nil {
			return fmt.Errorf("headers: %w", err)
		}
	}
	for _, p := range d.Subprotocols {
		if p == "" || strings.ContainsAny(p, " ,\r\n\t\"") {
			return fmt.Errorf("subprotocols: %q is no token", p)
		}
	}
	if p := d.Publish; p != nil {
		return p.validate()
	}
	return nil
}

func (p *Publish) validate() error {
	u, err := url.Parse(strings.NewReplacer("{channel}", "c", "{payload}", "p").Replace(p.URL))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("publish: url %q is no http:// or https:// URL", p.URL)
	}
	if !strings.Contains(p.Body, "{payload}") && !strings.Contains(p.URL, "{payload}") {
		return errors.New("publish: {payload} is in neither body nor url")
	}
	for name, value := range p.Headers {
		if err := checkHeader(name, value); err != nil {
			return fmt.Errorf("publish: headers: %w", err)
		}
	}
	if p.Pusher != nil && (p.Pusher.Key == "" || p.Pusher.Secret == "") {
		return errors.New("publish: pusher needs key and secret")
	}
	if _, err := http.NewRequest(p.Method, "http://host/", nil); err != nil {
		return fmt.Errorf("publish: method %q is none", p.Method)
	}
	return nil
}

// reserved are headers that the handshake sets itself.
var reserved = []string{"Host", "Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version",
	"Sec-Websocket-Protocol", "Sec-Websocket-Extensions"}

func checkHeader(name, value string) error {
	canonical := http.CanonicalHeaderKey(name)
	if name == "" || strings.ContainsAny(name, " :\r\n\t") {
		return fmt.Errorf("%q is no name of a header", name)
	}
	if strings.ContainsAny(value, "\r\n\x00") {
		return fmt.Errorf("the value of %s has a line break", name)
	}
	if slices.Contains(reserved, canonical) && canonical != "Host" {
		return fmt.Errorf("%s is set by the handshake (subprotocols have a setting of their own)", canonical)
	}
	return nil
}

// text is a template cut at its placeholders, to be filled without searching.
type text struct {
	parts []string // between the placeholders
	holes []hole   // one less
}

type hole uint8

const (
	holeNumber hole = iota
	holeChannel
	holePayload
)

var holeNames = map[string]hole{"{n}": holeNumber, "{channel}": holeChannel, "{payload}": holePayload}

// cut finds the placeholders of a template.
func cut(s string) (t text) {
	for {
		at, what := -1, ""
		for name := range holeNames {
			if i := strings.Index(s, name); i >= 0 && (at < 0 || i < at) {
				at, what = i, name
			}
		}
		if at < 0 {
			t.parts = append(t.parts, s)
			return t
		}
		t.parts = append(t.parts, s[:at])
		t.holes = append(t.holes, holeNames[what])
		s = s[at+len(what):]
	}
}

// fill appends the text with its placeholders filled.
func (t *text) fill(dst []byte, number int, channel string, payload []byte) []byte {
	for i, p := range t.parts {
		dst = append(dst, p...)
		if i == len(t.holes) {
			break
		}
		switch t.holes[i] {
		case holeNumber:
			dst = strconv.AppendInt(dst, int64(number), 10)
		case holeChannel:
			dst = append(dst, channel...)
		case holePayload:
			dst = append(dst, payload...)
		}
	}
	return dst
}

// has reports whether a message contains one of some texts.
func has(message []byte, texts []string) bool {
	for _, t := range texts {
		if bytes.Contains(message, []byte(t)) {
			return true
		}
	}
	return false
}
