package gateway

import (
	"container/list"
	"hash/maphash"
	"sync"
	"time"

	"stentor/engine"
	"stentor/gateway/webhook"
	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/pusher"
)

const (
	cacheTime  = 30 * time.Minute // that a channel's last event is kept
	cacheParts = 16
	cacheBytes = 64 << 20 / cacheParts // kept in a part; what is oldest goes first
)

// cache keeps the last event of each cache channel of an app, for who subscribes
// later. Publishing to such a channel and subscribing to it take turns, so that a
// subscriber gets an event once, kept or live, and none after a newer one.
type cache [cacheParts]cachePart

type cachePart struct {
	mu    sync.Mutex
	kept  map[string]*list.Element
	order list.List // of *keptEvent, the oldest in front: all are kept for the same time
	bytes int
	timer *time.Timer // drops what is too old; nil while nothing is kept

	missed map[string]time.Time // when the backend was told last that a channel keeps nothing
}

type keptEvent struct {
	channel string
	message *sharedMessage
	until   time.Time
}

// size is about the most that the event can take, with its frames.
func (k *keptEvent) size() int {
	return (1+int(classes))*k.message.Size() + len(k.channel) + 2*envelope
}

var cacheSeed = maphash.MakeSeed()

func (c *cache) part(channel string) *cachePart {
	return &c[maphash.String(cacheSeed, channel)%cacheParts]
}

// isCache reports whether a channel keeps its last event.
func isCache(channel string) bool { return pusher.KindOf(channel).Has(pusher.Cache) }

// put keeps an event in place of the one before. mu is held.
func (p *cachePart) put(channel string, m *sharedMessage, now time.Time) {
	if e := p.kept[channel]; e != nil {
		p.drop(e)
	}
	if p.kept == nil {
		p.kept = map[string]*list.Element{}
	}
	k := &keptEvent{channel, m, now.Add(cacheTime)}
	if k.size() > cacheBytes { // it would drive out all others
		return
	}
	p.kept[channel] = p.order.PushBack(k)
	p.bytes += k.size()
	for p.bytes > cacheBytes {
		p.drop(p.order.Front())
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(cacheTime, p.expire)
	}
}

// expire drops what is too old.
func (p *cachePart) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for p.order.Len() > 0 {
		e := p.order.Front()
		if left := e.Value.(*keptEvent).until.Sub(now); left > 0 {
			p.timer.Reset(left)
			return
		}
		p.drop(e)
	}
	p.timer = nil
}

// get returns what is kept, nil if there is nothing. mu is held.
func (p *cachePart) get(channel string, now time.Time) *keptEvent {
	e := p.kept[channel]
	if e == nil {
		return nil
	}
	k := e.Value.(*keptEvent)
	if !now.Before(k.until) {
		p.drop(e)
		return nil
	}
	return k
}

func (p *cachePart) drop(e *list.Element) {
	k := p.order.Remove(e).(*keptEvent)
	delete(p.kept, k.channel)
	p.bytes -= k.size()
}

// peek returns what a channel keeps, and for how long.
func (c *cache) peek(channel string) (m *sharedMessage, left time.Duration, ok bool) {
	p := c.part(channel)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	k := p.get(channel, now)
	if k == nil {
		return nil, 0, false
	}
	return k.message, k.until.Sub(now), true
}

// publish publishes to a cache channel. A client's event is not kept.
func (c *cache) publish(h *hub.Hub, channel string, event protocol.Event, o *hub.Options, keep bool) hub.Receipt {
	m := &sharedMessage{message: message{event}}
	p := c.part(channel)
	p.mu.Lock()
	defer p.mu.Unlock()
	if keep {
		p.put(channel, m, time.Now())
	}
	return h.Publish(channel, m, o)
}

// memory is about how many bytes are kept.
func (c *cache) memory() (n int) {
	for i := range c {
		c[i].mu.Lock()
		n += c[i].bytes
		c[i].mu.Unlock()
	}
	return n
}

// subscribe calls subscribe for a cache channel, and sends what is kept to a
// client that was not subscribed before, after its acknowledgement.
func (c *cache) subscribe(cl *client, channel string, acknowledge func(hub.Subscribed), subscribe func(func(hub.Subscribed)) error) error {
	p := c.part(channel)
	p.mu.Lock()
	defer p.mu.Unlock()
	return subscribe(func(s hub.Subscribed) {
		acknowledge(s)
		if s.Again {
			return
		}
		var frame []byte // none of what clients of this dialect never receive
		if k := p.get(channel, time.Now()); k != nil {
			frame = k.message.Encode(cl.Class(), hub.Target{Channel: channel, Offset: s.Offset})
		}
		if frame == nil {
			if cl.Class() == classPusher {
				cl.write(pusher.AppendCacheMiss(nil, channel))
			}
			if a := cl.as.app; a.wants(webhook.CacheMiss, channel) && p.tellsMiss(channel, time.Now()) {
				a.tell(webhook.Event{Name: webhook.CacheMiss, Channel: channel})
			}
			return
		}
		cl.conn.Send(frame, 1, engine.Guard{})
	})
}

const (
	missEvery = time.Second // between two that the backend is told of a channel
	missKept  = 1024
)

// tellsMiss reports whether the backend, which may publish then, is to be told
// that a channel keeps nothing: not each time if many ask. mu is held.
func (p *cachePart) tellsMiss(channel string, now time.Time) bool {
	if last, ok := p.missed[channel]; ok && now.Sub(last) < missEvery {
		return false
	}
	if p.missed == nil || len(p.missed) >= missKept {
		p.missed = map[string]time.Time{}
	}
	p.missed[channel] = now
	return true
}
