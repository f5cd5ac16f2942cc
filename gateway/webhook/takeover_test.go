package webhook

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stentor/test/kit"
)

// TestTakeOverAKilledProcess: what a process leaves that is killed is sent by
// one that runs, in order, without a restart.
func TestTakeOverAKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, url := served(t)
	r.setAnswer(func(delivery) int { return 500 })
	p := start(t, "normal", dir, url)
	p.do("occupy a-channel")
	q := open(t, Config{Dir: dir})
	q.returnAfter = departAfter
	q.Set("app", signer("s"), []Endpoint{{URL: url, Batch: true}})
	p.do("emit 2500")
	p.do("saved")
	p.kill()
	r.setAnswer(nil)
	r.taken()
	soon(t, "all is delivered", func() bool { return q.Stats()[0].Delivered == 2502 }) // with the departure
	list := r.taken()
	for c := range 10 {
		same(t, "of the killed one", datas(list, fmt.Sprint("private-", c)), numbers(c, 2500, 10))
	}
	same(t, "a-channel", short(slices.DeleteFunc(list, func(e told) bool { return e.Channel != "a-channel" })),
		[]string{"channel_occupied a-channel", "channel_vacated a-channel"})
	if _, err := os.Stat(filePath(dir, 0)); !os.IsNotExist(err) {
		t.Errorf("its file is still there: %v", err)
	}
	closed(t, q)
	check(t, q)
	if s := open(t, Config{Dir: dir}).Stats(); len(s) != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestTakeOverWithAFullDisk: what was copied in part is forgotten, and all of it
// sent once there is room.
func TestTakeOverWithAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, url := served(t)
	r.setAnswer(func(delivery) int { return 500 })
	first := start(t, "normal", dir, url)
	first.do("emit 22000")
	first.do("saved")
	second := start(t, "normal", dir, url)
	second.do("full 8388608")
	first.kill()
	second.do("log this will be tried again")
	r.setAnswer(nil)
	r.taken()
	second.do("room")
	soon(t, "all is delivered", func() bool { return len(distinct(r.all())) == 22000 })
	second.do("delivered")
	list := r.taken()
	for c := range 10 {
		same(t, "of the first", datas(list, fmt.Sprint("private-", c)), numbers(c, 22000, 10))
	}
	second.do("saved")
	second.kill()
	if s := open(t, Config{Dir: dir}).Stats(); len(s) != 0 {
		t.Errorf("left: %+v", s)
	}
}

// pair opens two queues on one folder, in fake time. Both have here as their
// endpoint, and the first is to be left behind.
func pair(t *testing.T, f func(first, second *Queue, r *receiver, dir string)) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}}
		first, second := open(t, cfg), open(t, cfg)
		for _, q := range []*Queue{first, second} {
			q.Set("app", signer("s"), []Endpoint{{URL: here, Events: Names}})
		}
		f(first, second, r, cfg.Dir)
		synctest.Wait()
		check(t, second)
		closed(t, second)
		if next := open(t, cfg); len(next.apps) != 0 {
			t.Errorf("%d apps are still in the store", len(next.apps))
		}
	})
}

// TestTakeOverMarks: channels and members of the process that ended are told
// as gone after 30 s, unless this one has them, or gets them.
func TestTakeOverMarks(t *testing.T) {
	pair(t, func(first, second *Queue, r *receiver, _ string) {
		for _, channel := range []string{"presence-gone", "both", "back", "leaves", "unknown"} {
			come(first, channel)
		}
		join(first, "presence-gone", "7")
		come(second, "both")
		come(second, "leaves")
		after(r, lookEvery-time.Second) // one second before the second looks
		closed(t, first)
		leave(second, "leaves")
		leave(second, "unknown") // of which it has told no arrival
		got := after(r, departAfter+moment)
		slices.Sort(got)
		same(t, "what is leaving here", got, []string{"channel_vacated leaves", "channel_vacated unknown"})
		come(second, "back")
		same(t, "before 30 s", after(r, returnAfter-departAfter+time.Second-3*moment), nil)
		same(t, "after 30 s", after(r, 3*moment), []string{"member_removed presence-gone 7", "channel_vacated presence-gone"})
		same(t, "later", after(r, time.Hour), nil)
		leave(second, "both")
		leave(second, "back")
		got = after(r, departAfter+moment)
		slices.Sort(got)
		same(t, "what was kept", got, []string{"channel_vacated back", "channel_vacated both"})
	})
}

// TestTakeOverWhileBusy: what is taken over keeps its order among itself, and so
// does what is emitted meanwhile, in the same channels.
func TestTakeOverWhileBusy(t *testing.T) {
	pair(t, func(first, second *Queue, r *receiver, _ string) {
		r.setAnswer(func(delivery) int { return 500 })
		for i := range 3000 {
			first.Emit("app", said(fmt.Sprint("private-", i%3), fmt.Sprint("first ", i)))
		}
		after(r, moment)
		closed(t, first)
		for i := range 3000 {
			second.Emit("app", said(fmt.Sprint("private-", i%3), fmt.Sprint("second ", i)))
			time.Sleep(lookEvery / 2000)
		}
		r.setAnswer(nil)
		time.Sleep(2 * retryAtMost)
		synctest.Wait()
		list := r.taken()
		for c := range 3 {
			for _, who := range []string{"first ", "second "} {
				var got, want []string
				for _, d := range datas(list, fmt.Sprint("private-", c)) {
					if strings.HasPrefix(d, who) {
						got = append(got, d)
					}
				}
				for _, n := range numbers(c, 3000, 3) {
					want = append(want, who+n)
				}
				same(t, who, got, want)
			}
		}
	})
}

// TestTakeOverForNobody: what waits for an endpoint that is not there any more
// is dropped, what waits for an app that is not set yet waits on.
func TestTakeOverForNobody(t *testing.T) {
	pair(t, func(first, second *Queue, r *receiver, _ string) {
		r.setAnswer(func(delivery) int { return 500 })
		first.Set("app", signer("s"), []Endpoint{{URL: here + "/old", Events: Names}})
		first.Set("late", signer("s"), []Endpoint{{URL: here, Events: Names}})
		first.Emit("app", said("private-a", "dropped"))
		first.Emit("late", said("private-a", "waits"))
		first.Emit("late", Event{Name: ChannelOccupied, Channel: "room"})
		after(r, moment)
		closed(t, first)
		r.setAnswer(nil)
		same(t, "of apps that are not set", after(r, lookEvery+moment), nil)
		second.Set("late", signer("s"), []Endpoint{{URL: here, Events: Names}})
		got := after(r, moment)
		slices.Sort(got)
		same(t, "of one that is set late", got, []string{"channel_occupied room", "client_event private-a"})
		same(t, "30 s later", after(r, returnAfter), []string{"channel_vacated room"})
		if s := second.Stats(); len(s) != 2 || s[0].Backlog != 0 || s[1].Backlog != 0 {
			t.Errorf("%+v, want nothing that waits", s)
		}
	})
}

// TestTakeOverDamage: a file that makes no sense is moved aside, an empty one
// removed, one that is in use left alone.
func TestTakeOverDamage(t *testing.T) {
	var log kit.Buffer
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}, Log: slog.New(slog.NewTextHandler(&log, nil))}
		q, other := open(t, cfg), open(t, cfg)
		for i, content := range []string{"what is this?", "", strings.Repeat("\x00", 70000)} {
			if err := os.WriteFile(filePath(cfg.Dir, 5+i), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(lookEvery + moment)
		synctest.Wait()
		var names []string
		list, err := os.ReadDir(cfg.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			name, _, _ := strings.Cut(f.Name(), "damaged-")
			names = append(names, name)
		}
		same(t, "the folder", names, []string{"webhooks-0.db", "webhooks-1.db", "webhooks-5.db.", "webhooks-7.db.", "webhooks.lock"})
		if n := strings.Count(log.String(), "a file of webhooks is damaged"); n != 2 {
			t.Errorf("%d lines of damage, want 2: %s", n, log.String())
		}
		for _, q := range []*Queue{q, other} {
			q.Set("app", signer("s"), []Endpoint{{URL: here}})
			q.Emit("app", said("private-a", "works"))
			same(t, "a queue", after(r, moment), []string{"client_event private-a"})
			closed(t, q)
		}
	})
}
