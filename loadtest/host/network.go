package host

import (
	"errors"
	"fmt"
	"io/fs"
)

// queue is how long a queue of new connections should be: what Linux has taken
// for somaxconn since 5.4. Fewer connections than that cannot overflow it.
const queue = 4096

// page is the unit of tcp_mem on almost all machines, and the smallest buffer.
const page = 4096

func (d *diagnosis) somaxconn() Check {
	const name = "net.core.somaxconn"
	have, err := d.root.number("/proc/sys/net/core/somaxconn")
	if err != nil {
		return unreadable(name, err)
	}
	need := min(d.n, queue)
	return advice(name, amount(have), fmt.Sprint(need), have >= need,
		"stentor asks listen() for this much, a queue for each core; clients that come at once and find it full try again a second later",
		d.sysctl(name, fmt.Sprint(need), true))
}

// synBacklog matters only without SYN cookies: the kernel then drops new clients
// when three quarters of it are taken. With them, somaxconn is the limit, and a
// full queue goes over to cookies.
func (d *diagnosis) synBacklog() Check {
	const name, cookies = "net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_syncookies"
	have, err := d.root.number("/proc/sys/net/ipv4/tcp_max_syn_backlog")
	if err != nil {
		return unreadable(name, err)
	}
	on, err := d.root.number("/proc/sys/net/ipv4/tcp_syncookies")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel may be built without them
		return unreadable(name, err)
	}
	if on > 0 {
		return advice(name, amount(have), "", true, "it matters without SYN cookies only, and "+cookies+" is on", nil)
	}
	need := min(d.n, queue)
	return advice(name, amount(have), fmt.Sprint(need), have >= need,
		"without SYN cookies, clients that come at once are dropped when three quarters of it are taken",
		append(d.sysctl(name, fmt.Sprint(need), true), d.sysctl(cookies, "1", true)...))
}

func (d *diagnosis) tcpMem() Check {
	const name = "net.ipv4.tcp_mem"
	have, err := d.root.numbers("/proc/sys/net/ipv4/tcp_mem", 3)
	if d.container && errors.Is(err, fs.ErrNotExist) {
		return Check{Name: name, Status: Warning, Current: "not readable", Why: "the kernel does not show it in a container: look on the host"}
	} else if err != nil {
		return unreadable(name, err)
	}
	if have[2] <= maxBytes/page {
		d.room = min(d.room, have[2]*page)
	}
	need := fmt.Sprintf("%d %d %d", (d.n+1)/2, (2*d.n+2)/3, d.n)
	return advice(name, fmt.Sprintf("%s pages", amount(have[2])), fmt.Sprintf("%d pages", d.n), have[2] >= d.n,
		"idle sockets have none of it, but if more clients than this are slow to take a message, TCP stalls and drops",
		d.sysctl(name, need, false))
}

func (d *diagnosis) receiveBuffers() Check {
	return d.buffers("net.ipv4.tcp_rmem", "/proc/sys/net/ipv4/tcp_rmem")
}

func (d *diagnosis) sendBuffers() Check {
	return d.buffers("net.ipv4.tcp_wmem", "/proc/sys/net/ipv4/tcp_wmem")
}

// buffers checks the minimum that the kernel grants each socket when TCP is short
// of memory: a large one, for all together, leaves it nothing to save. Idle
// sockets do not take it, and what one takes that waits is up to the other two.
func (d *diagnosis) buffers(name, file string) Check {
	have, err := d.root.numbers(file, 3)
	if err != nil {
		return unreadable(name, err)
	}
	return advice(name, fmt.Sprintf("%s %s %s", amount(have[0]), amount(have[1]), amount(have[2])), fmt.Sprintf("%d, any, any", page),
		have[0] <= page || have[0] <= d.room/d.n,
		"bytes that can wait at a socket: granted even if memory is short, at first, at most; idle sockets take none",
		d.sysctl(name, fmt.Sprintf("%d %d %d", page, have[1], have[2]), true))
}

func (d *diagnosis) conntrack() Check {
	const name = "net.netfilter.nf_conntrack_max"
	limit, err := d.root.number("/proc/sys/net/netfilter/nf_conntrack_max")
	if errors.Is(err, fs.ErrNotExist) {
		return Check{Name: name, Status: OK, Current: "not loaded", Why: "no firewall here keeps track of connections"}
	} else if err != nil {
		return unreadable(name, err)
	}
	used, err := d.root.number("/proc/sys/net/netfilter/nf_conntrack_count")
	if err != nil {
		return unreadable(name, err)
	}
	used = min(used, 1<<62)
	need := fmt.Sprint(used + d.n)
	set := d.sysctl(name, need, false)
	if used == 0 { // the rules that would track are missing, or not one connection is there
		return advice(name, amount(limit), need, limit >= d.n,
			"tracks nothing now; if a rule of the firewall begins to, new connections are dropped when the table is full", set)
	}
	return d.bound(name, amount(limit), need, max(limit-used, 0),
		fmt.Sprintf("the firewall tracks each connection, %d now, and drops new ones when the table is full; a notrack rule exempts a port", used), set)
}

func (d *diagnosis) ports() Check {
	const name = "net.ipv4.ip_local_port_range"
	low, high, err := d.root.portRange()
	if err != nil {
		return unreadable(name, err)
	}
	count := high - low + 1
	why := "only for a proxy or a load generator on this host: its connections to one address"
	if count < d.n {
		why += fmt.Sprintf("; let it use %d source addresses (127.0.0.1 and on), or a unix socket", (d.n+count-1)/count)
	}
	var set []Setting
	const lowest, highest = 10240, 65535 // clear of what servers listen on
	if count < highest-lowest+1 {
		set = d.sysctl(name, fmt.Sprintf("%d %d", lowest, highest), true)
	}
	return advice(name, fmt.Sprintf("%d to %d, %d ports", low, high, count), fmt.Sprintf("%d ports", d.n), count >= d.n, why, set)
}

// Ports returns how many ports the system gives to outgoing connections from one
// address to another.
func Ports() (int, error) { return real.portCount() }

func (r root) portCount() (int, error) {
	low, high, err := r.portRange()
	if err != nil {
		return 0, err
	}
	return int(high - low + 1), nil
}

const portFile = "/proc/sys/net/ipv4/ip_local_port_range"

func (r root) portRange() (low, high int64, err error) {
	have, err := r.numbers(portFile, 2)
	if err != nil {
		return 0, 0, err
	}
	low, high = have[0], have[1]
	if low < 1 || low > high || high > 65535 {
		return 0, 0, fmt.Errorf("%s: %d to %d is not a range of ports", r.path(portFile), low, high)
	}
	return low, high, nil
}
