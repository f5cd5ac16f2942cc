package main

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"time"

	"stentor/benchmarks/internal/child"
	"stentor/benchmarks/internal/comparison"
	"stentor/benchmarks/internal/rig"
)

// soketiApp is Soketi's default app, and a channel of it.
var soketiApp = rig.PusherApp{ID: "app-id", Key: "app-key", Secret: "app-secret", Channel: "bench"}

// soketiMost connections: what a subscription costs it grows with their number,
// and with 19,000 it would take half a minute each time.
const soketiMost = 5_000

// soketi is a Pusher server for Node. Its clients have no echo.
func soketi(folder string) entrant {
	client := soketiApp.Subscriber()
	return entrant{
		Server:  comparison.Server{Name: "soketi", Label: "Soketi", Kind: comparison.Product, Most: soketiMost},
		start:   func(r *rig.Rig) (server, error) { return startSoketi(r, folder) },
		version: npm(folder, "@soketi/soketi"),
		push:    client.Path, subscribe: &client.Subscribe, envelope: client.Envelope,
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
			"SOKETI_METRICS_SERVER_PORT="+metricsPort, "SOKETI_DEFAULT_APP_ID="+soketiApp.ID,
			"SOKETI_DEFAULT_APP_KEY="+soketiApp.Key, "SOKETI_DEFAULT_APP_SECRET="+soketiApp.Secret))
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

// Publish publishes the messages by the HTTP API, which does not tell how many
// subscribers there are.
func (p *product) Publish(first, count, size, _ int) error {
	return soketiApp.Publish(first, count, size, func(target string, body []byte) error {
		return p.http.json("POST", "http://"+p.address+target, body, nil)
	})
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
