package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// presenceTexts tells of joins and leaves in words.
type presenceTexts struct{}

func (presenceTexts) Join(_ string, m Member) Message  { return text("+" + m.User) }
func (presenceTexts) Leave(_ string, m Member) Message { return text("-" + m.User) }

func names(list []Member) string {
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%s%s ", m.User, m.Info)
	}
	return b.String()
}

// enter subscribes to a presence channel and returns who is there.
func (s *sink) enter(t testing.TB, h *Hub, info string) (members string) {
	t.Helper()
	err := h.Subscribe(&s.Client, "room", &Join{Member: Member{s.User(), []byte(info)}}, func(d Subscribed) { members = names(d.Members) })
	if err != nil {
		t.Fatal(err)
	}
	return members
}

// A user joins with its first client and leaves with its last; a client is not
// told of its own join.
func TestPresence(t *testing.T) {
	h := newTest(t, Config{Events: presenceTexts{}})
	ann, bob1, bob2 := join(h, "ann"), join(h, "bob"), join(h, "bob")
	if m := ann.enter(t, h, "1"); m != "ann1 " {
		t.Errorf("members %q", m)
	}
	if m := bob1.enter(t, h, "2"); m != "ann1 bob2 " {
		t.Errorf("members %q", m)
	}
	if m := bob2.enter(t, h, "3"); m != "ann1 bob2 " {
		t.Errorf("members %q", m)
	}
	if m := bob2.enter(t, h, "4"); m != "ann1 bob2 " { // again
		t.Errorf("members %q", m)
	}
	info, ok := h.Info("room")
	if !ok || info != (ChannelInfo{Name: "room", Subscriptions: 3, Members: 2, Presence: true}) {
		t.Errorf("info %+v", info)
	}
	h.Unsubscribe(&bob1.Client, "room")
	h.Remove(&bob2.Client)
	settle(t, h)
	if got := ann.text(); got != "[2:+bob][3:-bob]" {
		t.Errorf("ann received %q", got)
	}
	if got := bob1.text(); got != "" {
		t.Errorf("bob received %q", got)
	}
	if list, ok := h.Members("room"); !ok || names(list) != "ann1 " {
		t.Errorf("members %q", names(list))
	}
	h.Remove(&ann.Client)
	if _, ok := h.Members("room"); ok {
		t.Error("an empty channel has members")
	}
}

func TestPresenceFull(t *testing.T) {
	h := newTest(t, Config{Events: presenceTexts{}})
	enter := func(s *sink) error {
		return h.Subscribe(&s.Client, "room", &Join{Member: Member{User: s.User()}, Max: 2}, func(Subscribed) {})
	}
	a, b, c, b2 := join(h, "a"), join(h, "b"), join(h, "c"), join(h, "b")
	for _, step := range []struct {
		s    *sink
		want error
	}{{a, nil}, {b, nil}, {c, ErrPresenceFull}, {b2, nil}} {
		if err := enter(step.s); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.s.User(), err, step.want)
		}
	}
	h.Remove(&a.Client)
	if err := enter(c); err != nil {
		t.Errorf("with a place free: %v", err)
	}
	settle(t, h)
}

// Whoever watches a presence channel knows at every moment who is there, from
// its acknowledgement and the events after it.
func TestPresenceConsistent(t *testing.T) {
	h := newTest(t, Config{Shards: 2, Events: presenceTexts{}})
	type view struct {
		*sink
		members string // when it came
	}
	var watchers []view
	watch := func() {
		s := join(h, fmt.Sprint("w", len(watchers)))
		watchers = append(watchers, view{s, s.enter(t, h, "")})
	}
	watch()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 30 {
			watch()
			time.Sleep(100 * time.Microsecond)
		}
	})
	for w := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for range 400 {
				s := join(h, fmt.Sprint("u", rng.IntN(5)))
				s.enter(t, h, "")
				if rng.IntN(2) == 0 {
					h.Unsubscribe(&s.Client, "room")
				}
				h.Remove(&s.Client)
			}
		})
	}
	wg.Wait()
	settle(t, h)
	for _, w := range watchers {
		present := map[string]bool{}
		for user := range strings.FieldsSeq(w.members) {
			present[user] = true
		}
		for event := range strings.SplitSeq(strings.Trim(w.text(), "[]"), "][") {
			if event == "" {
				continue
			}
			_, what, _ := strings.Cut(event, ":")
			user := what[1:]
			if joined := what[0] == '+'; present[user] == joined {
				t.Fatalf("%s: %q, while present is %v", w.User(), what, present[user])
			} else {
				present[user] = joined
			}
		}
		for user, there := range present {
			if there == (user[0] == 'u') {
				t.Errorf("%s: %s is present at the end: %v", w.User(), user, there)
			}
		}
		if len(present) < len(watchers) {
			t.Errorf("%s knows of %d", w.User(), len(present))
		}
	}
}

// Whoever comes and goes without end costs the others no more than a join and a
// leave at a time, and they know at the end who is there.
func TestPresenceFlapping(t *testing.T) {
	for name, stays := range map[string]bool{"stays": true, "leaves": false} {
		t.Run(name, func(t *testing.T) {
			h := newTest(t, Config{Shards: 2, Events: presenceTexts{}})
			var hold sync.Mutex
			reader, ann, bob := join(h, "reader"), join(h, "ann"), join(h, "bob")
			reader.hold = &hold
			reader.enter(t, h, "")
			hold.Lock()
			for range 2000 {
				for _, s := range []*sink{ann, bob} {
					s.enter(t, h, "")
					h.Unsubscribe(&s.Client, "room")
				}
			}
			if n := h.Stats().Waiting; n > 4 {
				t.Errorf("%d publications wait", n)
			}
			if info, _ := h.Info("room"); info.Members != 1 {
				t.Errorf("info %+v", info)
			}
			if list, _ := h.Members("room"); names(list) != "reader " {
				t.Errorf("members %q", names(list))
			}
			// Who comes now is going to be told of the leaves.
			late := join(h, "late")
			if m := late.enter(t, h, ""); m != "ann bob late reader " {
				t.Errorf("members %q", m)
			}
			if stays {
				ann.enter(t, h, "")
			}
			hold.Unlock()
			settle(t, h)
			for s, want := range map[*sink]map[string]int{reader: {"ann": 1, "bob": 0, "late": 1}, late: {"ann": 0, "bob": -1}} {
				if !stays {
					want["ann"]--
				}
				for user, n := range want {
					got := s.text()
					joins, leaves := strings.Count(got, "+"+user), strings.Count(got, "-"+user)
					if joins-leaves != n || joins+leaves > 2 {
						t.Errorf("heard %q, want %+d of %s", got, n, user)
					}
				}
			}
		})
	}
}

// infoTexts tells the members' infos, too.
type infoTexts struct{}

func (infoTexts) Join(_ string, m Member) Message  { return text("+" + m.User + string(m.Info)) }
func (infoTexts) Leave(_ string, m Member) Message { return text("-" + m.User) }

// A member that is back with another info before its join has been told is
// told anew, but not to itself. A place is free as soon as its user has gone.
func TestPresenceBack(t *testing.T) {
	h := newTest(t, Config{Shards: 1, Events: infoTexts{}})
	var hold sync.Mutex
	reader, ann := join(h, "reader"), join(h, "ann")
	reader.hold = &hold
	reader.enter(t, h, "")
	hold.Lock()
	ann.enter(t, h, "1")
	h.Unsubscribe(&ann.Client, "room")
	full := func(s *sink, max int) error {
		return h.Subscribe(&s.Client, "room", &Join{Member: Member{User: s.User()}, Max: max}, func(Subscribed) {})
	}
	if err := full(ann, 1); !errors.Is(err, ErrPresenceFull) {
		t.Errorf("with no place free: %v", err)
	}
	bob := join(h, "bob")
	if err := full(bob, 2); err != nil {
		t.Errorf("with a place free: %v", err)
	}
	h.Remove(&bob.Client)
	if m := ann.enter(t, h, "2"); m != "ann2 bob reader " {
		t.Errorf("members %q", m)
	}
	hold.Unlock()
	settle(t, h)
	if got := reader.text(); got != "[2:+ann1][3:+bob][4:-ann][5:+ann2][6:-bob]" && got != "[2:+ann1][3:+bob][4:-bob][5:-ann][6:+ann2]" {
		t.Errorf("received %q", got)
	}
	if got := ann.text(); strings.Contains(got, "ann") {
		t.Errorf("ann received %q", got)
	}
	if list, _ := h.Members("room"); names(list) != "ann2 reader " {
		t.Errorf("members %q", names(list))
	}
}

func TestChannels(t *testing.T) {
	h := newTest(t, Config{})
	s := join(h, "ann")
	for _, name := range []string{"a-1", "a-2", "b-1"} {
		s.subscribe(t, h, name)
	}
	s.enter(t, h, "")
	count := func(prefix string) (n int) {
		h.Channels(prefix, func(ChannelInfo) bool { n++; return true })
		return n
	}
	if count("") != 4 || count("a-") != 2 || count("a-1x") != 0 {
		t.Errorf("%d, %d and %d channels", count(""), count("a-"), count("a-1x"))
	}
	n := 0
	h.Channels("", func(ChannelInfo) bool { n++; return false })
	if n != 1 {
		t.Errorf("went on %d times after it was stopped", n-1)
	}
	if _, ok := h.Info("nobody"); ok {
		t.Error("a channel without subscribers is described")
	}
}
