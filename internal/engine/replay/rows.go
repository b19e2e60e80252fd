package replay

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/replay/rowpack"
	"gakushoku/internal/model"
)

// Row is one row of a Result.
type Row struct {
	Stream  string
	Version uint64    // version of the last event in it
	Row     model.Row // as NewRow made it
	Parked  *Parked   // set if the stream was parked after that version
}

// Record returns the row as a table of a projection stores it.
func (r Row) Record() projection.Record {
	fold := projection.Fold{Row: r.Row, Version: r.Version}
	if r.Parked != nil {
		parked := r.Parked.Parked
		fold.Parked = &parked
	}
	return fold.Record(r.Stream, 1)
}

// Len returns the number of rows.
func (r *Result) Len() int {
	n := 0
	for _, p := range r.partitions {
		n += p.rows.table.Len()
	}
	return n
}

// place is where a row is stored, and its position in the order of the log.
type place struct {
	first     int64
	ref       rowpack.Ref
	partition uint32
}

// Rows returns every row, in the order in which their first events stand in the log. A row is valid only
// until the next one, which reuses its memory.
func (r *Result) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		places := make([]place, 0, r.Len())
		for i, p := range r.partitions {
			places = append(places, p.places(uint32(i))...)
		}
		slices.SortFunc(places, byFirst)
		row := r.newRow()
		for _, at := range places {
			p := r.partitions[at.partition]
			if !yield(p.read(p.rows.table.At(at.ref), row)) {
				return
			}
		}
	}
}

func byFirst(a, b place) int { return cmp.Compare(a.first, b.first) }

// places returns the partition's rows in the order of their first events.
func (p *partition) places(index uint32) []place {
	places := make([]place, 0, p.rows.table.Len())
	for ref, entry := range p.rows.table.All() {
		_, first, _ := readState(entry.Value)
		places = append(places, place{first, ref, index})
	}
	slices.SortFunc(places, byFirst)
	return places
}

// read unpacks a row into the caller's memory.
func (p *partition) read(entry rowpack.Entry, row model.Row) Row {
	version, _ := p.rows.unpack(entry, row)
	return Row{Stream: entry.Key, Version: version, Row: row, Parked: p.parked[entry.Key]}
}

// Totals returns the contributions of all rows, summed by key and field, without zeros. It fails if a row adds
// more than sums have room for.
func (r *Result) Totals(ctx context.Context) (map[string]map[string]int64, error) {
	sums := make([]map[model.Contribution]int64, len(r.partitions))
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(r.workers)
	for i, p := range r.partitions {
		workers.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			sums[i], err = p.totals(r.newRow())
			return err
		})
	}
	if err := workers.Wait(); err != nil {
		return nil, err
	}
	return merge(sums), nil
}

// totals returns sums keyed by contribution without its amount.
func (p *partition) totals(row model.Row) (map[model.Contribution]int64, error) {
	sums := map[model.Contribution]int64{}
	for _, entry := range p.rows.table.All() {
		if err := addContributions(sums, p.read(entry, row).Row); err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Key, err)
		}
	}
	return sums, nil
}

func merge(parts []map[model.Contribution]int64) map[string]map[string]int64 {
	totals := map[string]map[string]int64{}
	for _, sums := range parts {
		for c, amount := range sums {
			if totals[c.Key] == nil {
				totals[c.Key] = map[string]int64{}
			}
			totals[c.Key][c.Field] += amount
		}
	}
	for key, fields := range totals {
		for field, amount := range fields {
			if amount == 0 {
				delete(fields, field)
			}
		}
		if len(fields) == 0 {
			delete(totals, key)
		}
	}
	return totals
}
