package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stentor/benchmarks/internal/comparison"
	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/rig"
)

// entrant is a server that takes part.
type entrant struct {
	comparison.Server
	start func(r *rig.Rig) (server, error)
	// version finds out which one is measured, or why it cannot be.
	version func() (string, error)

	idle      string          // path of clients that echo, empty if it has no echo
	push      string          // path of clients that receive; the same if both are one
	subscribe *crowd.Converse // after the handshake of those, if that is a step of its own
	envelope  string          // of what those receive
}

// server is a running one.
type server interface {
	rig.Server
	// Free makes the server collect garbage and give back what is free, and
	// returns the bytes in use. ok is false if it has no way to.
	Free() (live int64, ok bool, err error)
}

// npm finds the version of a package that is installed in a folder.
func npm(folder, name string) func() (string, error) {
	return func() (string, error) {
		b, err := os.ReadFile(filepath.Join(folder, "node_modules", name, "package.json"))
		if err != nil {
			return "", errors.New("it is not installed, see scripts/bench-peers.sh")
		}
		var p struct{ Version string }
		err = json.Unmarshal(b, &p)
		return p.Version, err
	}
}

// module finds the version of a module in a program.
func module(path, name string) func() (string, error) {
	return func() (string, error) {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return "", err
		}
		for _, d := range info.Deps {
			if d.Path == name {
				return d.Version, nil
			}
		}
		return "", fmt.Errorf("%s is built without %s", path, name)
	}
}

// allEntrants returns all servers, with their programs in bin and in peers.
func allEntrants(bin, peers string) []entrant {
	golang := func(name, label, mod string) entrant {
		path := filepath.Join(bin, name)
		return entrant{
			Server:  comparison.Server{Name: name, Label: label, Kind: comparison.Go},
			start:   func(r *rig.Rig) (server, error) { return startSmall(r, name, path) },
			version: module(path, mod), idle: "/", push: "/",
		}
	}
	node := func(name, label, pkg string) entrant {
		folder := filepath.Join(peers, "node")
		return entrant{
			Server: comparison.Server{Name: name, Label: label, Kind: comparison.Node},
			start: func(r *rig.Rig) (server, error) {
				return startSmall(r, name, "node", "--expose-gc", filepath.Join(folder, name+".js"))
			},
			version: npm(folder, pkg), idle: "/", push: "/",
		}
	}
	ours := func() (string, error) { return commit(), nil }
	return []entrant{
		{
			Server: comparison.Server{Name: "floor", Label: "floor", Kind: comparison.Floor},
			start: func(r *rig.Rig) (server, error) {
				f, err := r.StartFloor()
				return bare{f}, err
			},
			version: ours, idle: "/", push: "/",
		},
		{
			Server: comparison.Server{Name: "stentor", Label: "Stentor", Kind: comparison.Stentor},
			start: func(r *rig.Rig) (server, error) {
				s, err := r.StartStentor()
				return own{s}, err
			},
			version: ours, idle: rig.EchoPath, push: rig.PushPath,
		},
		golang("gorilla", "gorilla/websocket", "github.com/gorilla/websocket"),
		golang("coder", "coder/websocket", "github.com/coder/websocket"),
		golang("gws", "lxzan/gws", "github.com/lxzan/gws"),
		golang("gobwas", "gobwas/ws + epoll", "github.com/gobwas/ws"),
		node("ws", "ws (Node)", "ws"),
		node("uws", "uWebSockets.js", "@trufflesuite/uws-js-unofficial"),
		soketi(filepath.Join(peers, "soketi")),
	}
}

// choose returns those whose names are in a list with commas, all if that is
// empty.
func choose(all []entrant, only string) ([]entrant, error) {
	if only == "" {
		return all, nil
	}
	names := strings.Split(only, ",")
	for _, n := range names {
		if !slices.ContainsFunc(all, func(e entrant) bool { return e.Name == n }) {
			return nil, fmt.Errorf("-only: there is no server %q", n)
		}
	}
	return slices.DeleteFunc(all, func(e entrant) bool { return !slices.Contains(names, e.Name) }), nil
}

// bare is the floor, own is Stentor.
type (
	bare struct{ *rig.Floor }
	own  struct{ *rig.Stentor }
)

// Free does nothing: the floor cannot tell.
func (bare) Free() (int64, bool, error) { return 0, false, nil }

// Free asks Stentor's admin listener.
func (s own) Free() (int64, bool, error) {
	if err := s.Stentor.Free(); err != nil {
		return 0, false, err
	}
	m, err := s.Metrics()
	return int64(m["go_memstats_heap_alloc_bytes"] + m["go_memstats_stack_inuse_bytes"]), true, err
}
