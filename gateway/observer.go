package gateway

import (
	"stentor/gateway/webhook"
	"stentor/hub"
)

// observer takes what an app's hub tells to those who want to know: the backend,
// by webhooks, and watching clients. It implements hub.Observer.
type observer struct{ app *app }

func (o observer) Occupied(channel string) {
	o.app.tell(webhook.Event{Name: webhook.ChannelOccupied, Channel: channel})
}
func (o observer) Vacated(channel string) {
	o.app.tell(webhook.Event{Name: webhook.ChannelVacated, Channel: channel})
}

func (o observer) Joined(channel, user string) {
	o.app.tell(webhook.Event{Name: webhook.MemberAdded, Channel: channel, User: user})
}
func (o observer) Parted(channel, user string) {
	o.app.tell(webhook.Event{Name: webhook.MemberRemoved, Channel: channel, User: user})
}

func (o observer) Counted(channel string, _ int) {
	if o.app.settings().SubCount {
		o.app.counts.changed(channel)
	}
}

func (o observer) Online(user string)  { o.app.watch.touch(user) }
func (o observer) Offline(user string) { o.app.watch.touch(user) }

var _ hub.Observer = observer{}
