package retire_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/retire"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/loans"
)

func TestAClosedStreamThatIsOldIsRetiredAndLoadsWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.add("l2", loans.Taken{LoanID: "l2", Book: "b1"})
	w.archived()
	before := w.history(w.events, "l1", 0)
	w.later(91)
	w.lend("l3")
	w.archived()
	w.want("the report", retire.Report{Streams: 1, Events: 2, Deleted: 2, Kept: retire.Kept{Open: 1, Young: 1}}, w.retired())
	stored := w.history(w.events, "l1", 0)
	if len(stored) != 1 || !tombstone.Is(&stored[0]) || stored[0].Version != 3 {
		t.Fatalf("the store has %+v", stored)
	}
	whole := append(before, stored...)
	for after := range uint64(4) {
		w.want(fmt.Sprintf("after %d", after), whole[after:], append([]event.Event{}, w.history(w.whole(), "l1", after)...))
	}
	many, err := w.whole().LoadMany(t.Context(), []string{"loan-l1", "loan-l2", "loan-none"})
	if err != nil {
		t.Fatal(err)
	}
	w.want("of several", map[string][]event.Event{"loan-l1": whole, "loan-l2": w.history(w.events, "l2", 0)}, many)
	page, next, err := w.whole().(eventstore.Ranger).Range(t.Context(), "", "", 100)
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	w.want("in order", whole, page[:3])
	if again := w.retired(); again.Streams != 0 || again.Deleted != 0 || again.Kept.Retired != 1 {
		t.Errorf("again: %+v", again)
	}
}

func TestNothingIsRetiredThatTheLogDoesNotHaveAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.archived()
	w.lend("l1")
	w.later(91)
	w.want("not all are there", retire.Report{Kept: retire.Kept{Unlogged: 1}}, w.retired())
	other := w.events.Copy()
	w.archived()
	first := w.history(other, "l1", 0)[0]
	if _, err := other.Prune(t.Context(), []eventstore.Cut{{Stream: "loan-l1", Through: 1}}); err != nil {
		t.Fatal(err)
	}
	first.Actor = "another"
	if err := other.PutBack(t.Context(), "loan-l1", []event.Event{first}); err != nil {
		t.Fatal(err)
	}
	w.retirer.Store = other
	w.want("one is another", retire.Report{Kept: retire.Kept{Unlogged: 1}}, w.retired())
}

func TestNothingIsRetiredThatASlowCommandMayStillHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.retirer.Hold = 24 * time.Hour
	w.lend("l1")
	w.later(91) // an import brings old events today
	w.archived()
	w.want("on the day of the import", retire.Report{Kept: retire.Kept{Unlogged: 1}}, w.retired())
	w.later(2)
	if report := w.retired(); report.Streams != 1 {
		t.Errorf("two days later: %+v", report)
	}
}

func TestAStreamGoesOnAfterItsTombstoneAndIsRetiredAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.archived()
	w.later(91)
	w.retired()
	w.lend("l1")
	w.archived()
	before := w.history(w.whole(), "l1", 0)
	if len(before) != 5 || len(w.history(w.events, "l1", 0)) != 3 {
		t.Fatalf("%d events", len(before))
	}
	w.later(91)
	w.want("the second time", retire.Report{Streams: 1, Events: 5, Deleted: 3}, w.retired())
	w.want("the stream", before, w.history(w.whole(), "l1", 0)[:5])
	if left := w.history(w.events, "l1", 0); len(left) != 1 {
		t.Errorf("the store has %d events of it", len(left))
	}
}

func TestWhatWasCutOffIsFinished(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]failing{"at the second tombstone": {appends: 1, prunes: 9}, "while deleting": {appends: 9}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ids := []string{"l1", "l2", "l3"}
			for _, id := range ids {
				w.lend(id)
			}
			w.archived()
			before := w.events.Copy()
			w.later(91)
			down.Events = w.events
			w.retirer.Store = &down
			if _, err := w.retirer.Run(t.Context(), retire.Options{OlderThan: retire.LeastAge}); !errors.Is(err, errDown) {
				t.Fatal(err)
			}
			w.retirer.Store = w.events
			w.archived()
			w.later(91)
			w.retired()
			for _, id := range ids {
				w.want(id, w.history(before, id, 0), w.history(w.whole(), id, 0)[:2])
				if left := w.history(w.events, id, 0); len(left) != 1 {
					t.Errorf("the store has %d events of %s", len(left), id)
				}
			}
		})
	}
}

func TestAStreamThatChangesMeanwhileIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.archived()
	w.later(91)
	w.retirer.Store = &failing{Events: w.events, appends: 9, prunes: 9, before: func() { w.add("l1", loans.Taken{LoanID: "l1", Book: "b1"}) }}
	w.want("the report", retire.Report{Kept: retire.Kept{Changed: 1}}, w.retired())
	if left := w.history(w.events, "l1", 0); len(left) != 3 {
		t.Errorf("the store has %d events", len(left))
	}
}

func TestWhatWasRetiredIsPutBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.archived()
	w.later(91)
	w.retired()
	w.archived()
	whole := w.history(w.whole(), "l1", 0)
	if count, err := w.retirer.Restore(t.Context(), "loan-l1"); count != 2 || err != nil {
		t.Fatal(count, err)
	}
	w.want("the store", whole, w.history(w.events, "l1", 0))
	for _, stream := range []string{"loan-l1", "loan-none"} {
		if _, err := w.retirer.Restore(t.Context(), stream); !errors.Is(err, retire.ErrNotRetired) {
			t.Errorf("%s: %v", stream, err)
		}
	}
	w.want("soon after", retire.Report{Kept: retire.Kept{Young: 1}}, w.retired())
	w.later(91)
	w.want("after 90 days", retire.Report{Streams: 1, Events: 3, Deleted: 3}, w.retired())
	w.want("the stream", whole, w.history(w.whole(), "l1", 0)[:3])
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.archived()
	w.later(91)
	report, err := w.retirer.Run(t.Context(), retire.Options{OlderThan: retire.LeastAge, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	w.want("the report", retire.Report{Streams: 1, Events: 2, Deleted: 2, DryRun: true}, report)
	if left := w.history(w.events, "l1", 0); len(left) != 2 {
		t.Errorf("the store has %d events", len(left))
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range []retire.Options{{}, {OlderThan: time.Hour}, {OlderThan: retire.LeastAge, BatchSize: -1}, {OlderThan: retire.LeastAge, BatchSize: retire.MaxBatch + 1}} {
		if _, err := w.retirer.Run(t.Context(), o); !errors.Is(err, retire.ErrOptions) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestStatsCountWhatIsHotAndWhatIsRetired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.lend("l2")
	w.archived()
	w.later(91)
	w.lend("l3")
	w.retired()
	stats, err := w.retirer.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Hot.Events != 4 || stats.Hot.Streams != 3 || stats.Hot.Bytes == 0 {
		t.Errorf("hot: %+v", stats.Hot)
	}
	w.want("retired", retire.Share{Streams: 2, Events: 4, Oldest: event.InstantOf(w.now)}, stats.Retired)
}
