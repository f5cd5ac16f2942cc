package gateway

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stentor/hub"
	"stentor/protocol"
)

// atOnce is a hub's pool that runs what is submitted at once.
type atOnce struct{}

func (atOnce) Submit(f func()) { f() }

func textEvent(text string) protocol.Event {
	return protocol.Event{Name: "e", Kind: protocol.Text, Data: []byte(text)}
}

// size adds up what a cache holds.
func (c *cache) size() (events, bytes int) {
	for i := range c {
		p := &c[i]
		p.mu.Lock()
		defer p.mu.Unlock()
		events += len(p.kept)
		bytes += p.bytes
		if len(p.kept) != p.order.Len() {
			return -1, -1
		}
	}
	return events, bytes
}

// wants demands what a channel keeps, and for how long; empty is nothing.
func (c *cache) wants(t *testing.T, channel, text string, left time.Duration) {
	t.Helper()
	m, got, ok := c.peek(channel)
	if ok != (text != "") || got != left || ok && string(m.event.Data) != text {
		t.Errorf("%s keeps %v for %v, want %q for %v", channel, m, got, text, left)
	}
}

// An event is kept for half an hour, from when it was published.
func TestCacheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cache
		h := hub.New(hub.Config{Shards: 1, Pool: atOnce{}})
		c.wants(t, "cache-x", "", 0)
		c.publish(h, "cache-x", textEvent("1"), nil, true)
		c.publish(h, "cache-y", textEvent("2"), nil, true)
		c.wants(t, "cache-x", "1", 30*time.Minute)
		c.publish(h, "cache-x", textEvent("client's"), nil, false)
		time.Sleep(10 * time.Minute)
		c.wants(t, "cache-x", "1", 20*time.Minute)
		c.publish(h, "cache-x", textEvent("3"), nil, true)
		c.wants(t, "cache-x", "3", 30*time.Minute)
		time.Sleep(20*time.Minute - 1)
		c.wants(t, "cache-y", "2", 1)
		time.Sleep(time.Nanosecond)
		c.wants(t, "cache-y", "", 0)
		c.wants(t, "cache-x", "3", 10*time.Minute)
		time.Sleep(10 * time.Minute)
		c.wants(t, "cache-x", "", 0)
		if events, bytes := c.size(); events != 0 || bytes != 0 {
			t.Errorf("%d events of %d bytes are left", events, bytes)
		}
	})
}

// What has ended goes though nobody asks for it, and nothing else comes.
func TestCacheForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c cache
		h := hub.New(hub.Config{Shards: 1, Pool: atOnce{}})
		for i := range 1000 {
			c.publish(h, fmt.Sprintf("cache-%d", i), textEvent("x"), nil, true)
		}
		if events, _ := c.size(); events != 1000 {
			t.Fatalf("%d events are kept", events)
		}
		time.Sleep(cacheTime / 2)
		for i := range 200 {
			c.publish(h, fmt.Sprintf("cache-%d", i), textEvent("y"), nil, true)
		}
		for _, want := range []int{1000, 200, 0} {
			if events, bytes := c.size(); events != want || bytes > 0 != (want > 0) {
				t.Errorf("%d events of %d bytes are kept, want %d", events, bytes, want)
			}
			time.Sleep(cacheTime / 2)
			synctest.Wait()
		}
		c.publish(h, "cache-new", textEvent("x"), nil, true)
		time.Sleep(cacheTime)
		synctest.Wait()
		if events, _ := c.size(); events != 0 {
			t.Errorf("%d events are kept", events)
		}
	})
}

// However much is published, no more is kept than may, and what is newest.
func TestCacheBytes(t *testing.T) {
	var c cache
	h := hub.New(hub.Config{Shards: 1, Pool: atOnce{}})
	m := textEvent(strings.Repeat("x", 60<<10))
	for i := range 3000 {
		channel := fmt.Sprintf("cache-%d", i)
		c.publish(h, channel, m, nil, true)
		if got, _, ok := c.peek(channel); !ok || &got.event.Data[0] != &m.Data[0] {
			t.Fatalf("the newest, %s, is not kept", channel)
		}
	}
	events, bytes := c.size()
	if bytes > cacheParts*cacheBytes || bytes < cacheParts*(cacheBytes-int(classes+2)*len(m.Data)) || events < 200 {
		t.Errorf("%d events of %d bytes are kept", events, bytes)
	}
	if _, _, ok := c.peek("cache-0"); ok {
		t.Error("the oldest is kept")
	}
	// One that is larger than all that may be is not kept, and takes only its own
	// part with it.
	c.publish(h, "cache-huge", textEvent(strings.Repeat("x", cacheBytes)), nil, true)
	if _, _, ok := c.peek("cache-huge"); ok {
		t.Error("it is kept")
	}
	if now, _ := c.size(); now < events*(cacheParts-1)/cacheParts*9/10 {
		t.Errorf("%d events are left of %d", now, events)
	}
}

// A backend is told once a second that a channel keeps nothing.
func TestCacheMiss(t *testing.T) {
	var p cachePart
	now := time.Now()
	for i, c := range []struct {
		channel string
		after   time.Duration
		want    bool
	}{
		{"cache-x", 0, true}, {"cache-x", 0, false}, {"cache-y", 0, true}, {"cache-x", missEvery - 1, false},
		{"cache-x", missEvery, true}, {"cache-x", 2*missEvery - 1, false}, {"cache-y", 2 * missEvery, true},
	} {
		if got := p.tellsMiss(c.channel, now.Add(c.after)); got != c.want {
			t.Errorf("%d: %v, want %v", i, got, c.want)
		}
	}
	for i := range 3 * missKept {
		p.tellsMiss(fmt.Sprintf("cache-%d", i), now)
	}
	if n := len(p.missed); n > missKept {
		t.Errorf("%d channels are remembered", n)
	}
}
