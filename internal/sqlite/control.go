package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/projection"
)

const controlSchema = `
CREATE TABLE pointers (projection TEXT PRIMARY KEY, changes INTEGER NOT NULL, value TEXT NOT NULL) STRICT;
CREATE TABLE checkpoints (reader TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`

// Control keeps the version pointers and the checkpoints.
type Control struct{ db *database }

// OpenControl opens or creates the control records in the file at path. Close it.
func OpenControl(ctx context.Context, path string) (*Control, error) {
	db, err := open(ctx, path, controlFile, "NORMAL", controlSchema)
	if err != nil {
		return nil, err
	}
	return &Control{db}, nil
}

// Close closes the file.
func (c *Control) Close() error { return c.db.close() }

// Pointer reads the pointer of a projection.
func (c *Control) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	var p projection.Pointer
	var value string
	err := c.db.read.QueryRowContext(ctx, "SELECT value FROM pointers WHERE projection = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return p, fmt.Errorf("%s: %w", name, projection.ErrNoPointer)
	}
	if err != nil {
		return p, fmt.Errorf("reading the pointer of %s: %w", name, explain(ctx, err))
	}
	if err := json.Unmarshal([]byte(value), &p); err != nil {
		return p, fmt.Errorf("the stored pointer of %s cannot be read: %w", name, err)
	}
	return p, nil
}

// SetPointer stores a pointer by compare-and-set.
func (c *Control) SetPointer(ctx context.Context, p projection.Pointer) error {
	before := int64(p.Changes)
	p.Changes++
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding the pointer of %s: %w", p.Projection, err)
	}
	statement := "UPDATE pointers SET changes = ?2, value = ?3 WHERE projection = ?1 AND changes = ?4"
	if before == 0 {
		statement = "INSERT INTO pointers (projection, changes, value) SELECT ?1, ?2, ?3 WHERE ?4 = 0 ON CONFLICT DO NOTHING"
	}
	result, err := c.db.write.ExecContext(ctx, statement, p.Projection, int64(p.Changes), string(value), before)
	if err != nil {
		return fmt.Errorf("setting the pointer of %s: %w", p.Projection, explain(ctx, err))
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("%s: %w", p.Projection, projection.ErrPointerChanged), err)
	}
	return nil
}

// Checkpoint reads the checkpoint of a reader.
func (c *Control) Checkpoint(ctx context.Context, reader string) (projection.Checkpoint, error) {
	var checkpoint projection.Checkpoint
	var value string
	err := c.db.read.QueryRowContext(ctx, "SELECT value FROM checkpoints WHERE reader = ?", reader).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return checkpoint, nil
	}
	if err != nil {
		return checkpoint, fmt.Errorf("reading the checkpoint of %s: %w", reader, explain(ctx, err))
	}
	if err := json.Unmarshal([]byte(value), &checkpoint); err != nil {
		return checkpoint, fmt.Errorf("the stored checkpoint of %s cannot be read: %w", reader, err)
	}
	return checkpoint, nil
}

// SetCheckpoint stores the checkpoint of a reader.
func (c *Control) SetCheckpoint(ctx context.Context, reader string, checkpoint projection.Checkpoint) error {
	value, err := json.Marshal(checkpoint)
	if err != nil {
		return fmt.Errorf("encoding the checkpoint of %s: %w", reader, err)
	}
	_, err = c.db.write.ExecContext(ctx, "INSERT INTO checkpoints (reader, value) VALUES (?, ?) ON CONFLICT (reader) DO UPDATE SET value = excluded.value", reader, string(value))
	if err != nil {
		return fmt.Errorf("setting the checkpoint of %s: %w", reader, explain(ctx, err))
	}
	return nil
}
