package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/event"
)

// fillRows is how many events one statement inserts, and fillCache the memory for pages, in KiB, so that the index
// of streams stays there.
const (
	fillRows  = 50
	fillCache = 256 << 10
)

// Fill fills a store that nothing else uses: f passes it events in the order in which they are numbered, each
// stream's by version, from the next one on. It does not sync before the end, so after a crash the file is to be
// thrown away. It is several times as fast as AppendAll.
func (s *Events) Fill(ctx context.Context, f func(load func(context.Context, []event.Event) error) error) error {
	w := &filling{Events: s}
	err := w.begin(ctx)
	if err == nil {
		err = f(w.load)
	}
	if ended := w.end(); err == nil {
		err = s.db.failed(ctx, "filling the event store", ended)
	}
	if err == nil {
		s.wake()
	}
	return err
}

// filling is one Fill.
type filling struct {
	*Events
	many *sql.Stmt // inserts fillRows events
}

func (w *filling) begin(ctx context.Context) error {
	err := w.pragmas(ctx, "PRAGMA synchronous = OFF", fmt.Sprintf("PRAGMA cache_size = -%d", fillCache))
	if err == nil {
		values := strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?),", fillRows), ",")
		err = w.db.preparedToWrite(ctx, &w.many, "INSERT INTO events (position, stream, version, envelope, payload, appended) VALUES "+values)
	}
	return w.db.failed(ctx, "filling the event store", err)
}

// end syncs what was written.
func (w *filling) end() error {
	err := w.pragmas(context.Background(), "PRAGMA synchronous = FULL", "PRAGMA cache_size = -16000")
	return errors.Join(err, w.db.checkpoint(context.Background()))
}

func (w *filling) pragmas(ctx context.Context, texts ...string) error {
	w.db.lock <- struct{}{}
	defer func() { <-w.db.lock }()
	for _, text := range texts {
		if _, err := w.db.write.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// load stores events in one transaction.
func (w *filling) load(ctx context.Context, events []event.Event) error {
	err := w.db.transact(ctx, func() error {
		var position int64
		if err := w.lastPosition.QueryRow().Scan(&position); err != nil {
			return err
		}
		if err := w.insertAll(position, events); err != nil {
			return err
		}
		if w.belongs {
			_, err := w.markNotWhole()
			return err
		}
		return nil
	})
	return w.db.failed(ctx, "filling the event store", err)
}

func (w *filling) insertAll(position int64, events []event.Event) error {
	now, columns := time.Now().UnixMilli(), make([]any, 0, 6*fillRows)
	var line []byte
	for i := range events {
		e := &events[i]
		bare := *e
		bare.Payload = nil
		line = event.AppendJSON(line[:0], &bare)
		position++
		columns = append(columns, position, e.Stream, int64(e.Version), string(line), string(e.Payload), now)
		if len(columns) < 6*fillRows {
			continue
		}
		if _, err := w.many.Exec(columns...); err != nil {
			return err
		}
		columns = columns[:0]
	}
	for ; len(columns) > 0; columns = columns[6:] {
		if _, err := w.insert.Exec(columns[:6]...); err != nil {
			return err
		}
	}
	return nil
}
