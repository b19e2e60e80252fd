package simulation_test

import (
	"testing"

	"gakushoku/internal/rehearse/simulation"
)

// interesting is what runs have to get to: promises that are never put to the test are kept.
var interesting = []string{
	"projector invocation", "follower", "late write", "crash", "answer", "answer from a version that is not the active one any more",
	"head moved", "claimed", "log event appended", "log manifest restored", "expired", "verifies the log", "verifies the rows", "rows mended", "gap in a replay", "switch", "append after switch",
	"run", "rebuild done", "heal done", "scratch done", "dry-run done", "run parked", "run not approved", "stopped", "resumed", "parts of different ages", "folder mended", "restores manifests", "broken off", "rolls back", "deploys", "cleans up", "abandons",
}

func TestRunsGetToInterestingPlaces(t *testing.T) {
	t.Parallel()
	missing := map[string]bool{}
	for _, what := range interesting {
		missing[what] = true
	}
	for seed := uint64(1); seed <= 1_000 && len(missing) > 0; seed++ {
		for what := range simulation.Run(t, seed, simulation.Mutation{}, false).Counts {
			delete(missing, what)
		}
	}
	for what := range missing {
		t.Errorf("in 1,000 runs there was no %s", what)
	}
}
