package webhook

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"stentor/test/kit"
)

// nowhere returns an address where nobody listens.
func nowhere(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// child is the test binary as another process, which a test kills or takes the
// disk from.
func child(role string) {
	dir, url := os.Getenv("WEBHOOK_TEST_DIR"), os.Getenv("WEBHOOK_TEST_URL")
	fail := func(err error) {
		if err != nil {
			fmt.Println("fault:", err)
			os.Exit(1)
		}
	}
	limit := func(bytes uint64) {
		signal.Ignore(syscall.SIGXFSZ)
		fail(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}))
	}
	var log kit.Buffer
	cfg := Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}
	if role == "no disk at all" {
		limit(0)
	}
	q, err := Open(cfg)
	fail(err)
	q.Set("app", signer("s"), []Endpoint{{URL: url}})
	unsaved := func() int { return q.Stats()[0].Unsaved }
	in := bufio.NewScanner(os.Stdin)
	next := 0
	for in.Scan() {
		var n int
		switch command, arg, _ := strings.Cut(in.Text(), " "); command {
		case "emit": // so many, in ten channels
			n, err = strconv.Atoi(arg)
			fail(err)
			for range n {
				q.Emit("app", said(fmt.Sprint("private-", next%10), fmt.Sprint(next)))
				next++
			}
		case "occupy":
			q.Emit("app", Event{Name: ChannelOccupied, Channel: arg})
		case "vacate":
			q.Emit("app", Event{Name: ChannelVacated, Channel: arg})
		case "delivered": // once nothing waits for an answer
			for q.Stats()[0].Backlog > 0 {
				time.Sleep(time.Millisecond)
			}
		case "saved": // once the store is up to date
			for q.unwritten() {
				time.Sleep(time.Millisecond)
			}
		case "full": // no file may be larger than that, by default nothing
			most, _ := strconv.ParseUint(arg, 10, 64)
			limit(most)
		case "room":
			limit(1 << 40)
		case "log":
			for !strings.Contains(log.String(), arg) {
				time.Sleep(time.Millisecond)
			}
		case "close":
			err = q.Close()
			fmt.Println("closed:", err)
			os.Exit(0)
		}
		fmt.Println("done", unsaved())
	}
}

// unwritten reports whether the store holds something else than the queue.
func (q *Queue) unwritten() bool {
	q.mu.Lock()
	behind := len(q.fresh)+len(q.unsaved)+len(q.deletes)+len(q.marks) > 0 || q.rewrite
	events, marks := 0, 0
	for _, a := range q.apps {
		for _, ep := range a.endpoints {
			events += ep.backlog
			for _, d := range ep.marks {
				if d == nil || !d.untold {
					marks++
				}
			}
		}
	}
	q.mu.Unlock()
	_, err := q.store.each(func(stored) error { events--; return nil }, func(string, string, mark) error { marks--; return nil })
	return behind || err != nil || events != 0 || marks != 0
}

// process is a child with its pipes.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

func start(t testing.TB, role, dir, url string) *process {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WEBHOOK_TEST_CHILD="+role, "WEBHOOK_TEST_DIR="+dir, "WEBHOOK_TEST_URL="+url)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t, cmd, in, bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

// do has the child do something and returns what it says.
func (p *process) do(command string) string {
	p.t.Helper()
	fmt.Fprintln(p.in, command)
	if !p.out.Scan() {
		p.t.Fatalf("the child ended at %q", command)
	}
	if strings.HasPrefix(p.out.Text(), "fault") {
		p.t.Fatal(p.out.Text())
	}
	return p.out.Text()
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}

func numbers(from, to, step int) (list []string) {
	for i := from; i < to; i += step {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// TestKilled: a process is killed while its receiver is down; the next process
// delivers all it had written, in order, to a receiver that has come up.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	r := &receiver{t: t}
	addr := nowhere(t)
	p := start(t, "normal", dir, "http://"+addr+"/hook")
	p.do("emit 1000")
	p.do("saved")
	p.kill()

	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: r}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	q := open(t, Config{Dir: dir})
	check(t, q)
	q.Set("app", signer("s"), []Endpoint{{URL: "http://" + addr + "/hook"}})
	soon(t, "all is delivered", func() bool { return q.Stats()[0].Delivered == 1000 })
	list := r.taken()
	for c := range 10 {
		same(t, "after the kill", datas(list, fmt.Sprint("private-", c)), numbers(c, 1000, 10))
	}
	closed(t, q)

	q = open(t, Config{Dir: dir})
	if n := len(q.Stats()); n != 0 {
		t.Errorf("%d endpoints have something left after all was delivered", n)
	}
}

// TestKilledAtAnyPoint kills a process that is in the middle of emitting,
// writing and delivering. Nothing that was written may be missing, nothing may
// overtake what comes before it in its channel.
func TestKilledAtAnyPoint(t *testing.T) {
	dir := t.TempDir()
	r, url := served(t)
	for round := range 5 {
		p := start(t, "normal", dir, url)
		p.do("emit 300")
		p.do("saved")
		fmt.Fprintln(p.in, "emit 3000") // no waiting for its end
		for before := len(r.all()); len(r.all()) < before+20*round; {
			time.Sleep(time.Millisecond)
		}
		p.kill()
		q := open(t, Config{Dir: dir})
		q.Set("app", signer("s"), []Endpoint{{URL: url}})
		soon(t, "what is left is delivered", func() bool { return q.Stats()[0].Backlog == 0 })
		closed(t, q)
		check(t, q)
		list := r.taken()
		for c := range 10 {
			// Without repetitions it must be the beginning of what was emitted.
			seen, last := map[string]bool{}, -1
			for _, d := range datas(list, fmt.Sprint("private-", c)) {
				n, _ := strconv.Atoi(d)
				if !seen[d] && (last >= 0 && n != last+10 || last < 0 && n != c) {
					t.Fatalf("round %d, channel %d: %d comes first after %d", round, c, n, last)
				}
				if !seen[d] {
					last = n
				}
				seen[d] = true
			}
			if len(seen) < 30 {
				t.Errorf("round %d, channel %d: %d events are delivered, 30 were written", round, c, len(seen))
			}
		}
	}
}

// TestKilledWhileOpening: nothing is lost if a process is killed at once, while
// it copies its store or takes another one over.
func TestKilledWhileOpening(t *testing.T) {
	dir := t.TempDir()
	url := "http://" + nowhere(t)
	for i, n := range []int{600, 400} {
		q := open(t, Config{Dir: dir})
		q.Set("app", signer("s"), []Endpoint{{URL: url}})
		for i := range n {
			q.Emit("app", said(fmt.Sprint("private-", n), fmt.Sprint(i)))
		}
		closed(t, q)
		if i == 0 { // the second has a file of its own
			if err := os.Rename(filePath(dir, 0), filePath(dir, 3)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 30 {
		p := start(t, "normal", dir, url)
		time.Sleep(time.Duration(i) * time.Millisecond)
		p.kill()
	}
	q := open(t, Config{Dir: dir})
	if s := q.Stats(); len(s) != 1 || s[0].Backlog < 1000 {
		t.Errorf("%+v, want 1000 events", s)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, n := range []int{600, 400} {
		l := q.apps["app"].endpoints[0].lanes[fmt.Sprint("private-", n)]
		if l == nil || len(l.items) < n {
			t.Errorf("of %d events some are gone", n)
		}
	}
}

// TestMarksSurviveAKill: what is marked is told as gone by the next process,
// unless it is back in time.
func TestMarksSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	r, url := served(t)
	p := start(t, "normal", dir, url)
	for _, c := range []string{"gone", "back", "leaving"} {
		p.do("occupy " + c)
	}
	p.do("delivered")
	p.do("vacate leaving")
	p.do("saved")
	p.kill()

	q := open(t, Config{Dir: dir})
	q.returnAfter = departAfter
	opened := time.Now()
	q.Set("app", signer("s"), []Endpoint{{URL: url}})
	q.Emit("app", Event{Name: ChannelOccupied, Channel: "back"})
	q.Emit("app", Event{Name: ChannelOccupied, Channel: "new"})
	soon(t, "all is told", func() bool { return q.Stats()[0].Backlog == 0 && len(distinct(r.all())) >= 6 })
	if d := time.Since(opened); d < departAfter {
		t.Errorf("channels were vacated after %v", d)
	}
	list := short(r.taken()) // of both processes: where the kill was late, the first told of "leaving"
	slices.Sort(list)
	same(t, "before and after the kill", slices.Compact(list), []string{"channel_occupied back", "channel_occupied gone",
		"channel_occupied leaving", "channel_occupied new", "channel_vacated gone", "channel_vacated leaving"})
}

// TestFullDisk takes the disk from a process for a while. Events stay in memory
// and are written once there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	r, url := served(t)
	r.setAnswer(func(d delivery) int {
		if d.events[0].Channel == "private-9" {
			return 200
		}
		return 500
	})
	p := start(t, "normal", dir, url)
	p.do("emit 100")
	p.do("saved")
	p.do("full")
	p.do("occupy a-channel")
	p.do("emit 10000")
	p.do("log cannot be stored")
	soon(t, "events are delivered from memory", func() bool { return len(datas(r.taken(), "private-9")) > 0 })
	p.do("room")
	p.do("log stored again")
	p.do("saved")
	p.kill()

	r.setAnswer(nil)
	q := open(t, Config{Dir: dir})
	q.returnAfter = departAfter
	q.Set("app", signer("s"), []Endpoint{{URL: url}})
	soon(t, "all is delivered", func() bool { return q.Stats()[0].Backlog == 0 })
	soon(t, "the channel is vacated", func() bool {
		return slices.ContainsFunc(r.all(), func(d delivery) bool { return d.events[0].Name == ChannelVacated })
	})
	list := r.taken()
	for c := range 9 {
		same(t, "after the full disk", datas(list, fmt.Sprint("private-", c)), numbers(c, 10100, 10))
	}
}

// TestNoDisk: without any room the queue opens, and delivers from memory.
func TestNoDisk(t *testing.T) {
	r, url := served(t)
	p := start(t, "no disk at all", t.TempDir(), url)
	p.do("log memory only")
	p.do("emit 100")
	soon(t, "all is delivered", func() bool { return len(r.all()) == 100 })
	r.setAnswer(func(delivery) int { return 500 })
	p.do("emit 1")
	if got := p.do("close"); !strings.Contains(got, "could not all be stored") {
		t.Errorf("Close returns %q with an event that is nowhere", got)
	}
}

// distinct returns the bodies of calls: the same event has the same each time.
func distinct(calls []delivery) map[string]bool {
	set := map[string]bool{}
	for _, d := range calls {
		set[string(d.body)] = true
	}
	return set
}

// TestFullDiskAtStart: what waits in the store is sent all the same, and the
// store used again once there is room.
func TestFullDiskAtStart(t *testing.T) {
	dir := t.TempDir()
	r, url := served(t)
	r.setAnswer(func(delivery) int { return 500 })
	p := start(t, "normal", dir, url)
	p.do("emit 100")
	p.do("saved")
	p.kill()
	r.taken()
	r.setAnswer(nil)
	p = start(t, "no disk at all", dir, url)
	soon(t, "all is delivered", func() bool { return len(r.all()) >= 100 && len(distinct(r.all())) == 100 })
	list := r.taken()
	for c := range 10 { // one may have come from the process that was killed, too
		same(t, "from the full disk", slices.Compact(datas(list, fmt.Sprint("private-", c))), numbers(c, 100, 10))
	}
	p.do("room")
	p.do("saved")
	p.kill()
	q := open(t, Config{Dir: dir})
	if s := q.Stats(); len(s) != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestRestart: what waits at Close is sent by the next queue.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Config{Dir: dir})
	url := "http://" + nowhere(t)
	q.Set("app", signer("s"), []Endpoint{{URL: url}, {URL: url + "/gone"}})
	q.Set("other", signer("s"), []Endpoint{{URL: url}})
	for i := range 500 {
		q.Emit("app", said(fmt.Sprint("private-", i%3), fmt.Sprint(i)))
		q.Emit("other", said("private-0", fmt.Sprint("other ", i)))
	}
	closed(t, q)
	closed(t, q) // once more is the same
	q.Emit("app", said("private-0", "late"))
	q.Set("app", signer("s"), nil)

	q = open(t, Config{Dir: dir})
	r, there := served(t)
	if s := q.Stats(); len(s) != 3 || s[0].Backlog != 500 || s[0].Unsaved != 0 || s[0].Bytes == 0 {
		t.Errorf("what was left: %+v", s)
	}
	q.Set("app", signer("s"), []Endpoint{{URL: url}})
	if s := q.Stats(); len(s) != 2 {
		t.Errorf("an endpoint that is gone is still there: %+v", s)
	}
	closed(t, q)

	rewrite(t, dir, url, there) // so that the queue finds them for an address where somebody listens
	q = open(t, Config{Dir: dir})
	q.Set("app", signer("s"), []Endpoint{{URL: there, Batch: true}})
	soon(t, "all is delivered", func() bool { return q.Stats()[0].Delivered == 500 })
	list := r.taken()
	for c := range 3 {
		same(t, "after the restart", datas(list, fmt.Sprint("private-", c)), numbers(c, 500, 3))
	}
}

// rewrite changes the address of what a closed store holds.
func rewrite(t *testing.T, dir, from, to string) {
	s, err := openFile(filePath(dir, 0), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(eventsBucket)
		var keys, values [][]byte
		b.ForEach(func(k, v []byte) error {
			keys, values = append(keys, slices.Clone(k)), append(values, slices.Clone(v))
			return nil
		})
		for i, k := range keys {
			app, url, id, ok := parseEventKey(k)
			if !ok || string(url) != from {
				continue
			}
			if err := b.Delete(k); err != nil {
				return err
			}
			if err := b.Put(eventKey(queuePrefix(string(app), to), id), values[i]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// filled makes a folder with a store in which 1,000 events wait.
func filled(t *testing.T) (dir, url string) {
	dir = t.TempDir()
	q := open(t, Config{Dir: dir})
	_, url = served(t)
	q.Set("app", signer("s"), []Endpoint{{URL: "http://" + nowhere(t)}})
	for i := range 1000 {
		q.Emit("app", said("private-a", fmt.Sprint(i)))
	}
	closed(t, q)
	return dir, url
}

// works waits until one event has been stored and delivered there.
func works(t *testing.T, q *Queue, url string) {
	t.Helper()
	soon(t, "the queue works", func() bool {
		return slices.ContainsFunc(q.Stats(), func(s Stats) bool {
			return s.App == "app" && s.URL == url && s.Delivered == 1 && s.Unsaved == 0
		})
	})
}

// TestDamage: whatever has become of the file, a queue opens and works.
func TestDamage(t *testing.T) {
	page := os.Getpagesize()
	for name, damage := range map[string]func(b []byte) []byte{
		"nothing like a store": func([]byte) []byte { return []byte("what is this?") },
		"empty":                func([]byte) []byte { return nil },
		"zeroes":               func(b []byte) []byte { return make([]byte, len(b)) },
		"cut in the middle":    func(b []byte) []byte { return b[:len(b)/2] },
		"half a page":          func(b []byte) []byte { return b[:page/2] },
		"one page and a half":  func(b []byte) []byte { return b[:page+page/2] },
		"cut to two pages":     func(b []byte) []byte { return b[:2*page] },
		"no end of a page":     func(b []byte) []byte { return b[:3*page+100] },
		"pages overwritten":    func(b []byte) []byte { return append(b[:2*page:2*page], make([]byte, len(b)-2*page)...) },
		"pages of ones": func(b []byte) []byte {
			for i := 2 * page; i < len(b); i++ {
				b[i] = 0xff
			}
			return b
		},
		"one meta page": func(b []byte) []byte { clear(b[:page]); return b },
		"both of them":  func(b []byte) []byte { clear(b[:2*page]); return b },
		"a bit in each page": func(b []byte) []byte {
			for i := page + 20; i < len(b); i += page {
				b[i] ^= 0x40
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, url := filled(t)
			path := filePath(dir, 0)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			q := open(t, Config{Dir: dir})
			q.Set("app", signer("s"), []Endpoint{{URL: url}})
			q.Emit("app", said("private-b", "after"))
			works(t, q, url)
			closed(t, q)
			open(t, Config{Dir: dir})
		})
	}
}

// TestRandomDamage changes some bytes, anywhere.
func TestRandomDamage(t *testing.T) {
	dir, url := filled(t)
	sound, err := os.ReadFile(filePath(dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 7))
		b := slices.Clone(sound)
		for range 1 + random.IntN(20) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		dir := t.TempDir()
		if err := os.WriteFile(filePath(dir, 0), b, 0o600); err != nil {
			t.Fatal(err)
		}
		q := open(t, Config{Dir: dir})
		q.Set("app", signer("s"), []Endpoint{{URL: url}})
		q.Emit("app", said("private-b", "after"))
		works(t, q, url)
		if err := q.Close(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// TestDamagedFileIsKept for whoever wants to look at it, and said so.
func TestDamagedFileIsKept(t *testing.T) {
	dir, _ := filled(t)
	if err := os.WriteFile(filePath(dir, 0), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log kit.Buffer
	open(t, Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	aside, err := filepath.Glob(filePath(dir, 0) + ".damaged-*")
	if err != nil || len(aside) != 1 {
		t.Fatalf("moved aside: %q, %v", aside, err)
	}
	if b, err := os.ReadFile(aside[0]); err != nil || string(b) != "garbage" {
		t.Errorf("it holds %q, %v", b, err)
	}
	if !strings.Contains(log.String(), aside[0]) {
		t.Errorf("the log does not tell: %s", log.String())
	}
}

// TestWhatIsNoStoreOfOurs is moved aside as well.
func TestWhatIsNoStoreOfOurs(t *testing.T) {
	dir, _ := filled(t)
	s, err := openFile(filePath(dir, 0), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.update(func(tx *bolt.Tx) error { return tx.MoveBucket(eventsBucket, nil, tx.Bucket(marksBucket)) }); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	q := open(t, Config{Dir: dir})
	if n := len(q.Stats()); n != 0 {
		t.Errorf("%d endpoints", n)
	}
}

// TestDamageWhileRunning: the file is cut under a queue that has it open. What
// was in it is lost, the queue and its process go on.
func TestDamageWhileRunning(t *testing.T) {
	dir, _ := filled(t)
	var log kit.Buffer
	q := open(t, Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := os.Truncate(filePath(dir, 0), 0); err != nil {
		t.Fatal(err)
	}
	r, url := served(t)
	q.Set("other", signer("s"), []Endpoint{{URL: url}})
	for i := range 100 {
		q.Emit("other", said("private-a", fmt.Sprint(i)))
	}
	soon(t, "what is new is delivered", func() bool { return len(r.all()) == 100 })
	same(t, "in order", datas(r.taken(), ""), numbers(0, 100, 1))
	soon(t, "the log tells", func() bool { return strings.Contains(log.String(), "their store is damaged") })
	check(t, q)
	if err := q.Close(); err == nil {
		t.Error("Close returns no error though the store is damaged")
	}
	next := open(t, Config{Dir: dir})
	next.Set("app", signer("s"), []Endpoint{{URL: url}})
	next.Emit("app", said("private-a", "next"))
	works(t, next, url)
}

// TestSenselessRecords are left out; the others stay.
func TestSenselessRecords(t *testing.T) {
	dir, _ := filled(t)
	s, err := openFile(filePath(dir, 0), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.update(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{eventsBucket, marksBucket} {
			for _, k := range []string{"x", "\x03app", "\xff\xff\xff\xff\xff\xff"} {
				if err := tx.Bucket(b).Put([]byte(k), []byte(k)); err != nil {
					return err
				}
			}
		}
		return tx.Bucket(eventsBucket).Put(eventKey(queuePrefix("app", "http://x"), 5000), eventValue(1, "a", []byte("{no JSON")))
	}); err != nil {
		t.Fatal(err)
	}
	s.close()
	q := open(t, Config{Dir: dir})
	if s := q.Stats(); len(s) != 1 || s[0].Backlog != 1000 {
		t.Errorf("%+v", s)
	}
	closed(t, q)
	if s, err = openFile(filePath(dir, 0), true); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	nothing := func(string, string, mark) error { return nil }
	if bad, err := s.each(func(stored) error { return nil }, nothing); bad > 0 || err != nil {
		t.Errorf("%d records still make no sense: %v", bad, err)
	}
}

// TestSeveralProcesses share a folder: each has a file, and what one leaves is
// taken over by the next that starts.
func TestSeveralProcesses(t *testing.T) {
	dir := t.TempDir()
	r, url := served(t)
	r.setAnswer(func(delivery) int { return 500 })
	first := open(t, Config{Dir: dir})
	first.Set("app", signer("s"), []Endpoint{{URL: url}})
	second := start(t, "normal", dir, url)
	second.do("occupy a-channel")
	second.do("emit 2500")
	second.do("saved")
	third := open(t, Config{Dir: dir})
	third.Set("app", signer("s"), []Endpoint{{URL: url}})
	for i := range 3 {
		if _, err := os.Stat(filePath(dir, i)); err != nil {
			t.Error(err)
		}
	}
	third.Emit("app", said("private-0", "third"))
	second.kill()
	closed(t, third)
	r.setAnswer(nil)

	next := open(t, Config{Dir: dir}) // has second's file, and third's content
	next.returnAfter = departAfter
	next.Set("app", signer("s"), []Endpoint{{URL: url, Batch: true}})
	soon(t, "all is delivered", func() bool { return next.Stats()[0].Delivered >= 2503 })
	list := r.taken()
	for c := 1; c < 10; c++ {
		same(t, "of the second", datas(list, fmt.Sprint("private-", c)), numbers(c, 2500, 10))
	}
	if zero := datas(list, "private-0"); !slices.Contains(zero, "third") || len(zero) != 251 {
		t.Errorf("private-0: %d events, want 250 of the second and one of the third", len(zero))
	}
	if _, err := os.Stat(filePath(dir, 2)); !os.IsNotExist(err) {
		t.Errorf("the third's file is still there: %v", err)
	}
	closed(t, next)
	closed(t, first)
	last := open(t, Config{Dir: dir})
	if s := last.Stats(); len(s) != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestProcessesStartTogether: each gets a file of its own, and nothing is lost
// when all of them are killed.
func TestProcessesStartTogether(t *testing.T) {
	dir := t.TempDir()
	left := open(t, Config{Dir: dir}) // something to be taken over, too
	url := "http://" + nowhere(t)
	left.Set("app", signer("s"), []Endpoint{{URL: url}})
	left.Emit("app", said("private-0", "left"))
	closed(t, left)
	if err := os.Rename(filePath(dir, 0), filePath(dir, 5)); err != nil {
		t.Fatal(err)
	}
	var all []*process
	for range 4 {
		all = append(all, start(t, "normal", dir, url))
	}
	for _, p := range all {
		p.do("emit 10")
		p.do("saved")
	}
	for _, p := range all {
		p.kill()
	}
	q := open(t, Config{Dir: dir})
	if s := q.Stats(); len(s) != 1 || s[0].Backlog != 41 {
		t.Errorf("%+v, want 41 events", s)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("files: %q, %v; want the lock and one store", files, err)
	}
}

// TestOpenFails if the folder can never be one.
func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if q, err := Open(Config{Dir: file, Log: slog.New(slog.DiscardHandler)}); err == nil {
		q.Close()
		t.Error("a file was opened as a folder")
	} else if !strings.Contains(err.Error(), file) {
		t.Errorf("%v does not name the folder", err)
	}
}
