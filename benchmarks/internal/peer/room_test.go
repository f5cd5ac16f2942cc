package peer

import (
	"slices"
	"sync"
	"testing"
)

// Everyone in the room gets every message once, in order; who has left gets
// none.
func TestRoom(t *testing.T) {
	r := NewRoom[int]()
	var seats []*Seat[int]
	for i := range 10 {
		seats = append(seats, r.Enter(i))
	}
	for _, i := range []int{9, 0, 4} {
		seats[i].Leave()
	}
	if n := r.Len(); n != 7 {
		t.Errorf("%d connections, want 7", n)
	}
	var mu sync.Mutex
	got := map[int][]int{}
	r.Send(3, func(c, message int) {
		mu.Lock()
		defer mu.Unlock()
		got[c] = append(got[c], message)
	})
	if len(got) != 7 {
		t.Errorf("%d connections got something, want 7", len(got))
	}
	for c, list := range got {
		if !slices.Equal(list, []int{0, 1, 2}) || slices.Contains([]int{0, 4, 9}, c) {
			t.Errorf("connection %d got %v", c, list)
		}
	}
}
