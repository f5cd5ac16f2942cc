package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestEcho(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		_, addr := newTest(t, Config{Handler: echoes, Inline: inline})
		p := dial(t, addr, "/")
		for _, n := range []int{0, 1, 125, 126, 127, 4096, 65535, 65536} {
			msg := strings.Repeat("x", n)
			p.text(msg)
			p.wantText(msg)
		}
		p.write(masked(true, ws.OpBinary, "\x00\xff"))
		if op, got := p.next(); op != ws.OpBinary || got != "\x00\xff" {
			t.Errorf("received %v %q", op, got)
		}
		p.write(masked(true, ws.OpPing, "are you there"))
		if op, got := p.next(); op != ws.OpPong || got != "are you there" {
			t.Errorf("received %v %q", op, got)
		}
		p.bye()
	})
}

// However the bytes are cut, from the handshake to the close, the messages are
// the same.
func TestInputInPieces(t *testing.T) {
	stream := request("/") + masked(true, ws.OpText, "one") + masked(false, ws.OpText, "t") + masked(true, ws.OpPing, "p") +
		masked(false, ws.OpContinuation, "w") + masked(true, ws.OpContinuation, "o") +
		masked(true, ws.OpText, strings.Repeat("three ", 300)) + masked(true, ws.OpClose, "\x03\xe8")
	rng := rand.New(rand.NewPCG(1, 2))
	cuts := map[string]func(left int) int{
		"all at once":   func(left int) int { return left },
		"byte by byte":  func(int) int { return 1 },
		"seven":         func(int) int { return 7 },
		"random pieces": func(left int) int { return 1 + rng.IntN(min(left, 90)) },
	}
	bothWays(t, func(t *testing.T, inline bool) {
		_, addr := newTest(t, Config{Handler: echoes, Inline: inline})
		for name, cut := range cuts {
			t.Run(name, func(t *testing.T) {
				p := connect(t, addr)
				for rest := stream; rest != ""; {
					n := min(cut(len(rest)), len(rest))
					p.write(rest[:n])
					rest = rest[n:]
				}
				if resp := p.response(); resp.StatusCode != 101 {
					t.Fatal(resp.Status)
				}
				// The pong may overtake echoes that come from the pool; the
				// Close frame does not.
				var texts, pongs []string
				for {
					op, got := p.next()
					if op == ws.OpClose {
						break
					}
					if op == ws.OpPong {
						pongs = append(pongs, got)
					} else {
						texts = append(texts, got)
					}
				}
				p.wantEOF()
				want := []string{"one", "two", strings.Repeat("three ", 300)}
				if fmt.Sprint(texts) != fmt.Sprint(want) {
					t.Errorf("echoes: %.200q", texts)
				}
				if fmt.Sprint(pongs) != "[p]" {
					t.Errorf("pongs: %q", pongs)
				}
			})
		}
	})
}

// Events of one connection come in order and one at a time, on the pool too,
// and for many connections at once.
func TestOrder(t *testing.T) {
	const conns, messages = 50, 200
	type state struct {
		busy   atomic.Bool
		next   int
		opened bool
	}
	var ended sync.WaitGroup
	ended.Add(conns)
	bad := make(chan string, 100)
	complain := func(format string, args ...any) {
		select {
		case bad <- fmt.Sprintf(format, args...):
		default:
		}
	}
	enter := func(s *state) func() {
		if s.busy.Swap(true) {
			complain("two events at the same time")
		}
		return func() { s.busy.Store(false) }
	}
	_, addr := newTest(t, Config{
		Upgrade: func(*Handshake) Answer { return Answer{Data: new(state)} },
		Handler: Handlers{
			OnOpen: func(c Conn) {
				s := c.Data().(*state)
				defer enter(s)()
				s.opened = true
			},
			OnMessage: func(c Conn, m Message) {
				s := c.Data().(*state)
				defer enter(s)()
				if want := fmt.Sprint(s.next); string(m.Data) != want || !s.opened {
					complain("message %q, want %s (opened: %v)", m.Data, want, s.opened)
				}
				s.next++
			},
			OnClose: func(c Conn, r Reason) {
				s := c.Data().(*state)
				defer enter(s)()
				if s.next != messages {
					complain("closed after %d messages", s.next)
				}
				ended.Done()
			},
		}})
	for range conns {
		p := dial(t, addr, "/")
		go func() {
			for i := range messages {
				p.text(fmt.Sprint(i))
			}
			p.Close()
		}()
	}
	ended.Wait()
	select {
	case s := <-bad:
		t.Error(s)
	default:
	}
}

// A Handler that is called inline can send work away; what comes later waits.
func TestGo(t *testing.T) {
	release := make(chan struct{})
	_, addr := newTest(t, Config{Inline: true, Handler: Handlers{
		OnMessage: func(c Conn, m Message) {
			text := string(m.Data)
			if text == "slow" {
				c.Go(func() {
					<-release
					c.Write(Text, []byte("slow is done"))
				})
				return
			}
			c.Write(Text, []byte("got "+text))
		},
	}})
	p, other := dial(t, addr, "/"), dial(t, addr, "/")
	p.text("before")
	p.wantText("got before")
	p.text("slow")
	p.text("after 1")
	p.text("after 2")
	other.text("me")
	other.wantText("got me") // nobody else waits
	close(release)
	p.wantText("slow is done")
	p.wantText("got after 1")
	p.wantText("got after 2")
	p.text("again inline")
	p.wantText("got again inline")
	p.bye()
	other.bye()
}

// Work that was sent away in the last event of a connection is done, and its
// slot waits for it.
func TestGoInClose(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		release, done := make(chan struct{}), make(chan Conn, 10)
		e, addr := newTest(t, Config{Inline: inline, Loops: 1, Handler: Handlers{
			OnOpen: func(c Conn) { c.SetData("mine") },
			OnClose: func(c Conn, _ Reason) {
				c.Go(func() {
					<-release
					if c.Data() == "mine" {
						done <- c
					}
				})
			},
		}})
		p := dial(t, addr, "/")
		p.bye()
		soon(t, "the descriptor is closed", func() bool { return e.Stats().Sockets == 0 })
		q := dial(t, addr, "/") // must not get the slot
		q.bye()
		close(release)
		soon(t, "the work is done", func() bool { return len(done) == 2 })
		a, b := <-done, <-done
		if a == b || a.c == b.c {
			t.Error("a slot was reused while work of its connection was under way")
		}
		soon(t, "the slots are free", func() bool { return e.loops[0].slabUsed() == 0 })
	})
}

// Whoever sends work away while connections come and go: it runs as long as
// the slot is its connection's, or not at all.
func TestGoFromElsewhere(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		var last atomic.Pointer[Conn]
		var ran atomic.Int64
		e, addr := newTest(t, Config{Inline: inline, Loops: 1, Handler: Handlers{OnOpen: func(c Conn) { last.Store(&c) }}})
		var stop atomic.Bool
		var senders sync.WaitGroup
		for range 2 {
			senders.Go(func() {
				for ; !stop.Load(); time.Sleep(time.Microsecond) {
					c := last.Load()
					if c == nil {
						continue
					}
					c.Go(func() {
						ran.Add(1)
						if gen := c.c.word.gen(); gen != c.gen {
							t.Errorf("the work of generation %d ran in %d", c.gen, gen)
						}
					})
				}
			})
		}
		for range 200 {
			dial(t, addr, "/").Close()
		}
		stop.Store(true)
		senders.Wait()
		if ran.Load() == 0 {
			t.Error("nothing ran")
		}
		soon(t, "the slots are free", func() bool { return e.loops[0].slabUsed() == 0 })
	})
}

// Between the end of a connection and that of its slot nothing begins.
func TestGoTooLate(t *testing.T) {
	opened := make(chan Conn, 1)
	_, addr := newTest(t, Config{Inline: true, Handler: Handlers{OnOpen: func(c Conn) { opened <- c }}})
	p := dial(t, addr, "/")
	c := <-opened
	flags := func(change func(bits uint32)) {
		c.c.word.lock(c.gen)
		change(flagClosed)
		c.c.word.unlock()
	}
	onLoop(c, func() { // as closeDead leaves it
		flags(c.c.set)
		c.Go(func() { t.Error("it ran") })
		if c.c.has(flagBusy) {
			t.Error("it is going to run")
		}
		flags(c.c.clear)
	})
	p.bye()
}

// Data is valid until Message returns: builds that check invariants overwrite
// it then, so that a Handler which keeps it notices.
func TestDataIsNotKept(t *testing.T) {
	probe := []byte{1}
	if poison(probe); probe[0] == 1 {
		t.Skip("this build does not overwrite")
	}
	var kept atomic.Pointer[[]byte]
	_, addr := newTest(t, Config{Inline: true, Handler: Handlers{
		OnMessage: func(c Conn, m Message) {
			if k := kept.Load(); k == nil {
				kept.Store(&m.Data)
			} else {
				c.Write(Binary, *k)
			}
		},
	}})
	p := dial(t, addr, "/")
	p.text("keep me")
	p.write(masked(true, ws.OpPing, ""))
	p.next()
	p.text("what is left?")
	if _, got := p.next(); got == "keep me" {
		t.Error("the bytes were still there")
	}
	p.bye()
}

// A panic costs its own connection only.
func TestPanic(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		reasons := make(chan Reason, 2)
		_, addr := newTest(t, Config{Inline: inline, Handler: Handlers{
			OnMessage: func(c Conn, m Message) {
				if string(m.Data) == "panic" {
					panic("as asked")
				}
				c.Write(m.Op, m.Data)
			},
			OnClose: func(_ Conn, r Reason) { reasons <- r },
		}})
		p, other := dial(t, addr, "/"), dial(t, addr, "/")
		p.text("panic")
		p.wantClose(1011)
		p.write(masked(true, ws.OpClose, "\x03\xf3"))
		p.wantEOF()
		if r := <-reasons; r.Cause != ByPanic || r.Code != 1011 {
			t.Errorf("reason %+v", r)
		}
		other.text("still here")
		other.wantText("still here")
		other.bye()
	})
}
