package storm

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var (
	seedsFlag = flag.String("seeds", "1..8", `seeds to run: "1..20", "7" or "3,5,9"`)
	stepsFlag = flag.Int("steps", 300, "steps of each seed")
	logFlag   = flag.Bool("log", false, "print what the functions log, of a seed that fails")
)

// together is how many seeds run at once: most of their time is back-off.
const together = 12

func TestStorm(t *testing.T) {
	list := *seedsFlag
	if testing.Short() {
		list = "1"
	}
	seeds, err := parseSeeds(list)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	room := make(chan struct{}, together)
	for _, seed := range seeds {
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { run(t, seed) })
		})
	}
	running.Wait()
}

// run is one seed.
func run(t *testing.T, seed uint64) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to run this seed again: make storm SEEDS=%d", seed)
		}
	})
	s := newStorm(t, seed)
	for range *stepsFlag {
		s.step()
	}
	s.phase("steps")
	s.clear()
	s.phase("calm")
	s.looks.reset()
	s.sweep()
	s.phase("sweep")
	s.checkLooks()
	s.checkWorld()
	s.checkRest()
	s.checkRival()
	s.checkOthers()
	s.checkHistory()
	s.summary()
}

func parseSeeds(list string) ([]uint64, error) {
	var seeds []uint64
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "..")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("seeds %q: %w", list, err)
		}
		to, err := strconv.ParseUint(last, 10, 32)
		if err != nil || to < from {
			return nil, fmt.Errorf("seeds %q: want 1..20, 7 or 3,5,9", list)
		}
		for n := from; n <= to; n++ {
			seeds = append(seeds, n)
		}
	}
	return seeds, nil
}
