package host

import (
	"fmt"
	"strings"
	"testing"
)

// Each check fails on one host, and passes on another that differs in one thing.
func TestChecks(t *testing.T) {
	const (
		cgroup  = "proc/self/cgroup"
		service = "sys/fs/cgroup/system.slice/stentor.service/"
		tracked = "proc/sys/net/netfilter/nf_conntrack_max"
		count   = "proc/sys/net/netfilter/nf_conntrack_count"
		net     = "proc/sys/net/ipv4/"
	)
	container := one(".dockerenv", "")
	version1 := files{
		cgroup:          "12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc",
		"sys/fs/cgroup": "-",
		"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
	}
	for _, c := range []struct {
		title   string
		n       int
		changes []files
		name    string
		status  Status
		holds   int64  // connections that the check allows; -1: sets no bound
		want    string // all of these words of what it says, separated by |
	}{
		{"defaults", 100_000, nil, "descriptors", Short, 4010,
			"4096 (soft 1024)|needed 100086|25 processes would have to share the port (reuse_port)|shell: ulimit -n 100086|systemd: LimitNOFILE=100086"},
		{"defaults, few connections", 4010, nil, "descriptors", OK, 4010, "needed 4096"},
		{"one too many", 4011, nil, "descriptors", Short, 4010, "needed 4097"},
		{"an eighth is kept", 100, []files{limits("128", "128")}, "descriptors", Short, 92, "needed 139"},
		{"raised as told", 100_000, []files{limits("1024", "100086")}, "descriptors", OK, 100_000, "100086 (soft 1024)|raises its soft limit"},
		{"raised by Go", 100_000, []files{limits("100085", "100086")}, "descriptors", OK, 100_000, "100086 needed 100086"},
		{"soft one as high", 100_000, []files{limits("100086", "100086")}, "descriptors", OK, 100_001, "100086 needed 100086"},
		{"too few for one", 5, []files{limits("8", "8")}, "descriptors", Short, 0, "needed 30"},
		{"no limit", 100_000, []files{limits("unlimited", "unlimited")}, "descriptors", OK, 1<<63 - 1 - 85, "unlimited"},
		{"container", 100_000, []files{container}, "descriptors", Short, 4010, "docker: docker run --ulimit nofile=100086:100086"},
		{"more cores, more kept", 100_000, []files{one("proc/stat", "cpu 1\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1")}, "descriptors", Short, 3995, "needed 100101"},

		{"default", 1_000_000, nil, "fs.nr_open", OK, 1_048_491, "1048576"},
		{"default", 1_100_000, nil, "fs.nr_open", Short, 1_048_491, "sysctl: sysctl -w fs.nr_open=1100086|sysctl.d: fs.nr_open = 1100086"},

		{"unlimited", 1_000_000, nil, "fs.file-max", OK, 1<<63 - 1 - 1184 - 20, "unlimited|1184 at this moment"},
		{"larger than any number", 1_000_000, []files{one("proc/sys/fs/file-max", "18446744073709551615")}, "fs.file-max", OK, 1<<63 - 1 - 1184 - 20, "unlimited"},
		{"others have most", 5000, []files{one("proc/sys/fs/file-max", "10000"), one("proc/sys/fs/file-nr", "9000 0 10000")},
			"fs.file-max", Short, 980, "needed 14020|sysctl -w fs.file-max=14020"},
		{"in a container", 5000, []files{container, one("proc/sys/fs/file-max", "4000")}, "fs.file-max", Short, 2796, "sysctl: sysctl -w fs.file-max=6204"},

		{"small machine", 223_160, nil, "fs.epoll.max_user_watches", OK, 223_160, "223180"},
		{"small machine", 223_161, nil, "fs.epoll.max_user_watches", Short, 223_160, "fs.epoll.max_user_watches = 223181"},

		{"enough", 114_005, nil, "memory", OK, 114_005, "700 MiB available"},
		{"too little", 114_006, nil, "memory", Short, 114_005, "needed 700 MiB|6 KiB a connection"},
		{"next to none", 10, []files{one("proc/meminfo", "MemAvailable: 1000 kB")}, "memory", Short, 0, "1000 KiB available|needed 32 MiB"},

		{"no limit", 100_000, nil, "control group memory", OK, -1, "no limit"},
		{"version 2, own limit", 100_000, []files{one(service+"memory.max", "536870912")}, "control group memory", Short, 81_749,
			"511 MiB of 512 MiB|memory.max of /system.slice/stentor.service|systemd: MemoryMax=619M"},
		{"version 2, enough", 80_000, []files{one(service+"memory.max", "536870912")}, "control group memory", OK, 81_749, "511 MiB"},
		{"version 2, throttled before", 100_000, []files{one(service+"memory.max", "1073741824"), one(service+"memory.high", "268435456")},
			"control group memory", Short, 38_058, "255 MiB of 256 MiB|memory.high|systemd: MemoryHigh=619M"},
		{"version 2, limit of the group around", 100_000, []files{one("sys/fs/cgroup/system.slice/memory.max", "201326592")},
			"control group memory", Short, 11_946, "102 MiB of 192 MiB|memory.max of /system.slice,|systemd: MemoryMax=708M"},
		{"version 2, unused pages of files", 100_000, []files{one("sys/fs/cgroup/system.slice/memory.max", "201326592"),
			one("sys/fs/cgroup/system.slice/memory.stat", "anon 1\ninactive_file 73400320\nactive_file 7")},
			"control group memory", Short, 23_893, "172 MiB of 192 MiB"},
		{"version 2, in a container", 100_000, []files{container, one(cgroup, "0::/"), one("sys/fs/cgroup/memory.max", "536870912"), one("sys/fs/cgroup/memory.current", "0")},
			"control group memory", Short, 81_920, "512 MiB of 512 MiB|memory.max of /,|docker: docker run --memory 618m"},
		{"version 2, above what is mounted", 10, []files{one(cgroup, "0::/../../x")}, "control group memory", OK, -1, "no limit"},
		{"version 1, no limit", 100_000, []files{version1}, "control group memory", OK, -1, "no limit"},
		{"version 1, limit in sight", 100_000, []files{version1, one("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "134217728"),
			one("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "67108864")},
			"control group memory", Short, 5461, "64 MiB of 128 MiB|memory.limit_in_bytes of /docker/abc,|docker: docker run --memory 682m"},
		{"version 1, seen from within", 100_000, []files{version1, one("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824"),
			one("sys/fs/cgroup/memory/memory.usage_in_bytes", "67108864"), one("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 67108864")},
			"control group memory", OK, 169_301, "1.0 GiB of 1.0 GiB|memory.limit_in_bytes of /,"},

		{"not loaded", 1_000_000, nil, "net.netfilter.nf_conntrack_max", OK, -1, "not loaded"},
		{"tracks", 50_000, []files{one(tracked, "65536"), one(count, "812")}, "net.netfilter.nf_conntrack_max", OK, 64_724, "812 now"},
		{"tracks too few", 64_725, []files{one(tracked, "65536"), one(count, "812")}, "net.netfilter.nf_conntrack_max", Short, 64_724,
			"sysctl -w net.netfilter.nf_conntrack_max=65537|notrack"},
		{"loaded, without rules", 100_000, []files{one(tracked, "65536"), one(count, "0")}, "net.netfilter.nf_conntrack_max", Warning, -1, "tracks nothing now|nf_conntrack_max = 100000"},
		{"loaded, without rules, large", 60_000, []files{one(tracked, "65536"), one(count, "0")}, "net.netfilter.nf_conntrack_max", OK, -1, "tracks nothing now"},

		{"old default", 100_000, nil, "net.core.somaxconn", Warning, -1, "128|needed 4096|sysctl: sysctl -w net.core.somaxconn=4096|sysctl.d: net.core.somaxconn = 4096"},
		{"fewer connections than that", 128, nil, "net.core.somaxconn", OK, -1, "needed 128"},
		{"default", 1_000_000, []files{one("proc/sys/net/core/somaxconn", "4096")}, "net.core.somaxconn", OK, -1, "needed 4096"},
		{"in a container", 100_000, []files{container}, "net.core.somaxconn", Warning, -1, "docker: docker run --sysctl net.core.somaxconn=4096"},

		{"with cookies", 100_000, nil, "net.ipv4.tcp_max_syn_backlog", OK, -1, "tcp_syncookies is on"},
		{"without cookies", 100_000, []files{one(net+"tcp_syncookies", "0")}, "net.ipv4.tcp_max_syn_backlog", Warning, -1,
			"sysctl -w net.ipv4.tcp_max_syn_backlog=4096|sysctl -w net.ipv4.tcp_syncookies=1"},
		{"a kernel without cookies", 100_000, []files{one(net+"tcp_syncookies", "-")}, "net.ipv4.tcp_max_syn_backlog", Warning, -1, "needed 4096"},
		{"without cookies, large", 100_000, []files{one(net+"tcp_syncookies", "0"), one(net+"tcp_max_syn_backlog", "4096")}, "net.ipv4.tcp_max_syn_backlog", OK, -1, "needed 4096"},

		{"small machine", 21_780, nil, "net.ipv4.tcp_mem", OK, -1, "21780 pages"},
		{"small machine", 100_000, nil, "net.ipv4.tcp_mem", Warning, -1, `sysctl -w net.ipv4.tcp_mem="50000 66667 100000"|net.ipv4.tcp_mem = 50000 66667 100000|idle sockets have none`},
		{"hidden in a container", 100, []files{container, one(net+"tcp_mem", "-")}, "net.ipv4.tcp_mem", Warning, -1, "look on the host"},

		{"default", 100_000, nil, "net.ipv4.tcp_rmem", OK, -1, "4096 131072 6291456"},
		{"large minimum", 100_000, []files{one(net+"tcp_rmem", "65536 131072 6291456")}, "net.ipv4.tcp_rmem", Warning, -1, `net.ipv4.tcp_rmem="4096 131072 6291456"`},
		{"large minimum, few connections", 1000, []files{one(net+"tcp_rmem", "65536 131072 6291456")}, "net.ipv4.tcp_rmem", OK, -1, ""},
		{"large minimum, limited group", 1000, []files{one(net+"tcp_rmem", "65536 131072 6291456"), one(service+"memory.max", "50000000")}, "net.ipv4.tcp_rmem", Warning, -1, ""},
		{"large minimum, much memory, little of it for TCP", 2000, []files{one(net+"tcp_rmem", "65536 131072 6291456"), one("proc/meminfo", "MemAvailable: 62914560 kB")},
			"net.ipv4.tcp_rmem", Warning, -1, ""},
		{"large minimum, much of little memory for TCP", 2000, []files{one(net+"tcp_rmem", "65536 131072 6291456"), one(net+"tcp_mem", "1 2 99999999"), one("proc/meminfo", "MemAvailable: 131071 kB")},
			"net.ipv4.tcp_rmem", OK, -1, ""},
		{"large minimum, all of less memory for TCP", 2000, []files{one(net+"tcp_rmem", "65536 131072 6291456"), one(net+"tcp_mem", "1 2 99999999"), one("proc/meminfo", "MemAvailable: 99999 kB")},
			"net.ipv4.tcp_rmem", Warning, -1, ""},
		{"default", 100_000, nil, "net.ipv4.tcp_wmem", OK, -1, "4096 16384 4194304"},
		{"large minimum", 100_000, []files{one(net+"tcp_wmem", "1048576 1048576 4194304")}, "net.ipv4.tcp_wmem", Warning, -1, `net.ipv4.tcp_wmem = 4096 1048576 4194304`},

		{"default", 28_232, nil, "net.ipv4.ip_local_port_range", OK, -1, "32768 to 60999, 28232 ports|only for a proxy or a load generator on this host"},
		{"default", 100_000, nil, "net.ipv4.ip_local_port_range", Warning, -1, `4 source addresses|sysctl -w net.ipv4.ip_local_port_range="10240 65535"`},
	} {
		t.Run(fmt.Sprintf("%s/%s/%d", c.name, c.title, c.n), func(t *testing.T) {
			got := check(t, diagnose(t, made(t, c.changes...), c.n), c.name)
			holds := int64(-1)
			if got.Allows != nil {
				holds = *got.Allows
			}
			if got.Status != c.status || holds != c.holds {
				t.Errorf("%s, allows %d; want %s, %d", got.Status, holds, c.status, c.holds)
			}
			says := fmt.Sprintf("%s needed %s, %s;", got.Current, got.Needed, got.Why)
			for _, s := range got.Set {
				says += fmt.Sprintf(" %s: %s;", s.How, s.Line)
			}
			for _, want := range strings.Split(c.want, "|") {
				if !strings.Contains(says, want) {
					t.Errorf("it says %q, want %q in it", says, want)
				}
			}
			if (got.Status == OK) != (len(got.Set) == 0) && c.name != nameMemory && got.Current != "not readable" {
				t.Errorf("%s, and to set: %v", got.Status, got.Set)
			}
		})
	}
}

// Programs get both limits as numbers, and none where there is no limit.
func TestLimitsAsNumbers(t *testing.T) {
	for _, c := range []struct{ soft, hard, want string }{
		{"1024", "524288", "1024 524288"}, {"100085", "100086", "100085 100086"}, {"20000", "unlimited", "20000 -"}, {"unlimited", "unlimited", "- -"},
	} {
		got := check(t, diagnose(t, made(t, limits(c.soft, c.hard)), 1000), "descriptors")
		number := func(n *int64) string {
			if n == nil {
				return "-"
			}
			return fmt.Sprint(*n)
		}
		if s := number(got.Soft) + " " + number(got.Hard); s != c.want {
			t.Errorf("%s, %s: %s", c.soft, c.hard, s)
		}
	}
}
