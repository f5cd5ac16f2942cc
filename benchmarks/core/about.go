package main

import (
	"debug/buildinfo"
	"os/exec"
	"strings"
	"time"

	"stentor/benchmarks/internal/proc"
	"stentor/benchmarks/internal/report"
	"stentor/benchmarks/internal/rig"
	"stentor/loadtest/host"
)

// file puts the run together.
func (b *bench) file(command string) (*report.File, error) {
	info, err := buildinfo.ReadFile(b.Binary)
	if err != nil {
		return nil, err
	}
	modules := map[string]string{}
	for _, d := range info.Deps {
		switch d.Path {
		case "github.com/cloudwego/netpoll", "github.com/gobwas/ws", "github.com/panjf2000/ants/v2":
			modules[d.Path] = d.Version
		}
	}
	return &report.File{
		Benchmark: "core",
		Date:      b.started.UTC().Format(time.RFC3339),
		Commit:    commit(),
		Command:   command,
		Server:    rig.StentorArgs,
		Machine:   host.ThisMachine(),
		Load:      [2]float64{b.load, proc.Load()},
		Go:        info.GoVersion,
		Modules:   modules,
		Plan:      b.plan,
		Seconds:   time.Since(b.started).Seconds(),
		Figures:   b.figures,
		Pairs:     b.pairs,
		Memory:    b.memory,
		Allocs:    b.allocs,
	}, nil
}

// commit describes the commit of the folder that this runs in, "unknown" if
// there is none.
func commit() string {
	cmd := exec.Command("git", "describe", "--always", "--dirty", "--tags")
	cmd.Env = append(cmd.Environ(), "GIT_OPTIONAL_LOCKS=0")
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
