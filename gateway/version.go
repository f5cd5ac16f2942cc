package gateway

import (
	"runtime/debug"
	"sync"
)

// release is the version of this source. A build from a tagged module or with
// -ldflags "-X stentor/gateway.release=..." says otherwise.
var release = "0.1.0-dev"

// Version returns the version, with the commit where the build knows it.
var Version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = "+" + s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				changed = ".dirty"
			}
		}
	}
	if commit == "" {
		return release
	}
	return release + commit + changed
})
