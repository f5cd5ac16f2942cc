package webhook

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fake runs a test in fake time, as bubble does, with limits.
func fake(t *testing.T, cfg Config, endpoints []Endpoint, f func(q *Queue, r *receiver)) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		cfg.Dir, cfg.Client = t.TempDir(), &http.Client{Transport: r}
		q := open(t, cfg)
		q.Set("app", signer("s"), endpoints)
		f(q, r)
		synctest.Wait()
		check(t, q)
		closed(t, q)
	})
}

func failing(delivery) int { return 500 }

// marksOf returns how many marks the first endpoint of app has, and the store.
func marksOf(q *Queue) (marks, inStore int) {
	q.mu.Lock()
	marks = len(q.apps["app"].endpoints[0].marks)
	q.mu.Unlock()
	q.store.each(func(stored) error { return nil }, func(string, string, mark) error { inStore++; return nil })
	return marks, inStore
}

// inPairs checks that what an endpoint was told of each channel or member is an
// arrival and a departure in turns, and returns those that are still there.
func inPairs(t *testing.T, list []told) (there []string) {
	t.Helper()
	for _, e := range list {
		key := strings.TrimSpace(e.Channel + " " + e.User)
		i := slices.Index(there, key)
		switch arrival := e.Name == ChannelOccupied || e.Name == MemberAdded; {
		case arrival == (i >= 0):
			t.Errorf("%s of %q is told out of turn", e.Name, key)
		case arrival:
			there = append(there, key)
		default:
			there = slices.Delete(there, i, i+1)
		}
	}
	return there
}

// TestFloodOfChannels: whatever comes and goes while an endpoint fails, what is
// kept of it is bounded, and what is told in the end belongs together.
func TestFloodOfChannels(t *testing.T) {
	const most = 100
	fake(t, Config{MaxBacklog: most}, []Endpoint{{URL: here, Batch: true}}, func(q *Queue, r *receiver) {
		for i := range 50 {
			come(q, fmt.Sprint("old-", i))
		}
		after(r, moment)
		r.setAnswer(failing)
		for i := range 20_000 {
			channel := fmt.Sprint("presence-", i)
			come(q, channel)
			join(q, channel, "7")
			part(q, channel, "7")
			leave(q, channel)
			if i%500 == 0 {
				time.Sleep(time.Second) // longer than a departure waits, in all
				synctest.Wait()
				if marks, stored := marksOf(q); marks > 50+2*most || stored > 50+2*most {
					t.Fatalf("%d marks, %d of them in the store", marks, stored)
				}
			}
		}
		for i := range 50 {
			leave(q, fmt.Sprint("old-", i))
		}
		time.Sleep(departAfter + moment)
		synctest.Wait()
		q.mu.Lock()
		held := q.apps["app"].endpoints[0].held.Len()
		q.mu.Unlock()
		before := q.Stats()[0]
		if held < 50 || before.Backlog != most || before.Overflow < 40_000-4*most {
			t.Errorf("%d departures are held, %+v", held, before)
		}
		q.Emit("app", said("private-a", "not before the departures"))
		if q.Stats()[0].Overflow != before.Overflow+1 {
			t.Error("an event was taken while departures are held")
		}
		check(t, q)

		r.setAnswer(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		list := r.taken()
		gone := slices.DeleteFunc(slices.Clone(list), func(e told) bool { return !strings.HasPrefix(e.Channel, "old-") })
		for i := range 50 {
			list = slices.Insert(list, 0, told{Name: ChannelOccupied, Channel: fmt.Sprint("old-", i)})
		}
		if there := inPairs(t, list); len(there) > 0 || len(gone) != 50 {
			t.Errorf("%q were never told to be gone; %d of the first were", there, len(gone))
		}
		if marks, stored := marksOf(q); marks != 0 || stored != 0 {
			t.Errorf("%d marks are left, %d in the store", marks, stored)
		}
	})
}

// TestFloodOfLongNames: departures that wait are bounded by their bytes, too.
func TestFloodOfLongNames(t *testing.T) {
	const most = 50_000
	fake(t, Config{MaxBytes: most}, []Endpoint{{URL: here, Batch: true}}, func(q *Queue, r *receiver) {
		for i := range 1000 { // delivered at once: there is room for events
			channel := fmt.Sprint(strings.Repeat("x", 1000), i)
			come(q, channel)
			leave(q, channel)
			synctest.Wait()
		}
		q.mu.Lock()
		ep := q.apps["app"].endpoints[0]
		if ep.departing < 40 || ep.departBytes > most || len(ep.marks) != ep.departing || ep.overflow == 0 {
			t.Errorf("%d departures of %d bytes wait, of %d marks; %d dropped", ep.departing, ep.departBytes, len(ep.marks), ep.overflow)
		}
		q.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if there := inPairs(t, r.taken()); len(there) > 0 {
			t.Errorf("%d channels were never told to be gone", len(there))
		}
	})
}

// TestManyAreLeft: who comes after a restart is told, however many marks an
// earlier process has left; those that come and go are bounded as ever.
func TestManyAreLeft(t *testing.T) {
	for name, cfg := range map[string]Config{"by number": {MaxBacklog: 100}, "by bytes": {MaxBytes: 50_000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { manyAreLeft(t, cfg) })
		})
	}
}

func manyAreLeft(t *testing.T, cfg Config) {
	r := &receiver{t: t}
	cfg.Dir, cfg.Client = t.TempDir(), &http.Client{Transport: r}
	endpoints := []Endpoint{{URL: here, Batch: true}}
	q := open(t, cfg)
	q.Set("app", signer("s"), endpoints)
	pad := strings.Repeat("x", 1000)
	for i := range 150 {
		come(q, fmt.Sprint("old-", i, pad))
		synctest.Wait()
	}
	closed(t, q)

	q = open(t, cfg)
	q.Set("app", signer("s"), endpoints)
	for i := range 30 {
		come(q, fmt.Sprint("old-", i, pad))
	}
	come(q, "new")
	synctest.Wait()
	if s := q.Stats()[0]; s.Overflow != 0 {
		t.Errorf("%+v after one has come", s)
	}
	for i := range 300 {
		channel := fmt.Sprint("churn-", i, pad)
		come(q, channel)
		leave(q, channel)
		synctest.Wait()
	}
	q.mu.Lock()
	ep := q.apps["app"].endpoints[0]
	if ep.departing < 40 || ep.departing > q.maxBacklog || ep.departBytes > q.maxBytes || q.left.Len() != 120 || ep.overflow == 0 {
		t.Errorf("%d departures of %d bytes wait besides %d that are left; %d dropped", ep.departing, ep.departBytes, q.left.Len(), ep.overflow)
	}
	q.mu.Unlock()
	check(t, q)

	time.Sleep(returnAfter + departAfter)
	synctest.Wait()
	there := inPairs(t, r.taken())
	if len(there) != 31 || !slices.Contains(there, "new") {
		t.Errorf("%d channels are there: %.20q", len(there), there)
	}
	if marks, stored := marksOf(q); marks != 31 || stored != 31 {
		t.Errorf("%d marks, %d in the store", marks, stored)
	}
	check(t, q)
	closed(t, q)
}

// TestOneEndpointIsFull: it is told of the departures whose arrivals it was told
// of, whatever the others have been told in the meantime.
func TestOneEndpointIsFull(t *testing.T) {
	endpoints := []Endpoint{{URL: here}, {URL: here + "/dead", Batch: true}}
	fake(t, Config{MaxBacklog: 20}, endpoints, func(q *Queue, r *receiver) {
		r.setAnswer(func(d delivery) int {
			if d.url != here {
				return 500
			}
			return 200
		})
		since := func() (well, ill []string) {
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, d := range r.all() {
				switch {
				case d.status != 200:
				case d.url == here:
					well = append(well, short(d.events)...)
				default:
					ill = append(ill, short(d.events)...)
				}
			}
			r.taken()
			return well, ill
		}
		come(q, "a")
		for i := range 19 {
			q.Emit("app", Event{Name: CacheMiss, Channel: fmt.Sprint("cache-", i)})
			time.Sleep(time.Millisecond)
		}
		since()
		come(q, "b") // only one hears of it
		leave(q, "a")
		well, _ := since()
		same(t, "told to the one", well, []string{"channel_occupied b", "channel_vacated a"})
		come(q, "a") // back: for the other it has never gone
		well, _ = since()
		same(t, "told to the one", well, []string{"channel_occupied a"})
		leave(q, "a")
		since()
		r.setAnswer(nil)
		_, ill := since()
		ill = slices.DeleteFunc(ill, func(s string) bool { return strings.HasPrefix(s, CacheMiss) })
		same(t, "told to the other", ill, []string{"channel_occupied a", "channel_vacated a"})
	})
}

// TestUntold: what came while an endpoint was full stays unknown to it until it
// comes once more. The departure is told if there is much room, as the backend
// may have asked in the meantime who is there.
func TestUntold(t *testing.T) {
	fake(t, Config{MaxBacklog: 10}, []Endpoint{{URL: here, Batch: true}}, func(q *Queue, r *receiver) {
		r.setAnswer(failing)
		for range 10 {
			q.Emit("app", said("private-a", "x"))
		}
		come(q, "b")
		come(q, "c")
		join(q, "presence-c", "7")
		leave(q, "d")
		if marks, _ := marksOf(q); marks != 0 {
			t.Errorf("%d marks of what was not told", marks)
		}
		r.setAnswer(nil)
		after(r, time.Minute)
		leave(q, "b")
		part(q, "presence-c", "7")
		time.Sleep(time.Second)
		synctest.Wait()
		if marks, stored := marksOf(q); marks != 2 || stored != 0 {
			t.Errorf("%d departures wait, %d are in the store", marks, stored)
		}
		join(q, "presence-c", "7")
		same(t, "back within 3 s", after(r, moment), []string{"member_added presence-c 7"})
		same(t, "gone", after(r, departAfter), []string{"channel_vacated b"})

		leave(q, "c")
		r.setAnswer(failing)
		for range 10 {
			q.Emit("app", said("private-a", "x"))
		}
		time.Sleep(departAfter + moment)
		r.setAnswer(nil)
		if list := after(r, time.Minute); slices.Contains(list, "channel_vacated c") {
			t.Error("a departure that nobody waits for was held")
		}
	})
}

// TestMoved: an endpoint under a new URL goes on where the old one has stopped.
func TestMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t}
		cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}}
		q := open(t, cfg)
		q.Set("app", signer("s"), []Endpoint{{URL: here}})
		for _, c := range []string{"a", "b", "c", "x-other"} {
			come(q, c)
		}
		leave(q, "a")
		after(r, time.Second)
		q.Set("app", signer("s"), []Endpoint{{URL: here + "/new"}})
		come(q, "b")
		same(t, "after the move", after(r, departAfter+moment), []string{"channel_vacated a"})
		check(t, q)
		closed(t, q)

		q = open(t, cfg)
		q.Set("app", signer("s"), []Endpoint{{URL: here + "/newer"}})
		come(q, "b")
		q.Set("app", signer("s"), []Endpoint{{URL: here + "/newest", Events: []string{ChannelVacated}, ChannelPrefix: "c"}, {URL: here + "/more", ChannelPrefix: "b"}})
		same(t, "after a restart and two moves", after(r, returnAfter+moment), []string{"channel_vacated c"})
		leave(q, "b")
		same(t, "what came back", after(r, departAfter+moment), []string{"channel_vacated b"})
		closed(t, q)
		q = open(t, cfg)
		if len(q.apps) != 0 {
			t.Errorf("%+v is still in the store", q.Stats())
		}
		closed(t, q)
	})
}

// TestMovedInOrder: under a new URL, too, members go before their channels, even
// if two endpoints that are gone were told of them.
func TestMovedInOrder(t *testing.T) {
	both := [][]Endpoint{
		{{URL: here}},
		{{URL: here + "/channels", Events: []string{ChannelOccupied, ChannelVacated}}, {URL: here + "/members", Events: []string{MemberAdded, MemberRemoved}}},
	}
	for _, endpoints := range both {
		fake(t, Config{}, endpoints, func(q *Queue, r *receiver) {
			const members = 20
			come(q, "presence-a")
			for i := range members {
				join(q, "presence-a", fmt.Sprint(i))
			}
			after(r, moment)
			for i := range members {
				part(q, "presence-a", fmt.Sprint(i))
			}
			leave(q, "presence-a")
			q.Set("app", signer("s"), []Endpoint{{URL: here + "/new"}})
			got := after(r, departAfter+moment)
			if i := slices.Index(got, "channel_vacated presence-a"); len(got) != members+1 || i != members {
				t.Errorf("the channel is event %d of %d", i, len(got))
			}
		})
	}
}

// TestFloodOnDisk floods a queue with a real endpoint that fails, in real time:
// the file stays small, and what is left over is told by the next process.
func TestFloodOnDisk(t *testing.T) {
	const most = 2000
	r, url := served(t)
	r.setAnswer(failing)
	cfg := Config{Dir: t.TempDir(), MaxBacklog: most}
	q := open(t, cfg)
	q.Set("app", signer("s"), []Endpoint{{URL: url, Batch: true}})
	pad := strings.Repeat("x", 150)
	for i := range 200_000 {
		channel := fmt.Sprint("flood-", i, pad)
		come(q, channel)
		leave(q, channel)
	}
	q.Emit("app", Event{Name: ChannelOccupied, Channel: "real", User: "of no account"})
	info, err := os.Stat(filePath(cfg.Dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	if marks, stored := marksOf(q); marks > most || stored > most || info.Size() > 16<<20 {
		t.Errorf("%d marks, %d in the store of %d bytes", marks, stored, info.Size())
	}
	closed(t, q)
	r.taken()

	r.setAnswer(nil)
	q = open(t, cfg)
	q.returnAfter = departAfter
	q.Set("app", signer("s"), []Endpoint{{URL: url, Batch: true}})
	soon(t, "all is told", func() bool {
		marks, stored := marksOf(q)
		return marks+stored+q.Stats()[0].Backlog == 0
	})
	if there := inPairs(t, r.taken()); len(there) > 0 {
		t.Errorf("%d channels were never told to be gone", len(there))
	}
}
