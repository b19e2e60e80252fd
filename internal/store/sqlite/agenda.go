package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

var _ projection.Agenda = (*Tables)(nil)

// taskValues returns the columns of a row's task: when it may be tried, nil if it is stuck, and the task as
// JSON.
func taskValues(r *projection.Record) (due, task any, err error) {
	if r.Task == nil {
		return nil, nil, nil
	}
	encoded, err := json.Marshal(r.Task)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the task of %s: %w", r.Stream, err)
	}
	if at, ok := r.Task.Time(); ok {
		due = int64(at)
	}
	return due, string(encoded), nil
}

// Due implements projection.Agenda. The cursor is the instant and the stream of the last row.
func (s *Tables) Due(ctx context.Context, t projection.Table, until event.Instant, cursor string, limit int) (records []projection.Record, next string, err error) {
	doing := "listing what is due in"
	if err := checkLimit(limit); err != nil {
		return nil, "", fmt.Errorf("%s %s: %w", doing, t, err)
	}
	at, stream := int64(-1), ""
	if cursor != "" {
		digits, name, _ := strings.Cut(cursor, " ")
		if at, err = strconv.ParseInt(digits, 10, 64); err != nil {
			return nil, "", fmt.Errorf("%s %s: cursor %q is not one of this store: start again without one", doing, t, cursor)
		}
		stream = name
	}
	err = s.with(ctx, t, doing, func(v *tableVersion) error {
		rows, err := v.due.QueryContext(ctx, int64(until), at, stream, limit)
		records, err = readRecords(rows, err)
		return err
	})
	if len(records) == limit && err == nil {
		last := &records[len(records)-1]
		due, _ := last.Task.Time()
		next = fmt.Sprintf("%d %s", due, last.Stream)
	}
	return records, next, err
}

// Stuck implements projection.Agenda, sorted by stream.
func (s *Tables) Stuck(ctx context.Context, t projection.Table, cursor string, limit int) (records []projection.Record, next string, err error) {
	doing := "listing what is stuck in"
	if err := checkLimit(limit); err != nil {
		return nil, "", fmt.Errorf("%s %s: %w", doing, t, err)
	}
	err = s.with(ctx, t, doing, func(v *tableVersion) error {
		rows, err := v.stuck.QueryContext(ctx, cursor, limit)
		records, err = readRecords(rows, err)
		return err
	})
	if len(records) == limit && err == nil {
		next = records[len(records)-1].Stream
	}
	return records, next, err
}

// OldestDue implements projection.Agenda.
func (s *Tables) OldestDue(ctx context.Context, t projection.Table) (oldest event.Instant, err error) {
	err = s.with(ctx, t, "looking for what is due in", func(v *tableVersion) error {
		err := v.oldestDue.QueryRowContext(ctx).Scan((*int64)(&oldest))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		oldest = max(oldest, 1)
		return err
	})
	return oldest, err
}

// SetTried implements projection.Agenda.
func (s *Tables) SetTried(ctx context.Context, t projection.Table, row projection.Record, tried projection.Tried) (set bool, err error) {
	if row.Task == nil {
		return false, nil
	}
	_, before, err := taskValues(&row)
	if err != nil {
		return false, err
	}
	row.Task = &projection.Task{Task: row.Task.Task, Tried: tried}
	due, after, err := taskValues(&row)
	if err != nil {
		return false, err
	}
	err = s.with(ctx, t, "recording an attempt in", func(v *tableVersion) error {
		return v.db.transact(ctx, func() error {
			result, err := v.setTried.Exec(row.Stream, int64(row.Version), before, due, after)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			set = n > 0
			return err
		})
	})
	return set && err == nil, err
}
