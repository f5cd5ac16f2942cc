package peer

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Room is the connections of a server, in as many parts as there are cores,
// each with a lock of its own. Make it with NewRoom.
type Room[C any] struct {
	parts []part[C]
	next  atomic.Uint32
}

type part[C any] struct {
	mu    sync.Mutex
	seats []*Seat[C]
}

// Seat is the place of a connection in a Room.
type Seat[C any] struct {
	Conn  C
	part  *part[C]
	index int
}

// NewRoom makes a Room.
func NewRoom[C any]() *Room[C] {
	return &Room[C]{parts: make([]part[C], runtime.GOMAXPROCS(0))}
}

// Enter takes a connection in.
func (r *Room[C]) Enter(c C) *Seat[C] {
	p := &r.parts[r.next.Add(1)%uint32(len(r.parts))]
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &Seat[C]{Conn: c, part: p, index: len(p.seats)}
	p.seats = append(p.seats, s)
	return s
}

// Leave lets the connection go.
func (s *Seat[C]) Leave() {
	p := s.part
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.seats) - 1
	p.seats[s.index] = p.seats[last]
	p.seats[s.index].index = s.index
	p.seats[last] = nil
	p.seats = p.seats[:last]
}

// Len returns the number of connections.
func (r *Room[C]) Len() (n int) {
	for i := range r.parts {
		p := &r.parts[i]
		p.mu.Lock()
		n += len(p.seats)
		p.mu.Unlock()
	}
	return n
}

// Send calls write for every connection and each of count messages: message by
// message, on all cores at once. It returns when all is done.
func (r *Room[C]) Send(count int, write func(c C, message int)) {
	var wg sync.WaitGroup
	for i := range r.parts {
		wg.Go(func() { r.parts[i].send(count, write) })
	}
	wg.Wait()
}

func (p *part[C]) send(count int, write func(c C, message int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range count {
		for _, s := range p.seats {
			write(s.Conn, i)
		}
	}
}
