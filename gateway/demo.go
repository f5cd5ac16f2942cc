package gateway

import (
	"encoding/json"
	"net/http"

	"stentor/protocol"
	"stentor/protocol/pusher"
)

// The demo of the Pusher dialect signs for everybody, so it does so only for the
// development app, whose secret everybody knows. An application signs for whom it
// has logged in: docs/pusher.md.

// demoAuth answers what pusher-js asks before it subscribes to a channel.
func (g *Gateway) demoAuth(w http.ResponseWriter, r *http.Request) {
	keys, socket, user, ok := g.demoRequest(w, r)
	if !ok {
		return
	}
	channel, data := r.PostForm.Get("channel_name"), ""
	if err := pusher.CheckChannel(channel, 0); err != nil {
		http.Error(w, "channel_name: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer := map[string]string{}
	if protocol.IsPresence(channel) {
		data = demoJSON(map[string]any{"user_id": user, "user_info": map[string]string{"name": user}})
		answer["channel_data"] = data
	}
	answer["auth"] = keys.SignChannel(socket, channel, data)
	writeJSON(w, http.StatusOK, answer)
}

// demoUserAuth answers what pusher-js asks before it signs in.
func (g *Gateway) demoUserAuth(w http.ResponseWriter, r *http.Request) {
	keys, socket, user, ok := g.demoRequest(w, r)
	if !ok {
		return
	}
	data := demoJSON(map[string]any{"id": user, "user_info": map[string]string{"name": user}})
	writeJSON(w, http.StatusOK, map[string]string{"auth": keys.SignUser(socket, data), "user_data": data})
}

// demoRequest reads whom to sign for. If it reports false it has answered.
func (g *Gateway) demoRequest(w http.ResponseWriter, r *http.Request) (keys pusher.Keys, socket, user string, ok bool) {
	if !g.development {
		http.Error(w, "this is for the development app only: see docs/pusher.md for an endpoint of your own", http.StatusNotFound)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, smallBody)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the body is no form: "+err.Error(), http.StatusBadRequest)
		return
	}
	socket, user = r.PostForm.Get("socket_id"), r.PostForm.Get("name")
	if err := pusher.CheckSocketID(socket); err != nil {
		http.Error(w, "socket_id: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := protocol.CheckUser(user); err != nil {
		http.Error(w, "name: "+err.Error(), http.StatusBadRequest)
		return
	}
	return g.apps.all()[0].settings().keys, socket, user, true
}

func demoJSON(v any) string {
	text, _ := json.Marshal(v) // of strings: it cannot fail
	return string(text)
}
