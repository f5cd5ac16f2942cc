package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// The soak: how many do how much. What they do at random follows from a seed.
const (
	soakClients  = 2000
	soakWorkers  = 16
	soakChannels = 200
	soakUsers    = 300
	soakSeed     = 42
)

// soakTime is how long it takes, and soakRest how long each worker rests between
// two deeds.
func soakTime() (all, rest time.Duration) {
	if raceBuild {
		return 10 * time.Second, 40 * time.Millisecond
	}
	return time.Minute, 15 * time.Millisecond
}

// soakChannel names a channel: of each kind there are some.
func soakChannel(i int) string {
	prefixes := []string{"", "", "private-", "presence-", "presence-", "cache-", "private-cache-", "presence-cache-", "private-encrypted-", ""}
	return fmt.Sprintf("%sroom-%d", prefixes[i%len(prefixes)], i)
}

func soakUser(i int) string { return fmt.Sprintf("user-%d", i) }

// soakInfo is what a user tells of itself, the same on all its connections.
func soakInfo(user string) string { return `{"name":"` + user + `"}` }

// soakClient is a client, what its worker wants it to be, and what it has been
// told.
type soakClient struct {
	*pusherPeer
	user     string            // as whom it has signed in
	watched  []string          // whom it watches
	channels map[string]string // that it is subscribed to: as which user, if presence
	done     chan struct{}     // closed at its end
	pong     chan struct{}

	mu      sync.Mutex // of what the reader writes
	end     error
	members map[string]map[string]string // of presence channels: infos by user
	counts  map[string]int               // of subscribers
	numbers map[string]int               // of the last event of a channel
	online  map[string]bool
	again   map[string]bool // channels that it has subscribed to once more
}

// soak is all of it.
type soak struct {
	s    *server
	app  App
	fail func(format string, args ...any)
}

// dial connects a client.
func (k *soak) dial() *soakClient {
	p, err := dialPusher(k.s.addr, k.app)
	if err != nil {
		k.fail("%v", err)
		return nil
	}
	p.SetReadDeadline(time.Time{})
	c := &soakClient{pusherPeer: p, channels: map[string]string{}, done: make(chan struct{}), pong: make(chan struct{}, 1),
		members: map[string]map[string]string{}, counts: map[string]int{}, numbers: map[string]int{}, online: map[string]bool{}, again: map[string]bool{}}
	go c.read(k)
	return c
}

// alive reports whether the client is still connected.
func (c *soakClient) alive() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// say sends a message. That the connection may have ended is the reader's to
// find.
func (c *soakClient) say(text string) { c.WriteMessage(websocket.TextMessage, []byte(text)) }

// read takes what the client receives until its end.
func (c *soakClient) read(k *soak) {
	defer close(c.done)
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			c.mu.Lock()
			c.end = err
			c.mu.Unlock()
			return
		}
		c.mu.Lock()
		err = c.hear(b)
		c.mu.Unlock()
		if err != nil {
			k.fail("%s received %s: %v", c.id, b, err)
			return
		}
	}
}

// hear notes a message as a client's library would, and tells what is wrong with
// it. mu is held.
func (c *soakClient) hear(b []byte) error {
	var m struct {
		Event, Channel string
		Data           json.RawMessage
		User           string `json:"user_id"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	text := ""
	var d struct {
		User     string          `json:"user_id"`
		Info     json.RawMessage `json:"user_info"`
		Count    int             `json:"subscription_count"`
		Presence struct {
			IDs   []string
			Hash  map[string]json.RawMessage
			Count int
		}
		Events []struct {
			Name  string
			Users []string `json:"user_ids"`
		}
	}
	if m.Event != "pusher:error" && m.Event != "pusher:signin_success" {
		if err := json.Unmarshal(m.Data, &text); err != nil {
			return err
		}
		if strings.HasPrefix(m.Event, "pusher") {
			if err := json.Unmarshal([]byte(text), &d); err != nil {
				return err
			}
		}
	}
	switch m.Event {
	case "pusher:pong":
		c.pong <- struct{}{}
	case "pusher:signin_success", "pusher:cache_miss":
	case "pusher:error":
		if !strings.Contains(string(m.Data), "4301") {
			return errors.New("unexpected")
		}
	case "pusher_internal:subscription_succeeded":
		delete(c.numbers, m.Channel)
		if !strings.HasPrefix(m.Channel, "presence-") {
			break
		}
		view := map[string]string{}
		for _, id := range d.Presence.IDs {
			view[id] = string(d.Presence.Hash[id])
		}
		if len(view) != d.Presence.Count || len(d.Presence.Hash) != d.Presence.Count || len(d.Presence.IDs) != d.Presence.Count {
			return errors.New("ids, hash and count differ")
		}
		c.members[m.Channel] = view
	case "pusher_internal:member_added", "pusher_internal:member_removed":
		view := c.members[m.Channel]
		if view == nil { // its end of the subscription is on its way
			break
		}
		_, there := view[d.User]
		added := m.Event == "pusher_internal:member_added"
		if there == added && !c.again[m.Channel] { // news on their way come after a second acknowledgement that knows them
			return fmt.Errorf("was there: %t", there)
		}
		if added {
			view[d.User] = string(d.Info)
		} else {
			delete(view, d.User)
		}
	case "pusher_internal:subscription_count":
		c.counts[m.Channel] = d.Count
	case "pusher_internal:watchlist_events":
		for _, e := range d.Events {
			for _, u := range e.Users {
				if is, known := c.online[u]; known && is == (e.Name == "online") {
					return errors.New("known")
				}
				c.online[u] = e.Name == "online"
			}
		}
	case "numbered": // a backend's: each channel has them in order, without a gap
		n := 0
		fmt.Sscan(text, &n)
		if last, known := c.numbers[m.Channel]; known && n != last+1 {
			return fmt.Errorf("the last was %d", last)
		}
		c.numbers[m.Channel] = n
	case "client-said":
		if text == c.id {
			return errors.New("its own")
		}
		if presence := strings.HasPrefix(m.Channel, "presence-"); presence == (m.User == "") {
			return errors.New("user_id")
		}
	default:
		return errors.New("unexpected")
	}
	return nil
}

// enter subscribes the client to a channel.
func (c *soakClient) enter(channel string, rng *rand.Rand) {
	data, user := "", ""
	if _, again := c.channels[channel]; again {
		c.mu.Lock()
		c.again[channel] = true
		c.mu.Unlock()
	}
	if strings.HasPrefix(channel, "presence-") {
		if now, again := c.channels[channel]; again {
			user = now
		} else if c.user != "" && rng.IntN(2) == 0 {
			user = c.user // who has signed in
		} else {
			user = soakUser(rng.IntN(soakUsers))
		}
		if user != c.user || rng.IntN(2) == 0 {
			data = `{"user_id":"` + user + `","user_info":` + soakInfo(user) + `}`
		}
	}
	c.channels[channel] = user
	c.say(c.subscribeText(channel, data))
}

func (c *soakClient) exit(channel string) {
	delete(c.channels, channel)
	c.mu.Lock()
	delete(c.members, channel)
	c.mu.Unlock()
	c.say(`{"event":"pusher:unsubscribe","data":{"channel":"` + channel + `"}}`)
}

func (c *soakClient) enlist(rng *rand.Rand) {
	if c.user == "" {
		c.user = soakUser(rng.IntN(soakUsers))
		for range rng.IntN(5) {
			c.watched = append(c.watched, soakUser(rng.IntN(soakUsers)))
		}
	}
	list, _ := json.Marshal(c.watched)
	c.say(c.signInText(`{"id":"` + c.user + `","user_info":` + soakInfo(c.user) + `,"watchlist":` + string(list) + `}`))
}

// act does something at random, and returns the client that is in c's place then.
func (k *soak) act(c *soakClient, rng *rand.Rand) *soakClient {
	if !c.alive() {
		c.Close()
		return k.dial()
	}
	some := func() string { // a channel that it is in
		names := slices.Sorted(maps.Keys(c.channels))
		if len(names) == 0 {
			return ""
		}
		return names[rng.IntN(len(names))]
	}
	switch n := rng.IntN(100); {
	case n < 40 && len(c.channels) < 8:
		c.enter(soakChannel(rng.IntN(soakChannels)), rng)
	case n < 45:
		if channel := some(); channel != "" {
			c.enter(channel, rng) // again
		}
	case n < 65:
		if channel := some(); channel != "" {
			c.exit(channel)
		}
	case n < 80:
		channel := some()
		if strings.HasPrefix(channel, "p") && !strings.HasPrefix(channel, "private-encrypted-") {
			c.say(clientEvent(channel, "client-said", quote(c.id)))
		}
	case n < 90:
		c.enlist(rng)
	case n < 94: // with a Close frame
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience))
		c.Close()
		return k.dial()
	case n < 98: // without
		c.UnderlyingConn().Close()
		return k.dial()
	case n < 99:
		k.post("/users/"+soakUser(rng.IntN(soakUsers))+"/terminate_connections", "{}")
	}
	return c
}

// post calls the HTTP API.
func (k *soak) post(path, body string) {
	call := pusherCall{app: k.app, method: "POST", path: path, body: body}
	resp, err := http.Post("http://"+k.s.addr+call.signed(), "application/json", strings.NewReader(body))
	if err != nil {
		k.fail("%v", err)
		return
	}
	answer, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || string(answer) != "{}\n" {
		k.fail("%s %s: %d %s", path, body, resp.StatusCode, answer)
	}
}

// publish numbers the events of the channels until end is closed.
func (k *soak) publish(end <-chan struct{}) {
	rng := rand.New(rand.NewPCG(soakSeed, 1000))
	numbers := make([]int, soakChannels)
	for {
		select {
		case <-end:
			return
		case <-time.After(10 * time.Millisecond):
			i := rng.IntN(soakChannels)
			numbers[i]++
			k.post("/events", fmt.Sprintf(`{"name":"numbered","channel":"%s","data":"%d"}`, soakChannel(i), numbers[i]))
		}
	}
}

// Two thousand clients do at random what clients do. Then the API, the metrics and
// what the clients have been told are the truth.
func TestPusherSoak(t *testing.T) {
	t.Parallel()
	a := tenant("soak", func(a *App) { a.Watchlist, a.SubCount, a.PresenceMax = true, true, 0 })
	s := newTest(t, tenants(a))
	var once sync.Once
	k := &soak{s, a, func(format string, args ...any) { once.Do(func() { t.Errorf(format, args...) }) }}
	all, rest := soakTime()
	clients := make([]*soakClient, soakClients)
	end := make(chan struct{})
	var workers, publisher sync.WaitGroup
	publisher.Go(func() { k.publish(end) })
	deadline := time.Now().Add(all)
	const share = soakClients / soakWorkers
	for w := range soakWorkers {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(soakSeed, uint64(w)))
			own := clients[w*share : (w+1)*share]
			for i := range own {
				if own[i] = k.dial(); own[i] == nil {
					return
				}
			}
			for time.Now().Before(deadline) && !t.Failed() {
				i := rng.IntN(share)
				if own[i] = k.act(own[i], rng); own[i] == nil {
					return
				}
				time.Sleep(time.Duration(rng.Int64N(2 * int64(rest))))
			}
		})
	}
	workers.Wait()
	close(end)
	publisher.Wait()
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.Close()
				<-c.done
			}
		}
	}()
	if t.Failed() {
		return
	}
	k.compare(t, clients)
}

// truth is what there is, by what the clients have done.
type truth struct {
	clients       int
	subscriptions map[string]int             // by channel
	members       map[string]map[string]bool // of presence channels
	users         map[string]bool            // that are signed in
}

func truthOf(clients []*soakClient) *truth {
	w := &truth{0, map[string]int{}, map[string]map[string]bool{}, map[string]bool{}}
	for _, c := range clients {
		if !c.alive() {
			continue
		}
		w.clients++
		if c.user != "" {
			w.users[c.user] = true
		}
		for channel, user := range c.channels {
			w.subscriptions[channel]++
			if user != "" {
				if w.members[channel] == nil {
					w.members[channel] = map[string]bool{}
				}
				w.members[channel][user] = true
			}
		}
	}
	return w
}

// compare compares the gateway, and what the clients know, with the truth.
func (k *soak) compare(t *testing.T, clients []*soakClient) {
	s, a := k.s, k.app
	for _, c := range clients { // all that they have asked for is done
		c.say(`{"event":"pusher:ping","data":{}}`)
	}
	for _, c := range clients {
		select {
		case <-c.pong:
		case <-c.done:
		case <-time.After(patience):
			t.Fatalf("%s gets no answer", c.id)
		}
	}
	w := truthOf(clients)
	for _, c := range clients {
		if err := c.end; !c.alive() && !websocket.IsCloseError(err, 4009) { // by terminate_connections
			t.Errorf("a client ended with %v", err)
		}
	}
	t.Logf("%d clients, %d users, %d channels, %d of them with members", w.clients, len(w.users), len(w.subscriptions), len(w.members))
	if w.clients < soakClients/2 || len(w.subscriptions) < soakChannels/2 || len(w.members) < 20 || len(w.users) < 20 {
		t.Errorf("too little of it is left to compare")
	}

	soon(t, "those that have gone are forgotten", func() bool { return s.apps.byID(a.ID).hub.Clients() == int64(w.clients) })
	s.eventually(a, "/connections", "", fmt.Sprintf(`{"connections":%d}`, w.clients))
	list := map[string]attributes{}
	presence := map[string]attributes{}
	sum := 0
	for channel, n := range w.subscriptions {
		sum += n
		list[channel] = attributes{Subscriptions: &n}
		if m := w.members[channel]; m != nil {
			count := len(m)
			presence[channel] = attributes{Users: &count, Subscriptions: &n}
		}
	}
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	s.get(a, "/channels", "info=subscription_count", text(map[string]any{"channels": list}))
	s.get(a, "/channels", "filter_by_prefix=presence-&info=user_count,subscription_count", text(map[string]any{"channels": presence}))
	for i := range soakChannels {
		channel := soakChannel(i)
		n := w.subscriptions[channel]
		if !strings.HasPrefix(channel, "presence-") {
			s.get(a, "/channels/"+channel, "info=subscription_count", fmt.Sprintf(`{"occupied":%t,"subscription_count":%d}`, n > 0, n))
			continue
		}
		s.get(a, "/channels/"+channel, "info=user_count,subscription_count",
			fmt.Sprintf(`{"occupied":%t,"user_count":%d,"subscription_count":%d}`, n > 0, len(w.members[channel]), n))
		users := []pusherUser{}
		for _, id := range slices.Sorted(maps.Keys(w.members[channel])) {
			users = append(users, pusherUser{id})
		}
		s.get(a, "/channels/"+channel+"/users", "", text(map[string]any{"users": users}))
	}
	for name, want := range map[string]int{"clients": w.clients, "users": len(w.users), "channels": len(w.subscriptions), "subscriptions": sum} {
		if got := s.metric("stentor_"+name, "app", a.ID); got != float64(want) {
			t.Errorf("stentor_%s is %v, want %d", name, got, want)
		}
	}
	soon(t, "closed sockets are gone", func() bool { return s.metric("stentor_connections") == float64(w.clients) })
	if n := s.apps.byID(a.ID).places.Load(); n != int64(w.clients) {
		t.Errorf("%d places are taken, want %d", n, w.clients)
	}
	var wrong error
	defer func() {
		if wrong != nil {
			t.Log(wrong)
		}
	}()
	soon(t, "each client knows the truth", func() bool {
		wrong = nil
		for _, c := range clients {
			if wrong = c.knows(w); wrong != nil {
				return false
			}
		}
		return true
	})

	// The last goes.
	for _, c := range clients {
		c.Close()
	}
	s.eventually(a, "/connections", "", `{"connections":0}`)
	s.eventually(a, "/channels", "", `{"channels":{}}`)
	soon(t, "nobody is left", func() bool {
		return s.metric("stentor_users", "app", a.ID) == 0 && s.metric("stentor_subscriptions", "app", a.ID) == 0 &&
			s.apps.byID(a.ID).places.Load() == 0
	})
}

// knows tells in what a client that is connected has been told wrong.
func (c *soakClient) knows(w *truth) error {
	if !c.alive() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for channel, user := range c.channels {
		if user == "" {
			if c.counts[channel] != w.subscriptions[channel] {
				return fmt.Errorf("%s knows %d subscribers of %s, there are %d", c.id, c.counts[channel], channel, w.subscriptions[channel])
			}
			continue
		}
		view := c.members[channel]
		for id := range w.members[channel] {
			if view[id] != soakInfo(id) {
				return fmt.Errorf("%s knows of %s in %s: %q", c.id, id, channel, view[id])
			}
		}
		if len(view) != len(w.members[channel]) {
			return fmt.Errorf("%s knows %d members of %s, there are %d", c.id, len(view), channel, len(w.members[channel]))
		}
	}
	for _, u := range c.watched {
		if is, known := c.online[u]; !known || is != w.users[u] {
			return fmt.Errorf("%s is told that %s is online: %t", c.id, u, is)
		}
	}
	return nil
}
