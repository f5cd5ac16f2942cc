package rig

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// Play plays a role if the arguments of the process ask for one, and ends the
// process then. The main function of a benchmark, or of its tests, calls it first.
func Play() {
	runtime.LockOSThread() // roles are for one thread
	played, err := PlayRole(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if played {
		os.Exit(0)
	}
	runtime.UnlockOSThread()
}

// Main is the main function of a benchmark by this name: it plays a role, or runs
// with a context that ends with a signal, and exits with the code that run
// returns, or with 1 after a signal.
func Main(name string, run func(ctx context.Context, args []string) (code int, err error)) {
	Play()
	runtime.LockOSThread() // see child.Group
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	code, err := run(ctx, os.Args[1:])
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, name+": interrupted")
		code = 1
	case err != nil:
		fmt.Fprintln(os.Stderr, name+":", err)
	}
	stop()
	os.Exit(code)
}
