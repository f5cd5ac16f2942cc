package engine

import (
	"net/netip"
	"strconv"
	"sync"

	"stentor/frame"
)

const textFull = "the server holds as many connections as it may: try again later"

// admit counts a connection in, unless a limit forbids it: then it says which.
// dismiss counts it out again.
func (e *Engine) admit(c *conn) (refusal string) {
	n := e.open.Add(1)
	if limit := e.cfg.MaxConnections; limit > 0 && n > int64(limit) {
		e.open.Add(-1)
		return textFull
	}
	if !e.networks.take(c) {
		e.open.Add(-1)
		return e.networks.full()
	}
	return ""
}

func (e *Engine) dismiss(c *conn) {
	e.open.Add(-1)
	e.networks.giveBack(c)
}

// full tells early what admit would say.
func (e *Engine) full() bool {
	return e.cfg.MaxConnections > 0 && e.open.Load() >= int64(e.cfg.MaxConnections)
}

// fullCode is the status code that turns a connection away when there is no room.
func (e *Engine) fullCode(req frame.Request) int {
	if e.cfg.FullCode != nil {
		if code := e.cfg.FullCode(req); code != 0 {
			return code
		}
	}
	return StatusTryLater
}

// networks counts the connections of each IPv4 address or IPv6 /64 network, if
// that is limited.
type networks struct {
	max int

	mu     sync.Mutex
	count  map[netip.Prefix]int
	member map[*conn]netip.Prefix
}

func newNetworks(max int) *networks {
	return &networks{max: max, count: make(map[netip.Prefix]int), member: make(map[*conn]netip.Prefix)}
}

// full says why take has refused.
func (n *networks) full() string {
	return strconv.Itoa(n.max) + " connections of this address are open already (limits.max_connections_per_ip): try again later"
}

func (n *networks) take(c *conn) bool {
	if n.max == 0 {
		return true
	}
	addr := remote(c.op.FD).Addr()
	if !addr.IsValid() { // a unix socket
		return true
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.count[network] >= n.max {
		return false
	}
	n.count[network]++
	n.member[c] = network
	return true
}

func (n *networks) giveBack(c *conn) {
	if n.max == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	network, ok := n.member[c]
	if !ok {
		return
	}
	delete(n.member, c)
	if n.count[network]--; n.count[network] == 0 {
		delete(n.count, network)
	}
}
