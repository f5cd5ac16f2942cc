package webhook

import "strings"

// kind is an event's place in Names.
type kind uint8

const (
	occupied kind = iota
	vacated
	added
	removed
	clientEvent
	cacheMiss
	subscriptionCount
)

func kindOf(name string) (kind, bool) {
	switch name {
	case ChannelOccupied:
		return occupied, true
	case ChannelVacated:
		return vacated, true
	case MemberAdded:
		return added, true
	case MemberRemoved:
		return removed, true
	case ClientEvent:
		return clientEvent, true
	case CacheMiss:
		return cacheMiss, true
	case SubscriptionCount:
		return subscriptionCount, true
	}
	return 0, false
}

// kinds is a set of them.
type kinds uint8

func (k kind) set() kinds { return 1 << k }

const (
	channelPair = kinds(1<<occupied | 1<<vacated)
	memberPair  = kinds(1<<added | 1<<removed)
	usual       = channelPair | memberPair | 1<<clientEvent | 1<<cacheMiss
)

// paired adds to a set what the queue must hear of to know when the events of
// the set are due: an arrival calls off a departure, a departure lets an
// arrival be told again.
func (s kinds) paired() kinds {
	if s&channelPair != 0 {
		s |= channelPair
	}
	if s&memberPair != 0 {
		s |= memberPair
	}
	return s
}

// filter says which events an endpoint wants.
type filter struct {
	kinds  kinds
	prefix string // of the channel
}

func newFilter(e Endpoint) filter {
	f := filter{prefix: e.ChannelPrefix}
	if len(e.Events) == 0 {
		f.kinds = usual
	}
	for _, name := range e.Events {
		if k, ok := kindOf(name); ok {
			f.kinds |= k.set()
		}
	}
	return f
}

// anyWants reports whether a filter lets an event of these kinds pass.
func anyWants(list []filter, s kinds, channel string) bool {
	for _, f := range list {
		if f.kinds&s != 0 && strings.HasPrefix(channel, f.prefix) {
			return true
		}
	}
	return false
}

// Wants reports whether an event of this name and channel should be emitted. Of
// channel_occupied and channel_vacated both should be if an endpoint wants
// either, so, too, of member_added and member_removed. It is cheap.
func (q *Queue) Wants(app, event, channel string) bool {
	k, ok := kindOf(event)
	return ok && q.wants(app, k, channel)
}

func (q *Queue) wants(app string, k kind, channel string) bool {
	q.filtersMu.RLock()
	list := q.filters[app]
	q.filtersMu.RUnlock()
	return anyWants(list, k.set(), channel)
}

// setFilters says what wants answers for an app. Kinds are paired.
func (q *Queue) setFilters(a *app) {
	var list []filter
	for _, ep := range a.endpoints {
		for _, f := range ep.filters {
			f.kinds = f.kinds.paired()
			list = append(list, f)
		}
	}
	q.filtersMu.Lock()
	defer q.filtersMu.Unlock()
	if list == nil {
		delete(q.filters, a.name)
	} else {
		q.filters[a.name] = list
	}
}

// tracks reports whether an endpoint wants to know when the channel, or a member
// of it, comes or goes.
func (ep *endpoint) tracks(m mark) bool {
	pair := channelPair
	if m.member {
		pair = memberPair
	}
	return anyWants(ep.filters, pair, m.channel)
}
