package hub

// Observer hears of what comes and goes in a Hub. Its methods are called under
// the lock of what they tell about, so that what is told of one channel, or of
// one user, comes in the order in which it happened: they must not block, and
// must not call the Hub. The names may be kept.
type Observer interface {
	// Occupied tells that a channel has its first subscriber, Vacated that it
	// has lost its last.
	Occupied(channel string)
	Vacated(channel string)
	// Joined tells that a user is in a presence channel with a first
	// subscription, Parted that its last has ended.
	Joined(channel, user string)
	Parted(channel, user string)
	// Counted tells how many subscribers a channel has after one came or went. Two
	// that go at once may be told of in either order.
	Counted(channel string, n int)
	// Online tells that a user has its first client, Offline that it has lost
	// its last.
	Online(user string)
	Offline(user string)
}

// Nobody is an Observer that does nothing. Embed it in one that hears of a part
// only.
type Nobody struct{}

// Occupied implements Observer, as the other methods do.
func (Nobody) Occupied(string)       {}
func (Nobody) Vacated(string)        {}
func (Nobody) Joined(string, string) {}
func (Nobody) Parted(string, string) {}
func (Nobody) Counted(string, int)   {}
func (Nobody) Online(string)         {}
func (Nobody) Offline(string)        {}
