package simulation_test

import (
	"flag"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gakushoku/internal/rehearse/simulation"
)

var (
	seed  = flag.Uint64("seed", 0, "play the run of this seed only, and print its history")
	seeds = flag.Uint64("seeds", usual, "how many seeds to play; with -short at most 100")
	first = flag.Uint64("first", 1, "the first of them")
)

// Runs make much garbage, and little of it stays.
func init() { debug.SetGCPercent(800) }

const (
	usual   = 500   // seeds
	short   = 100   // seeds of a short test, at most
	toReach = 1_000 // the seeds within which each interesting thing happens
)

// interesting is what runs must reach: a promise that is never put to the test is always kept.
var interesting = []string{
	"plays orders", "plays loans",
	"projector invocation", "follower", "late write", "crash", "answer", "answer from a version that is not the active one any more",
	"head moved", "claimed", "log event appended", "log manifest restored", "expired", "verifies the log", "verifies the rows", "rows mended", "gap in a replay", "switch", "append after switch",
	"run", "rebuild done", "heal done", "scratch done", "dry-run done", "run parked", "run not approved", "stopped", "resumed", "parts of different ages", "folder mended", "restores manifests", "broken off", "rolls back", "deploys", "cleans up", "abandons",
}

func TestAnyScheduleKeepsThePromises(t *testing.T) {
	t.Parallel()
	if *seed != 0 {
		t.Log(strings.Join(play(t, *seed).History, "\n"))
		return
	}
	last := *first + *seeds - 1
	if testing.Short() {
		last = *first + min(*seeds, short) - 1
	}
	counts := playAll(t, *first, last)
	t.Log(counts)
	if last-*first+1 < usual {
		return
	}
	for s := last + 1; len(missing(counts)) > 0 && s < *first+toReach; s++ {
		add(counts, play(t, s).Counts)
	}
	if never := missing(counts); len(never) > 0 {
		t.Errorf("no run reached %q", never)
	}
}

// play runs a seed, which must keep every promise.
func play(t *testing.T, s uint64) simulation.Result {
	t.Helper()
	r := simulation.Run(t, s, simulation.Mutation{}, *seed != 0)
	if r.Broken != "" {
		t.Fatalf("play it again with -seed=%d:\n%s\n%s", s, strings.Join(r.History, "\n"), r.Broken)
	}
	return r
}

// playAll plays a range of seeds on two goroutines, and counts what happened.
func playAll(t *testing.T, from, to uint64) map[string]int {
	t.Helper()
	var mu sync.Mutex
	var next atomic.Uint64
	next.Store(from)
	counts := map[string]int{}
	t.Run("seeds", func(t *testing.T) {
		for range 2 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for s := next.Add(1) - 1; s <= to; s = next.Add(1) - 1 {
					r := play(t, s)
					mu.Lock()
					add(counts, r.Counts)
					mu.Unlock()
				}
			})
		}
	})
	return counts
}

func add(to, counts map[string]int) {
	for what, n := range counts {
		to[what] += n
	}
}

func missing(counts map[string]int) []string {
	return slices.DeleteFunc(slices.Clone(interesting), func(what string) bool { return counts[what] > 0 })
}

func TestASeedPlaysTheSameRun(t *testing.T) {
	t.Parallel()
	twice := func(s uint64, keep bool) (a, b simulation.Result) {
		return simulation.Run(t, s, simulation.Mutation{}, keep), simulation.Run(t, s, simulation.Mutation{}, keep)
	}
	for s := uint64(1); s <= short; s++ {
		if a, b := twice(s, false); a.Digest != b.Digest {
			a, b = twice(s, true)
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
