package memory

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/engine/projection"
)

var _ projection.Sink = (*Tables)(nil)

// maxPartName bounds a part's name, as in the stores on disk.
const maxPartName = 1000

// PutPart implements projection.Sink. As in DynamoDB, each row is stored by itself and the totals come last,
// so that an interrupted part is partly stored until it is put again.
func (s *Tables) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	rows, err := s.putPart(ctx, t, part)
	if err != nil {
		return 0, fmt.Errorf("putting part %q into %s: %w", part.Name, t, err)
	}
	return rows, nil
}

func (s *Tables) putPart(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	if part.Name == "" || len(part.Name) > maxPartName {
		return 0, fmt.Errorf("a part's name has 1 to %d bytes", maxPartName)
	}
	stored, rows, done, err := s.startPart(ctx, t, part.Name)
	if err != nil || done {
		return rows, err
	}
	for r, err := range part.Rows {
		if err == nil && r.Stream == "" {
			err = errors.New("a row has no stream")
		}
		if err == nil {
			err = s.putRow(ctx, t, stored, r)
		}
		if err != nil {
			return 0, err
		}
		rows++
	}
	return rows, s.endPart(ctx, t, stored, part, rows)
}

// startPart returns the table for a part, or the number of rows of a part that is already in.
func (s *Tables) startPart(ctx context.Context, t projection.Table, name string) (stored *table, rows int, done bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if stored, err = s.get(ctx, t); err != nil {
		return nil, 0, false, err
	}
	rows, done = stored.parts[name]
	return stored, rows, done, nil
}

// still fails if a table was dropped, even if there is a new one by now. The caller holds the lock.
func (s *Tables) still(ctx context.Context, t projection.Table, stored *table) error {
	now, err := s.get(ctx, t)
	if err == nil && now != stored {
		err = projection.ErrNoTable
	}
	return err
}

func (s *Tables) putRow(ctx context.Context, t projection.Table, stored *table, r projection.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.still(ctx, t, stored); err != nil {
		return err
	}
	if old, ok := stored.records[r.Stream]; !ok || old.Version < r.Version {
		r = cloneRecord(r)
		r.Writes = old.Writes + 1
		stored.records[r.Stream] = r
	}
	return nil
}

func (s *Tables) endPart(ctx context.Context, t projection.Table, stored *table, part projection.BulkPart, rows int) error {
	totals := part.Totals()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.still(ctx, t, stored); err != nil {
		return err
	}
	if _, done := stored.parts[part.Name]; done {
		return nil
	}
	stored.parts[part.Name] = rows
	stored.add(totals)
	return nil
}

// Finish implements projection.Sink. It only checks that the table exists.
func (s *Tables) Finish(ctx context.Context, t projection.Table) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, err := s.get(ctx, t); err != nil {
		return fmt.Errorf("finishing %s: %w", t, err)
	}
	return nil
}
