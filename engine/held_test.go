package engine

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/frame"
)

// narrow leaves the system room for so much of what is sent on a connection,
// about, so that little makes a backlog.
func narrow(c Conn, bytes int) {
	unix.SetsockoptInt(c.c.op.FD, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
}

// flood sends without reading, until the connection is closed.
func (p *peer) flood(s string) {
	for {
		if _, err := io.WriteString(p.Conn, s); err != nil {
			return
		}
	}
}

// onLoop runs f on the connection's loop, after what the loop has begun.
func onLoop(c Conn, f func()) {
	done := make(chan struct{})
	c.c.loop().post(task{kind: taskCall, arg: func() { f(); close(done) }})
	<-done
}

// A client that sends much before it reads is held up by what waits for it, and
// then gets every answer, in order.
func TestHeldUpByAnswers(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		queue := 80 << 10 // hardly more than one read brings
		if !inline {
			queue = 256 << 10 // what waits for the pool comes on top
		}
		opened := make(chan Conn, 1)
		e, addr := newTest(t, Config{Inline: inline, QueueBytes: queue, Handler: Handlers{
			OnOpen:    func(c Conn) { narrow(c, 16<<10); opened <- c },
			OnMessage: echoes.OnMessage,
		}})
		const n = 12000
		message := func(i int) string { return fmt.Sprintf("%06d", i) + strings.Repeat("x", i%700) }
		var stream strings.Builder
		for i := range n {
			stream.WriteString(masked(true, ws.OpText, message(i)))
		}
		var readers sync.WaitGroup
		for range 3 {
			p := dial(t, addr, "/")
			c := <-opened
			go io.WriteString(p.Conn, stream.String())
			readers.Go(func() {
				soon(t, "the input is held", func() bool { return c.c.has(flagPauseOut) })
				for i := range n {
					if op, got := p.next(); op != ws.OpText || got != message(i) {
						t.Errorf("echo %d: %v %.20q", i, op, got)
						return
					}
				}
			})
		}
		readers.Wait()
		if n := e.Stats().Drops["overflow"]; n != 0 {
			t.Errorf("%d messages overflowed", n)
		}
	})
}

// What is read when it is allowed again comes behind what was held, wherever
// the bytes were cut.
func TestHeldOrder(t *testing.T) {
	stream := ""
	for i := range 20 {
		stream += masked(true, ws.OpText, fmt.Sprintf("message %d", i))
	}
	opened := make(chan Conn, 1)
	_, addr := newTest(t, Config{Inline: true, Handler: Handlers{
		OnOpen:    func(c Conn) { opened <- c },
		OnMessage: echoes.OnMessage,
	}})
	for _, cut := range []int{1, 10, len(stream) / 2, len(stream) - 1} {
		p := dial(t, addr, "/")
		c := <-opened
		onLoop(c, func() {
			c.hold(true)
			c.c.loop().received(c.c, []byte(stream[:cut]))
			p.write(stream[cut:])
			c.hold(false)
			for c.c.loop().readOnce(c.c) { // before the turn to handle what is held
			}
		})
		for i := range 20 {
			p.wantText(fmt.Sprintf("message %d", i))
		}
		p.bye()
	}
}

// hold makes what comes be held, or lets it be handled again.
func (h Conn) hold(on bool) {
	h.c.word.lock(h.gen)
	if on {
		h.c.set(flagPauseOut)
	} else {
		h.c.allowReads(flagPauseOut)
	}
	h.c.word.unlock()
}

// However the connection ends: what was held was said before.
func TestHeldBeforeEnd(t *testing.T) {
	const n = 200
	for name, end := range map[string]func(c Conn, p *peer){
		"FIN": func(c Conn, p *peer) {
			p.Conn.(*net.TCPConn).CloseWrite()
			c.hold(false)
			for c.c.loop().readOnce(c.c) {
			}
		},
		"hang-up": func(c Conn, p *peer) {
			p.Close()
			c.c.loop().hungUp(c.c)
		},
		"a write fails": func(c Conn, p *peer) {
			p.Conn.(*net.TCPConn).SetLinger(0)
			p.Close()
			for c.Write(Text, []byte("x")) == nil {
				time.Sleep(time.Millisecond) // the reset is on its way
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, inline bool) {
				opened, got := make(chan Conn, 1), make(chan string, n+1)
				_, addr := newTest(t, Config{Inline: inline, Handler: Handlers{
					OnOpen:    func(c Conn) { opened <- c },
					OnMessage: func(_ Conn, m Message) { got <- string(m.Data) },
					OnClose:   func(Conn, Reason) { got <- "closed" },
				}})
				p := dial(t, addr, "/")
				c := <-opened
				stream := ""
				for i := range n {
					stream += masked(true, ws.OpText, fmt.Sprint(i))
				}
				onLoop(c, func() {
					c.hold(true)
					c.c.loop().received(c.c, []byte(stream))
					end(c, p)
				})
				for i := range n {
					if s := <-got; s != fmt.Sprint(i) {
						t.Fatalf("message %d: %s", i, s)
					}
				}
				if s := <-got; s != "closed" {
					t.Errorf("and then %s", s)
				}
			})
		})
	}
}

// It is read again when half of what held it up is gone.
func TestHeldUpUntilHalf(t *testing.T) {
	opened := make(chan Conn, 1)
	e, addr := newTest(t, Config{Inline: true, Handler: Handlers{
		OnOpen:    func(c Conn) { narrow(c, 16<<10); opened <- c },
		OnMessage: echoes.OnMessage,
	}})
	p := dial(t, addr, "/")
	p.Conn.(*net.TCPConn).SetReadBuffer(16 << 10) // it does not grow
	c := <-opened
	frames := 0
	for ; !c.c.has(flagPauseOut); frames++ {
		c.Send(frame.Encode(ws.OpBinary, make([]byte, 1000)), 1, Guard{})
	}
	soon(t, "the poller was told", func() bool { return c.c.has(flagMuted) })
	if n := c.Backlog(); n < e.pauseOut()*9/10 || n > e.pauseOut() {
		t.Errorf("%d bytes hold it up", n)
	}
	p.text("read me")
	for ; c.c.has(flagPauseOut); frames-- {
		p.next()
	}
	if n := c.Backlog(); n == 0 || n > e.pauseOut()/2+1<<10 {
		t.Errorf("%d bytes waited still", n)
	}
	for range frames {
		p.next()
	}
	p.wantText("read me")
	p.bye()
}

// A peer that asks for much and never reads is held up: what waits for it stays
// within the bound, and nobody else notices. It ends when it gives no sign of
// life.
func TestAsksAndNeverReads(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		const queue = 256 << 10
		end := make(ends, 1)
		opened := make(chan Conn, 1)
		e, addr := newTest(t, Config{Inline: inline, QueueBytes: queue, IdleTimeout: patience, PongTimeout: patience,
			Handler: end.handlers(Handlers{
				OnOpen:    func(c Conn) { opened <- c },
				OnMessage: echoes.OnMessage,
			})})
		e.stopClock()
		other := dial(t, addr, "/")
		<-opened
		p := dial(t, addr, "/")
		c := <-opened
		narrow(c, 16<<10)
		go p.flood(strings.Repeat(masked(true, ws.OpText, strings.Repeat("more ", 200)), 50))
		soon(t, "it is held up", func() bool {
			return c.c.has(flagPauseOut) && c.c.has(flagMuted) && (c.c.has(flagParked) || !c.c.has(flagBusy))
		})
		other.text("hello")
		other.wantText("hello")
		other.bye()
		if r := <-end; r.Cause != ByPeer {
			t.Errorf("reason %+v", r)
		}
		peak := 0
		soon(t, "it is given up", func() bool {
			peak = max(peak, c.Backlog())
			e.now.Add(ticks(2 * patience))
			e.sweepAll()
			return len(end) == 1
		})
		if peak == 0 || peak >= queue {
			t.Errorf("%d bytes waited, of %d", peak, queue)
		}
		if r := <-end; r.Cause != ByPongTimeout {
			t.Errorf("reason %+v", r)
		}
	})
}

// So does one that has said goodbye behind what it asked for.
func TestAsksClosesAndNeverReads(t *testing.T) {
	end := make(ends, 1)
	opened := make(chan Conn, 1)
	closed := make(chan struct{})
	answer := frame.Encode(ws.OpText, make([]byte, 64<<10))
	e, addr := newTest(t, Config{IdleTimeout: patience, PongTimeout: patience, Handler: end.handlers(Handlers{
		OnOpen:    func(c Conn) { narrow(c, 16<<10); opened <- c },
		OnMessage: func(c Conn, _ Message) { <-closed; c.Send(answer, 1, Guard{}) },
	})})
	e.stopClock()
	p := dial(t, addr, "/")
	c := <-opened
	p.write(strings.Repeat(masked(true, ws.OpText, "more"), 30) + masked(true, ws.OpClose, "\x03\xe8"))
	soon(t, "its Close frame has come", func() bool { return c.c.has(flagDeaf) })
	close(closed)
	soon(t, "it is held up", func() bool { return c.c.has(flagParked) })
	soon(t, "it is given up", func() bool {
		e.now.Add(ticks(2 * patience))
		e.sweepAll()
		return len(end) == 1
	})
	if r := <-end; r.Cause != ByPongTimeout {
		t.Errorf("reason %+v", r)
	}
}

// One that is held up and reads, however slowly, is alive: it cannot answer a
// ping that waits behind what it asked for.
func TestReadsSlowly(t *testing.T) {
	opened := make(chan Conn, 1)
	e, addr := newTest(t, Config{Inline: true, QueueBytes: 256 << 10, IdleTimeout: patience, PongTimeout: patience,
		Handler: Handlers{
			OnOpen:    func(c Conn) { narrow(c, 16<<10); opened <- c },
			OnMessage: echoes.OnMessage,
		}})
	e.stopClock()
	p := dial(t, addr, "/")
	c := <-opened
	go p.flood(strings.Repeat(masked(true, ws.OpText, strings.Repeat("more ", 200)), 50))
	soon(t, "it is held up", func() bool { return c.c.has(flagMuted) })
	for rounds := 0; rounds < 10; {
		e.now.Add(ticks(2 * patience))
		e.sweepAll() // pings it
		for sent := e.Stats().BytesOut; e.Stats().BytesOut == sent; {
			if _, err := p.Read(make([]byte, 8<<10)); err != nil {
				t.Fatalf("%v after %d rounds, closes %v", err, rounds, e.Stats().Closes)
			}
		}
		var held bool
		var now phase
		look := func() { held, now = c.c.has(flagPauseOut), c.c.phase() }
		onLoop(c, look)
		if held {
			rounds++
			if now != phaseOpen {
				t.Fatal("that it reads is no sign of life")
			}
		}
		soon(t, "it has given a sign of life", func() bool { onLoop(c, look); return now == phaseOpen })
	}
	if n := e.Stats().Pings; n < 10 {
		t.Errorf("%d pings", n)
	}
}

// Of many tiny messages only some become events that wait for the Handler. The
// rest stays as it came.
func TestTinyMessagesWait(t *testing.T) {
	const n = 20000
	release := make(chan struct{})
	opened := make(chan Conn, 1)
	all := make(chan []string, 1)
	var got []string
	e, addr := newTest(t, Config{Handler: Handlers{
		OnOpen: func(c Conn) { opened <- c },
		OnMessage: func(_ Conn, m Message) {
			<-release
			if got = append(got, string(m.Data)); len(got) == n {
				all <- got
			}
		},
	}})
	p := dial(t, addr, "/")
	c := <-opened
	var want []string
	var stream strings.Builder
	for i := range n {
		want = append(want, fmt.Sprint(i))
		stream.WriteString(masked(true, ws.OpText, want[i]))
	}
	go io.WriteString(p.Conn, stream.String())
	soon(t, "reading stopped", func() bool { return c.c.has(flagMuted) })
	s := e.Stats()
	if s.MessagesIn > pauseEvents+2 { // one is with the Handler
		t.Errorf("%d messages wait", s.MessagesIn)
	}
	if s.PartialBytes == 0 || s.PartialBytes > 2*readSize {
		t.Errorf("%d bytes are held", s.PartialBytes)
	}
	close(release)
	if got := <-all; !slices.Equal(got, want) {
		t.Error("the messages are not as they were sent")
	}
	p.bye()
}

// A tiny frame that waits counts with what it takes to keep it.
func TestTinyFramesWait(t *testing.T) {
	const queue = 200 << 10
	opened := make(chan Conn, 1)
	_, addr := newTest(t, Config{Inline: true, QueueBytes: queue, CloseTimeout: 100e6, Handler: Handlers{
		OnOpen: func(c Conn) { narrow(c, 16<<10); opened <- c },
	}})
	dial(t, addr, "/")
	c := <-opened
	for c.Send(frame.Encode(ws.OpBinary, make([]byte, 8000)), 1, Guard{}) == Written {
	}
	tiny := frame.Encode(ws.OpText, []byte("x"))
	waiting := 0
	for c.Send(tiny, 1, Guard{}) == Queued {
		waiting++
	}
	if bound := queue / 64; waiting > bound || waiting < bound/2 {
		t.Errorf("%d tiny frames waited, at most %d may", waiting, bound)
	}
}

// What a peer has sent before it hung up is handled, though nobody takes the
// answers: they neither hold up what is left nor overflow.
func TestHangUpAfterQuestions(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		const n = 5000
		var got atomic.Int64
		end := make(ends, 1)
		opened := make(chan Conn, 1)
		_, addr := newTest(t, Config{Inline: inline, QueueBytes: 40 << 10, Handler: end.handlers(Handlers{
			OnOpen:    func(c Conn) { narrow(c, 16<<10); opened <- c },
			OnMessage: func(c Conn, m Message) { got.Add(1); c.Write(m.Op, m.Data) },
		})})
		p := dial(t, addr, "/")
		p.Conn.(*net.TCPConn).SetReadBuffer(8 << 10)
		c := <-opened
		p.write(strings.Repeat(masked(true, ws.OpText, strings.Repeat("x", 20)), n))
		soon(t, "it is held up", func() bool { return c.c.has(flagPauseOut) && c.c.has(flagMuted) })
		p.Conn.(*net.TCPConn).CloseWrite()
		if r := <-end; r.Cause != ByLoss || got.Load() != n {
			t.Errorf("%d of %d messages, reason %+v", got.Load(), n, r)
		}
	})
}

// That a peer has hung up does not make more events wait for a slow Handler.
func TestHangUpBeforeSlowHandler(t *testing.T) {
	release := make(chan struct{})
	end := make(ends, 1)
	opened := make(chan Conn, 1)
	e, addr := newTest(t, Config{Handler: end.handlers(Handlers{
		OnOpen:    func(c Conn) { opened <- c },
		OnMessage: func(Conn, Message) { <-release },
	})})
	const n = 17000
	p := dial(t, addr, "/")
	c := <-opened
	p.write(strings.Repeat(masked(true, ws.OpText, "x"), n))
	soon(t, "reading stopped", func() bool { return c.c.has(flagMuted) })
	p.Close()
	soon(t, "the hang-up was noticed", func() bool { return c.c.has(flagHup) })
	for range 10 {
		onLoop(c, func() { c.c.loop().adjustReads(c.c) })
	}
	if got := e.Stats().MessagesIn; got > 2*pauseEvents {
		t.Errorf("%d messages wait", got)
	}
	close(release)
	if r := <-end; r.Cause != ByLoss || e.Stats().MessagesIn != n {
		t.Errorf("%d of %d messages, reason %+v", e.Stats().MessagesIn, n, r)
	}
}

// Questions that wait for the pool are held up by answers, too: a peer that
// reads all the time gets more than the queue has room for.
func TestHeldUpOnThePool(t *testing.T) {
	bothWays(t, func(t *testing.T, inline bool) {
		const n = 60
		answer := strings.Repeat("a", 20<<10)
		_, addr := newTest(t, Config{Inline: inline, QueueBytes: 256 << 10, Handler: Handlers{
			OnOpen:    func(c Conn) { narrow(c, 16<<10) },
			OnMessage: func(c Conn, m Message) { c.Write(m.Op, []byte(answer)) },
		}})
		p := dial(t, addr, "/")
		p.write(strings.Repeat(masked(true, ws.OpText, "?"), n))
		for i := range n {
			if op, s := p.next(); op != ws.OpText || s != answer {
				t.Fatalf("answer %d: %v %.50q", i, op, s)
			}
		}
		p.bye()
	})
}
