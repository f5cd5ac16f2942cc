package hub

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
)

// Config is what a Hub is made of.
type Config struct {
	// Shards is the number of parts that clients are divided into, and so of
	// deliveries at the same time; 0 is one a processor (GOMAXPROCS).
	Shards int
	// Pool runs the shards' workers. Each shard submits one at a time. Submit
	// must not block.
	Pool Pool
	// Events makes the messages that tell of presence; nil tells nobody.
	Events Events
	// Observer hears of what comes and goes; nil is nobody.
	Observer Observer
	// Node is put into client ids, so that several nodes give different ones.
	Node uint16
}

// Pool runs functions on goroutines that are kept for it.
type Pool interface{ Submit(f func()) }

// Events makes the messages that a Hub itself sends.
type Events interface {
	// Join and Leave tell the subscribers of a presence channel of a user's
	// first subscription and of the end of its last. A user that is back before
	// its join has reached everybody has not left.
	Join(channel string, m Member) Message
	Leave(channel string, m Member) Message
}

// Errors of a Hub's methods.
var (
	ErrGone         = errors.New("hub: the client is gone")
	ErrHasUser      = errors.New("hub: the client has another user")
	ErrPresenceFull = errors.New("hub: the presence channel has as many members as it may")
)

// Hub is the clients, users and channels of one app. Its methods may be called
// from any goroutine, and never wait for a delivery.
type Hub struct {
	shards   []*shard
	pool     Pool
	events   Events
	observer Observer
	node     uint16
	seed     maphash.Seed
	channels [buckets]table[Channel, *Channel]
	users    [buckets]table[User, *User]
	secrets  secrets
	stats    hubStats
}

// buckets is the number of tables that channels, and users, are divided into by
// name, a power of two.
const buckets = 64

// New makes an empty Hub.
func New(cfg Config) *Hub {
	if cfg.Shards <= 0 {
		cfg.Shards = runtime.GOMAXPROCS(0)
	}
	h := &Hub{pool: cfg.Pool, events: cfg.Events, observer: cfg.Observer, node: cfg.Node, seed: maphash.MakeSeed()}
	if h.observer == nil {
		h.observer = Nobody{}
	}
	for i := range cfg.Shards {
		h.shards = append(h.shards, newShard(h, i))
	}
	return h
}

func (h *Hub) hash(name string) uint64 { return maphash.String(h.seed, name) }

// Shards returns the number of shards.
func (h *Hub) Shards() int { return len(h.shards) }

// secrets draws from the system's random source, some at a time.
type secrets struct {
	mu   sync.Mutex
	pool [512]byte
	left int
}

func (s *secrets) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		rand.Read(s.pool[:])
		s.left = len(s.pool)
	}
	v := binary.NativeEndian.Uint64(s.pool[len(s.pool)-s.left:])
	s.left -= 8
	return v
}

// hubStats is counters of a Hub. Those of deliveries are kept by shard.
type hubStats struct {
	channels     atomic.Int64
	users        atomic.Int64
	publications atomic.Uint64
}

// Stats is a snapshot of a Hub's counters, since it was made.
type Stats struct {
	Clients       int64
	Users         int64
	Channels      int64
	Subscriptions int64
	Publications  uint64 // by channel, or by publication to users, clients or all
	Written       uint64 // frames handed to the system
	Queued        uint64 // frames that wait for a slow client
	Dropped       uint64 // frames for clients that were closed or overflowed
	Waiting       int64  // publications in lanes
	Latency       Histogram
}

// Stats returns the counters.
func (h *Hub) Stats() Stats {
	st := Stats{
		Users:        h.stats.users.Load(),
		Channels:     h.stats.channels.Load(),
		Publications: h.stats.publications.Load(),
	}
	for _, s := range h.shards {
		st.Clients += s.stats.clients.Load()
		st.Subscriptions += s.stats.subscriptions.Load()
		st.Written += s.stats.written.Load()
		st.Queued += s.stats.queued.Load()
		st.Dropped += s.stats.dropped.Load()
		st.Waiting += s.stats.waiting.Load()
		s.stats.latency.addTo(&st.Latency)
	}
	return st
}
