package retire_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/retire"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/loans"
	"gakushoku/internal/store/memory"
)

// world is a library with its log. Loans are closed once the book is back.
type world struct {
	t       *testing.T
	events  *memory.Events
	log     *eventlog.Reader
	archive *eventlog.Archiver
	retirer *retire.Retirer
	now     time.Time
	ids     int
	read    eventstore.Mark
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, events: memory.NewEvents(), now: time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC)}
	ledger, blobs := memory.NewLedger(), memory.NewBlobs()
	now := func() time.Time { return w.now }
	w.log = &eventlog.Reader{Ledger: ledger, Blobs: blobs}
	w.archive = &eventlog.Archiver{Ledger: ledger, Blobs: blobs, Now: now, NewID: w.id}
	w.retirer = &retire.Retirer{Store: w.events, Log: w.log, Rules: []model.Closing{closing}, Now: now, NewID: w.id, Workers: 1}
	return w
}

func (w *world) id() string {
	w.ids++
	return fmt.Sprintf("id-%05d", w.ids)
}

var closing = model.Closing{Streams: "loan-", Closed: func(_ string, history []event.Event, _ event.Instant) (bool, error) {
	return history[len(history)-1].Type == loans.Returned{}.EventType(), nil
}}

// add appends an event to the loan with an id.
func (w *world) add(id string, p event.Payload) {
	w.t.Helper()
	e, err := event.New(p)
	if err != nil {
		w.t.Fatal(err)
	}
	e.ID, e.OccurredAt, e.CorrelationID = w.id(), event.InstantOf(w.now), "c"
	last := uint64(0)
	if stored := w.history(w.events, id, 0); len(stored) > 0 {
		last = stored[len(stored)-1].Version
	}
	if err := w.events.Append(w.t.Context(), "loan-"+id, last, []event.Event{e}); err != nil {
		w.t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
}

// lend adds a loan that ends, to those of the same id.
func (w *world) lend(id string) {
	w.t.Helper()
	w.add(id, loans.Taken{LoanID: id, Book: "b1"})
	w.add(id, loans.Returned{LoanID: id})
}

// archived brings the log up to date.
func (w *world) archived() {
	w.t.Helper()
	for {
		events, last, err := w.events.Since(w.t.Context(), w.read, 5)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(events) == 0 {
			return
		}
		var batch []eventlog.Record
		for i := range events {
			batch = append(batch, eventlog.Record{Source: w.id(), Event: events[i]})
		}
		if _, err := w.archive.Commit(w.t.Context(), batch); err != nil {
			w.t.Fatal(err)
		}
		w.read = last
	}
}

// retired retires what has been quiet for 90 days.
func (w *world) retired() retire.Report {
	w.t.Helper()
	report, err := w.retirer.Run(w.t.Context(), retire.Options{OlderThan: 90 * 24 * time.Hour})
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func (w *world) later(days int) { w.now = w.now.AddDate(0, 0, days) }

// whole is the event store with its retired events.
func (w *world) whole() eventstore.Store { return retire.Over(w.events, w.log) }

// history is what a load returns of a loan.
func (w *world) history(s eventstore.Loader, id string, after uint64) []event.Event {
	w.t.Helper()
	events, err := s.Load(w.t.Context(), "loan-"+id, after)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}

func (w *world) want(what string, want, got any) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// failing is a store that is down once the counts are used up. before is called ahead of the first append.
type failing struct {
	*memory.Events
	appends, prunes int
	before          func()
}

var errDown = errors.New("the store is down")

func (f *failing) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if before := f.before; before != nil {
		f.before = nil
		before()
	}
	if f.appends--; f.appends < 0 {
		return errDown
	}
	return f.Events.Append(ctx, stream, expected, events)
}

// Prune deletes one event before it fails.
func (f *failing) Prune(ctx context.Context, cuts []eventstore.Cut) (int, error) {
	if f.prunes--; f.prunes >= 0 {
		return f.Events.Prune(ctx, cuts)
	}
	_, err := f.Events.Prune(ctx, []eventstore.Cut{{Stream: cuts[0].Stream, Through: 1}})
	return 1, errors.Join(err, errDown)
}
