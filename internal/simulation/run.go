package simulation

import (
	"testing"
	"testing/synctest"

	"gakushoku/internal/eventstore"
	"gakushoku/internal/projection"
)

// Mutation changes the protocol, as a mistake in it would. Its zero value changes nothing.
type Mutation struct {
	// Projector changes what the engine of a projector stands on.
	Projector func(projection.Tables, eventstore.Loader) (projection.Tables, eventstore.Loader)
}

// Result is what came of a run.
type Result struct {
	Broken  string         // the promise that was broken; "" when all were kept
	Steps   int            // decisions of the scheduler
	Digest  uint64         // of the history: the same for the same seed, within a process
	History []string       // when it was asked for
	Counts  map[string]int // of things that happened
}

// Run plays the run of one seed. It keeps the history, line by line, when keep is set.
func Run(t *testing.T, seed uint64, m Mutation, keep bool) Result {
	t.Helper()
	var r Result
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(seed, keep)
		w := newWorld(s, m)
		w.play(t.Context())
		r = Result{w.broken, s.history.steps, s.history.digest.Sum64(), s.history.lines, s.counts}
	})
	return r
}
