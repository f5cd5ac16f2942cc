package gateway

import (
	"encoding/json"
	"net/http"

	"stentor/web"
)

// publicHandler serves what comes to the public listeners and is no WebSocket.
func (g *Gateway) publicHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page("index.html"))
	mux.Handle("GET /chat", page("chat.html"))
	mux.Handle("GET /stentor.js", library(web.Client))
	mux.Handle("GET /stentor.global.js", library(web.GlobalClient()))
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", secured(http.FileServerFS(web.Assets))))
	mux.Handle("GET /assets/here.json", secured(http.HandlerFunc(g.here)))
	mux.Handle("GET /demo/pusher", page("pusher.html"))
	mux.HandleFunc("POST /demo/pusher/auth", g.demoAuth)
	mux.HandleFunc("POST /demo/pusher/user-auth", g.demoUserAuth)
	for _, path := range []string{"/ws", "/raw/", pusherPath} {
		mux.HandleFunc(path, wantsWebSocket)
	}
	if g.echo() {
		mux.HandleFunc("/echo", wantsWebSocket)
	}
	return g.withAPIs(mux)
}

// page serves one of the embedded files.
func page(name string) http.Handler {
	return secured(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, web.Assets, name)
	}))
}

// secured adds the headers that keep a page from being used against its
// reader: no foreign content, no frames.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// connect-src names the schemes since 'self' did not cover WebSockets
		// in every browser.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		h.ServeHTTP(w, r)
	})
}

// here tells the pages what runs. The secret is told only where everybody
// knows it.
func (g *Gateway) here(w http.ResponseWriter, r *http.Request) {
	secret := ""
	if g.development {
		secret = g.cfg.Apps[0].Secret
	}
	// Whether the only app lets clients without a token in, and pages from here.
	anonymous, allowed := false, true
	list := g.apps.all()
	if len(list) == 1 {
		s := list[0].settings()
		anonymous = s.anonymous != nil
		allowed = s.allows("http://"+r.Host) || s.allows("https://"+r.Host)
	}
	body, _ := json.Marshal(map[string]any{
		"version":     Version(),
		"development": g.development,
		"secret":      secret,
		"echo":        g.echo(),
		"apps":        len(list),
		"anonymous":   anonymous,
		"allowed":     allowed,
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body)
}

func wantsWebSocket(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	http.Error(w, r.URL.Path+" is a WebSocket: connect with a WebSocket client, or see docs/protocol.md", http.StatusUpgradeRequired)
}
