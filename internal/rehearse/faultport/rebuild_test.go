package faultport_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/rehearse/faultport"
)

func (w *world) rebuild(id string) {
	w.TB.Helper()
	_, err := w.driver(open).Run(w.TB.Context(), id, request())
	w.Must(err)
}

// rebuilding is an operation that runs a request, and once more with another id.
func rebuilding(name string, r rebuild.Request, prepare func(*world)) operation {
	as := func(id string) func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		return func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			run, err := w.driver(g).Run(ctx, id, r)
			if err == nil && run.Verify != nil && !run.Verify.Sound {
				err = errors.New("it is not sound")
			}
			return nil, err
		}
	}
	return operation{name: name, world: prepare, run: as("once"), again: as("again"), state: (*world).delivered}
}

// delivered is shown after all was delivered.
func (w *world) delivered() string {
	w.Must(w.project(context.Background(), open))
	return w.shown()
}

func TestRebuildsReportAPortThatFails(t *testing.T) {
	t.Parallel()
	at := request()
	none, soak := rebuild.Seconds(0), rebuild.Seconds(time.Second)
	asked, cleaned, dry, past, single, from := at, at, at, at, at, at
	asked.Approve, asked.Soak, cleaned.Soak, dry.DryRun, past.UntilNumber, from.FromEventNumber = true, &soak, &none, true, 7, 8
	single.Streams = []string{"order-a14", "order-a26"}
	twice := func(w *world) { w.rebuild("first"); w.rebuild("second"); behind(w) }
	damaged := func(w *world) { behind(w); w.spoil(v1, "a26") }
	sweepAll(t, []operation{
		rebuilding("rebuild", at, twice),
		rebuilding("rebuild with an approval and a soak", asked, twice),
		rebuilding("rebuild without a soak", cleaned, twice),
		rebuilding("dry run", dry, twice),
		rebuilding("scratch version", past, twice),
		rebuilding("heal streams", single, damaged),
		rebuilding("heal from an event on", from, damaged),
	})
}

func TestOperatorsOfVersionsHearOfAPortThatFails(t *testing.T) {
	t.Parallel()
	twice := func(w *world) { w.rebuild("first") }
	left := func(w *world) {
		_, err := w.rebuilder(open).Prepare(w.TB.Context(), "left", request())
		w.Must(err)
	}
	abandon := func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
		e := w.rebuilder(g)
		pointer, err := e.Pointers.Pointer(ctx, orders)
		if err != nil {
			return nil, err
		}
		runs, err := e.RunsOf(ctx, pointer)
		if err != nil {
			return nil, err
		}
		_, err = e.AbandonAll(ctx, runs, "so it was asked for")
		return nil, err
	}
	sweepAll(t, []operation{
		{name: "roll back", world: twice, state: (*world).actives, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.rollBackTo(ctx, g, 1)
		}},
		{name: "clean up", world: twice, state: (*world).shown, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			_, err := w.rebuilder(g).CleanupAll(ctx, orders)
			return nil, err
		}},
		{name: "abandon", world: left, state: (*world).shown, run: abandon, again: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			if _, err := abandon(w, ctx, g); err != nil {
				return nil, err
			}
			_, err := w.rebuilder(g).CleanupAll(ctx, orders) // drops what was left behind
			return nil, err
		}},
	})
}

// actives is the number of the active version.
func (w *world) actives() string {
	v, _ := w.Pointer(orders).ActiveVersion()
	return fmt.Sprint(v.Number)
}

// rollBackTo rolls back unless readers see that version already.
func (w *world) rollBackTo(ctx context.Context, g faultport.Gate, number int) error {
	if w.actives() == fmt.Sprint(number) {
		return nil
	}
	to, err := w.rebuilder(g).Rollback(ctx, orders)
	if err == nil && to != number {
		err = fmt.Errorf("rolled back to %d", to)
	}
	return err
}
