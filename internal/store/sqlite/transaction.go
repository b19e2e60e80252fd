package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"gakushoku/internal/fault/retry"
)

// transact runs f in a transaction that holds the file's write lock from the start, so that what f reads
// stays true until the commit. If ctx ends before the transaction has begun, it does not begin; afterwards
// ctx is ignored, so that the outcome is never in doubt. f uses d.write or statements prepared on it; no
// other code does. If the file written is no longer the one at its path, the error is ErrReplaced.
func (d *database) transact(ctx context.Context, f func() error) (err error) {
	select {
	case d.lock <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.lock }()
	if err := ctx.Err(); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			// Without a transaction this fails, which does no harm.
			d.rollback.Exec() //nolint:errcheck
		}
		if errors.Is(err, ErrReplaced) {
			d.letGo()
		}
	}()
	if err := d.beginWhenFree(ctx); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	if err := d.glance(); err != nil {
		return err
	}
	if _, err := d.commit.Exec(); err != nil {
		return err
	}
	committed = true
	return d.look()
}

// transactPatiently is transact for callers that may hold up others for long: it waits for another process's
// transaction until ctx ends.
func (d *database) transactPatiently(ctx context.Context, f func() error) error {
	for {
		begun := false
		err := d.transact(ctx, func() error {
			begun = true
			return f()
		})
		if begun || !isBusy(err) {
			return err
		}
	}
}

// beginWhenFree begins a transaction as soon as no other process is in one. Writers of several processes have
// no queue: the first to look while the file is free is next. SQLite looks less and less often, and so may
// miss every gap while another process writes many transactions with short pauses, as an import does;
// beginWhenFree always looks at short intervals.
func (d *database) beginWhenFree(ctx context.Context) error {
	return retry.Do(ctx, retry.Policy{Within: busyTimeout, First: busyLook}, func() (bool, error) {
		_, err := d.begin.ExecContext(ctx)
		return isBusy(err), err
	})
}

// statements maps the place of each prepared statement to its SQL.
type statements map[**sql.Stmt]string

// prepare prepares statements, those for reading and those for use in transact.
func (d *database) prepare(ctx context.Context, reads, writes statements) (err error) {
	for into, text := range reads {
		if *into, err = d.read.PrepareContext(ctx, text); err != nil {
			return err
		}
	}
	for into, text := range writes {
		if err := d.preparedToWrite(ctx, into, text); err != nil {
			return err
		}
	}
	// From here on this connection only runs transactions, and beginWhenFree does the waiting.
	_, err = d.write.ExecContext(ctx, "PRAGMA busy_timeout=0")
	return err
}

// preparedToWrite prepares a statement for use in transact. It is closed with d: database/sql does not do
// that for a single connection, and SQLite keeps a file open that has statements.
func (d *database) preparedToWrite(ctx context.Context, into **sql.Stmt, text string) (err error) {
	if *into, err = d.write.PrepareContext(ctx, text); err == nil {
		d.written = append(d.written, *into)
	}
	return err
}
