package loadtest

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	// spareFiles is what a process needs besides its clients' sockets.
	spareFiles = 120
	// mostClients is how many one process takes before there are several: beyond,
	// one loop a processor is no longer fed well.
	mostClients = 200_000
	// perSource is how many connections come from one address of our own choice.
	// Past some 14,000 connect(2) spends itself in looking for a free port.
	perSource = 5_000
	// leastSources is how many addresses a worker has at least.
	leastSources = 4
)

// fileLimit returns how many descriptors a process may have.
func fileLimit() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	return int(min(r.Max, 1<<30)) // Go raises the soft limit by itself
}

// resolveWorkers decides how many processes there are.
func (p *plan) resolveWorkers() error {
	p.limit = fileLimit()
	room := min(p.limit-spareFiles, mostClients)
	if room < 1 {
		return fmt.Errorf("a process may have %d descriptors only: raise the limit (ulimit -n)", p.limit)
	}
	switch {
	case p.Workers < 0:
		return fmt.Errorf("%d workers: want 0 or more", p.Workers)
	case p.Workers == 0 && p.Connections <= room:
		return nil // in this process
	case p.Workers == 0:
		p.workers = (p.Connections + room - 1) / room
	default:
		p.workers = min(p.Workers, p.Connections)
	}
	if each := (p.Connections + p.workers - 1) / p.workers; each > room {
		return fmt.Errorf("%d workers would hold %d connections each, but a process may have %d descriptors: use %d workers, or raise the limit (ulimit -n)",
			p.workers, each, p.limit, (p.Connections+room-1)/room)
	}
	if len(p.WorkerCommand) == 0 {
		return errors.New("worker processes are needed, and WorkerCommand does not say how to start one")
	}
	return nil
}

// processes is the number of processes with clients.
func (p *plan) processes() int { return max(1, p.workers) }

// loops is the number of event loops a process.
func (p *plan) loops() int {
	if p.Loops > 0 {
		return p.Loops
	}
	return max(1, runtime.NumCPU()/p.processes())
}

// share returns the first client of a worker and how many it has.
func (p *plan) share(worker int) (first, count int) {
	n := p.processes()
	first = p.Connections * worker / n
	return first, p.Connections*(worker+1)/n - first
}

// resolveSources checks the addresses to come from.
func (p *plan) resolveSources() error {
	four := p.target.Addr().Is4()
	for _, a := range p.Sources {
		if !a.IsValid() || a.Unmap().Is4() != four {
			return fmt.Errorf("source %s and target %s are not of the same family", a, p.target.Addr())
		}
		if err := canBind(a); err != nil {
			return fmt.Errorf("source %s: %w: it must be an address of this machine", a, err)
		}
	}
	return nil
}

// sources returns the addresses that a worker's clients come from: its part of
// those that were named, or, to a loopback address, some of 127.0.0.0/8.
func (p *plan) sources(worker int) (list []netip.Addr) {
	if len(p.Sources) > 0 {
		return p.Sources
	}
	if !p.target.Addr().Is4() || !p.target.Addr().IsLoopback() || runtime.GOOS != "linux" {
		return nil
	}
	_, count := p.share(worker)
	for i := range min(max(leastSources, (count+perSource-1)/perSource), 254) {
		list = append(list, netip.AddrFrom4([4]byte{127, byte(10 + worker/250), byte(1 + worker%250), byte(1 + i)}))
	}
	return list
}

func canBind(a netip.Addr) error {
	family, sa := unix.AF_INET, unix.Sockaddr(nil)
	if a = a.Unmap(); a.Is4() {
		sa = &unix.SockaddrInet4{Addr: a.As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Addr: a.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, sa)
}
