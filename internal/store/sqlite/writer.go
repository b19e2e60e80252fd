package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// maxGroup bounds the appends that share one commit.
const maxGroup = 256

// appending is one append on its way through the writer.
type appending struct {
	stream   string
	expected uint64
	events   []storedEvent
	settled  atomic.Bool // by the writer, which takes it, or by the caller, who gives up
	done     chan error  // buffered: the writer never waits for the caller
}

// claim decides between writer and caller who settles the append; it returns true to the first.
func (a *appending) claim() bool { return a.settled.CompareAndSwap(false, true) }

// Append implements eventstore.Appender. Appends that wait at the same moment are written in one transaction,
// to share the cost of syncing the commit to disk. If ctx ends while the append waits, it is not done; once
// its turn has come, Append waits for its outcome.
func (s *Events) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to %s: %w", stream, err)
	}
	stored, err := encodeAppend(stream, expected, events)
	if err != nil {
		return err
	}
	a := &appending{stream: stream, expected: expected, events: stored, done: make(chan error, 1)}
	if err := s.settle(ctx, a); err != nil {
		return fmt.Errorf("append to %s: %w", stream, err)
	}
	for i := range events {
		events[i].Stream, events[i].Version = stream, expected+uint64(i)+1
	}
	return nil
}

// settle passes an append to the writer and waits for its outcome.
func (s *Events) settle(ctx context.Context, a *appending) error {
	select {
	case s.queue <- a:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stop:
		return errClosed
	}
	var gaveUp error
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		gaveUp = ctx.Err()
	case <-s.ended:
		gaveUp = errClosed
	}
	if a.claim() {
		return gaveUp
	}
	return <-a.done
}

// writer is the goroutine that appends: it takes all waiting appends and commits them together.
func (s *Events) writer() {
	defer close(s.ended)
	for {
		select {
		case <-s.stop:
			return
		default:
		}
		select {
		case <-s.stop:
			return
		case first := <-s.queue:
			s.commitGroup(first)
		}
	}
}

// commitGroup writes all waiting appends and reports each outcome. A conflict fails only its own append.
func (s *Events) commitGroup(first *appending) {
	var group []*appending
	var outcomes []error
	err := s.transact(context.Background(), func(w *eventWriter) error {
		// Taken only now, to leave out callers that gave up while another process held the lock.
		group = s.takeGroup(first)
		outcomes = make([]error, len(group))
		for i, a := range group {
			err := w.append(a.stream, a.expected, a.events)
			if err != nil && !errors.Is(err, eventstore.ErrConflict) {
				return err
			}
			outcomes[i] = err
		}
		return nil
	})
	if group == nil {
		group = s.takeGroup(first)
	}
	for i, a := range group {
		if err != nil {
			a.done <- err
		} else {
			a.done <- outcomes[i]
		}
	}
}

// takeGroup claims first and the waiting appends.
func (s *Events) takeGroup(first *appending) []*appending {
	group := make([]*appending, 0, maxGroup)
	for a := first; ; {
		if a.claim() {
			group = append(group, a)
		}
		if len(group) == maxGroup {
			return group
		}
		select {
		case a = <-s.queue:
		default:
			return group
		}
	}
}

// AppendAll appends to many streams in one transaction: all, or none if f fails or ctx ends before f has
// returned. add is Append, except that readers do not see what it added before the end. Other appends wait
// meanwhile; f must not otherwise use the store.
func (s *Events) AppendAll(ctx context.Context, f func(add func(stream string, expected uint64, events []event.Event) error) error) error {
	return s.transact(ctx, func(w *eventWriter) error {
		err := f(func(stream string, expected uint64, events []event.Event) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			stored, err := encodeAppend(stream, expected, events)
			if err != nil {
				return err
			}
			if err := w.append(stream, expected, stored); err != nil {
				return err
			}
			for i := range events {
				events[i].Stream, events[i].Version = stream, expected+uint64(i)+1
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case w.broken != nil:
			return w.broken // f may have ignored it
		}
		return ctx.Err()
	})
}

// eventWriter appends inside one transaction. The transaction holds the write lock, so the next position is
// known and no other writer can take a version.
type eventWriter struct {
	store    *Events
	position int64
	now      int64 // in milliseconds since 1970
	changed  bool  // without an append
	broken   error // why an append was only partly written
}

func (s *Events) transact(ctx context.Context, f func(*eventWriter) error) error {
	var theirs error // error of f, returned unwrapped
	appended, changed, marked := false, false, false
	err := s.db.transact(ctx, func() (err error) {
		w := &eventWriter{store: s, now: time.Now().UnixMilli()}
		if err := s.lastPosition.QueryRow().Scan(&w.position); err != nil {
			return err
		}
		before := w.position
		theirs = f(w)
		appended = w.position > before
		changed = appended || w.changed
		if theirs == nil && changed && s.guard != nil {
			theirs = s.guard()
		}
		if changed && s.belongs && theirs == nil {
			marked, err = s.markNotWhole()
			return err
		}
		return theirs
	})
	if marked && err == nil {
		err = s.db.checkpoint(ctx)
	}
	switch {
	case theirs != nil:
		return theirs
	case err != nil:
		return s.db.failed(ctx, "writing events", err)
	case appended:
		s.wake()
	}
	return nil
}

// markNotWhole is part of each append: another process that was about to close the file may have died after
// recording that the file is whole. It reports whether it had to change the file.
func (s *Events) markNotWhole() (changed bool, err error) {
	if s.mark == nil {
		if err := s.db.preparedToWrite(context.Background(), &s.mark, markNotWhole); err != nil {
			return false, err
		}
	}
	result, err := s.mark.Exec()
	if err != nil {
		return false, err
	}
	changes, err := result.RowsAffected()
	return changes > 0, err
}

// append writes one append, or none of it if the error is ErrConflict. After any other error the transaction
// must not be committed.
func (w *eventWriter) append(stream string, expected uint64, events []storedEvent) error {
	if w.broken != nil {
		// SQLite may have ended the transaction, so further writes would be outside of any.
		return w.broken
	}
	var last int64
	if err := w.store.lastVersion.QueryRow(stream).Scan(&last); err != nil {
		return w.fail(err)
	}
	if uint64(last) != expected {
		return fmt.Errorf("%w: %s is at version %d, not %d", eventstore.ErrConflict, stream, last, expected)
	}
	for i, e := range events {
		if _, err := w.store.insert.Exec(w.position+1, stream, int64(expected)+int64(i)+1, e.envelope, e.payload, w.now); err != nil {
			return w.fail(err)
		}
		w.position++
	}
	return nil
}

func (w *eventWriter) fail(err error) error {
	w.broken = w.store.db.failed(context.Background(), "writing events", err)
	return w.broken
}
