package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"stentor/hub"
	"stentor/protocol"
	"stentor/protocol/pusher"
)

// The HTTP API for backends, docs/http-api.md. It is served on both listeners.
func (g *Gateway) apiHandler() http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range map[string]apiFunc{
		"POST /api/publish":                    g.apiPublish,
		"POST /api/publish/batch":              g.apiPublishBatch,
		"GET /api/channels/{channel}/presence": apiPresence,
		"GET /api/users/{user}":                apiUser,
		"POST /api/users/{user}/disconnect":    apiUserDisconnect,
		"POST /api/clients/{id}/disconnect":    apiClientDisconnect,
		"POST /api/clients/{id}/subscribe":     apiClientSubscribe,
		"POST /api/clients/{id}/unsubscribe":   apiClientUnsubscribe,
	} {
		mux.Handle(pattern, g.authorised(f))
	}
	mux.Handle("GET /api/channels", g.authorised(apiChannels, "prefix"))
	mux.Handle("GET /api", page("api.html"))
	mux.Handle("GET /api/openapi.json", secured(fixed("application/json", description())))
	return g.timed(ownErrors(mux, "/api", refuse))
}

// withAPIs serves both APIs' paths, and leaves the others to a handler, which may
// redirect those that are not clean.
func (g *Gateway) withAPIs(rest http.Handler) http.Handler {
	own, pusherAPI := g.apiHandler(), g.pusherAPI()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.EscapedPath()
		clean := path.Clean(p)
		switch {
		case below(clean, "/apps"):
			pusherAPI.ServeHTTP(w, r)
		case below(p, "/api"), below(clean, "/api"):
			own.ServeHTTP(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// below reports whether a path is a folder's, or in it.
func below(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

// apiFunc answers a request of an app's backend.
type apiFunc func(a *app, r *http.Request) (any, error)

// authorised finds the app by the bearer secret, and turns what f returns into
// a response. The query may have these parameters only.
func (g *Gateway) authorised(f apiFunc, parameters ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		secret = strings.TrimSpace(secret)
		a := g.apps.forSecret(secret)
		if !strings.EqualFold(scheme, "Bearer") || a == nil {
			message := "send the app's secret: Authorization: Bearer SECRET"
			if strings.EqualFold(scheme, "Bearer") && secret != "" {
				message = "no app has this secret"
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="stentor"`)
			refuse(w, r, &apiError{http.StatusUnauthorized, "unauthorized", message})
			return
		}
		if err := a.takeRequest(w.Header()); err != nil {
			refuse(w, r, err)
			return
		}
		if err := checkQuery(r, parameters); err != nil {
			refuse(w, r, err)
			return
		}
		answer, err := f(a, r)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	})
}

// takeRequest tells why the app's backend may not make a request now, or nil. If
// it is to come later the header says when.
func (a *app) takeRequest(header http.Header) error {
	now := a.settings()
	if now.Disabled {
		return &apiError{http.StatusForbidden, "disabled", "this app is disabled"}
	}
	if wait, ok := a.requests.take(now.APIRate, time.Now()); !ok {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return &apiError{http.StatusTooManyRequests, "too_many_requests", fmt.Sprintf("this app may make %d requests a second (api_rate)", now.APIRate)}
	}
	return nil
}

// apiError is an error with its HTTP status and its word for programs.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, "bad_request", fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &apiError{http.StatusNotFound, "not_found", fmt.Sprintf(format, args...)}
}

func tooLarge(format string, args ...any) error {
	return &apiError{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf(format, args...)}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"cannot encode the answer"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

func writeError(w http.ResponseWriter, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{http.StatusInternalServerError, "internal", err.Error()}
	}
	writeJSON(w, e.status, map[string]any{"error": map[string]string{"code": e.code, "message": e.message}})
}

// refuse answers a request whose body has not been read.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	leaveUnread(w, r)
	writeError(w, err)
}

// leaveUnread closes the connection after an answer if there is a body: net/http
// would wait for it first if the connection was to stay.
func leaveUnread(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
}

// ownErrors answers by refuse, in the form of an API, what its mux would refuse:
// 404 and 405. A path that the mux would clean is none of the API's.
func ownErrors(mux *http.ServeMux, see string, refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nothing := notFound("there is nothing at %s: see %s", strings.ToValidUTF8(r.URL.Path, "\uFFFD"), see)
		if p := r.URL.EscapedPath(); strings.TrimSuffix(p, "/") != path.Clean(p) {
			refuse(w, r, nothing)
			return
		}
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := statusProbe{header: w.Header()}
		mux.ServeHTTP(&probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			refuse(w, r, &apiError{probe.status, "method_not_allowed", "use " + probe.header.Get("Allow") + " here"})
			return
		}
		refuse(w, r, nothing)
	})
}

// statusProbe notes the status and drops the body.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }

// timed bounds the time that bodies take to come.
func (g *Gateway) timed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(g.bodyTime))
		own := *r // net/http looks at its own request's body
		own.Body = timedBody{r.Body, g.bodyTime}
		h.ServeHTTP(w, &own)
	})
}

// timedBody puts the end of a body's time into words.
type timedBody struct {
	io.ReadCloser
	limit time.Duration
}

func (b timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &apiError{http.StatusRequestTimeout, "timeout", fmt.Sprintf("the body did not come within %g s", b.limit.Seconds())}
	}
	return n, err
}

// readBody reads a JSON body of at most limit bytes into v, all of it.
func readBody(r *http.Request, limit int64, v any) error {
	body, err := bodyOf(r, limit)
	if err != nil {
		return err
	}
	return decode(body, v)
}

func bodyOf(r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	var tooMuch *http.MaxBytesError
	var tooLate *apiError
	switch {
	case errors.As(err, &tooLate):
		return nil, tooLate
	case errors.As(err, &tooMuch):
		return nil, tooLarge("the body is larger than %d bytes", limit)
	case err != nil:
		return nil, badRequest("cannot read the body: %v", err)
	}
	return body, nil
}

// decode reads one JSON value without unknown fields.
func decode(body []byte, v any) error {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		var typ *json.UnmarshalTypeError
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &syntax):
			return badRequest("the body is not JSON: %v", err)
		case errors.As(err, &typ):
			if typ.Field == "" {
				return badRequest("the body must be a JSON object, not %s", article(typ.Value))
			}
			return badRequest("%q must not be %s", typ.Field, article(typ.Value))
		case errors.Is(err, io.EOF):
			return badRequest("the body is empty: send JSON")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return badRequest("the body ends in the middle of the JSON")
		}
		return badRequest("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); err != io.EOF {
		return badRequest("there is something after the JSON object")
	}
	return nil
}

// article puts a kind of JSON value, as encoding/json names it, into words.
func article(kind string) string {
	if kind == "array" || kind == "object" {
		return "an " + kind
	}
	return "a " + kind
}

type channelsAnswer struct {
	Channels map[string]channelInfo `json:"channels"`
}

type channelInfo struct {
	Subscriptions int  `json:"subscriptions"`
	Users         *int `json:"users,omitempty"`
}

func apiChannels(a *app, r *http.Request) (any, error) {
	list := map[string]channelInfo{}
	a.hub.Channels(r.URL.Query().Get("prefix"), func(c hub.ChannelInfo) bool {
		i := channelInfo{Subscriptions: c.Subscriptions}
		if c.Presence {
			i.Users = &c.Members
		}
		list[c.Name] = i
		return true
	})
	return channelsAnswer{list}, nil
}

type membersAnswer struct {
	Members []member `json:"members"`
}

type member struct {
	User string          `json:"user"`
	Info json.RawMessage `json:"info,omitempty"`
}

func apiPresence(a *app, r *http.Request) (any, error) {
	channel := r.PathValue("channel")
	if err := protocol.CheckChannel(channel); err != nil {
		return nil, badRequest("%v", err)
	}
	if !protocol.IsPresence(channel) {
		return nil, badRequest("only channels that begin with presence- have members")
	}
	list := []member{}
	found, _ := a.hub.Members(channel)
	for _, m := range found {
		list = append(list, member{m.User, m.Info})
	}
	return membersAnswer{list}, nil
}

// checkQuery tells what is wrong with the query of a request that may have
// these parameters.
func checkQuery(r *http.Request, known []string) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("the query is malformed: %v", err)
	}
	for _, name := range sorted(q) {
		if !slices.Contains(known, name) {
			return badRequest("there is no parameter %q here", name)
		}
	}
	return nil
}

// userOf returns the user that the path names.
func userOf(r *http.Request) (string, error) {
	user := r.PathValue("user")
	if err := protocol.CheckUser(user); err != nil {
		return "", badRequest("%v", err)
	}
	return user, nil
}

type userAnswer struct {
	User    string       `json:"user"`
	Online  bool         `json:"online"`
	Clients []userClient `json:"clients"`
}

type userClient struct {
	ID       string   `json:"id"`
	Channels []string `json:"channels"`
}

func apiUser(a *app, r *http.Request) (any, error) {
	user, err := userOf(r)
	if err != nil {
		return nil, err
	}
	list := []userClient{}
	for _, c := range a.hub.UserClients(user) {
		list = append(list, userClient{c.ID(), c.Subscriptions()})
	}
	return userAnswer{user, len(list) > 0, list}, nil
}

// connection returns the gateway's side of a hub's client.
func connection(c *hub.Client) *client {
	switch s := c.Sink().(type) {
	case *nativeClient:
		return &s.client
	case *rawClient:
		return &s.client
	case *pusherClient:
		return &s.client
	}
	return nil
}

type disconnectBody struct {
	Reason string `json:"reason"`
}

type disconnectAnswer struct {
	Disconnected int `json:"disconnected"`
}

func disconnect(list []*hub.Client, r *http.Request) (any, error) {
	var body disconnectBody
	if err := optionalBody(r, &body); err != nil {
		return nil, err
	}
	if body.Reason == "" {
		body.Reason = "disconnected by the application"
	}
	for _, c := range list {
		connection(c).sendAway(body.Reason)
	}
	return disconnectAnswer{len(list)}, nil
}

// smallBody bounds bodies that consist of a few words.
const smallBody = 16 << 10

func optionalBody(r *http.Request, v any) error {
	body, err := bodyOf(r, smallBody)
	if err != nil || len(body) == 0 {
		return err
	}
	return decode(body, v)
}

func apiUserDisconnect(a *app, r *http.Request) (any, error) {
	user, err := userOf(r)
	if err != nil {
		return nil, err
	}
	return disconnect(a.hub.UserClients(user), r)
}

func apiClientDisconnect(a *app, r *http.Request) (any, error) {
	c, err := a.client(r)
	if err != nil {
		return nil, err
	}
	return disconnect([]*hub.Client{c}, r)
}

// client finds the client that the path names.
func (a *app) client(r *http.Request) (*hub.Client, error) {
	id := r.PathValue("id")
	if c := a.hub.Client(id); c != nil {
		return c, nil
	}
	return nil, notFound("there is no client %q: it has gone, or is another node's or app's", id)
}

type channelBody struct {
	Channel string `json:"channel"`
}

// channelOf reads a body that names a channel.
func channelOf(r *http.Request) (string, error) {
	var body channelBody
	if err := readBody(r, smallBody, &body); err != nil {
		return "", err
	}
	if err := protocol.CheckChannel(body.Channel); err != nil {
		return "", badRequest(`"channel": %v`, err)
	}
	return body.Channel, nil
}

type subscribeAnswer struct {
	Subscribed bool `json:"subscribed"`
}

// apiClientSubscribe subscribes a client, as its backend may to any channel.
func apiClientSubscribe(a *app, r *http.Request) (any, error) {
	c, err := a.client(r)
	if err != nil {
		return nil, err
	}
	channel, err := channelOf(r)
	if err != nil {
		return nil, err
	}
	if protocol.IsPresence(channel) && c.User() == "" {
		return nil, badRequest("a presence channel is for clients with a user, and this one has none")
	}
	one := connection(c)
	join := one.member(channel)
	p, isPusher := c.Sink().(*pusherClient)
	if isPusher && join != nil {
		if u := p.signed.Load(); u != nil {
			join.Member.Info = u.Info
		}
	}
	if isPusher && pusher.KindOf(channel).Restricted() {
		p.proven.Store(true) // its backend knows it
	}
	err = one.enter(channel, join, subscribedBy(c, channel))
	if errors.Is(err, hub.ErrGone) {
		return nil, notFound("the client has gone")
	}
	if err != nil {
		return nil, badRequest("%v", err)
	}
	return subscribeAnswer{true}, nil
}

type unsubscribeAnswer struct {
	Unsubscribed bool `json:"unsubscribed"`
}

func apiClientUnsubscribe(a *app, r *http.Request) (any, error) {
	c, err := a.client(r)
	if err != nil {
		return nil, err
	}
	channel, err := channelOf(r)
	if err != nil {
		return nil, err
	}
	was := connection(c).exit(channel, func(was bool) {
		if was {
			tellUnsubscribed(c, channel)
		}
	})
	return unsubscribeAnswer{was}, nil
}
