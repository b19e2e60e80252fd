package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/engine/projection"
)

const controlSchema = `
CREATE TABLE pointers (projection TEXT PRIMARY KEY, changes INTEGER NOT NULL, value TEXT NOT NULL) STRICT;
CREATE TABLE checkpoints (reader TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
` + credentialSchema + snapshotSchema

const credentialSchema = `CREATE TABLE credentials (kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL,
	PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;`

// controlUpgrades bring an older file to the newest format.
var controlUpgrades = []string{credentialSchema, snapshotSchema}

// Control stores the version pointers, the checkpoints, the credentials and the snapshots of streams.
type Control struct {
	records

	pointer, checkpoint, credentials, snapshot  *sql.Stmt // on readers
	insertPointer, updatePointer, setCheckpoint *sql.Stmt // on the writing connection
	insertCredential, updateCredential          *sql.Stmt
	setSnapshot, dropSnapshot                   *sql.Stmt
}

var (
	_ projection.Pointers    = (*Control)(nil)
	_ projection.Checkpoints = (*Control)(nil)
)

// OpenControl opens or creates the control records in the file at path. Close it.
func OpenControl(ctx context.Context, path string) (*Control, error) {
	db, err := open(ctx, path, controlFile, controlSchema, controlUpgrades...)
	if err != nil {
		return nil, err
	}
	c := &Control{records: records{db}}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(db.failed(ctx, "opening the control records", err), db.close())
	}
	return c, nil
}

func (c *Control) prepare(ctx context.Context) error {
	return c.db.prepare(ctx, statements{
		&c.pointer:     "SELECT value FROM pointers WHERE projection = ?",
		&c.checkpoint:  "SELECT value FROM checkpoints WHERE reader = ?",
		&c.credentials: "SELECT id, revision, value FROM credentials WHERE kind = ? ORDER BY id",
		&c.snapshot:    "SELECT version, event, revision, data FROM snapshots WHERE stream = ?",
	}, statements{
		&c.insertPointer:    "INSERT INTO pointers (projection, value, changes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		&c.updatePointer:    "UPDATE pointers SET value = ?2, changes = ?3 WHERE projection = ?1 AND changes = ?3 - 1",
		&c.setCheckpoint:    "INSERT INTO checkpoints (reader, value) VALUES (?, ?) ON CONFLICT (reader) DO UPDATE SET value = excluded.value",
		&c.insertCredential: "INSERT INTO credentials (kind, id, revision, value) VALUES (?1, ?2, ?3 + 1, ?4) ON CONFLICT DO NOTHING",
		&c.updateCredential: "UPDATE credentials SET revision = ?3 + 1, value = ?4 WHERE kind = ?1 AND id = ?2 AND revision = ?3",
		&c.setSnapshot: "INSERT INTO snapshots (stream, version, event, revision, data, written) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (stream) DO " +
			"UPDATE SET version = ?2, event = ?3, revision = ?4, data = ?5, written = ?6",
		&c.dropSnapshot: "DELETE FROM snapshots WHERE stream = ?",
	})
}

// Pointer implements projection.Pointers.
func (c *Control) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	var p projection.Pointer
	found, err := c.read(ctx, c.pointer, name, &p)
	if err == nil && !found {
		err = projection.ErrNoPointer
	}
	if err != nil {
		return projection.Pointer{}, fmt.Errorf("reading the pointer of %s: %w", name, err)
	}
	return p, nil
}

// SetPointer implements projection.Pointers.
func (c *Control) SetPointer(ctx context.Context, p projection.Pointer) error {
	what := "setting the pointer of " + p.Projection
	statement := c.updatePointer
	if p.Changes == 0 {
		statement = c.insertPointer
	}
	p.Changes++
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var written int64
	err = c.db.transact(ctx, func() error {
		result, err := statement.Exec(p.Projection, string(value), int64(p.Changes))
		if err != nil {
			return err
		}
		written, err = result.RowsAffected()
		return err
	})
	if err == nil && written == 0 {
		return fmt.Errorf("%s: %w", what, projection.ErrPointerChanged)
	}
	return c.db.failed(ctx, what, err)
}

// Checkpoint implements projection.Checkpoints.
func (c *Control) Checkpoint(ctx context.Context, reader string) (projection.Checkpoint, error) {
	var checkpoint projection.Checkpoint
	if _, err := c.read(ctx, c.checkpoint, reader, &checkpoint); err != nil {
		return projection.Checkpoint{}, fmt.Errorf("reading the checkpoint of %s: %w", reader, err)
	}
	return checkpoint, nil
}

// SetCheckpoint implements projection.Checkpoints.
func (c *Control) SetCheckpoint(ctx context.Context, reader string, checkpoint projection.Checkpoint) error {
	what := "setting the checkpoint of " + reader
	value, err := json.Marshal(checkpoint)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err = c.db.transact(ctx, func() error {
		_, err := c.setCheckpoint.Exec(reader, string(value))
		return err
	})
	return c.db.failed(ctx, what, err)
}

// read decodes the value of a key; false if there is none.
func (c *Control) read(ctx context.Context, statement *sql.Stmt, key string, into any) (bool, error) {
	var value string
	err := statement.QueryRowContext(ctx, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return false, ctx.Err()
	}
	if err != nil {
		return false, c.db.failed(ctx, "reading "+key, err)
	}
	if err := json.Unmarshal([]byte(value), into); err != nil {
		return false, fmt.Errorf("%s: the stored value cannot be read, restore the file from a backup: %w", c.db.path, err)
	}
	return true, nil
}
