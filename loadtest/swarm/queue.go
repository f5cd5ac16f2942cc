package swarm

// Queue is a first-in first-out list. It is for one goroutine.
type Queue[T any] struct {
	list []T
	head int
}

// Len is how many there are.
func (q *Queue[T]) Len() int { return len(q.list) - q.head }

// Front is the oldest one; there must be one. It is valid until the next Push or
// Pop.
func (q *Queue[T]) Front() *T { return &q.list[q.head] }

// Push adds one.
func (q *Queue[T]) Push(v T) { q.list = append(q.list, v) }

// Pop takes the oldest one away; there must be one.
func (q *Queue[T]) Pop() T {
	v := q.list[q.head]
	q.head++
	switch {
	case q.head == len(q.list):
		q.list, q.head = q.list[:0], 0
		if cap(q.list) > 4096 {
			q.list = nil
		}
	case q.head > 1024 && q.head > len(q.list)/2:
		q.list = q.list[:copy(q.list, q.list[q.head:])]
		q.head = 0
	}
	return v
}
