package provider

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver

	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
)

// bookFile is the name of the book in its folder.
const bookFile = "payments.db"

// Book is a ledger.Book in a SQLite file. What it has acknowledged survives a crash of the process and of the
// machine. Several processes may have it open.
type Book struct{ db *sql.DB }

var _ ledger.Book = (*Book)(nil)

// OpenBook opens the book in a folder, and creates both if create is set. Close it.
func OpenBook(ctx context.Context, dir string, create bool) (*Book, error) {
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("opening the provider's book: %w", err)
		}
	}
	path := filepath.Join(dir, bookFile)
	if _, err := os.Stat(path); err != nil && !create {
		return nil, fmt.Errorf("there is no provider's book in %s: choose another --data folder, or start one with `gakushoku payments serve`: %w", dir, err)
	}
	location := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
		RawQuery: "_txlock=immediate&_busy_timeout=5000&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"}
	db, err := sql.Open("sqlite", location.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(1) // writers queue here instead of failing inside SQLite
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS payments (key TEXT PRIMARY KEY, receipt TEXT NOT NULL) STRICT, WITHOUT ROWID"); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), db.Close())
	}
	return &Book{db}, nil
}

// Close closes the book.
func (b *Book) Close() error { return b.db.Close() }

// Change implements ledger.Book.
func (b *Book) Change(ctx context.Context, key string, change func(payment.Receipt) (payment.Receipt, error)) (payment.Receipt, error) {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return payment.Receipt{}, payment.Unavailable(err, 0)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	before, err := receiptOf(tx.QueryRowContext(ctx, query, key), key)
	if err != nil {
		return payment.Receipt{}, payment.Unavailable(err, 0)
	}
	after, err := change(before)
	if err != nil || after.Same(before) {
		return before, err
	}
	raw, err := json.Marshal(after)
	if err != nil {
		return before, err
	}
	const upsert = "INSERT INTO payments (key, receipt) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET receipt = excluded.receipt"
	if _, err := tx.ExecContext(ctx, upsert, key, string(raw)); err != nil {
		return before, payment.Unavailable(err, 0)
	}
	if err := tx.Commit(); err != nil {
		return before, payment.Unknown(err)
	}
	return after, nil
}

const query = "SELECT receipt FROM payments WHERE key = ?"

// Receipt implements ledger.Book.
func (b *Book) Receipt(ctx context.Context, key string) (payment.Receipt, error) {
	r, err := receiptOf(b.db.QueryRowContext(ctx, query, key), key)
	if err != nil {
		return payment.Receipt{}, payment.Unavailable(err, 0)
	}
	return r, nil
}

func receiptOf(row *sql.Row, key string) (payment.Receipt, error) {
	var raw string
	switch err := row.Scan(&raw); {
	case errors.Is(err, sql.ErrNoRows):
		return payment.Receipt{Key: key}, nil
	case err != nil:
		return payment.Receipt{}, err
	}
	return decode(raw)
}

func decode(raw string) (r payment.Receipt, err error) {
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		return r, fmt.Errorf("the book holds a damaged receipt, restore %s from a backup: %w", bookFile, err)
	}
	return r, nil
}

// page is how many receipts Each reads at a time, so that it does not keep writers out.
const page = 1000

// Each implements ledger.Book.
func (b *Book) Each(ctx context.Context, f func(payment.Receipt) error) error {
	for after := ""; ; {
		receipts, err := b.pageAfter(ctx, after)
		if err != nil {
			return fmt.Errorf("reading the provider's book: %w", err)
		}
		for _, r := range receipts {
			if err := f(r); err != nil {
				return err
			}
			after = r.Key
		}
		if len(receipts) < page {
			return nil
		}
	}
}

func (b *Book) pageAfter(ctx context.Context, after string) ([]payment.Receipt, error) {
	rows, err := b.db.QueryContext(ctx, "SELECT receipt FROM payments WHERE key > ? ORDER BY key LIMIT ?", after, page)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []payment.Receipt
	for rows.Next() {
		var raw string
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		r, err := decode(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
