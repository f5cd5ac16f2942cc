package main

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/comparison"
	"stentor/benchmarks/internal/rig"
	"stentor/benchmarks/internal/wire"
)

// Soketi's default app, a channel of it, and an event.
const (
	soketiApp     = "app-id"
	soketiKey     = "app-key"
	soketiSecret  = "app-secret"
	soketiChannel = "bench"
	soketiEvent   = "message"
	// soketiBatch is how many events it takes in a request.
	soketiBatch = 10
	// soketiMost connections: what a subscription costs it grows with their
	// number, and with 19,000 it would take half a minute each time.
	soketiMost = 5_000
)

// soketi is a Pusher server for Node. Its clients have no echo.
func soketi(folder string) entrant {
	return entrant{
		Server:  comparison.Server{Name: "soketi", Label: "Soketi", Kind: comparison.Product, Most: soketiMost},
		start:   func(r *rig.Rig) (server, error) { return startSoketi(r, folder) },
		version: npm(folder, "@soketi/soketi"),
		push:    "/app/" + soketiKey + "?protocol=7",
		subscribe: &conversation{
			say:  `{"event":"pusher:subscribe","data":{"channel":"` + soketiChannel + `"}}`,
			want: []string{`"pusher:connection_established"`, `"pusher_internal:subscription_succeeded"`},
		},
		envelope: `{"event":"` + soketiEvent + `","channel":"` + soketiChannel + `","data":"{payload}"}`,
	}
}

// product is a running Soketi.
type product struct {
	*child.Child
	http    caller
	address string
}

func startSoketi(r *rig.Rig, folder string) (*product, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	address, metrics, err := freeAddresses()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	_, metricsPort, _ := net.SplitHostPort(metrics)
	c, err := r.Group.Start("soketi", node,
		[]string{filepath.Join(folder, "node_modules", "@soketi", "soketi", "bin", "server.js"), "start"},
		append(r.Environment(), "SOKETI_HOST=127.0.0.1", "SOKETI_PORT="+port,
			"SOKETI_METRICS_SERVER_PORT="+metricsPort, "SOKETI_DEFAULT_APP_ID="+soketiApp,
			"SOKETI_DEFAULT_APP_KEY="+soketiKey, "SOKETI_DEFAULT_APP_SECRET="+soketiSecret))
	if err != nil {
		return nil, err
	}
	p := &product{Child: c, http: newCaller(r), address: address}
	for deadline := time.Now().Add(time.Minute); ; {
		err := p.http.json("GET", "http://"+address+"/ready", nil, nil)
		if err == nil {
			return p, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("soketi is not ready: %w; it wrote: %s", err, c.Stderr())
		}
		if err := r.Sleep(50 * time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// freeAddresses finds two that nobody listens on at this moment.
func freeAddresses() (a, b string, err error) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer first.Close()
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer second.Close()
	return first.Addr().String(), second.Addr().String(), nil
}

// Address returns where clients connect.
func (p *product) Address() string { return p.address }

// event is an event for the HTTP API.
type event struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	Data    string `json:"data"`
}

// Publish publishes the messages by the HTTP API, in batches if there are many.
// The API does not tell how many subscribers there are.
func (p *product) Publish(first, count, size, _ int) error {
	for end := first + count; first < end; first += soketiBatch {
		var batch []event
		for n := first; n < min(first+soketiBatch, end); n++ {
			batch = append(batch, event{soketiEvent, soketiChannel, wire.Payload(n, size)})
		}
		path, body := "/batch_events", any(map[string]any{"batch": batch})
		if count == 1 {
			path, body = "/events", batch[0]
		}
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		if err := p.http.json("POST", "http://"+p.address+signed("/apps/"+soketiApp+path, b, time.Now()), b, nil); err != nil {
			return err
		}
	}
	return nil
}

// signed is the target of a POST with a body, with its signature.
func signed(path string, body []byte, now time.Time) string {
	query := fmt.Sprintf("auth_key=%s&auth_timestamp=%d&auth_version=1.0&body_md5=%x", soketiKey, now.Unix(), md5.Sum(body))
	mac := hmac.New(sha256.New, []byte(soketiSecret))
	mac.Write([]byte("POST\n" + path + "\n" + query))
	return path + "?" + query + "&auth_signature=" + hex.EncodeToString(mac.Sum(nil))
}

// Empty is not asked of Soketi: it tells late.
func (p *product) Empty() (bool, error) { return true, nil }

// Free does nothing: Soketi has no way to.
func (p *product) Free() (int64, bool, error) { return 0, false, nil }

// End leaves it to be killed: it takes seconds to stop by itself.
func (p *product) End() error {
	p.http.client.CloseIdleConnections()
	return nil
}
