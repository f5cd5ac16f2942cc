package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// diary notes what an Observer hears, but for counts.
type diary struct {
	Nobody
	mu    sync.Mutex
	lines []string
	count map[string]int
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) Occupied(channel string)     { d.note("occupied %s", channel) }
func (d *diary) Vacated(channel string)      { d.note("vacated %s", channel) }
func (d *diary) Joined(channel, user string) { d.note("joined %s %s", channel, user) }
func (d *diary) Parted(channel, user string) { d.note("parted %s %s", channel, user) }
func (d *diary) Online(user string)          { d.note("online %s", user) }
func (d *diary) Offline(user string)         { d.note("offline %s", user) }
func (d *diary) Counted(channel string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count == nil {
		d.count = map[string]int{}
	}
	d.count[channel] = n
}

// take returns what was noted since it was last called.
func (d *diary) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := strings.Join(d.lines, ", ")
	d.lines = nil
	return s
}

func (d *diary) want(t *testing.T, text string) {
	t.Helper()
	if got := d.take(); got != text {
		t.Errorf("noted %q, want %q", got, text)
	}
}

// An observer hears of firsts and lasts, a channel before its members.
func TestObserver(t *testing.T) {
	d := new(diary)
	h := newTest(t, Config{Observer: d})
	ann, ann2, bob := join(h, "ann"), join(h, "ann"), join(h, "bob")
	d.want(t, "online ann, online bob")
	ann.enter(t, h, "1")
	d.want(t, "occupied room, joined room ann")
	ann2.enter(t, h, "1")
	bob.enter(t, h, "1")
	bob.enter(t, h, "1") // again
	d.want(t, "joined room bob")
	if d.count["room"] != 3 {
		t.Errorf("%d subscribers counted", d.count["room"])
	}
	h.Unsubscribe(&ann.Client, "room")
	d.want(t, "")
	h.Remove(&ann2.Client)
	d.want(t, "parted room ann")
	h.Remove(&ann.Client)
	d.want(t, "offline ann")
	h.Remove(&bob.Client)
	d.want(t, "parted room bob, vacated room, offline bob")
	if d.count["room"] != 0 {
		t.Errorf("%d subscribers counted", d.count["room"])
	}
	ghost := join(h, "")
	h.Remove(&ghost.Client)
	h.Publish("nobody's", text("x"), nil)
	h.Unsubscribe(&ghost.Client, "nobody's")
	d.want(t, "")
}

// However many come and go at once, what is told of a channel, of a member and of
// a user takes turns.
func TestObserverTurns(t *testing.T) {
	d := new(diary)
	h := newTest(t, Config{Observer: d})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for range 300 {
				c := join(h, fmt.Sprint("user-", rng.IntN(3)))
				channel := fmt.Sprint("channel-", rng.IntN(2))
				c.subscribe(t, h, channel)
				c.enter(t, h, "")
				if rng.IntN(2) == 0 {
					h.Unsubscribe(&c.Client, channel)
				}
				h.Remove(&c.Client)
			}
		})
	}
	wg.Wait()
	open := map[string]bool{}
	for _, line := range strings.Split(d.take(), ", ") {
		what, name, _ := strings.Cut(line, " ")
		begins := slices.Contains([]string{"occupied", "joined", "online"}, what)
		if kind := map[string]string{"vacated": "occupied", "parted": "joined", "offline": "online"}[what]; kind != "" {
			what = kind
		}
		if open[what+name] == begins {
			t.Fatalf("%q does not take turns", line)
		}
		open[what+name] = begins
	}
	for name, is := range open {
		if is {
			t.Errorf("%q never ended", name)
		}
	}
}

// A client may get its user later, once.
func TestSignIn(t *testing.T) {
	d := new(diary)
	h := newTest(t, Config{Observer: d})
	c, other := join(h, ""), join(h, "ann")
	d.take()
	if r := h.PublishClients(nil, []string{"ann"}, text("a"), nil); r.Matched != 1 {
		t.Errorf("matched %d", r.Matched)
	}
	for range 2 {
		if err := h.SignIn(&c.Client, "ann", func() { c.note("<signed in>") }); err != nil || c.User() != "ann" {
			t.Fatalf("%v, user %q", err, c.User())
		}
	}
	d.want(t, "")
	if r := h.PublishClients(nil, []string{"ann"}, text("b"), nil); r.Matched != 2 {
		t.Errorf("matched %d", r.Matched)
	}
	if err := h.SignIn(&c.Client, "bob", func() { t.Error("acknowledged") }); err != ErrHasUser || c.User() != "ann" {
		t.Errorf("%v, user %q", err, c.User())
	}
	if r := h.PublishAll(text("c"), &Options{ExceptUsers: []string{"ann"}}); r.Matched != 0 {
		t.Errorf("matched %d", r.Matched)
	}
	settle(t, h)
	if got := c.text(); got != "<signed in><signed in>[0:b]" {
		t.Errorf("received %s", got)
	}
	if !h.IsOnline("ann") || h.IsOnline("bob") {
		t.Error("who is online?")
	}
	h.Remove(&c.Client)
	h.Remove(&other.Client)
	d.want(t, "offline ann")
	if err := h.SignIn(&c.Client, "ann", func() {}); err != ErrGone {
		t.Errorf("%v, want ErrGone", err)
	}
	if h.UserClients("ann") != nil || h.IsOnline("ann") || h.Clients() != 0 {
		t.Errorf("%d clients left", h.Clients())
	}
}

// What is published to a user reaches a client that signs in after its
// acknowledgement, and all of it that begins later.
func TestSignInOrder(t *testing.T) {
	h := newTest(t, Config{})
	for range 200 {
		c := join(h, "")
		var wg sync.WaitGroup
		after := make(chan struct{})
		wg.Go(func() {
			for {
				h.PublishClients(nil, []string{"ann"}, text("x"), nil)
				select {
				case <-after:
					if r := h.PublishClients(nil, []string{"ann"}, text("last"), nil); r.Matched != 1 {
						t.Errorf("%d clients of the user, want 1", r.Matched)
					}
					return
				default:
				}
			}
		})
		h.SignIn(&c.Client, "ann", func() {
			c.note("<signed in>")
			close(after)
		})
		wg.Wait()
		settle(t, h)
		if got := c.text(); !strings.HasPrefix(got, "<signed in>") || !strings.HasSuffix(got, "[0:last]") {
			t.Fatalf("received %.100s", got)
		}
		h.Remove(&c.Client)
	}
}

// A client that signs in while it is removed leaves nothing.
func TestSignInAndRemove(t *testing.T) {
	h := newTest(t, Config{})
	for range 500 {
		c := join(h, "")
		var wg sync.WaitGroup
		wg.Go(func() { h.SignIn(&c.Client, "ann", func() {}) })
		wg.Go(func() { h.Remove(&c.Client) })
		wg.Wait()
		if h.UserClients("ann") != nil {
			t.Fatal("a client that is gone is a user's")
		}
	}
}

func TestEach(t *testing.T) {
	h := newTest(t, Config{})
	want := map[*Client]bool{}
	var list []*sink
	for range 5 * chunk {
		list = append(list, join(h, ""))
	}
	for i, c := range list {
		if i%3 == 0 {
			h.Remove(&c.Client)
		} else {
			want[&c.Client] = true
		}
	}
	n := 0
	h.Each(func(c *Client) bool {
		if !want[c] {
			t.Error("a client that is gone, or twice")
		}
		delete(want, c)
		h.Remove(c) // no lock is held
		n++
		return n < 100
	})
	if n != 100 {
		t.Errorf("%d clients after the walk was to stop", n)
	}
	h.Each(func(c *Client) bool { delete(want, c); return true })
	if len(want) > 0 {
		t.Errorf("%d clients were missed", len(want))
	}
}

func TestMembership(t *testing.T) {
	h := newTest(t, Config{})
	c := join(h, "") // a member need not be the client's user
	member := &Join{Member: Member{User: "7"}}
	if err := h.Subscribe(&c.Client, "room", member, func(Subscribed) {}); err != nil {
		t.Fatal(err)
	}
	c.subscribe(t, h, "plain")
	for channel, want := range map[string]string{"room": "7", "plain": "", "nobody's": ""} {
		if user, ok := h.Membership(&c.Client, channel); user != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", channel, user, ok)
		}
	}
}
