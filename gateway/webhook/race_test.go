package webhook

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestEverythingAtOnce calls all methods from many goroutines, Close among
// them, while calls succeed, fail and hang. What is counted must be what there
// is, before and after.
func TestEverythingAtOnce(t *testing.T) {
	for round := range 5 {
		r := &receiver{t: t}
		r.setAnswer(func(delivery) int {
			switch rand.N(50) {
			case 0:
				return -1
			case 1, 2, 3:
				return 500
			}
			return 200
		})
		cfg := Config{Dir: t.TempDir(), Client: &http.Client{Transport: r}, MaxBacklog: 500}
		q := open(t, cfg)
		var group sync.WaitGroup
		stop := make(chan struct{})
		loop := func(f func()) {
			group.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						f()
					}
				}
			})
		}
		app := func() string { return fmt.Sprint("app-", rand.N(4)) }
		for range 4 {
			loop(func() {
				channel := fmt.Sprint("presence-", rand.N(30))
				e := Event{Name: Names[rand.N(len(Names))], Channel: channel, User: fmt.Sprint(rand.N(5)), Data: "x", Socket: "1.2", Event: "client-x"}
				q.Emit(app(), e)
				if rand.N(100) == 0 {
					time.Sleep(time.Millisecond)
				}
			})
		}
		loop(func() {
			var list []Endpoint
			for i := range rand.N(4) {
				list = append(list, Endpoint{URL: fmt.Sprint(here, i), Batch: rand.N(2) == 0})
			}
			q.Set(app(), signer("s"), list)
			time.Sleep(time.Duration(rand.N(3000)) * time.Microsecond)
		})
		loop(func() {
			q.Remove(app())
			time.Sleep(10 * time.Millisecond)
		})
		loop(func() {
			q.Stats()
			q.Wants("app-1", ChannelOccupied, "a")
			time.Sleep(time.Millisecond)
		})
		time.Sleep(time.Duration(100+100*round) * time.Millisecond)
		closed(t, q) // in the middle of it
		left := map[string]int{}
		for _, s := range q.Stats() {
			if s.Unsaved != 0 {
				t.Errorf("%d events are not stored after Close", s.Unsaved)
			}
			if s.Backlog > 0 {
				left[s.App+s.URL] = s.Backlog
			}
		}
		close(stop)
		group.Wait()
		check(t, q)
		next := open(t, cfg)
		check(t, next)
		for _, s := range next.Stats() {
			if s.Backlog != left[s.App+s.URL] {
				t.Errorf("%d events wait for %s of %s after a restart, %d before", s.Backlog, s.URL, s.App, left[s.App+s.URL])
			}
			delete(left, s.App+s.URL)
		}
		if len(left) > 0 {
			t.Errorf("after a restart nothing waits for %v", left)
		}
		closed(t, next)
	}
}
