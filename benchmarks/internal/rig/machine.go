package rig

import (
	"fmt"
	"os"
	"runtime"

	"stentor/benchmarks/internal/crowd"
	"stentor/benchmarks/internal/proc"
	"stentor/loadtest/host"
)

// Machine is what this machine offers to the measurements.
type Machine struct {
	Files   uint64 // descriptors of a process
	Ports   int    // of one client address
	Sources error  // why the clients' addresses cannot be used
	CPU     error  // why run times are not to be had
	RSS     error  // why resident memory is not to be had
	Cores   int
}

// ThisMachine looks at this one. An error is one that leaves nothing to
// measure.
func ThisMachine() (Machine, error) {
	m := Machine{Sources: crowd.CanBind(), CPU: proc.CountsCPU(), Cores: runtime.GOMAXPROCS(0)}
	var err error
	if m.Files, err = proc.FileLimit(); err != nil {
		return m, fmt.Errorf("limit of open files: %w", err)
	}
	if m.Ports, err = host.Ports(); err != nil {
		return m, fmt.Errorf("range of local ports: %w", err)
	}
	_, m.RSS = proc.RSS(os.Getpid())
	return m, nil
}

// Needs is what a machine must offer for a figure.
type Needs struct {
	Connections int  // of one process, at least
	CPU         bool // run times of threads
	RSS         bool // resident memory, counted exactly
	Cores       int
}

// spareFiles is what a process needs besides its connections.
const spareFiles = 100

// Refuses tells why a figure cannot be measured here, empty if it can.
func (m *Machine) Refuses(n Needs) string {
	perSource := (n.Connections + crowd.Sources - 1) / crowd.Sources
	switch {
	case n.Connections == 0:
	case m.Files < uint64(n.Connections+spareFiles):
		return fmt.Sprintf("a process may open %d files at most, %d are needed (ulimit -Hn)", m.Files, n.Connections+spareFiles)
	case m.Ports < perSource:
		return fmt.Sprintf("an address has %d ports for outgoing connections, %d are needed (net.ipv4.ip_local_port_range)", m.Ports, perSource)
	case m.Sources != nil:
		return fmt.Sprintf("the clients cannot use their loopback addresses: %v", m.Sources)
	}
	switch {
	case n.CPU && m.CPU != nil:
		return m.CPU.Error()
	case n.RSS && m.RSS != nil:
		return fmt.Sprintf("resident memory is not told: %v", m.RSS)
	case m.Cores < n.Cores:
		return fmt.Sprintf("it takes %d cores, there is %d", n.Cores, m.Cores)
	}
	return ""
}
