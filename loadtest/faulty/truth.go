package faulty

// Counts is what was done on one connection, or on all.
//
// Something is counted before the client can see it, and taken back if it could
// not be sent: a client never knows more than Counts.
type Counts struct {
	Due int64 // deliveries: publications to a subscriber, and echoes

	// What became of those.
	Delivered int64 // sent whole and unchanged; the duplicated, held and fragmented ones are among them
	Dropped   int64 // not sent, by Plan.Drop
	Corrupted int64 // sent, but changed
	Lost      int64 // not sent, since the connection had ended
	Pending   int64 // under way; one that is being sent is counted above already

	Duplicated int64 // sent a second time
	Reordered  int64 // sent after the one that was due after it
	Garbage    int64 // messages that nobody has published
	Fragmented int64 // messages sent in fragments
	Pings      int64 // by PingEvery and Fragment
	Pongs      int64 // received for those
}

// fields lists all the counts, in the same order for each Counts.
func (c *Counts) fields() []*int64 {
	return []*int64{&c.Due, &c.Delivered, &c.Dropped, &c.Corrupted, &c.Lost, &c.Pending,
		&c.Duplicated, &c.Reordered, &c.Garbage, &c.Fragmented, &c.Pings, &c.Pongs}
}

// Truth is what a server has done until now.
type Truth struct {
	Counts        // on all connections
	Max    Counts // each the largest of one connection

	Handshakes int // asked for: the sum of the next four, but for clients that went before the answer
	Opened     int // answered as is right
	Refused    int // answered with 503
	BadAccepts int // answered with a wrong Sec-WebSocket-Accept
	Stalled    int // not answered

	Open   int // connections that have not ended, those without a right answer too
	Closed int // by Plan.CloseEvery

	Unanswered    int   // subscribe commands
	Published     int64 // publications accepted
	PublishErrors int64 // publications answered with 500
}

// add adds the counts of a connection.
func (t *Truth) add(c Counts) {
	sum, largest := t.Counts.fields(), t.Max.fields()
	for i, n := range c.fields() {
		*sum[i] += *n
		*largest[i] = max(*largest[i], *n)
	}
}
