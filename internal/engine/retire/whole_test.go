package retire_test

import (
	"context"
	"errors"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/retire"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/loans"
)

// torn is a store whose first load misses the beginning of the stream, as if it had been deleted meanwhile and
// the tombstone had come too late.
type torn struct {
	eventstore.Store
	loads int
}

func (p *torn) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	events, err := p.Store.Load(ctx, stream, after)
	if p.loads++; p.loads == 1 {
		return append([]event.Event{}, events[1:]...), err
	}
	return events, err
}

// cut is a copy of the event store without the first versions of a loan, except the events that are put back.
func (w *world) cut(id string, through uint64, back ...event.Event) eventstore.Store {
	w.t.Helper()
	s := w.events.Copy()
	if _, err := s.Prune(w.t.Context(), []eventstore.Cut{{Stream: "loan-" + id, Through: through}}); err != nil {
		w.t.Fatal(err)
	}
	if err := s.PutBack(w.t.Context(), "loan-"+id, back); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestAHoleWithoutATombstoneIsReadAgainAndThenAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	first := &torn{Store: w.events}
	if got, err := retire.Over(first, w.log).Load(t.Context(), "loan-l1", 0); err != nil || len(got) != 2 || first.loads != 2 {
		t.Errorf("%d events after %d loads: %v", len(got), first.loads, err)
	}
	lost := retire.Over(w.cut("l1", 1), w.log)
	if got, err := lost.Load(t.Context(), "loan-l1", 0); !errors.Is(err, retire.ErrHole) {
		t.Errorf("%d events: %v", len(got), err)
	}
	if many, err := lost.LoadMany(t.Context(), []string{"loan-l1"}); err != nil || len(many["loan-l1"]) != 1 {
		t.Errorf("a verification does not see the hole: %v, %v", many, err)
	}
}

func TestATombstoneDoesNotStandForAHoleAboveIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.archived()
	w.later(91)
	w.retired()
	w.lend("l1")
	damaged := w.cut("l1", 4, w.history(w.events, "l1", 0)[0])
	if _, err := retire.Over(damaged, w.log).Load(t.Context(), "loan-l1", 0); !errors.Is(err, retire.ErrHole) {
		t.Errorf("version 4 is missing: %v", err)
	}
}

func TestOnlyTheRetiredEventsFillAHole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.archived()
	w.later(91)
	w.retired()
	stone := w.history(w.events, "l1", 0)[0]
	said, err := tombstone.Of(&stone)
	if err != nil {
		t.Fatal(err)
	}
	said.SHA256 = "00"
	other, err := event.New(said)
	if err != nil {
		t.Fatal(err)
	}
	other.ID, other.Version = "other", 3
	w.add("l1", loans.Taken{LoanID: "l1", Book: "b1"})
	if _, err := retire.Over(w.cut("l1", 3, other), w.log).Load(t.Context(), "loan-l1", 0); !errors.Is(err, tombstone.ErrOther) {
		t.Errorf("events with another digest: %v", err)
	}
}

func TestImportsAndExportsSeeRetiredEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lend("l1")
	w.lend("l2")
	w.archived()
	w.later(91)
	w.retired()
	w.archived()
	if _, err := w.retirer.Restore(t.Context(), "loan-l2"); err != nil {
		t.Fatal(err)
	}
	transfer := &retire.Transfer{Loader: w.whole(), Kept: w.events}
	for _, limit := range []int{1, 2, 100} {
		var got []string
		for cursor := ""; ; {
			events, next, err := transfer.Read(t.Context(), cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(events) == 0 {
				break
			}
			for _, e := range events {
				got = append(got, e.Stream+" "+e.Type)
			}
			cursor = next
		}
		w.want("the export", []string{
			"loan-l1 LoanTaken", "loan-l1 LoanReturned", "loan-l1 StreamRetired", "loan-l2 LoanTaken", "loan-l2 LoanReturned", "loan-l2 StreamRetired",
		}, got)
	}
	ids := map[string]int{}
	if err := transfer.EachID(t.Context(), func(id, _ string, _ uint64) error { ids[id]++; return nil }); err != nil || len(ids) != 6 {
		t.Errorf("ids: %v, %v", ids, err)
	}
}
