package faultport_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/store/memory"
)

func TestTheLogsOperatorsHearOfAPortThatFails(t *testing.T) {
	t.Parallel()
	verifying := func(o logcheck.Options) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			r, err := w.log(g).Verify(ctx, o)
			if err != nil {
				return nil, err
			}
			if o.Fix {
				return r.Sound, told(r.Findings)
			}
			return []any{r.Sound, r.Counts, r.Fixed, r.Events, r.Read}, told(r.Findings)
		}
	}
	harmed := func(w *world) {
		behind(w)
		m, err := w.Ledger.Manifests(w.TB.Context(), 0, 1)
		w.Must(err)
		w.Must(w.Blobs.Delete(w.TB.Context(), eventlog.ManifestKey(m[0].First)))
		w.Must(w.Blobs.Put(w.TB.Context(), eventlog.SegmentFolder+"orphan", []byte("x")))
		w.Wait(48 * time.Hour)
	}
	// mixed has the manifest of the second segment beside the first, and lost that one's object.
	mixed := func(w *world) {
		m, err := w.Ledger.Manifests(w.TB.Context(), 0, 2)
		w.Must(err)
		m[1].First = m[0].First
		w.Must(eventlog.PutManifest(w.TB.Context(), w.Blobs, &m[1]))
		w.Must(w.Blobs.Delete(w.TB.Context(), m[0].Key))
	}
	deep, fix := logcheck.Options{Deep: true}, logcheck.Options{Deep: true, Fix: true}
	sweepAll(t, []operation{
		{name: "verify the log", run: verifying(logcheck.Options{})},
		{name: "verify the log deep", run: verifying(deep)},
		{name: "verify a log with a manifest of another", world: mixed, run: verifying(deep)},
		{name: "verify a log that is not sound", world: harmed, run: verifying(logcheck.Options{})},
		{name: "verify a log that is not sound deep", world: harmed, run: verifying(deep)},
		{name: "verify and fix the log", world: harmed, run: verifying(fix), state: (*world).logged},
		{name: "sweep", world: harmed, state: (*world).logged, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			_, err := w.log(g).Sweep(ctx, logcheck.MinSweepAge, false)
			left, err2 := w.Blobs.List(context.Background(), eventlog.SegmentFolder, "", 100)
			return len(left), errors.Join(err, err2)
		}},
		{name: "restore manifests", state: (*world).logged, world: func(w *world) { w.Ledger = memory.NewLedger() }, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			r, err := w.log(g).RestoreManifests(ctx)
			return []any{r.After.Number, r.Manifests, r.Sound}, errors.Join(err, told(r.Findings))
		}},
		{name: "tell where the log stands", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			s, err := w.log(g).Status(ctx)
			return s.Head, err
		}},
		{name: "measure the log", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			s, err := w.log(g).Stats(ctx, true)
			s.DurationMs = 0
			return s, err
		}},
		{name: "verify the store", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return verifyEvents(w, ctx, g)
		}},
		{name: "verify a store that has lost events", world: (*world).lose, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return verifyEvents(w, ctx, g)
		}},
	})
}

// told is an error when a port that is broken is among the problems that were found.
func told(f logcheck.Findings) error {
	for _, p := range f.Problems {
		if strings.Contains(p.Detail, faultport.ErrBroken.Error()) {
			return errors.New(p.Detail)
		}
	}
	return nil
}

func verifyEvents(w *world, ctx context.Context, g faultport.Gate) (any, error) {
	r, err := w.log(g).VerifyEvents(ctx, true)
	if err != nil {
		return nil, err
	}
	return []any{r.Sound, r.Counts, r.Events}, told(r.Findings)
}

// lose puts an older copy of the event store in its place.
func (w *world) lose() {
	older := memory.NewEvents()
	events, _, err := w.Events.Read(w.TB.Context(), "", 9)
	w.Must(err)
	for _, e := range events {
		w.Must(older.Append(w.TB.Context(), e.Stream, e.Version-1, []event.Event{e}))
	}
	w.Events = older
}
