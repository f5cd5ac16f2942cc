package main

import (
	"os"
	"runtime"
	"testing"

	"stentor/benchmarks/internal/rig"
)

// TestMain lets the test binary play the roles that the benchmark starts itself
// for.
func TestMain(m *testing.M) {
	rig.Play()
	runtime.UnlockOSThread()
	os.Exit(m.Run())
}
