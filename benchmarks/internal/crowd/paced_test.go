package crowd

import (
	"testing"
	"time"
)

// A percentile is the least delay that so many per cent do not exceed.
func TestDelaysOf(t *testing.T) {
	var list []time.Duration
	for i := range 200 {
		list = append(list, time.Duration(200-i))
	}
	if got, want := *delaysOf(list), (Delays{P50: 100, P90: 180, P99: 198, Max: 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := *delaysOf([]time.Duration{7}), (Delays{7, 7, 7, 7}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
