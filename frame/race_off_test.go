//go:build !race

package frame

// raceEnabled is false: see race_on_test.go.
const raceEnabled = false
