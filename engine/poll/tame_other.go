//go:build !linux

package poll

import "github.com/cloudwego/netpoll"

// tame does nothing: netpoll's kqueue poller has a table of fixed size.
func tame(netpoll.Poll) {}
