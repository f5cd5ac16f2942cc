//go:build !race

package swarm

// raceEnabled is false: see race_on_test.go.
const raceEnabled = false
