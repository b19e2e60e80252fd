package simulation_test

import (
	"flag"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"gakushoku/internal/rehearse/simulation"
)

var (
	seed  = flag.Uint64("seed", 0, "play the run of this seed only, and print its history")
	seeds = flag.Uint64("seeds", 500, "how many seeds to play")
	first = flag.Uint64("first", 1, "the first of them")
)

// Runs make much garbage and little that stays.
func init() { debug.SetGCPercent(800) }

func TestAnyScheduleKeepsThePromises(t *testing.T) {
	if *seed != 0 {
		r := simulation.Run(t, *seed, simulation.Mutation{}, true)
		t.Logf("%s", strings.Join(r.History, "\n"))
		if r.Broken != "" {
			t.Fatal(r.Broken)
		}
		return
	}
	const workers = 2
	var mu sync.Mutex
	counts := map[string]int{}
	for i := range uint64(workers) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			steps := 0
			for s := *first + i; s < *first+*seeds; s += workers {
				r := simulation.Run(t, s, simulation.Mutation{}, false)
				if r.Broken != "" {
					t.Fatalf("play it again with -seed=%d:\n%s", s, r.Broken)
				}
				steps += r.Steps
				mu.Lock()
				for what, n := range r.Counts {
					counts[what] += n
				}
				mu.Unlock()
			}
			t.Logf("%d steps", steps)
			mu.Lock()
			t.Log(counts)
			mu.Unlock()
		})
	}
}

func TestASeedPlaysTheSameRun(t *testing.T) {
	t.Parallel()
	for s := uint64(1); s <= *seeds/5; s++ {
		a, b := simulation.Run(t, s, simulation.Mutation{}, true), simulation.Run(t, s, simulation.Mutation{}, true)
		if a.Digest != b.Digest {
			t.Errorf("seed %d: two runs differ: %s", s, firstDifference(a.History, b.History))
		}
	}
}

func firstDifference(a, b []string) string {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return strings.Join(a[max(0, i-5):i+1], "\n") + "\n" + strings.Join(b[i:min(i+1, len(b))], "")
		}
	}
	return "one is longer"
}
