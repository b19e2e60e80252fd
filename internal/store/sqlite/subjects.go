package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/retry"
)

// subjectsSchema stores a key, or when it was destroyed.
const subjectsSchema = `
CREATE TABLE subjects (subject TEXT PRIMARY KEY, key BLOB, erased INTEGER, CHECK ((key IS NULL) <> (erased IS NULL))) STRICT, WITHOUT ROWID;`

// SubjectKeys stores the keys of subjects. A destroyed key is overwritten in the file and in its write-ahead
// log.
type SubjectKeys struct {
	db *database

	find, list, every       *sql.Stmt // on readers
	last, insert, overwrite *sql.Stmt // on the writing connection
}

var (
	_ subject.Keys   = (*SubjectKeys)(nil)
	_ subject.Lister = (*SubjectKeys)(nil)
)

// OpenSubjectKeys opens or creates the keys in the file at path. Close it.
func OpenSubjectKeys(ctx context.Context, path string) (*SubjectKeys, error) {
	db, err := open(ctx, path, subjectsFile, subjectsSchema)
	if err != nil {
		return nil, err
	}
	k := &SubjectKeys{db: db}
	const find = "SELECT key, erased FROM subjects WHERE subject = ?"
	err = db.prepare(ctx, statements{
		&k.find:  find,
		&k.list:  "SELECT subject, erased FROM subjects WHERE erased IS NOT NULL ORDER BY subject",
		&k.every: "SELECT subject, key, erased FROM subjects ORDER BY subject",
	}, statements{
		&k.last:      find,
		&k.insert:    "INSERT INTO subjects (subject, key) VALUES (?, ?)",
		&k.overwrite: "INSERT INTO subjects (subject, erased) VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET key = NULL, erased = excluded.erased",
	})
	if err == nil {
		_, err = k.pragma(ctx, "PRAGMA secure_delete = ON") // what is deleted is overwritten
	}
	if err != nil {
		return nil, errors.Join(db.failed(ctx, "opening the keys of subjects", err), db.close())
	}
	return k, nil
}

// Close closes the file. It may be called again.
func (k *SubjectKeys) Close() error { return k.db.close() }

// InPlace fails with ErrReplaced if the path leads to another file than the open one, or to none.
func (k *SubjectKeys) InPlace() error { return k.db.inPlace() }

// File returns the open file, wherever its path now leads.
func (k *SubjectKeys) File() fs.FileInfo { return k.db.place.file }

// record is a row: a key, or when it was destroyed.
type record struct {
	key    subject.Key
	erased event.Instant
}

func scanRecord(row *sql.Row) (r record, err error) {
	var key []byte
	var erased sql.NullInt64
	switch err = row.Scan(&key, &erased); {
	case errors.Is(err, sql.ErrNoRows):
		return r, subject.ErrNoKey
	case err != nil:
		return r, err
	case erased.Valid:
		r.erased = event.InstantOfMilli(erased.Int64)
		return r, subject.ErrErased
	case len(key) != subject.KeyBytes:
		return r, fmt.Errorf("a key of %d bytes is stored, restore the file", len(key))
	}
	copy(r.key[:], key)
	return r, nil
}

// told returns errors of the port as they are.
func (k *SubjectKeys) told(ctx context.Context, what string, err error) error {
	if errors.Is(err, subject.ErrNoKey) || errors.Is(err, subject.ErrErased) {
		return err
	}
	return k.db.failed(ctx, what, err)
}

// Key implements subject.Keys.
func (k *SubjectKeys) Key(ctx context.Context, who string) (subject.Key, error) {
	if ctx.Err() != nil {
		return subject.Key{}, ctx.Err()
	}
	r, err := scanRecord(k.find.QueryRowContext(ctx, who))
	return r.key, k.told(ctx, "reading the key of a subject", err)
}

// Add implements subject.Keys.
func (k *SubjectKeys) Add(ctx context.Context, who string, key subject.Key) (subject.Key, error) {
	var r record
	err := k.db.transact(ctx, func() (err error) {
		if r, err = scanRecord(k.last.QueryRow(who)); errors.Is(err, subject.ErrNoKey) {
			r.key = key
			_, err = k.insert.Exec(who, key[:])
		}
		return err
	})
	return r.key, k.told(ctx, "adding the key of a subject", err)
}

// Erase implements subject.Keys.
func (k *SubjectKeys) Erase(ctx context.Context, who string, at event.Instant) (subject.Tombstone, bool, error) {
	left, first := subject.Tombstone{Subject: who, At: at}, true
	err := k.db.transact(ctx, func() error {
		r, err := scanRecord(k.last.QueryRow(who))
		switch {
		case errors.Is(err, subject.ErrErased):
			left.At, first = r.erased, false
			return nil
		case err != nil && !errors.Is(err, subject.ErrNoKey):
			return err
		}
		_, err = k.overwrite.Exec(who, at.Milli())
		return err
	})
	if err == nil {
		err = k.emptyLog(ctx)
	}
	if err != nil {
		return subject.Tombstone{}, false, k.db.failed(ctx, "destroying the key of a subject", err)
	}
	return left, first, nil
}

// emptyLog empties the write-ahead log, which still has a destroyed key. While another process reads, that
// has to wait; after a second it is left to the next one who writes enough.
func (k *SubjectKeys) emptyLog(ctx context.Context) error {
	var busy int64
	err := retry.Do(ctx, retry.Policy{Within: time.Second, First: busyLook}, func() (again bool, err error) {
		if busy, err = k.pragma(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err == nil && busy != 0 {
			err = errors.New("the write-ahead log is being read")
		}
		return busy != 0 || isBusy(err), err
	})
	if busy != 0 && ctx.Err() == nil {
		return nil
	}
	return err
}

// pragma runs a pragma outside of a transaction, and returns its first value.
func (k *SubjectKeys) pragma(ctx context.Context, text string) (value int64, err error) {
	k.db.lock <- struct{}{}
	defer func() { <-k.db.lock }()
	rows, err := k.db.write.QueryContext(ctx, text)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if rows.Next() {
		columns, err := rows.Columns()
		if err != nil {
			return 0, err
		}
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(int64)
		}
		if err := rows.Scan(into...); err != nil {
			return 0, err
		}
		value = *into[0].(*int64)
	}
	return value, rows.Err()
}

// Erased implements subject.Keys.
func (k *SubjectKeys) Erased(ctx context.Context) ([]subject.Tombstone, error) {
	all, err := k.erased(ctx)
	return all, k.db.failed(ctx, "reading which subjects were erased", err)
}

func (k *SubjectKeys) erased(ctx context.Context) (all []subject.Tombstone, err error) {
	rows, err := k.list.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var who string
		var at int64
		if err := rows.Scan(&who, &at); err != nil {
			return nil, err
		}
		all = append(all, subject.Tombstone{Subject: who, At: event.InstantOfMilli(at)})
	}
	return all, rows.Err()
}

// All implements subject.Lister.
func (k *SubjectKeys) All(ctx context.Context) ([]subject.Record, error) {
	all, err := k.all(ctx)
	return all, k.db.failed(ctx, "reading the keys of subjects", err)
}

func (k *SubjectKeys) all(ctx context.Context) (all []subject.Record, err error) {
	rows, err := k.every.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r subject.Record
		var erased sql.NullInt64
		if err := rows.Scan(&r.Subject, &r.Key, &erased); err != nil {
			return nil, err
		}
		if erased.Valid {
			r.ErasedAt = event.InstantOfMilli(erased.Int64)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
