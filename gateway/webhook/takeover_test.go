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

// TestTakeOverWithAFullDisk: a copy for which there is no room leaves nothing,
// does not keep the process from storing what is its own, and is made once there
// is room.
func TestTakeOverWithAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, url := served(t)
	r.setAnswer(func(delivery) int { return 500 })
	first := start(t, "normal", dir, url)
	first.do("emit 10000")
	first.do("saved")
	second := start(t, "normal", dir, url)
	second.do("full 1000000")
	first.kill()
	second.do("log this will be tried again")
	second.do("occupy own-channel")
	second.do("saved")
	r.setAnswer(nil)
	r.taken()
	second.do("room")
	soon(t, "all is delivered", func() bool { return len(distinct(r.all())) == 10001 })
	second.do("delivered")
	list := r.taken()
	for c := range 10 {
		same(t, "of the first", datas(list, fmt.Sprint("private-", c)), numbers(c, 10000, 10))
	}
	second.do("saved")
	second.kill()
	if s := open(t, Config{Dir: dir}).Stats(); len(s) != 1 || s[0].Backlog != 0 { // but for the mark of own-channel
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
		after(r, time.Second+moment)
		come(second, "back")
		same(t, "before 30 s", after(r, returnAfter-3*moment), nil)
		got := after(r, 3*moment)
		if slices.Index(got, "member_removed presence-gone 7") > slices.Index(got, "channel_vacated presence-gone") {
			t.Errorf("%q: the member comes after its channel", got)
		}
		slices.Sort(got)
		same(t, "after 30 s", got, []string{"channel_vacated leaves", "channel_vacated presence-gone", "channel_vacated unknown", "member_removed presence-gone 7"})
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

// TestTakeOverLater: what is for an app or an address that this process has not,
// or for which it has no room, is left alone, for the process that has.
func TestTakeOverLater(t *testing.T) {
	for name, c := range map[string]struct {
		app       string
		endpoint  Endpoint
		mark      bool // it is a mark that is left, no event
		emitted   int  // by the second, to a receiver that fails
		takenOver bool
	}{
		"its own":            {"app", Endpoint{URL: here}, false, 9, true},
		"another app":        {"other", Endpoint{URL: here}, false, 0, false},
		"another address":    {"app", Endpoint{URL: here + "/old"}, false, 0, false},
		"a mark of an app":   {"other", Endpoint{URL: here, Events: Names}, true, 0, false},
		"a mark of its own":  {"app", Endpoint{URL: here, Events: Names}, true, 0, true},
		"no room":            {"app", Endpoint{URL: here}, false, 10, false},
		"a mark needs none":  {"app", Endpoint{URL: here, Events: Names}, true, 10, true},
		"room for one event": {"app", Endpoint{URL: here}, false, 9, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{t: t}
				cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}, MaxBacklog: 10}
				first, second := open(t, cfg), open(t, cfg)
				first.Set(c.app, signer("s"), []Endpoint{c.endpoint})
				second.Set("app", signer("s"), []Endpoint{{URL: here}})
				if c.mark {
					first.Emit(c.app, Event{Name: ChannelOccupied, Channel: "room"})
					same(t, "the arrival", after(r, moment), []string{"channel_occupied room"})
				}
				r.setAnswer(func(delivery) int { return 500 })
				if !c.mark {
					first.Emit(c.app, said("private-a", "first"))
				}
				for i := range c.emitted {
					second.Emit("app", said("private-b", fmt.Sprint(i)))
				}
				after(r, moment)
				closed(t, first)
				after(r, lookEvery+moment)
				_, err := os.Stat(filePath(cfg.Dir, 0))
				if taken := os.IsNotExist(err); taken != c.takenOver {
					t.Errorf("taken over: %v, want %v", taken, c.takenOver)
				}
				check(t, second)
				closed(t, second)
				r.setAnswer(nil)
				r.taken()
				// Wherever it is, the next process with that endpoint tells it.
				next := open(t, cfg)
				next.Set(c.app, signer("s"), []Endpoint{c.endpoint})
				got := short(r.taken())
				got = append(got, after(r, returnAfter+moment)...)
				want := "client_event private-a"
				if c.mark {
					want = "channel_vacated room"
				}
				if !slices.Contains(got, want) {
					t.Errorf("%q lack %q", got, want)
				}
				closed(t, next)
			})
		})
	}
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
