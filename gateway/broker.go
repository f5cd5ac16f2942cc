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
		add(a.hub.Publish(ch, m, o))
	}
	switch {
	case p.to.all:
		add(a.hub.PublishAll(m, o))
	case len(p.to.users)+len(p.to.clients) > 0:
		clients := make([]*hub.Client, 0, len(p.to.clients))
		for _, id := range p.to.clients {
			clients = append(clients, a.hub.Client(id))
		}
		add(a.hub.PublishClients(clients, p.to.users, m, o))
	}
	return r
}
