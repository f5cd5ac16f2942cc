package loadtest

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stentor/loadtest/swarm"
)

// The example of Pusher's documentation of its HTTP API, "Worked authentication
// example".
func TestSignPusher(t *testing.T) {
	const body = `{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`
	got, err := signPusher(&PusherAuth{Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}, "POST", "http://api.pusherapp.com/apps/3/events", body, time.Unix(1353088179, 0))
	want := "http://api.pusherapp.com/apps/3/events?auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0" +
		"&body_md5=ec365a775a4cd0599faeb73354201b6f&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
	if err != nil || got != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}

// outletFunc publishes by a function.
type outletFunc func(channel string, payload []byte) error

func (f outletFunc) publish(_ context.Context, channel string, payload []byte) error {
	return f(channel, payload)
}
func (outletFunc) close() {}

// published runs a schedule with outlets that note what they get.
func published(t *testing.T, cfg Config, refuse ...func(k int) bool) (p *publisher, got [][]token) {
	t.Helper()
	cfg.Scenario, cfg.URL, cfg.Connections, cfg.Rate = ScenarioBroadcast, testURL, 10, max(cfg.Rate, 1e6)
	plan, err := cfg.resolve()
	if err != nil {
		t.Fatal(err)
	}
	p, err = newPublisher(t.Context(), plan, testRun)
	if err != nil {
		t.Fatal(err)
	}
	p.outlets = nil
	got = make([][]token, len(refuse))
	var mu sync.Mutex
	for i, f := range refuse {
		p.outlets = append(p.outlets, outletFunc(func(channel string, payload []byte) error {
			mu.Lock()
			defer mu.Unlock()
			x, v, _ := newReader(testRun, plan.Size, true).read(payload)
			if v != genuine || channel != plan.channels[x.stream] {
				t.Errorf("%q to %s", payload, channel)
			}
			got[i] = append(got[i], x)
			if f(len(got[i])) {
				return errors.New("no")
			}
			return nil
		}))
	}
	p.start(swarm.Now())
	<-p.done
	return p, got
}

// Publication k goes to channel k-1 modulo their number, as the next of its
// numbers, and is due by the rate.
func TestSchedule(t *testing.T) {
	start := int64(1000)
	p := &schedule{Rate: 4, Burst: 1, Channels: 1}
	if got := []int64{start + p.due(1), start + p.due(2), start + p.due(9)}; !slices.Equal(got, []int64{start, start + 250e6, start + 2e9}) {
		t.Errorf("due at %v", got)
	}
	p.Burst = 3
	if got := []int64{start + p.due(1), start + p.due(3), start + p.due(4), start + p.due(6), start + p.due(7)}; !slices.Equal(got, []int64{start, start, start + 750e6, start + 750e6, start + 1500e6}) {
		t.Errorf("bursts due at %v", got)
	}
	_, got := published(t, Config{Messages: 8, WarmUp: 3, Channels: 3}, func(int) bool { return false })
	for i, x := range got[0] {
		if x.stream != uint32(i%3) || x.seq != uint32(i/3+1) || x.warmUp != (i < 3) || x.due-got[0][0].due != int64(i)*1000 {
			t.Errorf("publication %d is %+v", i+1, x)
		}
	}
	if len(got[0]) != 11 {
		t.Errorf("%d publications, want 11", len(got[0]))
	}
}

// What no outlet's server has accepted is not due.
func TestPublisherAccount(t *testing.T) {
	first := func(k int) bool { return k%2 == 0 }
	second := func(k int) bool { return k%3 != 0 }
	p, got := published(t, Config{Messages: 130, Channels: 4}, first, second)
	if !reflect.DeepEqual(got[0], got[1]) && len(got[0]) != 130 {
		t.Errorf("the outlets got %d and %d", len(got[0]), len(got[1]))
	}
	want := map[int][]uint32{}
	var refusals, failed, partly int64
	for k := 1; k <= 130; k++ {
		if first(k) {
			refusals++
		}
		if second(k) {
			refusals++
		}
		if first(k) != second(k) {
			partly++
		}
		if first(k) && second(k) {
			failed++
			want[(k-1)%4] = append(want[(k-1)%4], uint32((k-1)/4+1))
		}
	}
	last, unsent := p.account()
	if !slices.Equal(last, []uint32{33, 33, 32, 32}) || !reflect.DeepEqual(unsent, want) {
		t.Errorf("%v, unsent %v, want %v", last, unsent, want)
	}
	var m Messages
	p.results(&m)
	if m.Sent != 130 || m.Failed != failed || m.Partly != partly || !slices.Equal(m.Failures, []Count{{Cause: "no", Count: refusals}}) || m.Publish.Count != 260-refusals {
		t.Errorf("%+v, want %d failed, %d partly, %d refusals", m, failed, partly, refusals)
	}
}

// A server is late only by its answers, not by when this tool got to ask.
func TestBacklog(t *testing.T) {
	var b backlog
	for i, c := range []struct{ due, took, want int64 }{{0, 5, 0}, {10, 25, 0}, {20, 5, 15}, {30, 5, 10}, {100, 1, 0}} {
		if got := b.add(c.due, c.took); got != c.want {
			t.Errorf("publication %d waits %d, want %d", i+1, got, c.want)
		}
	}
}

// Of what was due when the schedule ended, what was not begun is unsent, but for
// what was due just then.
func TestUnsent(t *testing.T) {
	const second = int64(time.Second)
	for name, c := range map[string]struct {
		cfg            Config
		until, stopped int64
		made, want     int64
	}{
		"all":                      {Config{Messages: 10}, 0, 60 * second, 10, 0},
		"on time":                  {Config{Messages: 1000}, 0, 5 * second, 50, 0},
		"as late as it may be":     {Config{Messages: 1000}, 0, 5 * second, 48, 0},
		"late":                     {Config{Messages: 1000}, 0, 5 * second, 40, 8},
		"in bursts":                {Config{Messages: 1000, Burst: 20}, 0, 5 * second, 40, 20},
		"over before":              {Config{Messages: 1000}, 2 * second, 5 * second, 15, 5},
		"a storm, on time":         {Config{Scenario: ScenarioStorm}, 0, 500 * second, 5000, 0},
		"a storm, late":            {Config{Scenario: ScenarioStorm}, 0, 500 * second, 4000, 998},
		"stopped before it began":  {Config{Messages: 1000}, 0, -second, 0, 0},
		"a storm, stopped at once": {Config{Scenario: ScenarioStorm}, 0, 0, 0, 0},
	} {
		c.cfg.Scenario, c.cfg.URL, c.cfg.Connections, c.cfg.Rate = cmp.Or(c.cfg.Scenario, ScenarioBroadcast), testURL, 1, 10
		plan, err := c.cfg.resolve()
		if err != nil {
			t.Fatal(err)
		}
		p := &publisher{plan: plan, began: 1000}
		if c.until != 0 {
			p.until = p.began + c.until
		}
		p.stopped.Store(p.began + c.stopped)
		p.highest.Store(c.made)
		if got := p.unsent(); got != c.want {
			t.Errorf("%s: %d unsent, want %d", name, got, c.want)
		}
	}
}

// Another base keeps the path of the request.
func TestOutletURL(t *testing.T) {
	for _, c := range []struct{ url, base, want string }{
		{"http://a/api/publish", "", "http://a/api/publish"},
		{"http://a/api/publish?x=1", "http://b:1", "http://b:1/api/publish?x=1"},
		{"http://a/api/{channel}", "https://b/prefix/", "https://b/prefix/api/news"},
		{"http://a", "http://b", "http://b/"},
	} {
		o, err := newHTTPOutlet(&Publish{URL: c.url}, c.base)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(o.url.fill(nil, 0, "news", nil)); got != c.want {
			t.Errorf("%s at %s: %s, want %s", c.url, c.base, got, c.want)
		}
	}
	for _, base := range []string{"b:1", "ftp://b", "http://", "://"} {
		var fault *Error
		if _, err := newHTTPOutlet(&Publish{URL: "http://a/"}, base); !errors.As(err, &fault) || !strings.Contains(err.Error(), fmt.Sprintf("%q", base)) {
			t.Errorf("%q: %v", base, err)
		}
	}
}

// Clients come back in the order of their times.
func TestRedials(t *testing.T) {
	var r redials
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 1000 {
		heap.Push(&r, redial{random.Int64N(500), int32(i)})
	}
	last, seen := int64(-1), map[int32]bool{}
	for len(r) > 0 {
		x := heap.Pop(&r).(redial)
		if x.at < last || seen[x.number] {
			t.Fatalf("%+v after %d", x, last)
		}
		last, seen[x.number] = x.at, true
	}
	if len(seen) != 1000 {
		t.Errorf("%d of 1000 came", len(seen))
	}
}
