// Command stentor is a push gateway: backends publish by HTTP, browsers and
// apps listen by WebSocket. Run "stentor help" for its commands.
package main

import (
	"errors"
	"fmt"
	"os"
)

// Exit codes.
const (
	exitFailure = 1 // at run time
	exitUsage   = 2 // command line or configuration
)

func main() {
	err := newRoot().Execute()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "stentor:", err)
	var usage *usageError
	if errors.As(err, &usage) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailure)
}

// usageError is a fault of the command line or the configuration.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }
