package webhook

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stentor/test/kit"
)

const here = "http://receiver.test/hook"

// bubble runs a test in fake time, with a receiver that is reached without
// sockets and a queue that has here as its one endpoint.
func bubble(t *testing.T, batch bool, f func(q *Queue, r *receiver)) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		q := open(t, Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}})
		q.Set("app", signer("s"), []Endpoint{{URL: here, Events: Names, Batch: batch}})
		f(q, r)
		synctest.Wait()
		check(t, q)
		closed(t, q)
	})
}

func come(q *Queue, channel string) { q.Emit("app", Event{Name: ChannelOccupied, Channel: channel}) }
func leave(q *Queue, channel string) {
	q.Emit("app", Event{Name: ChannelVacated, Channel: channel})
}
func join(q *Queue, channel, user string) {
	q.Emit("app", Event{Name: MemberAdded, Channel: channel, User: user})
}
func part(q *Queue, channel, user string) {
	q.Emit("app", Event{Name: MemberRemoved, Channel: channel, User: user})
}

// after waits so long in fake time and returns what has been told since.
func after(r *receiver, d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	return short(r.taken())
}

const moment = 10 * time.Millisecond

func TestDepartures(t *testing.T) {
	bubble(t, false, func(q *Queue, r *receiver) {
		come(q, "presence-a")
		join(q, "presence-a", "7")
		join(q, "presence-a", "8")
		same(t, "arrivals", after(r, moment), []string{"channel_occupied presence-a", "member_added presence-a 7", "member_added presence-a 8"})
		come(q, "presence-a")
		join(q, "presence-a", "7")
		same(t, "the same once more", after(r, moment), nil)

		part(q, "presence-a", "7")
		part(q, "presence-a", "7")
		same(t, "before 3 s", after(r, 3*time.Second-moment), nil)
		same(t, "after 3 s", after(r, 2*moment), []string{"member_removed presence-a 7"})

		part(q, "presence-a", "8")
		leave(q, "presence-a")
		after(r, departAfter-moment)
		come(q, "presence-a")
		join(q, "presence-a", "8")
		same(t, "back in time", after(r, time.Hour), nil)

		leave(q, "presence-a")
		after(r, time.Second)
		come(q, "presence-a")
		leave(q, "presence-a")
		part(q, "presence-a", "8")
		same(t, "3 s count from the last departure", after(r, departAfter-moment), nil)
		same(t, "gone", after(r, 2*moment), []string{"channel_vacated presence-a", "member_removed presence-a 8"})
		come(q, "presence-a")
		same(t, "back too late", after(r, moment), []string{"channel_occupied presence-a"})

		leave(q, "never-seen")
		same(t, "a departure whose arrival nobody told", after(r, departAfter+moment), []string{"channel_vacated never-seen"})
		q.Emit("app", Event{Name: MemberAdded, Channel: "presence-a"})
		same(t, "a member without an id", after(r, departAfter+moment), nil)
	})
}

// TestHalfWanted: an endpoint that wants one half of a pair only is not told
// the same twice.
func TestHalfWanted(t *testing.T) {
	bubble(t, false, func(q *Queue, r *receiver) {
		q.Set("app", signer("s"), []Endpoint{{URL: here, Events: []string{ChannelOccupied, MemberRemoved}}})
		come(q, "a")
		leave(q, "a")
		after(r, time.Second)
		come(q, "a")
		leave(q, "a")
		after(r, departAfter+moment)
		come(q, "a")
		join(q, "presence-a", "7")
		part(q, "presence-a", "7")
		after(r, departAfter+moment)
		if n := len(q.apps["app"].endpoints[0].marks); n != 1 {
			t.Errorf("%d marks, want that of one channel", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		q := open(t, Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}})
		q.Set("app", signer("s"), []Endpoint{{URL: here, Events: []string{ChannelOccupied}}})
		for range 3 {
			come(q, "a")
			leave(q, "a")
			time.Sleep(time.Second)
		}
		same(t, "within 3 s", after(r, departAfter), []string{"channel_occupied a"})
		come(q, "a")
		same(t, "later", after(r, departAfter), []string{"channel_occupied a"})
		closed(t, q)
	})
}

// TestDeparturesAfterRestart in fake time: members go before their channel, and
// not before Set.
func TestDeparturesAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}}
		endpoints := []Endpoint{{URL: here}}
		q := open(t, cfg)
		q.Set("app", signer("s"), endpoints)
		come(q, "presence-a")
		join(q, "presence-a", "7")
		join(q, "presence-a", "8")
		come(q, "b")
		come(q, "c")
		leave(q, "c")
		after(r, moment)
		closed(t, q)

		q = open(t, cfg)
		same(t, "before it is set", after(r, time.Minute), nil)
		q.Set("app", signer("s"), endpoints)
		after(r, time.Second)
		join(q, "presence-a", "8")
		come(q, "b")
		q.Set("app", signer("other"), endpoints) // does not count anew
		same(t, "before 30 s", after(r, returnAfter-time.Second-moment), nil)
		got := after(r, 2*moment)
		if !slices.Contains(got, "channel_vacated c") {
			t.Errorf("%q lack what was departing", got)
		}
		got = slices.DeleteFunc(got, func(s string) bool { return s == "channel_vacated c" })
		same(t, "after 30 s", got, []string{"member_removed presence-a 7", "channel_vacated presence-a"})
		closed(t, q)

		q = open(t, cfg)
		q.Set("app", signer("s"), []Endpoint{{URL: here, ChannelPrefix: "b"}})
		same(t, "of what is still wanted", after(r, returnAfter+moment), []string{"channel_vacated b"})
		closed(t, q)
		q = open(t, cfg)
		if len(q.apps) != 0 {
			t.Errorf("%d apps are still in the store", len(q.apps))
		}
		closed(t, q)
	})
}

// TestRetries: exponential backoff until five minutes after the first try; the
// channel's next event goes on after that, other channels never wait.
func TestRetries(t *testing.T) {
	bubble(t, false, func(q *Queue, r *receiver) {
		var tries []time.Duration
		begin := time.Now()
		var first []byte
		r.setAnswer(func(d delivery) int {
			switch d.events[0].Data {
			case "poison":
				tries = append(tries, time.Since(begin))
				if first == nil {
					first = d.body
				} else if string(first) != string(d.body) {
					t.Errorf("a try has the body %s, the first had %s", d.body, first)
				}
				return 500
			}
			return 200
		})
		q.Emit("app", said("private-a", "before"))
		q.Emit("app", said("private-a", "poison"))
		q.Emit("app", said("private-a", "after"))
		q.Emit("app", said("private-b", "other"))
		time.Sleep(moment)
		synctest.Wait()
		got := datas(r.taken(), "")
		slices.Sort(got)
		same(t, "at once", got, []string{"before", "other"})
		time.Sleep(5*time.Minute - time.Second)
		synctest.Wait()
		same(t, "meanwhile", datas(r.taken(), ""), nil)
		q.Emit("app", said("private-b", "other"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		same(t, "after five minutes", datas(r.taken(), ""), []string{"other", "after"})
		want := time.Second
		for i, at := range tries[1 : len(tries)-1] {
			if gap := at - tries[i]; gap < want*7/8-moment || gap > want*9/8+moment {
				t.Errorf("try %d came %v after the one before, want about %v", i+2, gap, want)
			}
			want = min(2*want, retryAtMost)
		}
		if last := tries[len(tries)-1]; last < 5*time.Minute || last > 5*time.Minute+moment {
			t.Errorf("the last try was after %v", last)
		}
		s := q.Stats()[0]
		if s.Backlog != 0 || s.Expired != 1 || s.Failed != uint64(len(tries)) || s.Delivered != 4 {
			t.Errorf("%+v after %d tries", s, len(tries))
		}
	})
}

// TestTimeout: an endpoint that does not answer costs a call five seconds.
func TestTimeout(t *testing.T) {
	bubble(t, false, func(q *Queue, r *receiver) {
		r.setAnswer(func(d delivery) int { return -1 })
		q.Emit("app", said("private-a", "x"))
		time.Sleep(callTimeout + moment)
		synctest.Wait()
		if s := q.Stats()[0]; s.Failed != 1 || s.Backlog != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRetryOrder: a receiver that fails at random still sees each channel in
// order.
func TestRetryOrder(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, batch, func(q *Queue, r *receiver) {
			r.setAnswer(func(d delivery) int {
				if rand.N(4) == 0 {
					return 503
				}
				return 200
			})
			for i := range 600 {
				q.Emit("app", said(fmt.Sprint("private-", i%20), fmt.Sprint(i)))
				if i%50 == 0 {
					time.Sleep(time.Duration(rand.N(1000)) * time.Millisecond)
				}
			}
			for q.Stats()[0].Backlog > 0 {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			list := r.taken()
			for c := range 20 {
				same(t, "order", datas(list, fmt.Sprint("private-", c)), numbers(c, 600, 20))
			}
			if s := q.Stats()[0]; s.Expired > 0 || s.Failed == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestBatchWithPoison: an event that fails whatever batch it is in holds back
// its own channel only.
func TestBatchWithPoison(t *testing.T) {
	bubble(t, true, func(q *Queue, r *receiver) {
		r.setAnswer(func(d delivery) int {
			if slices.ContainsFunc(d.events, func(e told) bool { return e.Data == "poison" }) {
				return 400
			}
			return 200
		})
		q.Emit("app", said("private-7", "poison"))
		for i := range 500 {
			q.Emit("app", said(fmt.Sprint("private-", i%10), fmt.Sprint(i)))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		list := r.taken()
		for c := range 10 {
			want := numbers(c, 500, 10)
			if c == 7 {
				want = nil
			}
			same(t, "behind the poison", datas(list, fmt.Sprint("private-", c)), want)
		}
		time.Sleep(giveUpAfter)
		synctest.Wait()
		same(t, "after it", datas(r.taken(), ""), numbers(7, 500, 10))
	})
}

// TestDeadEndpoint is tried ten times a second, whatever waits for it, and gets
// everything soon after it is back.
func TestDeadEndpoint(t *testing.T) {
	var log kit.Buffer
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		q := open(t, Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		q.Set("app", signer("s"), []Endpoint{{URL: here}})
		r.setAnswer(func(delivery) int { return 502 })
		for i := range 5000 {
			q.Emit("app", said(fmt.Sprint("private-", i), "x"))
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if n := len(r.all()); n < 900 || n > 1020 {
			t.Errorf("%d tries in 100 s", n)
		}
		if n := strings.Count(log.String(), "an endpoint of webhooks fails"); n != 2 {
			t.Errorf("%d complaints in 100 s", n)
		}
		r.setAnswer(nil)
		time.Sleep(retryAtMost*9/8 + failingGap)
		synctest.Wait()
		if s := q.Stats()[0]; s.Backlog != 0 || s.Delivered != 5000 {
			t.Errorf("a minute after it was back: %+v", s)
		}
		if !strings.Contains(log.String(), "takes them again") {
			t.Error("the log does not tell that it is back")
		}
		check(t, q)
		closed(t, q)
	})
}

// TestOverflow: what comes when it is full is dropped, departures wait on.
func TestOverflow(t *testing.T) {
	var log kit.Buffer
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		q := open(t, Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}, MaxBacklog: 10, MaxBytes: 4096, Log: slog.New(slog.NewTextHandler(&log, nil))})
		q.Set("app", signer("s"), []Endpoint{{URL: here}})
		come(q, "room")
		after(r, moment)
		r.setAnswer(func(delivery) int { return 500 })
		leave(q, "room")
		for i := range 30 {
			q.Emit("app", said("private-a", fmt.Sprint(i)))
		}
		time.Sleep(departAfter + moment)
		synctest.Wait()
		if s := q.Stats()[0]; s.Backlog != 10 || s.Overflow != 20 {
			t.Errorf("%+v", s)
		}
		r.setAnswer(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		list := r.taken()
		same(t, "the oldest", datas(list, "private-a"), numbers(0, 10, 1))
		if !slices.Contains(short(list), "channel_vacated room") {
			t.Error("the departure was dropped")
		}
		r.setAnswer(func(delivery) int { return 500 })
		for range 5 {
			q.Emit("app", said("private-a", strings.Repeat("x", 1024)))
		}
		q.Emit("app", said("private-a", strings.Repeat("x", 5000)))
		if s := q.Stats()[0]; s.Backlog != 3 || s.Bytes > 4096 || s.Overflow != 23 {
			t.Errorf("%+v", s)
		}
		synctest.Wait()
		if n := strings.Count(log.String(), "too many wait"); n != 2 {
			t.Errorf("%d complaints, want one for each minute", n)
		}
		check(t, q)
		closed(t, q)
	})
}

// TestMemoryIsShared: without a store, an endpoint that is flooded leaves room
// for the others.
func TestMemoryIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t, answer: func(delivery) int { return 500 }}
		q := open(t, Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}})
		q.mu.Lock()
		q.volatile, q.most = true, 100_000
		q.mu.Unlock()
		for _, app := range []string{"flooded", "second", "third"} {
			q.Set(app, signer("s"), []Endpoint{{URL: here}})
			for range 300 {
				q.Emit(app, said("private-a", strings.Repeat("x", 900)))
			}
		}
		all := q.Stats()
		for i, want := range []int64{50_000, 25_000, 12_500} {
			if s := all[i]; s.Bytes > want+2000 || s.Bytes < want-2000 || s.Overflow == 0 {
				t.Errorf("%+v, want about %d bytes", s, want)
			}
		}
		synctest.Wait()
		check(t, q)
		if err := q.Close(); err == nil {
			t.Error("Close returns no error, but there is no store")
		}
	})
}

// TestSetWithBacklog: what waits for an endpoint that is gone is dropped, what
// waits for one that stays is signed with the new secret.
func TestSetWithBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}}
		q := open(t, cfg)
		r.setAnswer(func(delivery) int { return -1 })
		q.Set("app", signer("old"), []Endpoint{{URL: here}, {URL: here + "/gone"}})
		for i := range 20 {
			q.Emit("app", said(fmt.Sprint("private-", i), "x"))
		}
		synctest.Wait() // eight calls of each hang
		q.Set("app", signer("new"), []Endpoint{{URL: here, Events: []string{CacheMiss}}, {URL: here + "/more"}})
		synctest.Wait()
		if s := q.Stats(); len(s) != 2 || s[0].Backlog != 20 || s[1].Backlog != 0 {
			t.Errorf("%+v", s)
		}
		check(t, q)
		r.taken()
		r.setAnswer(func(d delivery) int {
			if d.url != here || d.header.Get("X-Pusher-Signature") != signature("new", d.body) {
				t.Errorf("a call to %s has the signature %s", d.url, d.header.Get("X-Pusher-Signature"))
			}
			return 200
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(r.taken()); n != 20 {
			t.Errorf("%d events, want 20", n)
		}
		r.setAnswer(func(delivery) int { return 500 })
		q.Emit("app", Event{Name: CacheMiss, Channel: "cache-a"})
		come(q, "a") // for the other endpoint
		time.Sleep(time.Second)
		q.Remove("app")
		synctest.Wait()
		before := len(r.all())
		q.Emit("app", Event{Name: CacheMiss, Channel: "cache-a"})
		time.Sleep(time.Hour)
		if n := len(r.all()); n != before || len(q.Stats()) != 0 || len(q.apps) != 0 {
			t.Errorf("%d calls after the app was removed, %+v", n-before, q.Stats())
		}
		closed(t, q)
		q = open(t, cfg)
		if len(q.apps) != 0 {
			t.Errorf("%+v is still in the store", q.Stats())
		}
		closed(t, q)
	})
}

// TestOrphans: what waits for apps that nobody sets is dropped after an hour.
func TestOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t, answer: func(delivery) int { return 500 }}
		cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}}
		q := open(t, cfg)
		for _, app := range []string{"stays", "goes"} {
			q.Set(app, signer("s"), []Endpoint{{URL: here}})
			q.Emit(app, Event{Name: ChannelOccupied, Channel: "a"})
		}
		time.Sleep(moment)
		closed(t, q)
		q = open(t, cfg)
		q.Set("stays", signer("s"), []Endpoint{{URL: here}})
		time.Sleep(orphanAfter - time.Second)
		synctest.Wait()
		if n := len(q.Stats()); n != 2 {
			t.Errorf("%d endpoints before the hour is over", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := q.Stats(); len(s) != 1 || s[0].App != "stays" {
			t.Errorf("%+v", s)
		}
		closed(t, q)
		q = open(t, cfg)
		if q.apps["goes"] != nil {
			t.Error("it is still in the store")
		}
		closed(t, q)
	})
}

// TestStory lets channels and members come and go at random, the queue close
// and open and the receiver fail, and compares what was told with the truth:
// what comes and goes is told in turns, and in the end it is as it is.
func TestStory(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 5))
			r := &receiver{t: t}
			cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}}
			endpoints := []Endpoint{{URL: here, Batch: seed%2 == 1}}
			q := open(t, cfg)
			q.Set("app", signer("s"), endpoints)
			there := map[string]bool{} // "channel" or "channel user"
			known := map[string]bool{} // as the receiver has it
			flip := func(key string) {
				channel, user, member := strings.Cut(key, " ")
				there[key] = !there[key]
				switch {
				case member && there[key]:
					join(q, channel, user)
				case member:
					part(q, channel, user)
				case there[key]:
					come(q, channel)
				default:
					leave(q, channel)
				}
			}
			for range 300 {
				key := fmt.Sprint("presence-", random.IntN(5))
				if random.IntN(2) == 0 {
					key += fmt.Sprint(" ", random.IntN(5))
				}
				switch n := random.IntN(40); {
				case n == 0:
					synctest.Wait()
					closed(t, q)
					q = open(t, cfg)
					q.Set("app", signer("s"), endpoints)
					for key := range there { // all connections are gone
						there[key] = false
					}
				case n < 3:
					r.setAnswer(func(delivery) int { return 500 })
				case n < 8:
					r.setAnswer(nil)
				case n < 20:
					time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
				default:
					flip(key)
				}
			}
			r.setAnswer(nil)
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			check(t, q)
			if s := q.Stats()[0]; s.Backlog != 0 || s.Expired+s.Overflow != 0 {
				t.Errorf("seed %d: %+v", seed, s)
			}
			for _, e := range r.taken() {
				key := e.Channel
				if e.User != "" {
					key += " " + e.User
				}
				now := e.Name == ChannelOccupied || e.Name == MemberAdded
				if known[key] == now {
					t.Fatalf("seed %d: %s of %q is told twice", seed, e.Name, key)
				}
				known[key] = now
			}
			for key, is := range there {
				if known[key] != is {
					t.Errorf("seed %d: %q is told to be %v, it is %v", seed, key, known[key], is)
				}
			}
			closed(t, q)
		})
	}
}

// TestFairness: a channel in which one event waits is served among channels in
// which many do, in its turn.
func TestFairness(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, batch, func(q *Queue, r *receiver) {
			gate := make(chan struct{})
			r.setAnswer(func(delivery) int { <-gate; return 200 })
			for i := range 4000 {
				q.Emit("app", said(fmt.Sprint("private-", i%20), "flood"))
			}
			q.Emit("app", said("private-quiet", "hello"))
			synctest.Wait() // all of it waits, but for eight calls
			close(gate)
			time.Sleep(moment)
			synctest.Wait()
			list := r.taken()
			if i := slices.Index(datas(list, ""), "hello"); i < 0 || i > len(list)/2 { // calls of one time may be told in any order
				t.Errorf("batch %v: it was told as number %d of %d", batch, i, len(list))
			}
		})
	}
}
