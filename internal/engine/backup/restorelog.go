package backup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// log brings back the log and the event store.
func (r *restoring) log(ctx context.Context) error {
	chain := eventlog.Chain{Hash: eventlog.Genesis}
	err := manifests(ctx, r.place, r.from.Head.Number, func(m *eventlog.Manifest) error {
		if err := chain.Add(m); err != nil {
			return err
		}
		if r.Progress != nil {
			r.Progress(Progress{m.Last, r.from.Head.Number})
		}
		switch {
		case r.point.none(m):
			return ctx.Err()
		case !r.cutting && r.point.whole(m):
			return r.take(ctx, m)
		}
		return r.cut(ctx, m)
	})
	if err == nil && chain.Hash != r.from.Head.Chain {
		err = fmt.Errorf("%w: the chain of the log leads to %.12s, the backup says %.12s", ErrDamaged, chain.Hash, r.from.Head.Chain)
	}
	if err == nil {
		err = r.flush(ctx)
	}
	if err == nil {
		err = r.complete()
	}
	if err != nil {
		return err
	}
	return r.archive(ctx)
}

// take takes a segment as it is.
func (r *restoring) take(ctx context.Context, m *eventlog.Manifest) error {
	data, err := segmentData(ctx, r.place, m)
	if err == nil {
		err = r.Blobs.Put(ctx, m.Key, data)
	}
	if err == nil {
		err = eventlog.PutManifest(ctx, r.Blobs, m)
	}
	if err != nil {
		return err
	}
	r.Segments++
	r.Events += uint64(m.Count())
	r.widen(m.OldestAt, m.NewestAt)
	if r.pending = append(r.pending, *m); len(r.pending) == ledgerBatch {
		if err := r.ledger(ctx); err != nil {
			return err
		}
	}
	return m.EachEvent(data, func(_ uint64, e *event.Event) error { return r.store(ctx, e, true) })
}

// cut takes the events of a segment that are up to the point. They, and those after them, get new segments.
func (r *restoring) cut(ctx context.Context, m *eventlog.Manifest) error {
	r.cutting = true
	return eachEvent(ctx, r.place, m, func(number uint64, e *event.Event) error {
		if !r.point.has(number, e) {
			return nil
		}
		return r.store(ctx, e, false)
	})
}

// store passes an event to the event store, unless it is there. An event before whose turn an earlier version of its
// stream must come is held back.
func (r *restoring) store(ctx context.Context, e *event.Event, logged bool) error {
	switch last := r.versions[e.Stream]; {
	case e.Version <= last:
		return nil
	case e.Version > last+1:
		own := e.Clone()
		r.held[own.Stream] = append(r.held[own.Stream], waiting{own, logged})
		return nil
	}
	if err := r.load(ctx, waiting{e.Clone(), logged}); err != nil {
		return err
	}
	return r.release(ctx, e.Stream)
}

func (r *restoring) load(ctx context.Context, w waiting) error {
	e := w.event
	if e.Version == 1 {
		r.versions[strings.Clone(e.Stream)] = 1 // the event's own text would keep all of it in memory
	} else {
		r.versions[e.Stream] = e.Version
	}
	r.Stored++
	r.Last = eventstore.Mark{Number: r.Stored, ID: e.ID}
	if !w.logged {
		r.Cut = true
		r.Events++
		r.widen(e.OccurredAt, e.OccurredAt)
		r.rest = append(r.rest, eventlog.Record{Source: r.Last.String(), Event: e})
	}
	if r.batch = append(r.batch, e); len(r.batch) < loadBatch {
		return nil
	}
	return r.flush(ctx)
}

// release stores what was held back of a stream and can follow now.
func (r *restoring) release(ctx context.Context, stream string) error {
	for len(r.held[stream]) > 0 {
		next := r.versions[stream] + 1
		held := slices.DeleteFunc(r.held[stream], func(w waiting) bool { return w.event.Version < next })
		at := slices.IndexFunc(held, func(w waiting) bool { return w.event.Version == next })
		if r.held[stream] = held; at < 0 {
			break
		}
		if err := r.load(ctx, held[at]); err != nil {
			return err
		}
	}
	if held, some := r.held[stream]; some && len(held) == 0 {
		delete(r.held, stream)
	}
	return nil
}

func (r *restoring) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	err := r.Store.Load(ctx, r.batch)
	r.batch = r.batch[:0]
	return err
}

// complete fails if events wait for one that does not come.
func (r *restoring) complete() error {
	for stream, held := range r.held {
		return fmt.Errorf("%w: up to there the log has version %d of %s, and not version %d: choose a later point",
			ErrNoPoint, held[0].event.Version, stream, r.versions[stream]+1)
	}
	return nil
}

func (r *restoring) ledger(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	err := r.Ledger.Restore(ctx, r.pending)
	r.pending = r.pending[:0]
	return err
}

// archive brings the ledger to the end of the segments that were taken, and puts the events after them into the log
// as new segments.
func (r *restoring) archive(ctx context.Context) error {
	if err := r.ledger(ctx); err != nil {
		return err
	}
	for at := 0; at < len(r.rest); at += restBatch {
		if _, err := r.Archiver.Commit(ctx, r.rest[at:min(at+restBatch, len(r.rest))]); err != nil {
			return err
		}
	}
	return nil
}
