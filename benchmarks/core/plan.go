package main

import "time"

// Plan is how much is measured. Its values are part of what a figure means:
// figures of different plans cannot be compared.
type Plan struct {
	Connections int           `json:"connections"`  // idle ones, users, and subscribers of a delivery
	MemoryRuns  int           `json:"memory_runs"`  // of the idle figures, with a fresh server each
	Rest        time.Duration `json:"rest_ns"`      // before memory is read that nobody has freed
	MessageSize int           `json:"message_size"` // bytes of payload

	WarmUps       int `json:"warm_ups"` // pairs of rounds that do not count
	DeliveryPairs int `json:"delivery_pairs"`
	BurstPairs    int `json:"burst_pairs"`
	Burst         int `json:"burst"` // publications

	HandshakePairs int `json:"handshake_pairs"`
	Handshakes     int `json:"handshakes"` // a round

	EchoStarts      int `json:"echo_starts"` // of both sides: a process may be lucky
	EchoPairs       int `json:"echo_pairs"`  // for each start
	EchoConnections int `json:"echo_connections"`
	EchoMessages    int `json:"echo_messages"` // a round

	LocalRuns     int `json:"local_runs"`
	LocalMessages int `json:"local_messages"` // through an engine in this process, a run
}

// fullPlan is what the budgets are about.
func fullPlan() Plan {
	return Plan{
		Connections: 19_000, MemoryRuns: 3, Rest: 3 * time.Second, MessageSize: 128,
		WarmUps: 2, DeliveryPairs: 20, BurstPairs: 10, Burst: 40,
		HandshakePairs: 12, Handshakes: 10_000,
		EchoStarts: 3, EchoPairs: 11, EchoConnections: 1_000, EchoMessages: 100_000,
		LocalRuns: 5, LocalMessages: 20_000,
	}
}

// quickPlan goes through everything in a few seconds.
func quickPlan() Plan {
	return Plan{
		Connections: 300, MemoryRuns: 1, Rest: 100 * time.Millisecond, MessageSize: 128,
		WarmUps: 1, DeliveryPairs: 2, BurstPairs: 1, Burst: 5,
		HandshakePairs: 1, Handshakes: 300,
		EchoStarts: 1, EchoPairs: 1, EchoConnections: 50, EchoMessages: 1_000,
		LocalRuns: 1, LocalMessages: 1_000,
	}
}
