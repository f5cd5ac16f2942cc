//go:build race

package frame

// raceEnabled says that allocations cannot be counted: the race detector makes
// its own, and drops what is put into pools.
const raceEnabled = true
