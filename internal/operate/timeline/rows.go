package timeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// Row is the row of a stream in the active version of a projection.
type Row struct {
	Table string
	projection.Record
}

// ReadModels reads rows.
type ReadModels struct {
	Projections model.Projections
	Pointers    projection.Pointers
	Tables      RowReader
}

// RowReader has the method of projection.Tables that is needed.
type RowReader interface {
	// Records is like that of projection.Tables.
	Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error)
}

// activeRows returns the rows of streams in the active versions, one for each projection that folds the
// stream. A missing row has no record.
func (m *ReadModels) activeRows(ctx context.Context, streams []string) ([]Row, error) {
	var rows []Row
	for _, name := range m.Projections.Names() {
		pointer, err := m.Pointers.Pointer(ctx, name)
		if errors.Is(err, projection.ErrNoPointer) {
			continue // not set up yet; its first event does that
		}
		if err != nil {
			return nil, fmt.Errorf("reading the pointer of %s: %w", name, err)
		}
		v, ok := pointer.ActiveVersion()
		d, known := m.Projections.Newest(name)
		if !ok || !known {
			continue
		}
		for part := range slices.Chunk(slices.DeleteFunc(slices.Clone(streams), func(s string) bool { return !d.Folds(s) }), projection.MaxWrite) {
			records, err := m.Tables.Records(ctx, pointer.Table(v), part)
			if err != nil {
				return nil, err
			}
			for _, stream := range part {
				record := records[stream]
				record.Stream = stream
				rows = append(rows, Row{pointer.Table(v).String(), record})
			}
		}
	}
	return rows, nil
}
