package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// ledgerSchema stores the segments by their last number, each with the count of segments up to it, so that
// the head is the last row.
const ledgerSchema = `
CREATE TABLE segments (last INTEGER PRIMARY KEY, ordinal INTEGER NOT NULL, created INTEGER NOT NULL, manifest TEXT NOT NULL) STRICT;
CREATE TABLE claims (source TEXT PRIMARY KEY, records INTEGER NOT NULL, first INTEGER NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX claims_at ON claims (at);` + ledgerUpgrade

// ledgerUpgrade brings a file of format 1 to format 2.
const ledgerUpgrade = `
CREATE INDEX claims_first ON claims (first);`

// Ledger stores the control records of a numbered log.
type Ledger struct {
	records

	head, claimed, manifests, newest, covering              *sql.Stmt // on readers
	lastHead, lastClaim, manifest, insert, claim, forgetOld *sql.Stmt // on the writing connection
}

var _ eventlog.Ledger = (*Ledger)(nil)

// OpenLedger opens or creates the control records of the log in the file at path. Close it.
func OpenLedger(ctx context.Context, path string) (*Ledger, error) {
	db, err := open(ctx, path, ledgerFile, ledgerSchema, ledgerUpgrade)
	if err != nil {
		return nil, err
	}
	l := &Ledger{records: records{db}}
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(db.failed(ctx, "opening the control records of the log", err), db.close())
	}
	return l, nil
}

func (l *Ledger) prepare(ctx context.Context) error {
	const (
		head  = "SELECT last, ordinal, created, manifest FROM segments ORDER BY last DESC LIMIT 1"
		claim = "SELECT records, first FROM claims WHERE source = ?"
	)
	return l.db.prepare(ctx, statements{
		&l.head:      head,
		&l.claimed:   claim,
		&l.newest:    "SELECT source, records FROM claims WHERE source GLOB '[0-9]*/*' ORDER BY first DESC LIMIT 1",
		&l.covering:  "SELECT source, records FROM claims WHERE first = ?",
		&l.manifests: "SELECT manifest FROM segments WHERE last > ? ORDER BY last LIMIT ?",
	}, statements{
		&l.lastHead:  head,
		&l.lastClaim: claim,
		&l.manifest:  "SELECT manifest FROM segments WHERE last >= ? ORDER BY last LIMIT 1",
		&l.insert:    "INSERT INTO segments (last, ordinal, created, manifest) VALUES (?, ?, ?, ?)",
		&l.claim:     "INSERT INTO claims (source, records, first, at) VALUES (?, ?, ?, ?)",
		&l.forgetOld: "DELETE FROM claims WHERE at < ?",
	})
}

// Head implements eventlog.Ledger.
func (l *Ledger) Head(ctx context.Context) (eventlog.Head, error) {
	head, err := l.scanHead(l.head.QueryRowContext(ctx))
	return head, l.db.failed(ctx, "reading the head of the log", err)
}

// scanHead returns the head that a row of the last segment makes. The chain follows from its manifest, so it
// needs no column, and an older program may go on with the file.
func (l *Ledger) scanHead(row *sql.Row) (eventlog.Head, error) {
	var number, segments, created int64
	var value string
	err := row.Scan(&number, &segments, &created, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return eventlog.Head{}, nil
	}
	if err != nil {
		return eventlog.Head{}, err
	}
	last, err := l.decode(value)
	return eventlog.Head{
		Number: uint64(number), Segments: uint64(segments), CommittedAt: event.InstantOfMilli(created), Chain: last.Chained(),
	}, err
}

// Claimed implements eventlog.Ledger.
func (l *Ledger) Claimed(ctx context.Context, source string) (eventlog.Claim, error) {
	claim, err := scanClaim(l.claimed.QueryRowContext(ctx, source))
	return claim, l.db.failed(ctx, "reading the claim of "+source, err)
}

func scanClaim(row *sql.Row) (eventlog.Claim, error) {
	var records, first int64
	err := row.Scan(&records, &first)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return eventlog.Claim{Records: int(records), First: uint64(first)}, err
}

// Newest returns the source of the newest commit from a store with numbers, and how many records it covered;
// "" if none is remembered.
func (l *Ledger) Newest(ctx context.Context) (source string, records int, err error) {
	return l.source(ctx, l.newest.QueryRowContext(ctx))
}

// Covering returns the source of the commit of the segment that begins with a number; "" if it is no longer
// remembered.
func (l *Ledger) Covering(ctx context.Context, first uint64) (source string, records int, err error) {
	return l.source(ctx, l.covering.QueryRowContext(ctx, int64(min(first, event.MaxVersion))))
}

func (l *Ledger) source(ctx context.Context, row *sql.Row) (source string, records int, err error) {
	if err = row.Scan(&source, &records); errors.Is(err, sql.ErrNoRows) {
		return "", 0, ctx.Err()
	}
	return source, records, l.db.failed(ctx, "reading which events are in the log", err)
}

// Commit implements eventlog.Ledger.
func (l *Ledger) Commit(ctx context.Context, c eventlog.Commit) error {
	what := fmt.Sprintf("committing the events %d to %d", c.Manifest.First, c.Manifest.Last)
	if err := c.Check(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := l.db.transact(ctx, func() error { return l.commit(c) })
	if errors.Is(err, eventlog.ErrClaimed) || errors.Is(err, eventlog.ErrHeadMoved) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return l.db.failed(ctx, what, err)
}

func (l *Ledger) commit(c eventlog.Commit) error {
	claim, err := scanClaim(l.lastClaim.QueryRow(c.Source))
	if err != nil {
		return err
	}
	if claim.Records > 0 {
		return eventlog.ErrClaimed
	}
	head, err := l.scanHead(l.lastHead.QueryRow())
	if err != nil {
		return err
	}
	if head.Number+1 != c.Manifest.First || !head.Follows(&c.Manifest) {
		return eventlog.ErrHeadMoved
	}
	if _, err := l.forgetOld.Exec(c.Manifest.CreatedAt.Milli() - eventlog.ClaimsKept.Milliseconds()); err != nil {
		return err
	}
	if _, err := l.claim.Exec(c.Source, c.Records, int64(c.Manifest.First), c.Manifest.CreatedAt.Milli()); err != nil {
		return err
	}
	return l.add(head.Segments+1, &c.Manifest)
}

func (l *Ledger) add(ordinal uint64, m *eventlog.Manifest) error {
	value, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding a manifest: %w", err)
	}
	_, err = l.insert.Exec(int64(m.Last), int64(ordinal), m.CreatedAt.Milli(), string(value))
	return err
}

// Manifests implements eventlog.Ledger.
func (l *Ledger) Manifests(ctx context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	what := "reading manifests"
	if err := checkLimit(limit); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	rows, err := l.manifests.QueryContext(ctx, int64(min(after, event.MaxVersion)), limit)
	values, err := texts(rows, err)
	if err != nil {
		return nil, l.db.failed(ctx, what, err)
	}
	var page []eventlog.Manifest
	for _, value := range values {
		m, err := l.decode(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		page = append(page, m)
	}
	return page, nil
}

func (l *Ledger) decode(value string) (m eventlog.Manifest, err error) {
	if err = json.Unmarshal([]byte(value), &m); err != nil {
		err = fmt.Errorf("%s: a stored manifest cannot be read, restore the file from a backup: %w", l.db.path, err)
	}
	return m, err
}

// Restore implements eventlog.Ledger. It is done entirely or not at all.
func (l *Ledger) Restore(ctx context.Context, manifests []eventlog.Manifest) error {
	what := fmt.Sprintf("restoring %d manifests", len(manifests))
	if err := eventlog.CheckRestore(manifests); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := l.db.transact(ctx, func() error {
		head, err := l.scanHead(l.lastHead.QueryRow())
		for i := 0; err == nil && i < len(manifests); i++ {
			head, err = l.restore(head, &manifests[i])
		}
		return err
	})
	if errors.Is(err, eventlog.ErrNoFit) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return l.db.failed(ctx, what, err)
}

// restore adds one manifest after the head, or checks that it is already there, and returns the new head.
func (l *Ledger) restore(head eventlog.Head, m *eventlog.Manifest) (eventlog.Head, error) {
	if m.First == head.Number+1 {
		if err := head.CheckNext(m); err != nil {
			return head, err
		}
		head = eventlog.Head{Number: m.Last, Segments: head.Segments + 1, CommittedAt: m.CreatedAt, Chain: m.Chained()}
		return head, l.add(head.Segments, m)
	}
	var value string
	err := l.manifest.QueryRow(int64(m.First)).Scan(&value)
	if err == nil {
		var there eventlog.Manifest
		if there, err = l.decode(value); err == nil && there.Equal(m) {
			return head, nil
		}
	}
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("%w: it has other events than %d to %d there", eventlog.ErrNoFit, m.First, m.Last)
	}
	return head, err
}
