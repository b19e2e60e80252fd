package projection

import (
	"context"
	"errors"

	"gakushoku/internal/engine/eventstore"
)

// ErrNoTable says that a table version does not exist, or no longer.
var ErrNoTable = errors.New("there is no such table version")

// ErrDamaged says that what is stored of a table version cannot be read. All of it can be made
// anew.
var ErrDamaged = errors.New("the table version is damaged, rebuild the projection")

// MaxWrite bounds the changes of one call of Tables.Write, so that rows and totals fit one
// transaction of every store.
const MaxWrite = 50

// Tables is the port to the rows and totals of table versions. Its contract suite is
// projectiontest.TestTables. Every method answers ErrNoTable for a table that is not there
// (except Drop and Create), and marks with fault.Unavailable what a new try may cure.
type Tables interface {
	// Create makes a table version; it does nothing when it is there already.
	Create(ctx context.Context, t Table) error
	// Drop removes a table version with all that is in it; it does nothing when there is none.
	Drop(ctx context.Context, t Table) error
	// Records returns the rows that exist of these streams, keyed by stream. The read is
	// strongly consistent.
	Records(ctx context.Context, t Table, streams []string) (map[string]Record, error)
	// Write stores each change whose row still has Expected writes (0: is not there), with
	// Expected+1 writes, and in the same transaction adds its differences to the totals. The
	// streams of the changes that came too late are returned; nothing of those is written.
	// At most MaxWrite changes, each of another stream.
	Write(ctx context.Context, t Table, changes []Change) (late []string, err error)
}

// Browser is the port through which rows and totals are read. Its contract is part of
// projectiontest.TestTables.
type Browser interface {
	// Record is one row, or ErrNoRecord.
	Record(ctx context.Context, t Table, stream string) (Record, error)
	// List returns visible rows of a bucket, newest first by Sort, that come after the given
	// Sort ("" starts), at most limit.
	List(ctx context.Context, t Table, bucket, after string, limit int) ([]Record, error)
	// Buckets returns the buckets that have visible rows, newest first, before the given one ("" starts).
	Buckets(ctx context.Context, t Table, before string, limit int) ([]string, error)
	// Total is the sum of every field of one total, summed over all rows' contributions;
	// empty when there is none. A field whose sum is 0 may be left out.
	Total(ctx context.Context, t Table, key string) (map[string]int64, error)
}

// ErrNoRecord says that a table has no row of a stream.
var ErrNoRecord = errors.New("there is no such row")

// Inspector is the port through which operators look at a whole table. Its contract is part
// of projectiontest.TestTables.
type Inspector interface {
	// Scan returns rows of a part, parked and invisible ones too, as the store sorts them, each
	// once, and the cursor of the next page, "" after the last; a page may be empty before that.
	Scan(ctx context.Context, t Table, part eventstore.Part, cursor string, limit int) (records []Record, next string, err error)
	// ParkedRecords is Scan over the parked rows only, without reading the others.
	ParkedRecords(ctx context.Context, t Table, cursor string, limit int) (records []Record, next string, err error)
	// Totals returns every total, summed, keyed by key and field, without fields that are 0.
	Totals(ctx context.Context, t Table) (map[string]map[string]int64, error)
}

// Snapshotter is what a store of tables has besides when it can show a table as it was at one
// moment, while writes go on: a verification is then exact. Its contract is
// projectiontest.TestSnapshots.
type Snapshotter interface {
	// Snapshot shows a table as it is now. Close it soon: a store may have to keep what is
	// overwritten until then.
	Snapshot(ctx context.Context, t Table) (Snapshot, error)
}

// Snapshot is one table at one moment. It is safe for concurrent use.
type Snapshot interface {
	// Scan is Inspector's, of everything, in the order of the streams' names, by byte; the cursor
	// is the last of them.
	Scan(ctx context.Context, cursor string, limit int) (records []Record, next string, err error)
	// Totals is Inspector's.
	Totals(ctx context.Context) (map[string]map[string]int64, error)
	Close() error
}

// Store is all of it.
type Store interface {
	Tables
	Browser
	Inspector
}
