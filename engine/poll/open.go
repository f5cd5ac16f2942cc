package poll

import (
	_ "unsafe" // for go:linkname

	"github.com/cloudwego/netpoll"
)

// openPoll is netpoll's own constructor of a Poll, which netpoll v0.7.2 does
// not export: its manager calls it and keeps the result. linkname reaches it;
// the toolchain restricts linkname for the standard library only. The empty
// assembly file beside this one lets the compiler accept the missing body.
//
// If an upgrade of netpoll renames or retypes openPoll, the link fails or
// TestOpenPollIsNetpolls does: look here first.
//
//go:linkname openPoll github.com/cloudwego/netpoll.openPoll
func openPoll() (netpoll.Poll, error)
