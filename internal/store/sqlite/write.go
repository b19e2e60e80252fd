package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/engine/projection"
)

// Records implements projection.Tables.
func (s *Tables) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	found := make(map[string]projection.Record, len(streams))
	err := s.with(ctx, t, "reading rows of", func(v *tableVersion) error {
		names, err := json.Marshal(streams)
		if err != nil {
			return err
		}
		rows, err := v.records.QueryContext(ctx, string(names))
		records, err := readRecords(rows, err)
		for _, r := range records {
			found[r.Stream] = r
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Write implements projection.Tables: one transaction for all changes and their totals.
func (s *Tables) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	if err := checkChanges(changes); err != nil {
		return nil, fmt.Errorf("writing to %s: %w", t, err)
	}
	var late []string
	err := s.with(ctx, t, "writing to", func(v *tableVersion) error {
		if len(changes) == 0 {
			return nil
		}
		return v.db.transact(ctx, func() (err error) {
			late, err = v.write(changes)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return late, nil
}

func checkChanges(changes []projection.Change) error {
	if len(changes) > projection.MaxWrite {
		return fmt.Errorf("%d changes at once, at most %d are taken", len(changes), projection.MaxWrite)
	}
	seen := make(map[string]bool, len(changes))
	for i := range changes {
		stream := changes[i].Stream
		if stream == "" {
			return errors.New("a change has no stream")
		}
		if seen[stream] {
			return fmt.Errorf("two changes of %s at once", stream)
		}
		seen[stream] = true
	}
	return nil
}

type totalKey struct{ key, field string }

// write writes changes and the sums of their totals. It runs inside a transaction.
func (v *tableVersion) write(changes []projection.Change) (late []string, err error) {
	sums := map[totalKey]int64{}
	for i := range changes {
		c := &changes[i]
		written, err := v.writeRecord(c)
		if err != nil {
			return nil, err
		}
		if !written {
			late = append(late, c.Stream)
			continue
		}
		for _, d := range c.Totals {
			sums[totalKey{d.Key, d.Field}] += d.Amount
		}
	}
	for k, amount := range sums {
		if amount == 0 {
			continue
		}
		if _, err := v.addTotal.Exec(k.key, k.field, amount); err != nil {
			return nil, err
		}
	}
	return late, nil
}
