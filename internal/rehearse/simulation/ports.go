package simulation

import (
	"context"
	"errors"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/store/memory"
)

// The ports of a process: the world's stores, with the gate before each call.

func (w *world) eventsOf(p *process) faultport.Events {
	return faultport.Events{Store: w.truth, Gate: p}
}

func (w *world) tablesOf(p *process) faultport.Tables {
	var store projection.Store = watchedTables{w.tables, w.s}
	if w.mutation.Tables != nil {
		store = w.mutation.Tables(store)
	}
	return faultport.Tables{Store: store, Gate: p}
}

func (w *world) pointersOf(p *process) faultport.Pointers {
	return faultport.Pointers{Pointers: watchedPointers{w.control, w}, Gate: p}
}

func (w *world) ledgerOf(p *process) faultport.Ledger {
	return faultport.Ledger{Ledger: watchedLedger{w.ledger, w.s}, Gate: p}
}

func (w *world) blobsOf(p *process) faultport.Blobs {
	var store eventlog.Blobs = w.blobs
	if w.mutation.Blobs != nil {
		store = w.mutation.Blobs(store)
	}
	return faultport.Blobs{Blobs: store, Gate: p}
}

// watchedTables counts writes that lost a race.
type watchedTables struct {
	*memory.Tables
	s *scheduler
}

func (t watchedTables) Write(ctx context.Context, table projection.Table, changes []projection.Change) ([]string, error) {
	late, err := t.Tables.Write(ctx, table, changes)
	if len(late) > 0 {
		t.s.count("late write")
	}
	return late, err
}

// watchedPointers tells the world of every change.
type watchedPointers struct {
	*memory.Control
	w *world
}

func (c watchedPointers) SetPointer(ctx context.Context, p projection.Pointer) error {
	before, _ := c.Pointer(ctx, p.Projection)
	err := c.Control.SetPointer(ctx, p)
	if err == nil {
		c.w.pointerMoved(before, p)
	}
	return err
}

// watchedLedger counts commits that failed.
type watchedLedger struct {
	eventlog.Ledger
	s *scheduler
}

func (l watchedLedger) Commit(ctx context.Context, c eventlog.Commit) error {
	err := l.Ledger.Commit(ctx, c)
	switch {
	case errors.Is(err, eventlog.ErrHeadMoved):
		l.s.count("head moved")
	case errors.Is(err, eventlog.ErrClaimed):
		l.s.count("claimed")
	}
	return err
}

// position is how far the event store has been archived.
type position struct{ w *world }

func (p position) Archived(context.Context) (eventstore.Mark, error) { return p.w.archived, nil }

func (p position) SetArchived(_ context.Context, m eventstore.Mark) error {
	p.w.archived = m
	return nil
}
