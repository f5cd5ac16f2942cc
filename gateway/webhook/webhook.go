// Package webhook tells the backends of apps what happens in their channels, by
// HTTP calls that are signed, durable, in order and never in anybody's way.
//
// # An event's way
//
//	Emit -> waits 3 s if it is a departure -> one record for each endpoint -> store -> lane -> call -> record deleted
//
// Emit works in memory only, under one lock that is held for moments and is
// never held across a system call. One goroutine writes what was emitted to the
// store, as many events in a transaction as came in the meantime. Only then an
// event may be sent; its record goes once it is answered by a 2xx. So whatever
// crashes at whatever point, an event that was written is delivered at least
// once, perhaps twice, each time with the same time_ms. What is lost in a crash
// is what was emitted in the last few milliseconds.
//
// # Arrivals and departures
//
// channel_vacated and member_removed wait three seconds. If the channel is
// occupied or the member added again by then, both disappear. For that, and for
// crashes, an endpoint has a mark for each channel and member of which it has
// been told that it is there, or would have been if it wanted to hear of
// arrivals. Marks are in the store; a mark goes in the transaction that writes
// the departure. Thus a waiting departure needs no record of its own: what is
// still marked at the next start has lost its connections, and is told as gone
// thirty seconds after its app is set, unless somebody comes back until then, of
// which nothing is told.
//
// If an endpoint has no room for a departure, it goes on waiting, and what comes
// after it is dropped until it has gone: a backend that never hears of it would
// believe in the channel for ever. So that this has bounds, an arrival is taken
// only if there is room for its event and for one more departure. If not, it is
// dropped and leaves no mark. Who is there stays unknown to the endpoint until
// it has gone and comes again: a backend that was told nothing for a while, and
// one whose endpoint is new, should ask the HTTP API who is there. For its sake
// a departure without a mark is told, too, but only if the endpoint has much
// room both when it comes and when it is due; such a one is not in the store,
// and an arrival that calls it off is told.
//
// An endpoint of another URL in the place of one that Set leaves out has its
// marks.
//
// # Order
//
// Each endpoint has a lane for each channel in which something waits. A lane
// sends one call at a time, in order; lanes that can send take turns. A lane
// whose call failed tries again after one second, two, four, up to a minute,
// a little more or less by chance, and drops the event five minutes after its
// first try. Meanwhile the other lanes go on. An endpoint has up to eight calls
// under way; if it fails whatever it is sent, up to ten a second are tried
// until one succeeds. Endpoints share nothing but the lock and the store.
//
// A call of an endpoint with Batch takes up to fifty events, in turns from the
// lanes that can send. What failed together is tried again event by event, so
// that one event that the backend cannot take does not hold back the rest.
//
// # Bounds
//
// What waits for an endpoint is bounded by number and by bytes; what comes when
// it is full is dropped and counted. Once written, events leave memory but for
// some hundred bytes each. If the store cannot be written, because the disk is
// full, say, events stay in memory and are sent from there, up to 64 MiB, of
// which one endpoint has half at most; that is logged, and writing tried again
// every few seconds. The store's file shrinks
// at a start only, its free pages are used again.
//
// Arrivals are taken while fewer departures wait for the endpoint than events
// may, by number and by bytes. Its marks are thus bounded by that number and the
// channels and members that there are at a time. What an earlier process has
// left is taken as it is and does not count. Of what an endpoint that is full
// drops, nothing is kept or written. Departures that are held are looked at one
// by one from the first, and only when there is room.
//
// # Restarts
//
// What an earlier process left is sent once Set names its endpoints; the five
// minutes of an event begin anew. What waits for an endpoint that Set does not
// name is dropped, and what waits for an app that is not set within an hour.
//
// # Files
//
// The folder has one file for each process that uses it at a time, the first
// free one of webhooks-0.db, webhooks-1.db and so on. Open takes what is in
// files that nobody has open over into its own, which it makes anew each time, so
// that damage does not spread. What can be read of a damaged file is copied, the
// file itself moved aside.
//
// A queue that runs looks every ten seconds whether a process has ended and left
// such a file. It takes it over, in one transaction, if all that is in it is for
// endpoints that are set here and have room; if not, the file waits for the process
// that comes back. What was emitted here before goes first.
//
// Each process tells of its own channels: one that has subscribers in two of them is
// told twice, and may be told as vacated by one while the other still has it.
package webhook

import (
	"log/slog"
	"net/http"
)

// The names of events.
const (
	ChannelOccupied   = "channel_occupied"
	ChannelVacated    = "channel_vacated"
	MemberAdded       = "member_added"
	MemberRemoved     = "member_removed"
	ClientEvent       = "client_event"
	CacheMiss         = "cache_miss"
	SubscriptionCount = "subscription_count"
)

// Names are the names of all events.
var Names = []string{
	ChannelOccupied, ChannelVacated, MemberAdded, MemberRemoved, ClientEvent, CacheMiss, SubscriptionCount,
}

// Event is what an app's backend is told. Which fields count depends on the
// name.
type Event struct {
	Name    string // one of Names; others are ignored
	Channel string
	User    string // member_added, member_removed; client_event of a presence channel
	Event   string // client_event: its name
	Data    string // client_event
	Socket  string // client_event: who sent it
	Count   int    // subscription_count
}

// Endpoint is an address of an app. Those of one app that have the same URL are
// one: an event that any of them wants is sent there once.
type Endpoint struct {
	URL           string   // http or https
	Events        []string // names; empty: all but subscription_count
	ChannelPrefix string   // only channels that begin so; empty: all
	Batch         bool     // several events in one call, if several wait
}

// Config says how a queue works. Zero fields mean defaults.
type Config struct {
	Dir        string       // folder of the store, made if it is missing
	Log        *slog.Logger // nil: slog's default
	MaxBacklog int          // events that may wait, for each endpoint, and departures until new arrivals are dropped; 100,000
	MaxBytes   int64        // bytes that either may have; 64 MiB
	Client     *http.Client // for calls, nil: one of its own; its CheckRedirect is not used
}

// Stats says how an endpoint fares. Numbers but the first three count from when
// the endpoint was set.
type Stats struct {
	App, URL  string
	Backlog   int    // events that wait or are under way
	Bytes     int64  // which they have
	Unsaved   int    // of the backlog, in memory only
	Delivered uint64 // events
	Failed    uint64 // calls without a 2xx
	Overflow  uint64 // events dropped because too many waited
	Expired   uint64 // events dropped five minutes after their first try
}
