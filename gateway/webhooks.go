package gateway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"stentor/gateway/webhook"
	"stentor/protocol"
)

// openHooks opens the queue of webhooks for an app that has any, if it is not open
// yet. The errors are those of webhook.Open.
func (g *Gateway) openHooks(a App) error {
	if g.hooks.Load() != nil || len(a.Webhooks) == 0 {
		return nil
	}
	dir, err := dataDir(g.cfg.DataDir)
	if err != nil {
		return err
	}
	q, err := webhook.Open(webhook.Config{Dir: dir, Log: g.log})
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	g.hooks.Store(q)
	return nil
}

// openHooksLate opens it for the first of the apps that has webhooks, after the
// start, and reports whether it was opened now.
func (g *Gateway) openHooksLate(list []App) bool {
	if g.hooks.Load() != nil {
		return false
	}
	i := slices.IndexFunc(list, func(a App) bool { return len(a.Webhooks) > 0 })
	if i < 0 {
		return false
	}
	if err := g.openHooks(list[i]); err != nil {
		g.log.Error("webhooks cannot be sent: the next change of an app tries again", "error", err)
		return false
	}
	return true
}

// setHooks has the queue know what an app wants to be told.
func (g *Gateway) setHooks(a *app) {
	q := g.hooks.Load()
	if q == nil {
		return
	}
	var list []webhook.Endpoint
	for _, w := range a.settings().Webhooks {
		list = append(list, webhook.Endpoint{URL: w.URL, Events: w.Events, ChannelPrefix: w.ChannelPrefix, Batch: w.Batch})
	}
	q.Set(a.id, a.signHook, list)
}

// dataDir returns the folder for what must survive a restart: the one that is
// configured, or that systemd has made (StateDirectory=), or the user's own.
func dataDir(configured string) (string, error) {
	if configured != "" {
		return configured, nil
	}
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return filepath.SplitList(dir)[0], nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "stentor"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("data_dir: there is no home folder to keep webhooks in until they are delivered: set data_dir")
	}
	return filepath.Join(home, ".local", "state", "stentor"), nil
}

// signHook signs the body of a webhook by the secret that signs now.
func (a *app) signHook(body []byte) (key, signature string) {
	keys := a.settings().keys
	return keys.Key, keys.SignBody(body)
}

// tell tells the app's backend of an event, if it wants to know. It never blocks.
// An app that was removed has no backend, though there may be one of the same id.
func (a *app) tell(e webhook.Event) {
	if q := a.gateway.hooks.Load(); q != nil && !a.settings().removed {
		q.Emit(a.id, e)
	}
}

// wants reports whether the backend wants to know of an event of a channel.
func (a *app) wants(event, channel string) bool {
	q := a.gateway.hooks.Load()
	return q != nil && q.Wants(a.id, event, channel)
}

// tellClientEvent tells it of an event that a client has sent.
func (a *app) tellClientEvent(c *pusherClient, channel string, ev *protocol.Event) {
	if !a.wants(webhook.ClientEvent, channel) {
		return
	}
	e := webhook.Event{Name: webhook.ClientEvent, Channel: channel, Event: ev.Name, Data: string(ev.Data), Socket: c.ID()}
	if protocol.IsPresence(channel) {
		e.User = ev.User
	}
	a.tell(e)
}
