package gateway

import (
	"stentor/hub"
	"stentor/protocol"
)

// observer takes what an app's hub tells to those who want to know: the backend,
// by webhooks, and watching clients. It implements hub.Observer.
type observer struct{ app *app }

func (o observer) Occupied(channel string) { o.app.tell("channel_occupied", channel, "") }
func (o observer) Vacated(channel string)  { o.app.tell("channel_vacated", channel, "") }

func (o observer) Joined(channel, user string) { o.app.tell("member_added", channel, user) }
func (o observer) Parted(channel, user string) { o.app.tell("member_removed", channel, user) }

func (o observer) Counted(channel string, _ int) {
	if o.app.settings().SubCount {
		o.app.counts.changed(channel)
	}
}

func (o observer) Online(user string)  { o.app.watch.touch(user) }
func (o observer) Offline(user string) { o.app.watch.touch(user) }

var _ hub.Observer = observer{}

// tell tells the app's backend of an event of a channel. It never blocks.
func (a *app) tell(event, channel, user string) {}

// tellCount tells it how many subscribers a channel has.
func (a *app) tellCount(channel string, n int) {}

// tellClientEvent tells it of an event that a client has sent.
func (a *app) tellClientEvent(c *pusherClient, channel string, ev *protocol.Event) {}
