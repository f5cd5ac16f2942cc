package gateway

import (
	"net/url"
	"strings"

	"stentor/engine"
	"stentor/frame"
	"stentor/protocol/pusher"
)

// pusherPath begins the paths of the Pusher dialect; the app's key follows.
const pusherPath = "/app/"

// isPusher reports whether a path is the Pusher dialect's.
func isPusher(path string) bool {
	return path == strings.TrimSuffix(pusherPath, "/") || strings.HasPrefix(path, pusherPath)
}

// admitPusher decides on a Pusher client. Its library learns from a status code
// whether to come back, so that the handshake is accepted in any case.
func (g *Gateway) admitPusher(hs *engine.Handshake, path, query string) engine.Answer {
	answer := engine.Answer{PongCode: pusher.CodePongMissing, Protocol: firstProtocol(hs)}
	turnAway := func(code int, text string) engine.Answer {
		answer.CloseCode, answer.CloseText = code, text
		return answer
	}
	if g.stopping.Load() {
		return turnAway(pusher.CodeReconnect, "the server is stopping: connect again")
	}
	key, err := url.PathUnescape(strings.TrimPrefix(path, pusherPath))
	if err != nil || key == "" || strings.Contains(key, "/") || !strings.HasPrefix(path, pusherPath) {
		return turnAway(pusher.CodePath, "there is nothing here: connect to /app/KEY")
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return turnAway(pusher.CodePath, "the query is malformed")
	}
	if code, text := pusher.CheckVersion(q.Get("protocol"), q.Has("protocol")); code != 0 {
		return turnAway(code, text)
	}
	a := g.apps.forClient(key)
	if a == nil {
		return turnAway(pusher.CodeUnknownApp, "there is no app with that key")
	}
	s := a.settings()
	if code, text := s.refusal(); code != 0 {
		return turnAway(code, text)
	}
	if from := string(hs.Request.Header("Origin")); !s.allows(from) {
		a.foreign.tell(g.log, a.id, from)
		return turnAway(pusher.CodeUnauthorized, "pages of this origin may not connect (allowed_origins)")
	}
	answer.Data = pusherNewcomer{a}
	return answer
}

// fullCode is engine.Config's: how each dialect says that there is no room now.
func fullCode(req frame.Request) int {
	if path, _, _ := strings.Cut(string(req.Target()), "?"); isPusher(path) {
		return pusher.CodeOverCapacity
	}
	return 0
}
