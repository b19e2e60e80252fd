package simulation

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

// Mutation is a mistake in the protocol. The zero value changes nothing.
type Mutation struct {
	// Projector changes the ports of a projector's engine.
	Projector func(projection.Tables, eventstore.Loader) (projection.Tables, eventstore.Loader)
	// Pointers changes the pointers as projectors see them.
	Pointers func(projection.Pointers) projection.Pointers
	// Sink changes how a worker of a rebuild fills a table version.
	Sink func(projection.Sink, projection.Tables) projection.Sink
	// Settings changes those of the installation.
	Settings func(*rebuild.Settings)
	// Order is that of the stages of a rebuild after Prepare.
	Order []rebuild.Step
	// Before changes the run before a stage.
	Before map[rebuild.Step]func(*rebuild.Run)
	// Ledger changes the log's control records for all processes.
	Ledger func(eventlog.Ledger) eventlog.Ledger
	// Blobs changes the log's objects, Tables the stored rows, for all processes.
	Blobs  func(eventlog.Blobs) eventlog.Blobs
	Tables func(projection.Store) projection.Store
	// Feed changes what an embedded projector reads; it gets the checkpoints.
	Feed func(eventstore.Feed, projection.Checkpoints) eventstore.Feed
}

// Result is the outcome of a run.
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
	if err := prepare(); err != nil {
		t.Fatal(err)
	}
	var r Result
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(seed, keep)
		w := newWorld(s, seed, m)
		w.play(t.Context())
		r = Result{w.broken, s.history.steps, s.history.digest.Sum64(), s.history.lines, s.counts}
	})
	return r
}

// prepare initializes what a program initializes once, at first use. Inside the bubble of one run it would
// be lost to the others.
var prepare = sync.OnceValue(func() error {
	ctx := context.Background()
	log := eventlog.Reader{Ledger: memory.NewLedger(), Blobs: memory.NewBlobs()}
	a := eventlog.Archiver{Ledger: log.Ledger, Blobs: log.Blobs.(eventlog.Blobs), Now: time.Now, NewID: func() string { return "first" }}
	e := event.Event{ID: "e", Type: "T", Stream: "s", Version: 1, Schema: 1, Payload: []byte("{}"), OccurredAt: 1, CorrelationID: "c"}
	if _, err := a.Commit(ctx, []eventlog.Record{{Source: "s", Event: e}}); err != nil {
		return err
	}
	return log.Events(ctx, 0, 1, func(uint64, *event.Event) error { return nil })
})
