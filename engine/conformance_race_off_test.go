//go:build !race

package engine_test

// confSlow says that the race detector makes every octet expensive.
const confSlow = false
