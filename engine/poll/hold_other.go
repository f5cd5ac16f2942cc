//go:build !linux

package poll

import "github.com/cloudwego/netpoll"

// holder does nothing: kqueue's waits are netpoll's own.
type holder struct{ wanted bool }

func (*holder) open(netpoll.Poll) {}
