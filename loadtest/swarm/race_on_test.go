//go:build race

package swarm

// raceEnabled says that memory cannot be measured: the race detector takes some
// of its own.
const raceEnabled = true
