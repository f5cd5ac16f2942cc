//go:build !race

package gateway

import (
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/hub"
	"stentor/protocol"
)

// deaf is a client that takes everything and keeps nothing, but where it was.
type deaf struct {
	hub.Client
	at *byte
}

func (d *deaf) Deliver(frames []byte, n int, guard *atomic.Uint64, want uint64) hub.Outcome {
	if guard.Load() != want {
		return hub.Stale
	}
	d.at = &frames[0]
	return hub.Written
}

func deafCrowd(n int) (*hub.Hub, []*deaf) {
	h := hub.New(hub.Config{Shards: 2, Pool: atOnce{}})
	list := make([]*deaf, n)
	for i := range list {
		d := new(deaf)
		h.Add(&d.Client, d, "", classPusher, i)
		d.Ready()
		h.Subscribe(&d.Client, "presence-room", nil, func(hub.Subscribed) {})
		list[i] = d
	}
	return h, list
}

// encodings counts how often a message is encoded.
type encodings struct {
	hub.Message
	n atomic.Int64
}

func (e *encodings) Encode(class uint8, to hub.Target) []byte {
	e.n.Add(1)
	return e.Message.Encode(class, to)
}

// A publication is one frame for all Pusher clients of a channel, and a delivery
// of it allocates nothing.
func TestPusherDeliveryAllocatesNothing(t *testing.T) {
	for name, m := range map[string]hub.Message{
		"JSON":         &message{protocol.Event{Name: "e", Kind: protocol.JSON, Data: []byte(`{"a":"` + strings.Repeat("é\n", 500) + `"}`)}},
		"client event": &message{protocol.Event{Name: "client-e", Kind: protocol.Text, Data: []byte("x"), User: "ann"}},
		"count":        &countEvent{1000},
		"member":       &presenceEvent{member: hub.Member{User: "ann", Info: []byte(`{"a":1}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			count := func(n int) (allocations float64) {
				h, list := deafCrowd(n)
				e := &encodings{Message: m}
				o := &hub.Options{ExceptClients: []*hub.Client{&list[0].Client}} // the sender, mostly
				h.Publish("presence-room", e, o)
				if n := e.n.Load(); n != 1 {
					t.Errorf("encoded %d times for one publication", n)
				}
				if list[0].at != nil {
					t.Error("the one that is excepted has received it")
				}
				for _, d := range list[1:] {
					if d.at != list[1].at || d.at == nil {
						t.Fatal("clients receive frames of their own")
					}
				}
				return testing.AllocsPerRun(100, func() { h.Publish("presence-room", m, o) })
			}
			few, many := count(3), count(2000)
			if many > few || few > 12 {
				t.Errorf("%v allocations for two clients, %v for 1999", few, many)
			}
			t.Logf("%v allocations a publication", many)
		})
	}
}

// The answer to a ping takes a few allocations, however many clients there are.
func TestPusherPingAllocations(t *testing.T) {
	a := tenant("a")
	s := newTest(t, tenants(a))
	p := s.pusher(a)
	c := p.NetConn()
	ping := clientFrame(t, `{"event":"pusher:ping","data":{}}`)
	pong := make([]byte, 2+len(`{"event":"pusher:pong","data":"{}"}`))
	each := allocations(t, c, ping, pong)
	if want := `{"event":"pusher:pong","data":"{}"}`; string(pong[2:]) != want {
		t.Fatalf("received %q", pong)
	}
	if each > 3 {
		t.Errorf("%.2f allocations for a ping and its answer", each)
	}
	t.Logf("%.2f allocations for a ping and its answer", each)
}

// clientFrame is a text message on the wire.
func clientFrame(t *testing.T, text string) []byte {
	t.Helper()
	b, err := ws.CompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// allocations counts those of the whole process for a message and its answer.
func allocations(t *testing.T, c net.Conn, out, in []byte) float64 {
	t.Helper()
	const runs = 2000
	c.SetDeadline(time.Now().Add(patience))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	for i := range runs + 1 {
		if i == 1 {
			runtime.ReadMemStats(&before)
		}
		if _, err := c.Write(out); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, in); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / runs
}
