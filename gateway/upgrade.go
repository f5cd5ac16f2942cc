package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"stentor/engine"
	"stentor/protocol"
	"stentor/protocol/native"
)

// Status codes that close a connection of the native and raw dialects after
// its handshake, where a page can see them. docs/protocol.md lists them.
const (
	closeUnknownApp = 4001
	closeDisabled   = 4003
	closeToken      = 4401
	closeStayAway   = 4403
	closePong       = 4408
)

// upgrade decides on an opening handshake. It runs on a loop.
func (g *Gateway) upgrade(hs *engine.Handshake) engine.Answer {
	target := string(hs.Request.Target())
	path, query, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(path, "/") { // absolute form
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return engine.Answer{Status: http.StatusBadRequest, Text: "the request target is no path"}
		}
		path, query = u.EscapedPath(), u.RawQuery
	}
	switch {
	case isPusher(path):
		return g.admitPusher(hs, path, query)
	case g.stopping.Load(): // on a connection that was kept alive, for example
		return engine.Answer{Status: http.StatusServiceUnavailable, Text: "the server is stopping: connect again"}
	case path == "/echo" && g.echo():
		return engine.Answer{Data: echo{}, PongCode: closePong, Protocol: firstProtocol(hs)}
	case path == "/ws":
		return g.admit(hs, query, "")
	case strings.HasPrefix(path, "/raw/"):
		channel, err := url.PathUnescape(path[len("/raw/"):])
		if err == nil {
			err = protocol.CheckChannel(channel)
		}
		if err != nil {
			return engine.Answer{CloseCode: closeStayAway, CloseText: err.Error()}
		}
		return g.admit(hs, query, channel)
	}
	return engine.Answer{Status: http.StatusNotFound, Text: "no WebSocket here: use /ws, /raw/{channel} or /app/{key}"}
}

// echo reports whether /echo is served.
func (g *Gateway) echo() bool { return g.cfg.Echo || g.development }

// newcomer is a client that is about to connect.
type newcomer struct {
	as      *identity
	user    string
	channel string // of a raw client; empty for a native one
}

// open makes the client, on the connection's loop.
func (n *newcomer) open(c engine.Conn) {
	a := n.as.app
	if !a.takePlace() {
		c.Close(engine.StatusTryLater, "this app has as many connections as it may (max_connections): try again later")
		return
	}
	if n.channel != "" {
		client := &rawClient{client{conn: c, as: n.as}, n.channel}
		c.SetData(client)
		client.open(n.user)
	} else {
		client := &nativeClient{client{conn: c, as: n.as}}
		c.SetData(client)
		client.open(n.user)
	}
	a.gateway.expiry.add(c, n.as.expires)
	// The app may have changed since the handshake began: closeAll has not seen
	// those that were not in the hub yet.
	if code, text := a.settings().refusal(); code != 0 {
		c.Close(code, text)
	}
}

// admit decides on a native or raw client.
func (g *Gateway) admit(hs *engine.Handshake, query, channel string) engine.Answer {
	q, err := url.ParseQuery(query)
	if err != nil {
		return engine.Answer{Status: http.StatusBadRequest, Text: "the query is malformed: " + err.Error()}
	}
	a := g.apps.forClient(q.Get("app"))
	if a == nil {
		return engine.Answer{CloseCode: closeUnknownApp, CloseText: g.noApp(q.Get("app"))}
	}
	now := a.settings()
	if code, text := now.refusal(); code != 0 {
		return engine.Answer{CloseCode: code, CloseText: text}
	}
	if from := string(hs.Request.Header("Origin")); !now.allows(from) {
		a.foreign.tell(g.log, a.id, from)
		return engine.Answer{Status: http.StatusForbidden, Text: "pages of this origin may not connect (allowed_origins)"}
	}
	accept := engine.Answer{PongCode: closePong, Protocol: subprotocol(hs, channel)}
	if token := q.Get("token"); token != "" {
		// Checking a signature is dear: off the loop.
		later := hs.Later()
		g.verifiers.Submit(func() {
			as, user, err := a.verify(token)
			if err != nil {
				later.Answer(engine.Answer{CloseCode: closeToken, CloseText: err.Error()})
				return
			}
			later.Answer(a.accept(accept, as, user, channel))
		})
		return engine.Answer{}
	}
	if now.anonymous == nil {
		return engine.Answer{CloseCode: closeToken, CloseText: "this app wants a token: connect with ?token=JWT"}
	}
	user := ""
	if now.Development {
		user = q.Get("user")
		if user != "" {
			if err := protocol.CheckUser(user); err != nil {
				return engine.Answer{CloseCode: closeStayAway, CloseText: err.Error()}
			}
		}
	}
	return a.accept(accept, now.anonymous, user, channel)
}

// noApp tells a client why its key, which may be empty, leads to no app.
func (g *Gateway) noApp(key string) string {
	switch {
	case key != "":
		return "there is no app with that key"
	case len(g.apps.all()) == 0:
		return "there is no app here"
	}
	return "there are several apps here: say which with ?app=KEY"
}

// accept lets a client in, or a raw one not, to whose channel it has no right.
func (a *app) accept(answer engine.Answer, as *identity, user, channel string) engine.Answer {
	if channel != "" {
		if err := as.maySubscribe(channel, user); err != nil {
			return engine.Answer{CloseCode: closeStayAway, CloseText: err.Error()}
		}
	}
	answer.Data = &newcomer{as: as, user: user, channel: channel}
	return answer
}

// subprotocol selects among what a client offers: native has a name; what raw
// clients say among themselves is theirs to name.
func subprotocol(hs *engine.Handshake, channel string) string {
	if channel != "" {
		return firstProtocol(hs)
	}
	if hs.Request.HasToken("Sec-WebSocket-Protocol", native.Subprotocol) && offers(hs, native.Subprotocol) {
		return native.Subprotocol
	}
	return ""
}

// offers reports whether a client offers a subprotocol, in these very letters:
// a browser refuses one that it has not offered so.
func offers(hs *engine.Handshake, name string) bool {
	for line := range strings.Lines(string(hs.Request.Head())) {
		field, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(field, "Sec-WebSocket-Protocol") {
			continue
		}
		for offer := range strings.SplitSeq(value, ",") {
			if strings.TrimSpace(offer) == name {
				return true
			}
		}
	}
	return false
}

// firstProtocol returns the first subprotocol that a client offers, if any: a
// browser that offers some and gets none back gives up.
func firstProtocol(hs *engine.Handshake) string {
	first, _, _ := strings.Cut(string(hs.Request.Header("Sec-WebSocket-Protocol")), ",")
	first = strings.TrimSpace(first)
	for _, r := range first {
		if r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) {
			return "" // not a token
		}
	}
	return first
}
