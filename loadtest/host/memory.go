package host

import (
	"fmt"
	"math"
)

// What a connection takes, rounded up from what is measured: a client with a
// user id on a channel 430 bytes of live heap, twice as much at most before the
// collector has run; its socket some 5 KB in the kernel.
const (
	ourBytes    = 1 << 10
	kernelBytes = 5 << 10
	eachBytes   = ourBytes + kernelBytes

	// emptyBytes is for the process without clients.
	emptyBytes = 32 << 20
)

// Names of the checks that tell what memory allows.
const (
	nameMemory = "memory"
	nameGroup  = "control group memory"
)

func (d *diagnosis) memoryNeeded() int64 { return emptyBytes + d.n*eachBytes }

func memoryAllows(free int64) int64 { return max(free-emptyBytes, 0) / eachBytes }

func (d *diagnosis) memory() Check {
	free, err := d.root.memory("MemAvailable")
	if err != nil {
		return unreadable(nameMemory, err)
	}
	d.room = min(d.room, free)
	return d.bound(nameMemory, size(free)+" available", size(d.memoryNeeded()), memoryAllows(free),
		fmt.Sprintf("%d KiB a connection to be safe: %d of stentor and %d of the kernel; messages under way come on top",
			eachBytes>>10, ourBytes>>10, kernelBytes>>10), nil)
}

func (d *diagnosis) groupMemory() Check {
	g, err := d.root.tightest()
	if err != nil {
		return unreadable(nameGroup, err)
	}
	if g.file == "" {
		return Check{Name: nameGroup, Status: OK, Current: "no limit", Needed: size(d.memoryNeeded()),
			Why: "a control group's limit would count what the kernel takes for sockets too"}
	}
	d.room = min(d.room, g.room())
	const mebi = 1 << 20
	total := (min(g.used, math.MaxInt64/2) + d.memoryNeeded() + mebi - 1) / mebi
	set := []Setting{{"systemd", fmt.Sprintf("%s=%dM", g.systemd(), total)}}
	if d.container {
		set = []Setting{{"docker", fmt.Sprintf("docker run --memory %dm", total)}}
	}
	return d.bound(nameGroup, fmt.Sprintf("%s of %s", size(g.room()), size(g.limit)), size(d.memoryNeeded()), memoryAllows(g.room()),
		fmt.Sprintf("%s of %s, which counts what the kernel takes for sockets too", g.file, g.path), set)
}
