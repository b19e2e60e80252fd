package verify

import (
	"context"

	"gakushoku/internal/engine/projection"
)

// ParkedRow is a stream that is parked in one table version.
type ParkedRow struct {
	Table   string `json:"table"`
	Stream  string `json:"stream"`
	Version uint64 `json:"version"` // version of the last event in the row
	projection.Parked
}

// EachParked calls f with every stream that is parked in a version that live delivery writes.
func (m *ReadModels) EachParked(ctx context.Context, name string, f func(ParkedRow) error) error {
	p, err := m.live(ctx, name)
	if err != nil {
		return err
	}
	for _, v := range p.Versions {
		err := m.parkedPages(ctx, p.Table(v), func(rows []projection.Record) error {
			for i := range rows {
				r := &rows[i]
				if err := f(ParkedRow{p.Table(v).String(), r.Stream, r.Version, *r.Parked}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *ReadModels) parkedPages(ctx context.Context, t projection.Table, f func([]projection.Record) error) error {
	return pages(ctx, func(ctx context.Context, cursor string) ([]projection.Record, string, error) {
		return m.Tables.ParkedRecords(ctx, t, cursor, pageSize)
	}, f)
}
