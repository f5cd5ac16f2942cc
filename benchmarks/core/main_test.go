package main

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"stentor/benchmarks/internal/rig"
)

// TestMain lets the test binary play the roles that the benchmark starts itself
// for.
func TestMain(m *testing.M) {
	runtime.LockOSThread()
	if played, err := rig.PlayRole(os.Args[1:]); played {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	runtime.UnlockOSThread()
	os.Exit(m.Run())
}
