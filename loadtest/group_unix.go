//go:build unix

package loadtest

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps a terminal's signals from a child.
func ownGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
