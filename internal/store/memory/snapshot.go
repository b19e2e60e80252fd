package memory

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
)

var _ projection.Snapshotter = (*Tables)(nil)

// snapshot is a copy of one table, in a store of its own.
type snapshot struct {
	copy   Tables
	table  projection.Table
	closed atomic.Bool
}

var errClosed = errors.New("the snapshot is closed")

// Snapshot implements projection.Snapshotter.
func (s *Tables) Snapshot(ctx context.Context, t projection.Table) (projection.Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return nil, err
	}
	// A stored record is never changed, only replaced.
	copied := &table{records: maps.Clone(stored.records), totals: map[string]map[string]int64{}}
	for key, fields := range stored.totals {
		copied.totals[key] = maps.Clone(fields)
	}
	return &snapshot{copy: Tables{tables: map[projection.Table]*table{t: copied}}, table: t}, nil
}

// Scan implements projection.Snapshot.
func (s *snapshot) Scan(ctx context.Context, cursor string, limit int) ([]projection.Record, string, error) {
	if s.closed.Load() {
		return nil, "", errClosed
	}
	return s.copy.Scan(ctx, s.table, eventstore.All, cursor, limit)
}

// Totals implements projection.Snapshot.
func (s *snapshot) Totals(ctx context.Context) (map[string]map[string]int64, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	return s.copy.Totals(ctx, s.table)
}

// Close implements projection.Snapshot.
func (s *snapshot) Close() error {
	s.closed.Store(true)
	return nil
}
