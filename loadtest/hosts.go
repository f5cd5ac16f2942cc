package loadtest

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"stentor/loadtest/host"
	"stentor/loadtest/swarm"
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

// elsewhere are checks of the machine that say nothing here: this tool has
// processes and sources enough.
var elsewhere = []string{"descriptors", "fs.nr_open", "net.ipv4.ip_local_port_range"}

// checkHost tells what the machine is short of.
func (p *plan) checkHost() error {
	sockets := p.Connections
	if p.target.Addr().IsLoopback() {
		sockets *= 2 // the server's are here, too
	}
	report, err := host.Diagnose("", sockets)
	if err != nil {
		return nil // not on Linux: whoever runs it sees for himself
	}
	var short []string
	for _, c := range report.Checks {
		if c.Status == host.Short && !slices.Contains(elsewhere, c.Name) {
			s := fmt.Sprintf("%s is %s, needed %s", c.Name, c.Current, c.Needed)
			if len(c.Set) > 0 {
				s += " (" + c.Set[0].Line + ")"
			}
			short = append(short, s)
		}
	}
	if short != nil {
		return fmt.Errorf("%d connections, %d sockets here, are too many for this machine: %s", p.Connections, sockets, strings.Join(short, "; "))
	}
	return p.checkPorts()
}

// checkPorts tells whether the addresses to come from have ports enough.
func (p *plan) checkPorts() error {
	if len(p.Sources) == 0 && len(p.sources(0)) > 0 {
		return nil // chosen to suffice
	}
	ports, err := host.Ports()
	if err != nil {
		return nil
	}
	if sources := max(1, len(p.Sources)); p.Connections > sources*ports {
		return fmt.Errorf("%d connections to one address need more than the %d ports of %d of this machine's addresses: name %d by --source, or widen net.ipv4.ip_local_port_range",
			p.Connections, ports, sources, (p.Connections+ports-1)/ports)
	}
	return nil
}

// enoughMemory is what has to stay free: less, and the kernel ends processes of
// its choice.
func enoughMemory() int64 { return max(512<<20, host.ThisMachine().MemoryBytes/50) }

// resolveWorkers decides how many processes there are.
func (p *plan) resolveWorkers() error {
	p.limit = fileLimit()
	room := min(p.limit-spareFiles, mostClients)
	if room < 1 {
		return fmt.Errorf("a process may have %d descriptors only: raise the limit (ulimit -n)", p.limit)
	}
	switch {
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
		if err := swarm.CanBind(a); err != nil {
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
