package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// Tables stores table versions. Its zero value is empty and ready for use.
type Tables struct {
	mu     sync.RWMutex
	tables map[projection.Table]*table
}

type table struct {
	records map[string]projection.Record
	totals  map[string]map[string]int64
	parts   map[string]int // number of rows of each bulk part that is in
}

func newTable() *table {
	return &table{map[string]projection.Record{}, map[string]map[string]int64{}, map[string]int{}}
}

// add adds to totals.
func (t *table) add(differences []model.Contribution) {
	for _, d := range differences {
		if t.totals[d.Key] == nil {
			t.totals[d.Key] = map[string]int64{}
		}
		t.totals[d.Key][d.Field] += d.Amount
	}
}

var _ projection.Store = (*Tables)(nil)

// NewTables returns a store without tables.
func NewTables() *Tables { return &Tables{} }

// Create implements projection.Tables.
func (s *Tables) Create(ctx context.Context, t projection.Table) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables == nil {
		s.tables = map[projection.Table]*table{}
	}
	if s.tables[t] == nil {
		s.tables[t] = newTable()
	}
	return nil
}

// Drop implements projection.Tables.
func (s *Tables) Drop(ctx context.Context, t projection.Table) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tables, t)
	return nil
}

// get returns a table; the caller holds the lock.
func (s *Tables) get(ctx context.Context, t projection.Table) (*table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.tables[t] == nil {
		return nil, fmt.Errorf("%s: %w", t, projection.ErrNoTable)
	}
	return s.tables[t], nil
}

// Records implements projection.Tables.
func (s *Tables) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return nil, err
	}
	found := make(map[string]projection.Record, len(streams))
	for _, stream := range streams {
		if r, ok := stored.records[stream]; ok {
			found[stream] = cloneRecord(r)
		}
	}
	return found, nil
}

// Write implements projection.Tables.
func (s *Tables) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	if err := checkChanges(changes); err != nil {
		return nil, fmt.Errorf("writing to %s: %w", t, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return nil, err
	}
	var late []string
	for _, c := range changes {
		if stored.records[c.Stream].Writes != c.Expected {
			late = append(late, c.Stream)
			continue
		}
		r := cloneRecord(c.Record)
		r.Writes = c.Expected + 1
		stored.records[c.Stream] = r
		stored.add(c.Totals)
	}
	return late, nil
}

func checkChanges(changes []projection.Change) error {
	if len(changes) > projection.MaxWrite {
		return fmt.Errorf("%d changes at once, at most %d are taken", len(changes), projection.MaxWrite)
	}
	seen := make(map[string]bool, len(changes))
	for _, c := range changes {
		if c.Stream == "" {
			return errors.New("a change has no stream")
		}
		if seen[c.Stream] {
			return fmt.Errorf("two changes of %s at once", c.Stream)
		}
		seen[c.Stream] = true
	}
	return nil
}
