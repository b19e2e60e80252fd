package projection

import (
	"context"
	"errors"

	"gakushoku/internal/engine/eventstore"
)

// ErrNoTable means that a table version does not exist, or no longer exists.
var ErrNoTable = errors.New("there is no such table version")

// ErrDamaged means that a table version's stored data cannot be read. All of it can be rebuilt.
var ErrDamaged = errors.New("the table version is damaged, rebuild the projection")

// MaxWrite bounds the changes per call of Tables.Write, so that rows and totals fit into one transaction of
// every store.
const MaxWrite = 50

// Tables is the port to the rows and totals of table versions. Its contract suite is
// projectiontest.TestTables. Every method except Drop and Create returns ErrNoTable for a missing table.
// Retryable errors are wrapped with fault.Unavailable.
type Tables interface {
	// Create creates a table version; it does nothing if the version exists.
	Create(ctx context.Context, t Table) error
	// Drop removes a table version and its contents; it does nothing if there is none.
	Drop(ctx context.Context, t Table) error
	// Records returns the rows that exist for these streams, keyed by stream. The read is strongly
	// consistent.
	Records(ctx context.Context, t Table, streams []string) (map[string]Record, error)
	// Write stores each change whose row still has Expected writes (0: does not exist), with Expected+1
	// writes, and in the same transaction adds its differences to the totals. It returns the streams of the
	// changes that came too late; it writes none of those. It takes at most MaxWrite changes, each of another
	// stream.
	Write(ctx context.Context, t Table, changes []Change) (late []string, err error)
}

// Browser is the port for reading rows and totals. Its contract is part of projectiontest.TestTables.
type Browser interface {
	// Record returns one row, or ErrNoRecord.
	Record(ctx context.Context, t Table, stream string) (Record, error)
	// List returns at most limit visible rows of a bucket, newest first by Sort, that come after the given
	// Sort ("" starts).
	List(ctx context.Context, t Table, bucket, after string, limit int) ([]Record, error)
	// Buckets returns the buckets that have visible rows, newest first, before the given one ("" starts).
	Buckets(ctx context.Context, t Table, before string, limit int) ([]string, error)
	// Total returns one total by field, summed over all rows' contributions; empty if there are none. It may
	// omit a field whose sum is 0.
	Total(ctx context.Context, t Table, key string) (map[string]int64, error)
}

// ErrNoRecord means that a table has no row for a stream.
var ErrNoRecord = errors.New("there is no such row")

// Inspector is the port through which operators read a whole table. Its contract is part of
// projectiontest.TestTables.
type Inspector interface {
	// Scan returns rows of a part, including parked and invisible ones, each once, in the store's own
	// sequence. It also returns the cursor of the next page, "" after the last. Any page may be empty.
	Scan(ctx context.Context, t Table, part eventstore.Part, cursor string, limit int) (records []Record, next string, err error)
	// ParkedRecords is Scan for the parked rows only, without reading the others.
	ParkedRecords(ctx context.Context, t Table, cursor string, limit int) (records []Record, next string, err error)
	// Totals returns every total, keyed by key and field, without fields that are 0.
	Totals(ctx context.Context, t Table) (map[string]map[string]int64, error)
}

// Snapshotter is implemented by stores that can show a table as of one moment while writes continue, so that
// a verification is exact. Its contract is projectiontest.TestSnapshots.
type Snapshotter interface {
	// Snapshot returns a snapshot of the table as it is now. Close it soon: until then a store may have to
	// keep what is overwritten.
	Snapshot(ctx context.Context, t Table) (Snapshot, error)
}

// Snapshot is one table at one moment. It is safe for concurrent use.
type Snapshot interface {
	// Scan is Inspector.Scan of the whole table, sorted by stream name, by byte; the cursor is the last name.
	Scan(ctx context.Context, cursor string, limit int) (records []Record, next string, err error)
	// Totals is Inspector.Totals.
	Totals(ctx context.Context) (map[string]map[string]int64, error)
	Close() error
}

// Counter is implemented by stores that can count the rows of a table without reading them.
type Counter interface {
	// Count returns how many rows are visible, and how many are parked.
	Count(ctx context.Context, t Table) (visible, parked int, err error)
}

// Store combines these ports.
type Store interface {
	Tables
	Browser
	Inspector
}
