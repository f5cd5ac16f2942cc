// Package hub keeps who listens to what and sends publications to them. It has
// never heard of a socket: a client is a Sink that takes encoded frames.
//
//	Hub      clients, users (an identity with many clients) and channels of
//	         one app; what it is asked returns at once
//	shard    a part of the clients, with one worker at a time that delivers to
//	         them; shards work in parallel
//	Channel  a name, with an array of subscribers in each shard
//	lane     the publications that wait for one audience in one shard
//
// A worker takes every publication that waits in a lane, joins their frames
// once and gives each subscriber all of them in one piece. While it does so the
// next batch gathers. So a lone publication leaves at once, and a burst costs
// each subscriber one write: batching without a timer.
//
// Channels and clients keep to constant time: to subscribe, to unsubscribe and
// to go are a swap in an array, so that many who leave at once hold up nobody.
//
// # Order
//
// For one client, the publications of one channel come in the order in which
// they were published, from the one after its subscription on, and none comes
// after the acknowledgement of its unsubscription. Across channels there is no
// order. Publications to users, clients and all have an order for each client
// among those to it by that way.
//
// Joins and leaves have their place among a channel's publications. A leave is
// told when the join before it has reached everybody, and a user that is back by
// then is not told of: users who come and go without end cause no more than two
// events each that wait.
//
// # Locks
//
// In this order; none is held while a Sink is called or a callback runs:
//
//	Channel.mu    its sequence, rosters and presence; a publication holds it
//	              while it is put into the shards, which makes the order
//	table.mu      one part of the channels or of the users, by name
//	shard.mu      clients, subscriptions and lanes of the shard
package hub
