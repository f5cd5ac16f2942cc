package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"stentor/engine"
)

func (g *Gateway) listenAdmin() (net.Listener, error) {
	network, address := "tcp", g.cfg.Admin
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
		if err := engine.ClearSocket(path); err != nil {
			return nil, fmt.Errorf("cannot listen on admin %s: %w", g.cfg.Admin, err)
		}
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on admin %s: %w", g.cfg.Admin, err)
	}
	return ln, nil
}

// adminHandler serves the operator.
func (g *Gateway) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !g.ready.Load() {
			http.Error(w, "not ready: starting, or draining", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.newRegistry(), promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", notForPages(pprof.Index))
	mux.HandleFunc("/debug/pprof/cmdline", notForPages(pprof.Cmdline))
	mux.HandleFunc("/debug/pprof/profile", notForPages(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", notForPages(pprof.Symbol))
	mux.HandleFunc("/debug/pprof/trace", notForPages(pprof.Trace))
	mux.HandleFunc("POST /debug/free", notForPages(func(w http.ResponseWriter, _ *http.Request) {
		debug.FreeOSMemory() // collects garbage first
		fmt.Fprintln(w, "ok")
	}))
	for _, name := range []string{"api.css", "api.js", "copy.js", "icon.svg", "style.css"} { // for the page at /api
		mux.Handle("GET /assets/"+name, page(name))
	}
	mux.Handle("GET /assets/here.json", secured(http.HandlerFunc(g.here)))
	return g.withAPIs(mux)
}

// notForPages refuses what a page of elsewhere makes its reader's browser ask
// for. Without our consent it may send a simple POST, which has an Origin, and
// a GET, which has none: Sec-Fetch-Site tells of it, if the server is on the
// browser's machine or speaks TLS.
func notForPages(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		if r.Header.Get("Origin") != "" || site == "cross-site" || site == "same-site" {
			http.Error(w, "this is not for pages of elsewhere", http.StatusForbidden)
			return
		}
		h(w, r)
	}
}
