package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/streamstate"
)

// snapshotSchema stores one snapshot a stream. written is when, in milliseconds since 1970. They are with the
// control records and not with the events, so that writing one does not make an append wait.
const snapshotSchema = `CREATE TABLE snapshots (stream TEXT PRIMARY KEY, version INTEGER NOT NULL, event TEXT NOT NULL, revision INTEGER NOT NULL,
	data BLOB NOT NULL, written INTEGER NOT NULL) STRICT;`

var _ streamstate.Store = (*Control)(nil)

// Snapshot implements streamstate.Store.
func (c *Control) Snapshot(ctx context.Context, stream string) (streamstate.Snapshot, error) {
	s := streamstate.Snapshot{Stream: stream}
	var version int64
	err := c.snapshot.QueryRowContext(ctx, stream).Scan(&version, &s.EventID, &s.Revision, &s.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return streamstate.Snapshot{}, ctx.Err()
	}
	s.Version = uint64(version)
	return s, c.db.failed(ctx, "reading the snapshot of "+stream, err)
}

// SetSnapshot implements streamstate.Store.
func (c *Control) SetSnapshot(ctx context.Context, s streamstate.Snapshot) error {
	return c.change(ctx, fmt.Sprintf("storing the snapshot of %s at version %d", s.Stream, s.Version), c.setSnapshot,
		s.Stream, int64(s.Version), s.EventID, s.Revision, s.Data, time.Now().UnixMilli())
}

// DropSnapshot implements streamstate.Store.
func (c *Control) DropSnapshot(ctx context.Context, stream string) error {
	return c.change(ctx, "dropping the snapshot of "+stream, c.dropSnapshot, stream)
}

func (c *Control) change(ctx context.Context, what string, statement *sql.Stmt, args ...any) error {
	return c.db.failed(ctx, what, c.db.transact(ctx, func() error {
		_, err := statement.Exec(args...)
		return err
	}))
}
