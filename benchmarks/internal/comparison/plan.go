package comparison

import "time"

// Plan is how much of what is measured.
type Plan struct {
	Levels []Level `json:"levels"`

	Size      int `json:"size"`       // bytes of a payload
	LargeSize int `json:"large_size"` // of one in repetitions that have both

	SerialRounds    int           `json:"serial_rounds"` // after one to warm up
	SerialEvents    int           `json:"serial_events"` // deliveries of a round, at least
	BurstRounds     int           `json:"burst_rounds"`  // at most, as long as BurstTime lasts
	BurstTime       time.Duration `json:"burst_time_ns"`
	Burst           int           `json:"burst"`       // publications of Size
	LargeBurst      int           `json:"large_burst"` // publications of LargeSize
	PacePerClient   time.Duration `json:"pace_per_client_ns"`
	PacedTime       time.Duration `json:"paced_time_ns"`
	EchoConnections int           `json:"echo_connections"`
	EchoStarts      int           `json:"echo_starts"`   // of all servers at once
	EchoRounds      int           `json:"echo_rounds"`   // of each, in turn
	EchoMessages    int           `json:"echo_messages"` // a round
	Rest            time.Duration `json:"rest_ns"`       // before memory is read that was not freed
}

// Level is a number of connections.
type Level struct {
	Connections int `json:"connections"`
	Repetitions int `json:"repetitions"`
}

// Large reports whether a repetition, from 0 on, has both sizes of payloads.
func (l *Level) Large(repetition int) bool { return repetition%2 == 1 }

// Freed reports whether memory is read after it was freed in a repetition, or
// as it is.
func (l *Level) Freed(repetition int) bool { return repetition%2 == 1 }

// leastPaced is how many publications there are at least, however long they
// take.
const leastPaced = 5

// Paced is how many publications are paced.
func (p *Plan) Paced(connections int) int {
	return max(leastPaced, int(p.PacedTime/p.Interval(connections)))
}

// Serial is how many publications, one after another, make a round.
func (p *Plan) Serial(connections int) int {
	return (p.SerialEvents + connections - 1) / connections
}

// Interval is the time from one paced publication to the next.
func (p *Plan) Interval(connections int) time.Duration {
	return time.Duration(connections) * p.PacePerClient
}

// Full is the plan of a run to keep.
func Full() Plan {
	return Plan{
		Levels: []Level{{19_000, 5}, {5_000, 3}, {1_000, 3}},
		Size:   128, LargeSize: 1024,
		SerialRounds: 3, SerialEvents: 19_000, BurstRounds: 2, BurstTime: time.Second, Burst: 40, LargeBurst: 25,
		PacePerClient: 20 * time.Microsecond, PacedTime: time.Second,
		EchoConnections: 1_000, EchoStarts: 2, EchoRounds: 4, EchoMessages: 60_000, Rest: 2 * time.Second,
	}
}

// Quick is a plan that goes through everything with few connections.
func Quick() Plan {
	p := Full()
	p.Levels = []Level{{50, 2}}
	p.SerialRounds, p.SerialEvents, p.BurstRounds, p.BurstTime, p.PacedTime = 1, 100, 1, 0, 20*time.Millisecond
	p.EchoConnections, p.EchoRounds, p.EchoMessages, p.Rest = 50, 1, 1_000, 50*time.Millisecond
	return p
}
