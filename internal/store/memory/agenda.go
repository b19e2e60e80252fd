package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

var _ projection.Agenda = (*Tables)(nil)

// Due implements projection.Agenda. The cursor is the key of the last row.
func (s *Tables) Due(ctx context.Context, t projection.Table, until event.Instant, cursor string, limit int) ([]projection.Record, string, error) {
	return s.tasks(ctx, t, cursor, limit, func(task *projection.Task) (event.Instant, bool) {
		at, ok := task.Time()
		return at, ok && at <= until
	})
}

// Stuck implements projection.Agenda.
func (s *Tables) Stuck(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	return s.tasks(ctx, t, cursor, limit, func(task *projection.Task) (event.Instant, bool) {
		return task.Stuck, !task.Stuck.IsZero()
	})
}

// taskKey is the position of a row in a list of tasks.
func taskKey(at event.Instant, stream string) string { return fmt.Sprintf("%020d %s", at, stream) }

// tasks returns the rows whose task is wanted, sorted by the instants that wanted returns.
func (s *Tables) tasks(ctx context.Context, t projection.Table, cursor string, limit int, wanted func(*projection.Task) (event.Instant, bool)) ([]projection.Record, string, error) {
	if limit < 1 {
		return nil, "", fmt.Errorf("listing the tasks of %s: a page of %d makes no sense", t, limit)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return nil, "", err
	}
	type keyed struct {
		key    string
		record projection.Record
	}
	var found []keyed
	for _, r := range stored.records {
		if r.Task == nil {
			continue
		}
		if at, ok := wanted(r.Task); ok && taskKey(at, r.Stream) > cursor {
			found = append(found, keyed{taskKey(at, r.Stream), cloneRecord(r)})
		}
	}
	slices.SortFunc(found, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	next := ""
	if len(found) > limit {
		found, next = found[:limit], found[limit-1].key
	}
	records := make([]projection.Record, len(found))
	for i := range found {
		records[i] = found[i].record
	}
	return records, next, nil
}

// OldestDue implements projection.Agenda.
func (s *Tables) OldestDue(ctx context.Context, t projection.Table) (event.Instant, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return 0, err
	}
	var oldest event.Instant
	for _, r := range stored.records {
		if r.Task == nil {
			continue
		}
		if at, ok := r.Task.Time(); ok && (oldest.IsZero() || at < oldest) {
			oldest = max(at, 1)
		}
	}
	return oldest, nil
}

// SetTried implements projection.Agenda.
func (s *Tables) SetTried(ctx context.Context, t projection.Table, row projection.Record, tried projection.Tried) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, err := s.get(ctx, t)
	if err != nil {
		return false, err
	}
	r, ok := stored.records[row.Stream]
	if !ok || r.Version != row.Version || r.Task == nil || row.Task == nil || *r.Task != *row.Task {
		return false, nil
	}
	r.Task = &projection.Task{Task: r.Task.Task, Tried: tried}
	stored.records[row.Stream] = r
	return true, nil
}
