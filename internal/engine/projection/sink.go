package projection

import (
	"context"
	"iter"

	"gakushoku/internal/model"
)

// BulkPart is what a bulk replay has folded from some of the streams. Every attempt at a part has the same
// rows and totals.
type BulkPart struct {
	Name string // unique within the table version, the same for each attempt
	// Rows yields the rows, one per stream; it can be iterated again. An error ends the rows and fails the
	// part.
	Rows iter.Seq2[Record, error]
	// Totals returns the rows' contributions, summed by key and field. It is called after Rows has been read
	// to its end.
	Totals func() []model.Contribution
}

// Sink is the port through which a bulk replay fills a table version that has no other writer yet. Callers
// must not assume how it does so: conditional writes, a load beside the table, an import of files. Its
// contract suite is projectiontest.TestSink.
type Sink interface {
	// PutPart stores each row of a part unless the table has the row at the same or a later version; each
	// stored row counts as one write. Then it adds the part's totals, once. Putting a part again changes
	// nothing, even concurrently or long after live writes have begun. It returns the number of rows of the
	// part, or ErrNoTable if the table is gone.
	PutPart(ctx context.Context, t Table, part BulkPart) (rows int, err error)
	// Finish makes the table ready for all uses once all parts are in. Until then its rows may not be
	// visible. It may be repeated.
	Finish(ctx context.Context, t Table) error
}
