package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/engine/credential"
)

var _ credential.Store = (*Control)(nil)

// Credentials implements credential.Store.
func (c *Control) Credentials(ctx context.Context, kind string) (all []credential.Record, err error) {
	what := "reading the credentials of kind " + kind
	rows, err := c.credentials.QueryContext(ctx, kind)
	if err != nil {
		return nil, c.db.failed(ctx, what, err)
	}
	defer func() { err = c.db.failed(ctx, what, errors.Join(err, rows.Close())) }()
	for rows.Next() {
		var r credential.Record
		var revision int64
		var value string
		if err := rows.Scan(&r.ID, &revision, &value); err != nil {
			return nil, err
		}
		r.Revision, r.Value = uint64(revision), json.RawMessage(value)
		all = append(all, r)
	}
	return all, rows.Err()
}

// AddCredential implements credential.Store.
func (c *Control) AddCredential(ctx context.Context, kind string, r credential.Record) error {
	r.Revision = 0
	return c.putCredential(ctx, c.insertCredential, kind, r, credential.ErrExists)
}

// ReplaceCredential implements credential.Store.
func (c *Control) ReplaceCredential(ctx context.Context, kind string, r credential.Record) error {
	return c.putCredential(ctx, c.updateCredential, kind, r, credential.ErrChanged)
}

// putCredential runs a statement that stores a record; if it stores none, the error is refusal.
func (c *Control) putCredential(ctx context.Context, statement *sql.Stmt, kind string, r credential.Record, refusal error) error {
	what := fmt.Sprintf("storing credential %s of kind %s", r.ID, kind)
	var written int64
	err := c.db.transact(ctx, func() error {
		result, err := statement.Exec(kind, r.ID, int64(r.Revision), string(r.Value))
		if err != nil {
			return err
		}
		written, err = result.RowsAffected()
		return err
	})
	if err == nil && written == 0 {
		return fmt.Errorf("%s: %w", what, refusal)
	}
	return c.db.failed(ctx, what, err)
}
