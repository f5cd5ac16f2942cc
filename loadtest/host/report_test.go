package host

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the golden files in testdata should be")

// vps is a small rented machine as its system sets it up.
const vps = "testdata/vps"

// files changes a made-up host: contents by path; "-" takes a file away.
type files map[string]string

// made copies the small machine and changes it.
func made(t *testing.T, changes ...files) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(vps)); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		for name, text := range change {
			if text == "-" {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, text := range change {
			if text == "-" {
				continue
			}
			name = filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func diagnose(t *testing.T, dir string, n int) Report {
	t.Helper()
	r, err := Diagnose(dir, n)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// check returns the check of this name.
func check(t *testing.T, r Report, name string) Check {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("there is no check %q", name)
	}
	return r.Checks[i]
}

func limits(soft, hard string) files {
	return files{"proc/self/limits": fmt.Sprintf("Limit  Soft Limit  Hard Limit  Units\nMax open files            %s                 %s                files     ", soft, hard)}
}

func one(name, text string) files { return files{name: text} }

// big is what a host looks like that somebody has set up for a million.
var big = files{
	"proc/meminfo":                       "MemTotal: 65970720 kB\nMemAvailable: 62914560 kB",
	"proc/sys/fs/nr_open":                "4194304",
	"proc/sys/fs/epoll/max_user_watches": "14731345",
	"proc/sys/net/core/somaxconn":        "65535",
	"proc/sys/net/ipv4/tcp_mem":          "770310 1027081 1540620",
	"proc/self/limits":                   "Max open files            2097152              2097152              files     ",
}

// A host that is set as each check says has nothing left to say.
func TestWholeHosts(t *testing.T) {
	for _, c := range []struct {
		title           string
		n               int
		changes         []files
		short, warnings int
		holds           int64
		by              string
	}{
		{"small", 100_000, nil, 1, 3, 4010, "descriptors"},
		{"small, few", 100, nil, 0, 0, 4010, "descriptors"},
		{"big", 1_000_000, []files{big}, 0, 1, 2_097_067, "descriptors"}, // the ports
		{"big, too many", 20_000_000, []files{big}, 4, 2, 2_097_067, "descriptors"},
		{"big, with a firewall", 1_000_000, []files{big, one("proc/sys/net/netfilter/nf_conntrack_max", "262144"), one("proc/sys/net/netfilter/nf_conntrack_count", "9")},
			1, 1, 262_135, "net.netfilter.nf_conntrack_max"},
		{"big, in a small container", 100_000, []files{big, one("proc/self/cgroup", "0::/"), one("sys/fs/cgroup/cgroup.type", "domain"),
			one("sys/fs/cgroup/memory.max", "536870912"), one("sys/fs/cgroup/memory.current", "0")}, 1, 1, 81_920, "control group memory"},
	} {
		t.Run(c.title, func(t *testing.T) {
			r := diagnose(t, made(t, c.changes...), c.n)
			if r.Short != c.short || r.Warnings != c.warnings || r.Holds.Connections == nil ||
				*r.Holds.Connections != c.holds || r.Holds.BoundBy != c.by || r.Holds.ByMemory == nil || *r.Holds.ByMemory < c.holds {
				t.Errorf("%s\n%+v", r.Summary(), r)
			}
		})
	}
}

// Whatever file is missing, unreadable or garbage, it is a warning that names
// the file, and the other checks go on.
func TestBrokenHosts(t *testing.T) {
	const conntrack = "proc/sys/net/netfilter/nf_conntrack_"
	full := made(t, one(conntrack+"max", "65536"), one(conntrack+"count", "1"), one("sys/fs/cgroup/system.slice/stentor.service/memory.max", "1073741824"))
	for _, name := range []string{
		"proc/self/limits", "proc/self/cgroup", "proc/meminfo", "proc/sys/fs/nr_open", "proc/sys/fs/file-max", "proc/sys/fs/file-nr",
		"proc/sys/fs/epoll/max_user_watches", "proc/sys/net/core/somaxconn", "proc/sys/net/ipv4/tcp_max_syn_backlog",
		"proc/sys/net/ipv4/tcp_syncookies", "proc/sys/net/ipv4/tcp_mem", "proc/sys/net/ipv4/tcp_rmem", "proc/sys/net/ipv4/tcp_wmem",
		"proc/sys/net/ipv4/ip_local_port_range", conntrack + "max", conntrack + "count",
		"sys/fs/cgroup/system.slice/stentor.service/memory.max", "sys/fs/cgroup/system.slice/stentor.service/memory.current",
	} {
		for how, breakIt := range map[string]func(string) error{
			"missing": os.Remove,
			"folder": func(path string) error {
				if err := os.Remove(path); err != nil {
					return err
				}
				return os.Mkdir(path, 0o755)
			},
			"empty":    func(path string) error { return os.WriteFile(path, nil, 0o644) },
			"garbage":  func(path string) error { return os.WriteFile(path, []byte("\x1b[31mMax open files x y\x00"), 0o644) },
			"negative": func(path string) error { return os.WriteFile(path, []byte("-1 -1 -1"), 0o644) },
			"endless":  func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("9"), 1<<20), 0o644) },
		} {
			// These may be missing: no such feature, or no such limit.
			if how == "missing" && slices.Contains([]string{"proc/sys/net/ipv4/tcp_syncookies", conntrack + "max",
				"sys/fs/cgroup/system.slice/stentor.service/memory.max"}, name) {
				continue
			}
			t.Run(how+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(full)); err != nil {
					t.Fatal(err)
				}
				before := diagnose(t, dir, 100)
				if err := breakIt(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
				r := diagnose(t, dir, 100)
				if before.Warnings != 0 || r.Warnings != 1 || r.Short != 0 || len(r.Checks) != len(before.Checks) {
					t.Fatalf("before %+v, then %+v", before, r)
				}
				i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Status == Warning })
				if c := r.Checks[i]; c.Current != "not readable" || !strings.Contains(c.Why, filepath.Join(dir, name)) || len(c.Why) > len(dir)+300 ||
					strings.ContainsAny(c.Why, "\x1b\x00") {
					t.Errorf("it says %+v", c)
				}
			})
		}
	}
	t.Run("nothing there", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "proc"), 0o755); err != nil {
			t.Fatal(err)
		}
		r := diagnose(t, dir, 100)
		if r.Short != 0 || r.Warnings != len(r.Checks)-1 || r.Holds.Connections != nil { // no firewall
			t.Errorf("%s\n%+v", r.Summary(), r)
		}
		if s := r.Summary(); s != "100 connections: fine in 1 of 13 checks, 12 warnings." {
			t.Errorf("it says %q", s)
		}
	})
}

func TestArguments(t *testing.T) {
	for _, n := range []int{-1, 0, MaxConnections + 1} {
		if _, err := Diagnose(vps, n); err == nil {
			t.Errorf("%d connections accepted", n)
		}
	}
	if r, err := Diagnose(vps, MaxConnections); err != nil || r.Short == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, dir := range []string{filepath.Join(vps, "nowhere"), filepath.Join(vps, "proc")} {
		if _, err := Diagnose(dir, 1); err == nil {
			t.Errorf("%s accepted", dir)
		}
	}
}

// The two formulas of descriptors fit each other.
func TestDescriptors(t *testing.T) {
	for _, cores := range []int64{1, 2, 8, 128} {
		for n := int64(1); n < 5000; n++ {
			limit := descriptorsFor(n, cores)
			if a := descriptorsAllow(limit, cores); a < n || a > n+2 {
				t.Fatalf("%d cores: %d descriptors for %d connections allow %d", cores, limit, n, a)
			}
		}
	}
}

func TestContainers(t *testing.T) {
	for want, changes := range map[bool][]files{
		false: {nil, one("proc/self/cgroup", "0::/user.slice"), one("proc/self/cgroup", "-")},
		true: {one(".dockerenv", ""), one("run/.containerenv", ""), one("run/systemd/container", "lxc"), one("sys/fs/cgroup/cgroup.type", "domain"),
			one("proc/self/cgroup", "4:memory:/docker/1"), one("proc/self/cgroup", "0::/kubepods.slice/x"), one("proc/self/cgroup", "0::/machine/libpod-1/x")},
	} {
		for _, change := range changes {
			if got := diagnose(t, made(t, change), 1).Container; got != want {
				t.Errorf("%v: container is %v", change, got)
			}
		}
	}
}

// The forms that people and programs read, as they are for the small machine.
func TestForms(t *testing.T) {
	r := diagnose(t, vps, 100_000)
	var text, data bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	e := json.NewEncoder(&data)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"testdata/vps.txt": text.Bytes(), "testdata/vps.json": data.Bytes()} {
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is different now (go test -update, if that is right):\n%s", file, got)
		}
	}
}

// What holds on each Linux: the files are there, and one connection fits.
func TestThisHost(t *testing.T) {
	needLinux(t)
	r := diagnose(t, "", 1)
	if r.Short != 0 || r.Holds.Connections == nil || *r.Holds.Connections < 1 {
		t.Errorf("%s\n%+v", r.Summary(), r)
	}
	for _, name := range []string{"descriptors", "fs.nr_open", "fs.file-max", "memory"} {
		if c := check(t, r, name); c.Status != OK {
			t.Errorf("%+v", c)
		}
	}
	if r := diagnose(t, "", MaxConnections); check(t, r, "memory").Status != Short {
		t.Errorf("a billion connections: %+v", r)
	}
}
