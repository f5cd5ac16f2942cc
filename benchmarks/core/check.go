package main

import (
	"fmt"
	"os"
	"runtime"

	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/proc"
)

// machine is what this machine offers to the measurements.
type machine struct {
	files   uint64 // descriptors of a process
	ports   int    // of one client address
	sources error  // why the clients' addresses cannot be used
	cpu     error  // why run times are not to be had
	rss     error  // why resident memory is not to be had
	cores   int
}

// checkMachine looks at this one. An error is one that leaves nothing to
// measure.
func checkMachine() (machine, error) {
	m := machine{sources: crowd.CanBind(), cpu: proc.CountsCPU(), cores: runtime.GOMAXPROCS(0)}
	var err error
	if m.files, err = proc.FileLimit(); err != nil {
		return m, fmt.Errorf("limit of open files: %w", err)
	}
	if m.ports, err = proc.Ports(); err != nil {
		return m, fmt.Errorf("range of local ports: %w", err)
	}
	_, m.rss = proc.RSS(os.Getpid())
	return m, nil
}

// spareFiles is what a process needs besides its connections.
const spareFiles = 100

// refuses tells why a figure cannot be measured here, empty if it can.
func (m *machine) refuses(n needs) string {
	perSource := (n.connections + crowd.Sources - 1) / crowd.Sources
	switch {
	case n.connections == 0:
	case m.files < uint64(n.connections+spareFiles):
		return fmt.Sprintf("a process may open %d files at most, %d are needed (ulimit -Hn)", m.files, n.connections+spareFiles)
	case m.ports < perSource:
		return fmt.Sprintf("an address has %d ports for outgoing connections, %d are needed (net.ipv4.ip_local_port_range)", m.ports, perSource)
	case m.sources != nil:
		return fmt.Sprintf("the clients cannot use their loopback addresses: %v", m.sources)
	}
	switch {
	case n.cpu && m.cpu != nil:
		return m.cpu.Error()
	case n.rss && m.rss != nil:
		return fmt.Sprintf("resident memory is not told: %v", m.rss)
	case m.cores < n.cores:
		return fmt.Sprintf("it takes %d cores, there is %d", n.cores, m.cores)
	}
	return ""
}
