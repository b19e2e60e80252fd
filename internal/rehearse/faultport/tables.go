package faultport

import (
	"context"
	"fmt"
	"strings"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
)

// Tables puts a gate in front of a store of table versions.
type Tables struct {
	projection.Store
	Gate Gate
}

// Create implements projection.Tables.
func (s Tables) Create(ctx context.Context, t projection.Table) error {
	return tell(ctx, s.Gate, Administers, "create "+t.String(), func(ctx context.Context) error { return s.Store.Create(ctx, t) })
}

// Drop implements projection.Tables.
func (s Tables) Drop(ctx context.Context, t projection.Table) error {
	return tell(ctx, s.Gate, Administers, "drop "+t.String(), func(ctx context.Context) error { return s.Store.Drop(ctx, t) })
}

// Records implements projection.Tables.
func (s Tables) Records(ctx context.Context, t projection.Table, names []string) (map[string]projection.Record, error) {
	return ask(ctx, s.Gate, "rows "+t.String()+" "+strings.Join(names, " "), func(ctx context.Context) (map[string]projection.Record, error) {
		return s.Store.Records(ctx, t, names)
	})
}

// Write implements projection.Tables. Halfway, the first of the changes are written.
func (s Tables) Write(ctx context.Context, t projection.Table, changes []projection.Change) (late []string, err error) {
	write := func(n int) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			late, err = s.Store.Write(ctx, t, changes[:n])
			return err
		}
	}
	err = s.Gate.Pass(ctx, Call{Writes, "write " + t.String() + rowNames(changes), write(len(changes)), write(len(changes) / 2)})
	return late, err
}

func rowNames(changes []projection.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, " %s@%d", c.Stream, c.Version)
	}
	return b.String()
}

// Record implements projection.Browser.
func (s Tables) Record(ctx context.Context, t projection.Table, stream string) (projection.Record, error) {
	return ask(ctx, s.Gate, "row "+t.String()+" "+stream, func(ctx context.Context) (projection.Record, error) { return s.Store.Record(ctx, t, stream) })
}

// List implements projection.Browser.
func (s Tables) List(ctx context.Context, t projection.Table, bucket, after string, limit int) ([]projection.Record, error) {
	return ask(ctx, s.Gate, "list "+t.String()+" "+bucket+" after "+after, func(ctx context.Context) ([]projection.Record, error) {
		return s.Store.List(ctx, t, bucket, after, limit)
	})
}

// Buckets implements projection.Browser.
func (s Tables) Buckets(ctx context.Context, t projection.Table, before string, limit int) ([]string, error) {
	return ask(ctx, s.Gate, "buckets "+t.String()+" before "+before, func(ctx context.Context) ([]string, error) {
		return s.Store.Buckets(ctx, t, before, limit)
	})
}

// Total implements projection.Browser.
func (s Tables) Total(ctx context.Context, t projection.Table, key string) (map[string]int64, error) {
	return ask(ctx, s.Gate, "total "+t.String()+" "+key, func(ctx context.Context) (map[string]int64, error) { return s.Store.Total(ctx, t, key) })
}

// Scan implements projection.Inspector.
func (s Tables) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	return turn(ctx, s.Gate, fmt.Sprintf("scan %s %d/%d after %q", t, part.Index, part.Count, cursor), func(ctx context.Context) ([]projection.Record, string, error) {
		return s.Store.Scan(ctx, t, part, cursor, limit)
	})
}

// ParkedRecords implements projection.Inspector.
func (s Tables) ParkedRecords(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	return turn(ctx, s.Gate, fmt.Sprintf("parked %s after %q", t, cursor), func(ctx context.Context) ([]projection.Record, string, error) {
		return s.Store.ParkedRecords(ctx, t, cursor, limit)
	})
}

// Totals implements projection.Inspector.
func (s Tables) Totals(ctx context.Context, t projection.Table) (map[string]map[string]int64, error) {
	return ask(ctx, s.Gate, "totals "+t.String(), func(ctx context.Context) (map[string]map[string]int64, error) { return s.Store.Totals(ctx, t) })
}

// Sink puts a gate in front of a sink. As in DynamoDB, each row is a separate write, and the totals are
// written last.
type Sink struct {
	projection.Sink
	Gate Gate
}

// PutPart implements projection.Sink. Every row passes the gate.
func (s Sink) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	var lost error // the error of a write that took effect nevertheless
	gated := part
	gated.Rows = func(yield func(projection.Record, error) bool) { lost = s.putRows(ctx, t, part, yield) }
	// Only the gate may end the write: once it has passed, it takes effect.
	rows, err := s.Sink.PutPart(context.WithoutCancel(ctx), t, gated)
	if err == nil {
		err = lost
	}
	return rows, err
}

func (s Sink) putRows(ctx context.Context, t projection.Table, part projection.BulkPart, yield func(projection.Record, error) bool) (lost error) {
	more := true
	for r, err := range part.Rows {
		if err == nil {
			err = tell(ctx, s.Gate, Administers, fmt.Sprintf("put %s %s@%d", t, r.Stream, r.Version), func(context.Context) error {
				more = yield(r, nil)
				return nil
			})
		}
		if more && err != nil {
			yield(projection.Record{}, err)
		}
		if !more || err != nil {
			return nil
		}
	}
	reached := false
	err := tell(ctx, s.Gate, Administers, fmt.Sprintf("put %s totals of %s", t, part.Name), func(context.Context) error {
		reached = true
		return nil
	})
	if err != nil && !reached {
		yield(projection.Record{}, err)
	}
	return err
}

// Finish implements projection.Sink.
func (s Sink) Finish(ctx context.Context, t projection.Table) error {
	return tell(ctx, s.Gate, Administers, "finish "+t.String(), func(ctx context.Context) error { return s.Sink.Finish(ctx, t) })
}

// Bulk has all operations on table versions that a rebuild needs.
type Bulk struct {
	Tables
	projection.Sink
}

// Snapshots is Bulk for a store that can take a snapshot of a table.
type Snapshots struct {
	Bulk
	Snapshotter projection.Snapshotter
}

// Snapshot implements projection.Snapshotter.
func (s Snapshots) Snapshot(ctx context.Context, t projection.Table) (projection.Snapshot, error) {
	shot, err := ask(ctx, s.Gate, "snapshot "+t.String(), func(ctx context.Context) (projection.Snapshot, error) { return s.Snapshotter.Snapshot(ctx, t) })
	if err != nil {
		if shot != nil {
			shot.Close() //nolint:errcheck // the caller did not get it
		}
		return nil, err
	}
	return snapshot{shot, s.Gate}, nil
}

type snapshot struct {
	projection.Snapshot
	gate Gate
}

// Scan implements projection.Snapshot.
func (s snapshot) Scan(ctx context.Context, cursor string, limit int) ([]projection.Record, string, error) {
	return turn(ctx, s.gate, "scan snapshot after "+cursor, func(ctx context.Context) ([]projection.Record, string, error) {
		return s.Snapshot.Scan(ctx, cursor, limit)
	})
}

// Totals implements projection.Snapshot.
func (s snapshot) Totals(ctx context.Context) (map[string]map[string]int64, error) {
	return ask(ctx, s.gate, "totals of snapshot", s.Snapshot.Totals)
}
