package projection

import (
	"context"
	"iter"

	"gakushoku/internal/model"
)

// BulkPart is what a bulk replay has folded from some of the streams. Each attempt at a part
// brings the same rows and totals.
type BulkPart struct {
	Name string // of the part, unique within the table version and the same for each attempt
	// Rows are the rows, each stream once; they may be read again from the start. An error
	// ends them, and the part with it.
	Rows iter.Seq2[Record, error]
	// Totals is what the rows contribute, summed by key and field. It is called after Rows
	// were read to their end.
	Totals func() []model.Contribution
}

// Sink is the port through which a bulk replay fills a table version that nobody else writes
// yet. Nothing outside may assume how: conditional writes, a load beside the table, an import
// of files. Its contract suite is projectiontest.TestSink.
type Sink interface {
	// PutPart stores the rows of a part where the table has none of at least their version,
	// each with one write counted, then its totals, once: a part that is put again, at the
	// same time even or long after live writes have begun, changes nothing. It answers how
	// many rows the part has. ErrNoTable when the table is gone.
	PutPart(ctx context.Context, t Table, part BulkPart) (rows int, err error)
	// Finish makes the table ready for everybody once all parts are in. Until then its rows
	// may not be seen. It may be repeated.
	Finish(ctx context.Context, t Table) error
}
