package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Settle finds out which of the report's doubtful totals are wrong: it keeps those, and removes totals that
// live traffic or healing had moved. It does nothing if there are none.
//
// It counts the doubtful totals again. From a snapshot that is exact. Without one it folds the rows twice and
// reads the totals in between. A row that stayed at one version has contributed exactly its contribution; a
// row that moved has contributed between the least and the most of its contributions at the versions it went
// through. A total outside what all rows together allow is wrong, whatever the traffic.
func (v *Verifier) Settle(ctx context.Context, d model.Projection, t projection.Table, r *Report) error {
	doubtful := map[totalName]bool{}
	for _, total := range r.Totals {
		if !total.Settled {
			doubtful[totalName{total.Key, total.Field}] = true
		}
	}
	if len(doubtful) == 0 {
		return nil
	}
	s := &settling{Verifier: v, definition: d, table: t, doubtful: doubtful, seen: map[string]uint64{}, least: Sums{}, most: Sums{}}
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("counting totals of %s anew: %w", t, err)
	}
	kept := r.Totals[:0]
	for _, total := range r.Totals {
		name := totalName{total.Key, total.Field}
		if doubtful[name] {
			stored, least, most := s.stored[total.Key][total.Field], s.least[total.Key][total.Field], s.most[total.Key][total.Field]
			if least <= stored && stored <= most {
				continue
			}
			total.Stored, total.Folded, total.Settled = stored, least, true
			if stored > most {
				total.Folded = most
			}
		}
		kept = append(kept, total)
	}
	r.Totals = kept
	return nil
}

// settling counts some totals again.
type settling struct {
	*Verifier
	definition model.Projection
	table      projection.Table
	doubtful   map[totalName]bool

	mu          sync.Mutex
	seen        map[string]uint64 // versions, at the first walk, of rows that ever counted
	least, most Sums
	stored      map[string]map[string]int64
}

func (s *settling) run(ctx context.Context) (err error) {
	if snapshots, ok := s.Tables.(projection.Snapshotter); ok {
		from, err := snapshots.Snapshot(ctx, s.table)
		if err != nil {
			return err
		}
		if s.stored, err = from.Totals(ctx); err == nil {
			err = s.walk(ctx, snapshotOf(from), func(row *projection.Record, steps []counted) {
				s.remember(row, steps)
				s.count(row, steps)
			})
		}
		return errors.Join(err, from.Close())
	}
	if err := s.walk(ctx, rowsOf(s.Tables, s.table, eventstore.All), s.remember); err != nil {
		return err
	}
	if s.stored, err = s.Tables.Totals(ctx, s.table); err != nil {
		return err
	}
	return s.walk(ctx, rowsOf(s.Tables, s.table, eventstore.All), s.count)
}

// walk folds the streams of all rows.
func (s *settling) walk(ctx context.Context, read reading[[]projection.Record], each func(*projection.Record, []counted)) error {
	return walk(ctx, s.workers(), read, func(ctx context.Context, rows []projection.Record) error {
		histories, err := s.Streams.LoadMany(ctx, streamsOf(rows))
		if err != nil {
			return err
		}
		for i := range rows {
			steps := s.steps(&rows[i], histories[rows[i].Stream])
			s.mu.Lock()
			each(&rows[i], steps)
			s.mu.Unlock()
		}
		return nil
	})
}

// counted is a row's contributions to the doubtful totals at one version.
type counted map[totalName]int64

// steps returns a row's contributions at each version up to its own, from 0; nil if it never contributes to a
// doubtful total.
func (s *settling) steps(row *projection.Record, history []event.Event) []counted {
	f := projection.Fold{Row: s.definition.NewRow()}
	counts := false
	steps := []counted{nil}
	for i := range history[:min(row.Version, uint64(len(history)))] {
		if f.Apply(&history[i], s.now()) != projection.Applied {
			break
		}
		var at counted
		for _, c := range f.Contributions() {
			if name := (totalName{c.Key, c.Field}); s.doubtful[name] {
				if at == nil {
					at, counts = counted{}, true
				}
				at[name] += c.Amount
			}
		}
		steps = append(steps, at)
	}
	if !counts {
		return nil
	}
	return steps
}

// remember records a row on the first walk.
func (s *settling) remember(row *projection.Record, steps []counted) {
	if steps != nil {
		s.seen[row.Stream] = row.Version
	}
}

// count adds the least and the most that a row may have contributed since the first walk.
func (s *settling) count(row *projection.Record, steps []counted) {
	if steps == nil {
		return
	}
	last := uint64(len(steps) - 1)
	now := min(row.Version, last)
	then := min(s.seen[row.Stream], last)
	for name := range s.doubtful {
		least, most := steps[now][name], steps[now][name]
		for _, at := range steps[min(then, now) : max(then, now)+1] {
			least, most = min(least, at[name]), max(most, at[name])
		}
		s.least.add(name.key, name.field, least)
		s.most.add(name.key, name.field, most)
	}
}

func streamsOf(rows []projection.Record) []string {
	streams := make([]string, len(rows))
	for i := range rows {
		streams[i] = rows[i].Stream
	}
	return streams
}
