package gateway

import (
	"sync"
	"time"

	"github.com/gobwas/ws"

	"stentor/frame"
	"stentor/gateway/webhook"
	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/pusher"
)

const (
	countSoon = 20 * time.Millisecond // from a change to what is told of it
	countMany = 100                   // subscribers above which that is told
	countRest = 5 * time.Second       // once in this time
)

// counts tells the subscribers of channels how many they are, for apps with
// subscription_count.
type counts struct {
	app *app

	mu      sync.Mutex
	pending map[string]*count
}

// count is a channel that is about to be told of, or rests.
type count struct{ changed bool }

// changed is called when somebody has subscribed or unsubscribed.
func (s *counts) changed(channel string) {
	if protocol.IsPresence(channel) { // members are told of
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.pending[channel]; c != nil {
		c.changed = true
		return
	}
	if s.pending == nil {
		s.pending = map[string]*count{}
	}
	s.pending[channel] = &count{changed: true}
	time.AfterFunc(countSoon, func() { s.tell(channel) })
}

// tell tells of a channel if it has changed, and forgets it if it has not.
func (s *counts) tell(channel string) {
	s.mu.Lock()
	c := s.pending[channel]
	if !c.changed {
		delete(s.pending, channel)
		s.mu.Unlock()
		return
	}
	c.changed = false
	s.mu.Unlock()
	rest := countSoon
	if info, ok := s.app.hub.Info(channel); ok {
		s.app.hub.Publish(channel, &countEvent{info.Subscriptions}, nil)
		s.app.tell(webhook.Event{Name: webhook.SubscriptionCount, Channel: channel, Count: info.Subscriptions})
		if info.Subscriptions > countMany {
			rest = countRest
		}
	}
	time.AfterFunc(rest, func() { s.tell(channel) })
}

// countEvent tells Pusher clients how many subscribers their channel has.
type countEvent struct{ n int }

func (e *countEvent) Size() int { return envelope }

func (e *countEvent) Encode(class uint8, to hub.Target) []byte {
	if class != classPusher {
		return nil
	}
	return frame.Encode(ws.OpText, pusher.AppendSubscriptionCount(nil, to.Channel, e.n))
}
