package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/fault"
)

// maxGroup bounds the appends that share one commit.
const maxGroup = 256

// errClosed is the answer to appends after Close.
var errClosed = fault.Unavailable(errors.New("the event store is closed"))

// appending is one append on its way through the writer.
type appending struct {
	ctx      context.Context
	stream   string
	expected uint64
	events   []storedEvent
	done     chan error // buffered: the writer never waits for the caller
}

// Append adds events to a stream. Appends that wait at the same moment are written in one
// transaction, so that they share the cost of the commit reaching the disk.
func (s *Events) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	stored, err := checkAppend(stream, expected, events)
	if err != nil {
		return err
	}
	a := &appending{ctx: ctx, stream: stream, expected: expected, events: stored, done: make(chan error, 1)}
	select {
	case s.queue <- a:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stop:
		return errClosed
	}
	// Once queued the outcome is awaited even when ctx ends: the writer drops what was
	// cancelled before its turn, and what it has begun is not left in doubt.
	select {
	case err = <-a.done:
	case <-s.ended:
		select {
		case err = <-a.done:
		default:
			err = errClosed
		}
	}
	if err != nil {
		return err
	}
	for i := range events {
		events[i].Stream, events[i].Version = stream, expected+uint64(i)+1
	}
	return nil
}

// writer is the only goroutine that writes this file: it takes all appends that wait and
// commits them together.
func (s *Events) writer() {
	defer close(s.ended)
	for {
		select {
		case <-s.stop:
			return
		case first := <-s.queue:
			s.commitGroup(s.takeGroup(first))
		}
	}
}

func (s *Events) takeGroup(first *appending) []*appending {
	group := []*appending{first}
	for len(group) < maxGroup {
		select {
		case a := <-s.queue:
			group = append(group, a)
		default:
			return group
		}
	}
	return group
}

// commitGroup writes a group and answers each append. A conflict spoils only its own append.
func (s *Events) commitGroup(group []*appending) {
	outcomes := make([]error, len(group))
	err := s.inTransaction(context.Background(), func(w *eventWriter) error {
		for i, a := range group {
			if outcomes[i] = a.ctx.Err(); outcomes[i] != nil {
				continue
			}
			err := w.append(a.stream, a.expected, a.events)
			if err != nil && !errors.Is(err, eventstore.ErrConflict) {
				return err
			}
			outcomes[i] = err
		}
		return nil
	})
	for i, a := range group {
		if err != nil {
			a.done <- fmt.Errorf("append to %s: %w", a.stream, err)
		} else {
			a.done <- outcomes[i]
		}
	}
}

// AppendAll appends to many streams in one transaction: all, or nothing when f fails or ctx
// ends. f must not use the store otherwise.
func (s *Events) AppendAll(ctx context.Context, f func(add func(stream string, expected uint64, events []event.Event) error) error) error {
	return s.inTransaction(ctx, func(w *eventWriter) error {
		return f(func(stream string, expected uint64, events []event.Event) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			stored, err := checkAppend(stream, expected, events)
			if err != nil {
				return err
			}
			return w.append(stream, expected, stored)
		})
	})
}

// eventWriter appends inside one transaction. Since the transaction holds the write lock, the
// next position is known and nobody else can take a version.
type eventWriter struct {
	tx       *sql.Tx
	insert   *sql.Stmt
	last     *sql.Stmt
	position int64
}

func (s *Events) inTransaction(ctx context.Context, f func(*eventWriter) error) error {
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return explain(ctx, err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	w := &eventWriter{tx: tx}
	if w.insert, err = tx.Prepare("INSERT INTO events (position, stream, version, envelope, payload) VALUES (?, ?, ?, ?, ?)"); err != nil {
		return explain(ctx, err)
	}
	if w.last, err = tx.Prepare("SELECT coalesce(max(version), 0) FROM events WHERE stream = ?"); err != nil {
		return explain(ctx, err)
	}
	if err := tx.QueryRow("SELECT coalesce(max(position), 0) FROM events").Scan(&w.position); err != nil {
		return explain(ctx, err)
	}
	before := w.position
	if err := f(w); err != nil {
		return explain(ctx, err)
	}
	if w.position == before {
		return nil
	}
	if err := tx.Commit(); err != nil {
		return explain(ctx, err)
	}
	s.wake()
	return nil
}

func (w *eventWriter) append(stream string, expected uint64, events []storedEvent) error {
	var last int64
	if err := w.last.QueryRow(stream).Scan(&last); err != nil {
		return err
	}
	if uint64(last) != expected {
		return fmt.Errorf("%w: %s is at version %d, not %d", eventstore.ErrConflict, stream, last, expected)
	}
	for i, e := range events {
		if _, err := w.insert.Exec(w.position+1, stream, int64(expected)+int64(i)+1, e.envelope, e.payload); err != nil {
			return err
		}
		w.position++
	}
	return nil
}
