package embedded

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// ErrRowsBehind means that a table is an older copy: it lacks events that were applied to it.
var ErrRowsBehind = errors.New("the table lacks events that were applied to it, it is an older copy: bring it up to date with `gakushoku projection verify --fix`, or rebuild the projection")

// CheckRows fails with ErrRowsBehind if an active table lacks the last applied event, and with ErrRowsAhead
// if its newest rows have events that the event store lacks. It reads only a few rows.
func (f *Folder) CheckRows(ctx context.Context) error {
	return errors.Join(f.checkNotBehind(ctx), f.checkNotAhead(ctx))
}

// checkNotBehind checks the row of the last applied event.
func (f *Folder) checkNotBehind(ctx context.Context) error {
	checkpoint, err := f.Control.Checkpoint(ctx, projectorName)
	if err != nil {
		return err
	}
	mark, err := markOf(projectorName, checkpoint)
	if err != nil || mark.Number == 0 {
		return err
	}
	events, last, err := f.Events.Since(ctx, eventstore.Mark{Number: mark.Number - 1}, 1)
	if err != nil || last.Number != mark.Number { // the event is retired
		return err
	}
	var errs []error
	for _, name := range canteen.Projections().Names() {
		errs = append(errs, f.checkRow(ctx, name, &events[0]))
	}
	return errors.Join(errs...)
}

// checkRow checks that the active table of a projection has an event.
func (f *Folder) checkRow(ctx context.Context, name string, e *event.Event) error {
	pointer, err := f.Control.Pointer(ctx, name)
	if err != nil {
		return err
	}
	active, ok := pointer.ActiveVersion()
	d, known := canteen.Projections().Revision(name, active.Revision)
	if !ok || !known || !d.Folds(e.Stream) {
		return nil
	}
	if late, err := f.Control.Checkpoint(ctx, latecomer(name, active)); err != nil || late.AppliedAt != 0 {
		return err // it is being brought up to date
	}
	table := pointer.Table(active)
	rows, err := f.Tables.Records(ctx, table, []string{e.Stream})
	if errors.Is(err, projection.ErrNoTable) || errors.Is(err, projection.ErrDamaged) {
		return nil // reported elsewhere
	}
	if row := rows[e.Stream]; err == nil && row.Version < e.Version && row.Parked == nil {
		err = fmt.Errorf("%s: %w", table, ErrRowsBehind)
	}
	return err
}

// ErrRowsAhead means that a table is a newer copy: it has events that the event store lacks.
var ErrRowsAhead = errors.New("the table has events that the event store does not have, so it is newer than all else: put the newer files back that belong to it, or rebuild the projection")

// rowsLooked is how many rows are compared to detect a table that is ahead. An older event store lacks the
// newest orders.
const rowsLooked = 50

// checkNotAhead fails with ErrRowsAhead if one of the newest rows of an active table has events that the
// event store lacks.
func (f *Folder) checkNotAhead(ctx context.Context) error {
	var errs []error
	for _, name := range canteen.Projections().Names() {
		pointer, err := f.Control.Pointer(ctx, name)
		if err != nil {
			return err
		}
		if active, ok := pointer.ActiveVersion(); ok {
			errs = append(errs, f.checkNewest(ctx, pointer.Table(active)))
		}
	}
	return errors.Join(errs...)
}

func (f *Folder) checkNewest(ctx context.Context, t projection.Table) error {
	rows, err := f.newestRows(ctx, t)
	if errors.Is(err, projection.ErrNoTable) || errors.Is(err, projection.ErrDamaged) {
		return nil // reported elsewhere
	}
	if err != nil {
		return err
	}
	streams := make([]string, len(rows))
	for i := range rows {
		streams[i] = rows[i].Stream
	}
	histories, err := f.Events.LoadMany(ctx, streams) // after the rows: see Record.Ahead
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].Ahead(histories[rows[i].Stream]) {
			return fmt.Errorf("%s, %s: %w", t, rows[i].Stream, ErrRowsAhead)
		}
	}
	return nil
}

// newestRows returns rows of the newest bucket.
func (f *Folder) newestRows(ctx context.Context, t projection.Table) ([]projection.Record, error) {
	buckets, err := f.Tables.Buckets(ctx, t, "", 1)
	if err != nil || len(buckets) == 0 {
		return nil, err
	}
	return f.Tables.List(ctx, t, buckets[0], "", rowsLooked)
}
