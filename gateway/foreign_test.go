package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"stentor/test/kit"
)

// Whoever forgot an origin finds it in the log, and nobody can fill the log with
// others.
func TestForeignOriginsAreLogged(t *testing.T) {
	var log kit.Buffer
	s := newTest(t, oneApp(func(a *App) {
		a.Anonymous = true
		a.AllowedOrigins = []string{"https://shop.example"}
	}), func(g *Gateway) { g.log = slog.New(slog.NewTextHandler(&log, nil)) })
	visit := func(origin string) {
		_, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", http.Header{"Origin": {origin}})
		if err == nil {
			t.Fatalf("%s was let in", origin)
		}
	}
	for range 3 {
		visit("https://www.shop.example")
	}
	if n := strings.Count(log.String(), "origin=https://www.shop.example"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
	for i := range 2 * foreignKept {
		visit(fmt.Sprintf("https://%d.example/%s", i, strings.Repeat("x", 1000)))
	}
	if n, size := strings.Count(log.String(), "\n"), len(log.String()); n != foreignKept || size > foreignKept*500 {
		t.Errorf("%d lines of %d bytes", n, size)
	}
}
