// Package host reads what Linux tells in /proc and /sys: how much CPU and memory
// processes take, what the machine is, and whether its limits allow a number of
// connections. On other systems everything that reads returns an error.
package host
