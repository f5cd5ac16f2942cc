package hub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
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
	watcher := join(h, "watcher")
	watcher.enter(t, h, "")
	var wg sync.WaitGroup
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
	present := map[string]bool{}
	for event := range strings.SplitSeq(strings.Trim(watcher.text(), "[]"), "][") {
		_, what, _ := strings.Cut(event, ":")
		user := what[1:]
		if joined := what[0] == '+'; present[user] == joined {
			t.Fatalf("%q, while present is %v", what, present[user])
		} else {
			present[user] = joined
		}
	}
	for user, there := range present {
		if there {
			t.Errorf("%s never left", user)
		}
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
