package gateway

import (
	"time"

	"stentor/hub"
)

const (
	dismissEach = time.Millisecond // for each client of an app that is to go,
	dismissMost = 30 * time.Second // but no longer for all of them
)

// closeAll closes the app's clients with a code, evenly over a time, without
// waiting for it. It stops when the app lets clients in again. Clients that come
// meanwhile are not its concern: they look for themselves whether they may.
func (a *app) closeAll(code int, text string) {
	g := a.gateway
	g.background.Go(func() {
		var list []*hub.Client
		a.hub.Each(func(c *hub.Client) bool {
			list = append(list, c)
			return true
		})
		if len(list) == 0 {
			return
		}
		g.log.Info("closing the clients of an app", "app", a.id, "clients", len(list), "code", code, "reason", text)
		evenly(list, min(time.Duration(len(list))*dismissEach, dismissMost), g.halt, func(c *hub.Client) {
			if now, _ := a.settings().refusal(); now != 0 {
				connection(c).conn.Close(code, text)
			}
		})
	})
}
