package bench

import (
	"fmt"
	"runtime"
	"testing"
)

// TestFlat: 10,000 deliveries, half of them of keys that never come again, leave nothing
// behind in the process.
func TestFlat(t *testing.T) {
	timed(t)
	const settled = 100
	w := newWorld(t, 3, map[string]string{"NEGFLEET_LOOK_INTERVAL": "0s"})
	for i := range settled {
		w.deploy(service(i), 3)
		w.serve(service(i))
	}
	deliver := func(from, to int) {
		for i := from; i < to; i++ {
			k := key(service(i % settled))
			if i%2 == 1 {
				k = key(fmt.Sprint("unknown-", i))
			}
			w.check(w.Publish(t.Context(), k, "audit"))
		}
		w.drained()
	}
	deliver(0, 3000)
	heap, goroutines := weigh()
	deliver(3000, 13000)
	heapAfter, goroutinesAfter := weigh()
	measured(t, "flat-heap-growth", max(0, heapAfter-heap), 4, "MiB")
	measured(t, "flat-goroutine-growth", max(0, float64(goroutinesAfter-goroutines)), 10, "goroutines")
	measured(t, "flat-heap", heapAfter, 0, "MiB")
}

// weigh counts what is alive, connections that wait for use included.
func weigh() (heapMiB float64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20), runtime.NumGoroutine()
}
