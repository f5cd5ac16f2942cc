package main

import (
	"fmt"

	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/proc"
	"stentor/benchmarks/internal/report"
	"stentor/benchmarks/internal/rig"
)

// memoryReading is the memory of a fresh server, empty and with its clients.
type memoryReading struct {
	Kind        string  `json:"kind"`
	Connections int     `json:"connections"`
	Empty       reading `json:"empty"`
	Full        reading `json:"full"`
}

// reading is a server's memory at one moment, in bytes. Zero was not read.
type reading struct {
	Heap int64 `json:"heap"`
	RSS  int64 `json:"rss"`
}

func (m memoryReading) heapEach() float64 {
	return float64(m.Full.Heap-m.Empty.Heap) / float64(m.Connections)
}

func (m memoryReading) rssEach() float64 {
	return float64(m.Full.RSS-m.Empty.RSS) / float64(m.Connections)
}

// measureIdle: connections that have echoed once, after garbage was collected
// and free memory given back.
func (b *bench) measureIdle() error {
	var list []memoryReading
	for range b.plan.MemoryRuns {
		m, err := b.fill("idle", rig.EchoPath, b.readForced, (*bench).echoOnce, nil)
		if err != nil {
			return err
		}
		list = append(list, m)
	}
	b.setHeap(idleHeap, list)
	b.setRSS(idleRSS, list)
	return nil
}

// measureIdleUnforced: the same, but with what the server keeps if it is left
// alone.
func (b *bench) measureIdleUnforced() error {
	var list []memoryReading
	for range b.plan.MemoryRuns {
		m, err := b.fill("idle_unforced", rig.EchoPath, b.readRested, (*bench).echoOnce, nil)
		if err != nil {
			return err
		}
		list = append(list, m)
	}
	b.setRSS(idleRSSUnforced, list)
	return nil
}

// measureUsers: a user each, all on one channel.
func (b *bench) measureUsers() error {
	return b.measureNative("users", userHeap, "shared", 1)
}

// measureOwnChannels: a user each, with a channel of its own.
func (b *bench) measureOwnChannels() error {
	return b.measureNative("own_channels", ownChannelHeap, "own-{n}", b.plan.Connections)
}

// measureNative fills a server with native clients that have a user each and are
// subscribed to a channel each, of which there are channels in all.
func (b *bench) measureNative(kind, figure, channel string, channels int) error {
	return b.measureSubscribers(kind, figure, rig.Subscriber{
		Path: "/ws?user=u{n}",
		Subscribe: crowd.Converse{
			Say:  `{"type":"subscribe","channel":"` + channel + `"}`,
			Want: []string{`{"type":"welcome",`, `{"type":"subscribed","channel":"` + channel + `"}`},
		},
	}, b.plan.Connections, channels)
}

// measurePusherClients: all on one public channel, none signed in.
func (b *bench) measurePusherClients() error {
	return b.measureSubscribers("pusher", pusherHeap, rig.StentorApp.Subscriber(), 0, 1)
}

// measureSubscribers fills a server with clients that are subscribed to a channel
// each. In all there must be so many users and channels then.
func (b *bench) measureSubscribers(kind, figure string, client rig.Subscriber, users, channels int) error {
	n := b.plan.Connections
	subscribe := func(_ *bench, c rig.Clients) error { return c.Converse(client.Subscribe) }
	m, err := b.fill(kind, client.Path, b.readForced, subscribe, map[string]int{
		`stentor_users{app="dev"}`:         users,
		`stentor_clients{app="dev"}`:       n,
		`stentor_subscriptions{app="dev"}`: n,
		`stentor_channels{app="dev"}`:      channels,
	})
	if err != nil {
		return err
	}
	b.setHeap(figure, []memoryReading{m})
	return nil
}

// fill starts a server, reads its memory, fills it with clients that do
// something, and reads it again. At the end the server must have as many
// connections as it should, and what the metrics in want say.
func (b *bench) fill(kind, path string, read func(*rig.Stentor) (reading, error),
	do func(*bench, rig.Clients) error, want map[string]int) (m memoryReading, err error) {
	m.Kind, m.Connections = kind, b.plan.Connections
	s, err := b.StartStentor()
	if err != nil {
		return m, err
	}
	x := &rig.Side{Rig: b.Rig, Server: s}
	if m.Empty, err = read(s); err != nil {
		return m, err
	}
	if x.Crowd, err = b.StartCrowd(); err != nil {
		return m, err
	}
	if _, err := x.Dial(m.Connections, path); err != nil {
		return m, err
	}
	if err := do(b, x.Crowd); err != nil {
		return m, err
	}
	if m.Full, err = read(s); err != nil {
		return m, err
	}
	told, err := s.Metrics()
	if err != nil {
		return m, err
	}
	if err := told.Expect(map[string]int{"stentor_connections": m.Connections}); err != nil {
		return m, err
	}
	if err := told.Expect(want); err != nil {
		return m, err
	}
	b.memory = append(b.memory, m)
	return m, x.End()
}

func (b *bench) echoOnce(c rig.Clients) error {
	_, err := c.Echo(b.plan.Connections, b.plan.MessageSize)
	return err
}

// readForced reads memory after garbage was collected and free memory given
// back.
func (b *bench) readForced(s *rig.Stentor) (r reading, err error) {
	if _, err := s.Metrics(); err != nil { // what a first scrape keeps, a later one does not add
		return r, err
	}
	if err := s.Free(); err != nil {
		return r, err
	}
	if b.Machine.RSS == nil {
		if r.RSS, err = proc.RSS(s.PID()); err != nil {
			return r, err
		}
	}
	m, err := s.Metrics()
	r.Heap = int64(m["go_memstats_heap_alloc_bytes"])
	if err == nil && r.Heap == 0 {
		err = fmt.Errorf("the server does not tell its heap")
	}
	return r, err
}

// readRested reads memory after a rest.
func (b *bench) readRested(s *rig.Stentor) (r reading, err error) {
	if err := b.Sleep(b.plan.Rest); err != nil {
		return r, err
	}
	r.RSS, err = proc.RSS(s.PID())
	return r, err
}

func (b *bench) setHeap(name string, list []memoryReading) {
	total := report.SpreadOf(list, func(m memoryReading) float64 { return float64(m.Full.Heap) })
	b.set(name, report.SpreadOf(list, memoryReading.heapEach), "%.2f MB live heap in all", total.Median/1e6)
}

func (b *bench) setRSS(name string, list []memoryReading) {
	full := report.SpreadOf(list, func(m memoryReading) float64 { return float64(m.Full.RSS) })
	empty := report.SpreadOf(list, func(m memoryReading) float64 { return float64(m.Empty.RSS) })
	b.set(name, report.SpreadOf(list, memoryReading.rssEach), "%.2f MB, empty %.2f MB", full.Median/1e6, empty.Median/1e6)
}
