package gateway

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gorilla/websocket"
)

// Twenty of two thousand subscribers never read. The others receive everything
// in order, memory stays bounded, the twenty are closed, and every delivery is
// accounted for.
func TestStalledSubscribers(t *testing.T) {
	const (
		clients, stalled = 2000, 20
		queue            = 64 << 10
		rounds, size     = 60, 8 << 10
	)
	s := newTest(t, func(c *Config) { c.Limits.QueueBytes = queue })
	var readers sync.WaitGroup
	var received atomic.Int64
	for i := range clients {
		c, _, _, err := ws.Dial(context.Background(), "ws://"+s.addr+"/raw/news")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i < stalled {
			continue
		}
		c.SetDeadline(time.Now().Add(2 * patience))
		readers.Go(func() {
			for k := range rounds {
				text, err := wsutil.ReadServerText(c)
				if err != nil || len(text) != size || !strings.HasPrefix(string(text), fmt.Sprintf("%06d", k)) {
					t.Errorf("client %d, publication %d: %.20q, %v", i, k, text, err)
					return
				}
				received.Add(1)
			}
		})
	}
	soon(t, "all are subscribed", func() bool { return s.subscriptions("news") == clients })
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	var written, queued, dropped int64
	for k := range rounds {
		a := s.publishWait(t, fmt.Sprintf("%06d%s", k, strings.Repeat("x", size-6)))
		written, queued, dropped = written+*a.Written, queued+*a.Queued, dropped+*a.Dropped
	}
	runtime.ReadMemStats(&during)
	readers.Wait()
	if received.Load() != (clients-stalled)*rounds {
		t.Errorf("%d of %d deliveries arrived", received.Load(), (clients-stalled)*rounds)
	}
	soon(t, "the stalled are gone", func() bool { return s.subscriptions("news") == clients-stalled })
	if n := s.metric("stentor_closes_total", "reason", "overflow"); n != stalled {
		t.Errorf("%v closes for overflow, want %d", n, stalled)
	}
	if n := s.metric("stentor_deliveries_total", "outcome", "dropped"); n == 0 || int64(n) != dropped {
		t.Errorf("%v deliveries are counted as dropped, the answers say %d", n, dropped)
	}
	if written+queued < (clients-stalled)*rounds {
		t.Errorf("%d written and %d queued", written, queued)
	}
	// What the twenty pinned is bounded by their queues; the rest is garbage of
	// the test's own clients, which share the process.
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 500<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if n := s.metric("stentor_queued_bytes"); n > stalled*(queue+size) {
		t.Errorf("%v bytes are queued", n)
	}
}

// publishWait publishes text to news and waits for the counts.
func (s *server) publishWait(t *testing.T, text string) publishAnswer {
	t.Helper()
	body := publishBody{Data: []byte(`"` + text + `"`), Wait: true}
	body.To.Channels = []string{"news"}
	p, err := s.publication(&body)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	return s.Gateway.publish(ctx, s.apps.all()[0], p, true)
}

// Clients of every dialect come, subscribe, publish and go in every way, all at
// once. At the end nothing is left over (newTest checks), and every end is
// accounted for.
func TestGatewayChurn(t *testing.T) {
	total := 3000
	if testing.Short() {
		total = 600
	}
	s := newTest(t, func(c *Config) {
		c.Limits.QueueBytes = 64 << 10
		c.Limits.IdleTimeout, c.Limits.PongTimeout = 300*time.Millisecond, 10*time.Second
	})
	stop := make(chan struct{})
	var publishers, clients sync.WaitGroup
	for range 2 {
		publishers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				s.call("POST", "/api/publish", "dev-secret", fmt.Sprintf(`{"to":{"channels":["c%d","presence-p"],"users":["u1"],"all":%v},"except":{"users":["u2"]},"data":"%s"}`,
					n%5, n%7 == 0, strings.Repeat("x", n%3000)))
			}
		})
	}
	for w := range 30 {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 3))
			for range total / 30 {
				s.life(t, rng)
			}
		})
	}
	clients.Wait()
	close(stop)
	publishers.Wait()
	http.DefaultClient.CloseIdleConnections()
	soon(t, "all are gone", func() bool {
		st, h := s.engine.Stats(), s.apps.all()[0].hub.Stats()
		return st.Connections == 0 && st.Sockets == 0 && h.Clients == 0
	})
	st := s.engine.Stats()
	var closes uint64
	for _, n := range st.Closes {
		closes += n
	}
	if closes != st.Handshakes["accepted"] {
		t.Errorf("%d were opened, %d ends are accounted for: %v", st.Handshakes["accepted"], closes, st.Closes)
	}
	t.Logf("%v, %v", st.Handshakes, st.Closes)
}

// life is one client of one of many kinds.
func (s *server) life(t *testing.T, rng *rand.Rand) {
	path := fmt.Sprintf("/ws?user=u%d", rng.IntN(4))
	raw := rng.IntN(3) == 0
	if raw {
		path = fmt.Sprintf("/raw/c%d", rng.IntN(5))
	}
	c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+path, nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	for range rng.IntN(6) {
		text := "raw payload"
		if !raw {
			channel := fmt.Sprint("c", rng.IntN(5))
			text = []string{
				`{"type":"subscribe","channel":"` + channel + `"}`,
				`{"type":"unsubscribe","channel":"` + channel + `"}`,
				`{"type":"publish","channel":"` + channel + `","data":1}`,
				`{"type":"subscribe","channel":"presence-p"}`,
				`{"type":"presence","channel":"presence-p"}`,
				`{"type":"publish","all":true,"echo":false}`,
				`nonsense`,
			}[rng.IntN(7)]
		}
		if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			return
		}
	}
	switch rng.IntN(4) {
	case 0:
		return
	case 1:
		c.NetConn().(*net.TCPConn).SetLinger(0)
		return
	case 2:
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
	case 3:
		c.NetConn().(*net.TCPConn).CloseWrite()
	}
	io.Copy(io.Discard, c.NetConn())
}
