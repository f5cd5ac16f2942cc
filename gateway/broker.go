package gateway

import (
	"stentor/hub"
	"stentor/protocol"
)

// broker is the way of a publication to the clients that it is for. Here it
// leads to this process's hubs; one that joins several nodes would go first to
// them all.
type broker interface {
	publish(a *app, p publication) hub.Receipt
}

// publication is an event and whom it is for.
type publication struct {
	event  protocol.Event
	to     targets
	except targets // clients and users only
	track  *hub.Tracker
	room   func()
	sender *client // left out, if it is not nil
	client bool    // a client's, not a backend's
}

// targets names receivers.
type targets struct {
	channels []string // one copy for each channel that a client holds
	users    []string // one copy for each client of these three
	clients  []string
	all      bool
}

// local is the broker of a node by itself.
type local struct{}

func (local) publish(a *app, p publication) (r hub.Receipt) {
	o := &hub.Options{ExceptUsers: p.except.users, Track: p.track, Room: p.room}
	if p.sender != nil {
		o.ExceptClients = append(o.ExceptClients, &p.sender.Client)
	}
	for _, id := range p.except.clients {
		if c := a.hub.Client(id); c != nil {
			o.ExceptClients = append(o.ExceptClients, c)
		}
	}
	m := &message{p.event}
	add := func(one hub.Receipt) {
		r.Matched += one.Matched
		if one.Full {
			r.Full = true
			o.Room = nil // once is enough
		}
	}
	for _, ch := range p.to.channels {
		if isCache(ch) {
			add(a.cache.publish(a.hub, ch, p.event, o, !p.client))
		} else {
			add(a.hub.Publish(ch, m, o))
		}
	}
	switch {
	case p.to.all:
		add(a.hub.PublishAll(m, o))
	case len(p.to.users)+len(p.to.clients) > 0:
		a.publishClients(p, o, add)
	}
	return r
}

// publishClients publishes to users and to clients, each once.
func (a *app) publishClients(p publication, o *hub.Options, add func(hub.Receipt)) {
	users := make(map[string]bool, len(p.to.users))
	shared := &sharedMessage{message: message{p.event}}
	for _, user := range p.to.users {
		if !users[user] {
			users[user] = true
			add(a.hub.PublishClients(nil, []string{user}, &userMessage{shared, user}, o))
		}
	}
	if clients := a.others(p.to.clients, users); len(clients) > 0 {
		add(a.hub.PublishClients(clients, nil, &message{p.event}, o))
	}
}

// others finds clients by their ids, but for those of users.
func (a *app) others(ids []string, users map[string]bool) (list []*hub.Client) {
	for _, id := range ids {
		if c := a.hub.Client(id); c != nil && !users[c.User()] {
			list = append(list, c)
		}
	}
	return list
}
