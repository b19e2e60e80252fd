package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
)

// Record implements projection.Browser.
func (s *Tables) Record(ctx context.Context, t projection.Table, stream string) (projection.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return projection.Record{}, err
	}
	r, ok := stored.records[stream]
	if !ok {
		return projection.Record{}, fmt.Errorf("%s in %s: %w", stream, t, projection.ErrNoRecord)
	}
	return cloneRecord(r), nil
}

// List implements projection.Browser.
func (s *Tables) List(ctx context.Context, t projection.Table, bucket, after string, limit int) ([]projection.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return nil, err
	}
	var rows []projection.Record
	for _, r := range stored.records {
		if r.Visible() && bucket != "" && r.Place.Bucket == bucket && (after == "" || r.Place.Sort < after) {
			rows = append(rows, cloneRecord(r))
		}
	}
	slices.SortFunc(rows, func(a, b projection.Record) int { return strings.Compare(b.Place.Sort, a.Place.Sort) })
	return rows[:max(0, min(len(rows), limit))], nil
}

// Buckets implements projection.Browser.
func (s *Tables) Buckets(ctx context.Context, t projection.Table, before string, limit int) ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, r := range stored.records {
		if r.Visible() && r.Place.Bucket != "" && (before == "" || r.Place.Bucket < before) {
			found[r.Place.Bucket] = true
		}
	}
	buckets := slices.Sorted(maps.Keys(found))
	slices.Reverse(buckets)
	return buckets[:max(0, min(len(buckets), limit))], nil
}

// Total implements projection.Browser.
func (s *Tables) Total(ctx context.Context, t projection.Table, key string) (map[string]int64, error) {
	all, err := s.Totals(ctx, t)
	if err != nil {
		return nil, err
	}
	if all[key] == nil {
		return map[string]int64{}, nil
	}
	return all[key], nil
}

// Scan implements projection.Inspector, sorted by stream.
func (s *Tables) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	return s.scan(ctx, t, cursor, limit, func(r projection.Record) bool { return part.Has(r.Stream) })
}

// ParkedRecords implements projection.Inspector, sorted by stream.
func (s *Tables) ParkedRecords(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	return s.scan(ctx, t, cursor, limit, func(r projection.Record) bool { return r.Parked != nil })
}

func (s *Tables) scan(ctx context.Context, t projection.Table, cursor string, limit int, wanted func(projection.Record) bool) ([]projection.Record, string, error) {
	if limit < 1 {
		return nil, "", fmt.Errorf("scanning %s: a page of %d makes no sense", t, limit)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return nil, "", err
	}
	var names []string
	for stream, r := range stored.records {
		if wanted(r) {
			names = append(names, stream)
		}
	}
	slices.Sort(names)
	names = after(names, cursor)
	next := ""
	if len(names) > limit {
		names, next = names[:limit], names[limit-1]
	}
	rows := make([]projection.Record, len(names))
	for i, stream := range names {
		rows[i] = cloneRecord(stored.records[stream])
	}
	return rows, next, nil
}

// Totals implements projection.Inspector.
func (s *Tables) Totals(ctx context.Context, t projection.Table) (map[string]map[string]int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]int64{}
	for key, fields := range stored.totals {
		for field, amount := range fields {
			if amount == 0 {
				continue
			}
			if all[key] == nil {
				all[key] = map[string]int64{}
			}
			all[key][field] = amount
		}
	}
	return all, nil
}
