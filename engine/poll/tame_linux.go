package poll

import (
	"reflect"

	"github.com/cloudwego/netpoll"
)

// tame keeps a poller's event table small. netpoll doubles the table whenever
// a batch fills it, up to 131,072 events, never shrinks it, and gives each
// event scatter-gather buffers of 1.3 KB for its own connections, which our
// operators never use: 170 MB a poller at worst. Reset, the hook through which
// the table is made, is a settable field.
func tame(np netpoll.Poll) {
	field := reflect.ValueOf(np).Elem().FieldByName("Reset")
	if !field.IsValid() || !field.CanSet() {
		return // TestTableStaysSmall fails: the table would grow
	}
	reset, ok := field.Interface().(func(size, caps int))
	if !ok {
		return
	}
	field.Set(reflect.ValueOf(func(size, _ int) {
		if size <= maxBatch {
			reset(size, 0)
		}
	}))
}
