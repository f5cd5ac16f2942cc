package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/pusher"
)

// The HTTP API of the Pusher Channels protocol, for its server libraries,
// docs/pusher.md. It is served on both listeners.
func (g *Gateway) pusherAPI() http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range map[string]pusherFunc{
		"POST /apps/{app}/events":                             pusherTrigger,
		"POST /apps/{app}/batch_events":                       pusherBatch,
		"POST /apps/{app}/channels/{channel}/events":          pusherLegacy,
		"GET /apps/{app}/channels":                            pusherChannels,
		"GET /apps/{app}/channels/{channel}":                  pusherChannel,
		"GET /apps/{app}/channels/{channel}/users":            pusherUsers,
		"POST /apps/{app}/users/{user}/terminate_connections": pusherTerminate,
		"GET /apps/{app}/connections":                         pusherConnections,
	} {
		mux.Handle(pattern, g.signed(f))
	}
	return g.timed(ownErrors(mux, "docs/pusher.md", refuseText))
}

// pusherRequest is a request whose signature is right.
type pusherRequest struct {
	*http.Request
	app      *app
	settings *settings
	query    url.Values
	body     []byte
}

// limits are those of its app.
func (r *pusherRequest) limits() pusher.Limits {
	return pusher.Limits{EventBytes: r.app.mostEventBytes(r.settings), ChannelName: r.settings.MaxChannelName}
}

// pusherFunc answers a request of an app's backend.
type pusherFunc func(r *pusherRequest) (any, error)

// accepted is an answer with the status 202.
type accepted struct{}

// signed finds the app by the path, checks the request's signature by its
// secrets, and turns what f returns into a response.
func (g *Gateway) signed(f pusherFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := g.apps.byID(r.PathValue("app"))
		if a == nil {
			refuseText(w, r, textError(http.StatusNotFound, "there is no app with the id %q", r.PathValue("app")))
			return
		}
		// A channel's name may have a semicolon, which libraries do not escape.
		query, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
		if err != nil {
			refuseText(w, r, textError(http.StatusBadRequest, "the query is malformed: %v", err))
			return
		}
		s := a.settings()
		// Nothing is read of a body that no backend of the app has signed.
		err = s.keys.CheckRequest(r.Method, []string{r.URL.EscapedPath(), r.URL.Path}, query, time.Now())
		if err == nil && r.ContentLength != 0 && !pusher.SignsBody(query) {
			err = textError(http.StatusUnauthorized, "the query has no body_md5, and there is a body")
		}
		if err != nil {
			refuseText(w, r, err)
			return
		}
		body, err := bodyOf(r, g.pusherBodyLimit(a, s))
		if err != nil {
			refuseText(w, r, err)
			return
		}
		var answer any
		err = pusher.CheckBody(query, body)
		if err == nil {
			err = a.takeRequest(w.Header())
		}
		if err == nil {
			answer, err = f(&pusherRequest{r, a, s, query, body})
		}
		switch {
		case err != nil:
			writeText(w, err)
		case answer == accepted{}:
			writeJSON(w, http.StatusAccepted, struct{}{})
		default:
			writeJSON(w, http.StatusOK, answer)
		}
	})
}

// refuseText answers a request whose body has not been read.
func refuseText(w http.ResponseWriter, r *http.Request, err error) {
	leaveUnread(w, r)
	writeText(w, err)
}

// writeText answers with an error.
func writeText(w http.ResponseWriter, err error) {
	var refused *pusher.HTTPError
	var failed *apiError
	switch {
	case errors.As(err, &refused):
	case errors.As(err, &failed):
		refused = &pusher.HTTPError{Status: failed.status, Message: failed.message}
	default:
		refused = &pusher.HTTPError{Status: http.StatusInternalServerError, Message: err.Error()}
	}
	http.Error(w, refused.Message, refused.Status)
}

// textError is an error of a request as a whole.
func textError(status int, format string, args ...any) error {
	return &pusher.HTTPError{Status: status, Message: fmt.Sprintf(format, args...)}
}

// pusherBodyLimit bounds a body: a batch of events as large as they may be, each
// byte escaped.
func (g *Gateway) pusherBodyLimit(a *app, s *settings) int64 {
	return 64<<10 + 10*6*int64(a.mostEventBytes(s))
}

// attributes are what a channel is asked for; nil if it is not.
type attributes struct {
	Occupied      *bool            `json:"occupied,omitempty"`
	Users         *int             `json:"user_count,omitempty"`
	Subscriptions *int             `json:"subscription_count,omitempty"`
	Cache         *json.RawMessage `json:"cache,omitempty"`
}

// attributes looks up what info asks of a channel. What such a channel does not
// have is left out.
func (a *app) attributes(channel string, info pusher.Info) (at attributes) {
	found, _ := a.hub.Info(channel)
	kind := pusher.KindOf(channel)
	if info&pusher.UserCount != 0 && kind.Has(pusher.Presence) {
		at.Users = &found.Members
	}
	if user, ok := pusher.UserOf(channel); ok {
		found.Subscriptions = len(a.hub.UserClients(user))
	}
	if info&pusher.SubscriptionCount != 0 {
		at.Subscriptions = &found.Subscriptions
	}
	if info&pusher.CacheInfo != 0 && kind.Has(pusher.Cache) {
		at.Cache = a.cached(channel)
	}
	return at
}

// cached describes what a cache channel keeps: null if nothing that Pusher clients
// receive.
func (a *app) cached(channel string) *json.RawMessage {
	out := json.RawMessage("null")
	if m, left, ok := a.cache.peek(channel); ok && m.event.Kind != protocol.Binary {
		out, _ = json.Marshal(map[string]any{"data": string(m.event.Data), "ttl": int(left.Seconds())})
	}
	return &out
}

type triggered struct {
	Channels map[string]attributes `json:"channels,omitempty"`
}

// trigger publishes an event, and returns what it asks of its channels.
func (r *pusherRequest) trigger(ctx context.Context, t *pusher.Trigger) map[string]attributes {
	p := publication{event: t.Event}
	for _, channel := range t.Channels {
		if user, ok := pusher.UserOf(channel); ok {
			p.to.users = append(p.to.users, user)
		} else {
			p.to.channels = append(p.to.channels, channel)
		}
	}
	if t.SocketID != "" {
		p.except.clients = []string{t.SocketID}
	}
	r.app.gateway.publish(ctx, r.app, p, false)
	if t.Info == 0 {
		return nil
	}
	list := map[string]attributes{}
	for _, channel := range t.Channels {
		list[channel] = r.app.attributes(channel, t.Info)
	}
	return list
}

// bounded ends with the request, or when a backend has waited long enough.
func (r *pusherRequest) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), waitLimit)
}

func pusherTrigger(r *pusherRequest) (any, error) {
	t, err := pusher.ParseTrigger(r.body, r.limits())
	if err != nil {
		return nil, err
	}
	ctx, cancel := r.bounded()
	defer cancel()
	return triggered{r.trigger(ctx, &t)}, nil
}

func pusherBatch(r *pusherRequest) (any, error) {
	batch, err := pusher.ParseBatch(r.body, r.limits())
	if err != nil {
		return nil, err
	}
	ctx, cancel := r.bounded() // for all together
	defer cancel()
	results, asked := make([]attributes, len(batch)), false
	for i := range batch {
		t := &batch[i]
		results[i] = r.trigger(ctx, t)[t.Channels[0]]
		asked = asked || t.Info != 0
	}
	if !asked {
		return struct{}{}, nil
	}
	return map[string]any{"batch": results}, nil
}

// pusherLegacy is how old libraries publish: the body is the data.
func pusherLegacy(r *pusherRequest) (any, error) {
	t, err := pusher.ParseLegacy(r.PathValue("channel"), r.query, r.body, r.limits())
	if err != nil {
		return nil, err
	}
	ctx, cancel := r.bounded()
	defer cancel()
	r.trigger(ctx, &t)
	return accepted{}, nil
}

func pusherChannels(r *pusherRequest) (any, error) {
	prefix := r.query.Get("filter_by_prefix")
	info, err := pusher.ParseInfo(r.query.Get("info"))
	switch {
	case err != nil:
		return nil, err
	case info&pusher.UserCount != 0 && !protocol.IsPresence(prefix):
		return nil, textError(http.StatusBadRequest, "info=user_count is for presence channels: add filter_by_prefix=presence-")
	case info&pusher.CacheInfo != 0:
		return nil, textError(http.StatusBadRequest, "info=cache is for one channel: ask for /channels/{channel}")
	}
	list := map[string]attributes{}
	r.app.hub.Channels(prefix, func(c hub.ChannelInfo) bool {
		var at attributes
		if info&pusher.UserCount != 0 {
			at.Users = &c.Members
		}
		if info&pusher.SubscriptionCount != 0 {
			at.Subscriptions = &c.Subscriptions
		}
		list[c.Name] = at
		return true
	})
	return map[string]any{"channels": list}, nil
}

// channel returns the channel that the path names.
func (r *pusherRequest) channel() (string, error) {
	name := r.PathValue("channel")
	if err := pusher.CheckChannel(name, r.settings.MaxChannelName); err != nil {
		return "", textError(http.StatusBadRequest, "%v", err)
	}
	return name, nil
}

func pusherChannel(r *pusherRequest) (any, error) {
	channel, err := r.channel()
	if err != nil {
		return nil, err
	}
	info, err := pusher.ParseInfo(r.query.Get("info"))
	kind := pusher.KindOf(channel)
	switch {
	case err != nil:
		return nil, err
	case info&pusher.UserCount != 0 && !kind.Has(pusher.Presence):
		return nil, textError(http.StatusBadRequest, "info=user_count is for presence channels, and %s is none", channel)
	case info&pusher.CacheInfo != 0 && !kind.Has(pusher.Cache):
		return nil, textError(http.StatusBadRequest, "info=cache is for cache channels, and %s is none", channel)
	}
	at := r.app.attributes(channel, info)
	_, occupied := r.app.hub.Info(channel)
	if user, ok := pusher.UserOf(channel); ok {
		occupied = r.app.hub.IsOnline(user)
	}
	at.Occupied = &occupied
	return at, nil
}

type pusherUser struct {
	ID string `json:"id"`
}

func pusherUsers(r *pusherRequest) (any, error) {
	channel, err := r.channel()
	if err != nil {
		return nil, err
	}
	if !protocol.IsPresence(channel) {
		return nil, textError(http.StatusBadRequest, "only presence channels have users, and %s is none", channel)
	}
	list := []pusherUser{}
	members, _ := r.app.hub.Members(channel)
	for _, m := range members {
		list = append(list, pusherUser{m.User})
	}
	return map[string]any{"users": list}, nil
}

// pusherTerminate closes the connections that have signed in as a user, and tells
// them not to come back.
func pusherTerminate(r *pusherRequest) (any, error) {
	user := r.PathValue("user")
	if err := protocol.CheckUser(user); err != nil {
		return nil, textError(http.StatusBadRequest, "%v", err)
	}
	for _, c := range r.app.hub.UserClients(user) {
		connection(c).sendAway("disconnected by the application")
	}
	return struct{}{}, nil
}

func pusherConnections(r *pusherRequest) (any, error) {
	return map[string]int64{"connections": r.app.hub.Clients()}, nil
}
