package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/native"
	"stentor/protocol/pusher"
)

const (
	maxTargets = 10000            // channels, users and clients of one publication
	maxBatch   = 1000             // publications of one request
	waitLimit  = 10 * time.Second // for an answer, with "wait": true or under pressure
	bodyRoom   = 8 << 20          // in a body, for names and, in a batch, data
	bodyTime   = 30 * time.Second // for a body to come
)

// publishBody is a publication as JSON.
type publishBody struct {
	To struct {
		Channels []string `json:"channels"`
		Users    []string `json:"users"`
		Clients  []string `json:"clients"`
		All      bool     `json:"all"`
	} `json:"to"`
	Except struct {
		Clients []string `json:"clients"`
		Users   []string `json:"users"`
	} `json:"except"`
	Event    *string         `json:"event"`
	Data     json.RawMessage `json:"data"`
	Encoding string          `json:"encoding"`
	Wait     bool            `json:"wait"`
}

// publishAnswer tells what a publication met.
type publishAnswer struct {
	Matched int    `json:"matched"`
	Written *int64 `json:"written,omitempty"`
	Queued  *int64 `json:"queued,omitempty"`
	Dropped *int64 `json:"dropped,omitempty"`
}

type batchBody struct {
	Batch []publishBody `json:"batch"`
}

type batchAnswer struct {
	Results []publishAnswer `json:"results"`
}

// publishLimit bounds the body of a publication. There is room for as many users
// as it may have, each as long as it may be and each byte written \u0061, and for
// data with spaces.
func (g *Gateway) publishLimit() int64 { return bodyRoom + 2*int64(g.cfg.Limits.MaxMessageBytes) }

// batchLimit bounds the body of a batch.
func (g *Gateway) batchLimit() int64 { return max(bodyRoom, 4*int64(g.cfg.Limits.MaxMessageBytes)) }

func (g *Gateway) apiPublish(a *app, r *http.Request) (any, error) {
	var body publishBody
	if err := readBody(r, g.publishLimit(), &body); err != nil {
		return nil, err
	}
	p, err := g.publication(&body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), waitLimit)
	defer cancel()
	return g.publish(ctx, a, p, body.Wait), nil
}

func (g *Gateway) apiPublishBatch(a *app, r *http.Request) (any, error) {
	var body batchBody
	if err := readBody(r, g.batchLimit(), &body); err != nil {
		return nil, err
	}
	if len(body.Batch) == 0 {
		return nil, badRequest(`"batch" is empty: give a list of publications`)
	}
	if len(body.Batch) > maxBatch {
		return nil, tooLarge("the batch has %d publications, at most %d are allowed", len(body.Batch), maxBatch)
	}
	list := make([]publication, len(body.Batch))
	for i := range body.Batch {
		p, err := g.publication(&body.Batch[i])
		if err != nil { // before any is published
			e := *err.(*apiError)
			e.message = fmt.Sprintf("batch[%d]: %s", i, e.message)
			return nil, &e
		}
		list[i] = p
	}
	ctx, cancel := context.WithTimeout(r.Context(), waitLimit) // for all together
	defer cancel()
	results := make([]publishAnswer, len(list))
	for i, p := range list {
		results[i] = g.publish(ctx, a, p, body.Batch[i].Wait)
	}
	return batchAnswer{results}, nil
}

// publication checks a body.
func (g *Gateway) publication(b *publishBody) (p publication, err error) {
	p.to = targets{channels: b.To.Channels, users: b.To.Users, clients: b.To.Clients, all: b.To.All}
	p.except = targets{users: b.Except.Users, clients: b.Except.Clients}
	n := len(p.to.channels) + len(p.to.users) + len(p.to.clients)
	switch {
	case n == 0 && !p.to.all:
		return p, badRequest(`"to" names nobody: give channels, users, clients or "all": true`)
	case n+len(p.except.users)+len(p.except.clients) > maxTargets:
		return p, tooLarge("the publication names more than %d channels, users and clients", maxTargets)
	}
	for _, named := range []struct {
		field string
		names []string
		check func(string) error
	}{
		{"to.channels", p.to.channels, protocol.CheckChannel},
		{"to.users", p.to.users, protocol.CheckUser},
		{"to.clients", p.to.clients, checkClient},
		{"except.users", p.except.users, protocol.CheckUser},
		{"except.clients", p.except.clients, checkClient},
	} {
		for i, name := range named.names {
			if err := named.check(name); err != nil {
				return p, badRequest("%s[%d]: %v", named.field, i, err)
			}
		}
	}
	p.to.channels = once(p.to.channels)
	if most := g.cfg.Limits.MaxMessageBytes; len(b.Data) > most {
		return p, tooLarge("the data has %d bytes, at most %d are allowed (limits.max_message_bytes)", len(b.Data), most)
	}
	name := protocol.DefaultEvent
	if b.Event != nil {
		name = *b.Event
	}
	p.event, err = native.Event(name, b.Data, b.Encoding)
	if err == nil {
		err = checkEventName(name)
	}
	if err != nil {
		return p, badRequest("%v", err)
	}
	return p, nil
}

// checkClient tells what is wrong with a client's id. Whether there is such a
// client is another question.
func checkClient(id string) error {
	if pusher.CheckSocketID(id) != nil { // which is the same
		return errors.New("a client id is two numbers with a point between them")
	}
	return nil
}

// once returns names without repetitions.
func once(names []string) []string {
	if len(names) < 2 {
		return names
	}
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(names, func(name string) bool {
		twice := seen[name]
		seen[name] = true
		return twice
	})
}

// publish publishes for a backend. One that publishes faster than what it
// publishes gets away is answered later, when ctx ends at the latest.
func (g *Gateway) publish(ctx context.Context, a *app, p publication, wait bool) publishAnswer {
	if wait {
		p.track = hub.NewTracker()
	}
	room := make(chan struct{})
	p.room = func() { close(room) }
	r := g.broker.publish(a, p)
	answer := publishAnswer{Matched: r.Matched}
	if r.Full {
		select {
		case <-room:
		case <-ctx.Done():
		}
	}
	if wait {
		// If time runs out the counts are those so far.
		res, _ := p.track.Wait(ctx)
		answer.Written, answer.Queued, answer.Dropped = &res.Written, &res.Queued, &res.Dropped
	}
	return answer
}
