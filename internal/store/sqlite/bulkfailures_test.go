package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
)

// noRoom lets inserts into a table fail; room takes that back.
const (
	noRoom = "CREATE TRIGGER full BEFORE INSERT ON %s BEGIN SELECT RAISE(FAIL, 'no room'); END"
	room   = "DROP TRIGGER full"
)

// A part that fails, wherever it does, is not in, and comes in whole when it is put again.
func TestAPartThatFailsHalfWayIsNotIn(t *testing.T) {
	t.Parallel()
	for _, used := range []bool{false, true} {
		for _, table := range []string{"records", "totals", "parts"} {
			name := table
			if used {
				name += ", into a table in use"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newTables(t, t.TempDir())
				mustCreate(t, s)
				file := s.loadPath(ordersV1)
				if used {
					if _, err := s.Write(t.Context(), ordersV1, []projection.Change{row("order-live")}); err != nil {
						t.Fatal(err)
					}
					file = s.path(ordersV1)
				}
				first, second := plainRows("a", 3), plainRows("b", 4)
				mustPut(t, s, "first", first)
				aside(t, file, strings.Replace(noRoom, "%s", table, 1))
				if n, err := s.PutPart(t.Context(), ordersV1, bulkPart("second", second)); err == nil || !strings.Contains(err.Error(), "no room") {
					t.Errorf("got %d rows, %v; want that there is no room", n, err)
				}
				aside(t, file, room)
				mustPut(t, s, "second", second)
				mustPut(t, s, "second", second)
				mustFinish(t, s)
				want := int64(len(first) + len(second))
				if used {
					want++
				}
				rows, _, err := s.Scan(t.Context(), ordersV1, eventstore.All, "", 100)
				totals, failed := s.Total(t.Context(), ordersV1, "2026-01-24")
				if err := errors.Join(err, failed); err != nil || int64(len(rows)) != want || totals["orders"] != want {
					t.Errorf("%d rows and totals %v, %v; want %d", len(rows), totals, err, want)
				}
			})
		}
	}
}

func TestRowsThatCannotBePutSpoilTheirPart(t *testing.T) {
	t.Parallel()
	broken := errors.New("the log is damaged")
	for _, used := range []bool{false, true} {
		s := newTables(t, t.TempDir())
		mustCreate(t, s)
		if used {
			if _, err := s.Write(t.Context(), ordersV1, []projection.Change{row("order-live")}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		for name, c := range map[string]struct {
			ctx  context.Context
			last func(yield func(projection.Record, error) bool)
			want error
		}{
			"rows that break off": {t.Context(), func(yield func(projection.Record, error) bool) { yield(projection.Record{}, broken) }, broken},
			"a row of no stream": {t.Context(), func(yield func(projection.Record, error) bool) {
				yield(projection.Record{Version: 1, Data: []byte(`{}`)}, nil)
			}, nil},
			"a context that is out": {ctx, func(yield func(projection.Record, error) bool) {
				cancel()
				if yield(row("order-last").Record, nil) {
					t.Error("rows are taken after the context's end")
				}
			}, context.Canceled},
		} {
			part := bulkPart(name, nil)
			part.Rows = func(yield func(projection.Record, error) bool) {
				if yield(row("order-first").Record, nil) {
					c.last(yield)
				}
			}
			if n, err := s.PutPart(c.ctx, ordersV1, part); err == nil || n != 0 || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s, in use %t: %d rows, %v", name, used, n, err)
			}
		}
		mustFinish(t, s)
		if rows, err := s.Records(t.Context(), ordersV1, []string{"order-first", "order-last"}); err != nil || len(rows) > 0 {
			t.Errorf("in use %t: %v is left, %v", used, rows, err)
		}
	}
}

func TestALoadThatCannotBeClosedSaysSo(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	err := s.loading(t.Context(), ordersV1, "loading", func(l *load) error {
		return errors.Join(l.open(t.Context()), l.conn.Close()) // so that there is nothing left to close
	})
	if !errors.Is(err, sql.ErrConnDone) {
		t.Errorf("got %v", err)
	}
}

func TestADropThatLeavesAFileSaysSo(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"orders-v1.db-wal", "orders-v1.filled.db", "orders-v1.load.db"} {
		dir := t.TempDir()
		s := newTables(t, dir)
		mustCreate(t, s)
		if err := s.Close(); err != nil { // so that nothing of ours is at that name
			t.Fatal(err)
		}
		s = newTables(t, dir)
		if err := os.MkdirAll(filepath.Join(dir, file, "occupied"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := s.Drop(t.Context(), ordersV1); err == nil {
			t.Errorf("%s cannot be removed, and the drop says nothing", file)
		}
	}
}

func TestAContextThatHasEndedStoresNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	c, err := OpenControl(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // the lock is free as well: either is seen first
		if err := c.SetCheckpoint(ctx, "r", projection.Checkpoint{Cursor: "1"}); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want that the context was cancelled", err)
		}
	}
	if checkpoint, err := c.Checkpoint(t.Context(), "r"); err != nil || checkpoint.Cursor != "" {
		t.Errorf("stored %+v, %v", checkpoint, err)
	}
}

func TestStoredValuesThatCannotBeReadAreErrors(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	c, err := OpenControl(ctx, filepath.Join(dir, "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := OpenLedger(ctx, filepath.Join(dir, "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := eventlog.Manifest{First: 1, Last: 1, Key: "segments/s", Bytes: 1, Partitions: eventlog.Partitions, CreatedAt: 1, Frames: []eventlog.Frame{{Length: 1, First: 1, Count: 1}}}
	if err := errors.Join(c.SetPointer(ctx, projection.Pointer{Projection: "orders"}), c.SetCheckpoint(ctx, "r", projection.Checkpoint{}), l.Commit(ctx, eventlog.Commit{Manifest: m, Source: "s", Records: 1})); err != nil {
		t.Fatal(err)
	}
	aside(t, c.db.path, "UPDATE pointers SET value = '{'", "UPDATE checkpoints SET value = '{'")
	aside(t, l.db.path, "UPDATE segments SET manifest = '{'")
	for name, call := range (calls{
		"a pointer":             func() error { _, err := c.Pointer(ctx, "orders"); return err },
		"a checkpoint":          func() error { _, err := c.Checkpoint(ctx, "r"); return err },
		"a manifest":            func() error { _, err := l.Manifests(ctx, 0, 9); return err },
		"a manifest to restore": func() error { return l.Restore(ctx, []eventlog.Manifest{m}) },
	}) {
		if err := call(); err == nil || !strings.Contains(err.Error(), "restore the file from a backup") {
			t.Errorf("%s: got %v, want that the file is restored from a backup", name, err)
		}
	}
}

func TestARestoreThatFailsHalfWayLeavesNothing(t *testing.T) {
	t.Parallel()
	l, err := OpenLedger(t.Context(), filepath.Join(t.TempDir(), "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var all []eventlog.Manifest
	for number := range uint64(3) {
		all = append(all, eventlog.Manifest{First: number + 1, Last: number + 1, Key: "segments/s", Bytes: 1, Partitions: eventlog.Partitions, CreatedAt: 1, Frames: []eventlog.Frame{{Length: 1, First: number + 1, Count: 1}}})
	}
	aside(t, l.db.path, strings.Replace(strings.Replace(noRoom, "%s", "segments", 1), "BEGIN", "WHEN new.last = 3 BEGIN", 1))
	if err := l.Restore(t.Context(), all); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got %v, want that there is no room", err)
	}
	if head, err := l.Head(t.Context()); err != nil || head.Number != 0 {
		t.Errorf("the head is %+v, %v", head, err)
	}
}
