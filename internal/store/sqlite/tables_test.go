package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

var ordersV1 = projection.Table{Projection: "orders", Version: 1}

func newTables(t *testing.T, dir string) *Tables {
	t.Helper()
	s := OpenTables(dir)
	t.Cleanup(func() { s.Close() })
	return s
}

func row(stream string) projection.Change {
	return projection.Change{
		Record: projection.Record{Stream: stream, Version: 1, Writes: 1, Data: []byte(`{}`), Place: model.Place{Bucket: "2026-01-24", Sort: stream}},
		Totals: []model.Contribution{{Key: "2026-01-24", Field: "orders", Amount: 1}},
	}
}

func mustCreate(t *testing.T, s *Tables) {
	t.Helper()
	if err := s.Create(t.Context(), ordersV1); err != nil {
		t.Fatal(err)
	}
}

func TestATableThatAnotherProcessDropsIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, theirs := newTables(t, dir), newTables(t, dir)
	mustCreate(t, ours)
	write := func(s *Tables, stream string) error {
		_, err := s.Write(t.Context(), ordersV1, []projection.Change{row(stream)})
		return err
	}
	if err := errors.Join(write(ours, "order-1"), write(theirs, "order-2")); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Drop(t.Context(), ordersV1); err != nil {
		t.Fatal(err)
	}
	if err := write(ours, "order-3"); !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("after the drop: %v", err)
	}
	// The name leads to another file now, and the old one must not reach into it.
	mustCreate(t, theirs)
	if err := errors.Join(write(theirs, "order-4"), write(ours, "order-5")); err != nil {
		t.Fatal(err)
	}
	records, _, err := ours.Scan(t.Context(), ordersV1, eventstore.All, "", 10)
	if err != nil || len(records) != 2 {
		t.Errorf("the new table has %d rows: %v", len(records), err)
	}
}

func TestATableMadeAnewDoesNotInheritFromLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newTables(t, dir)
	mustCreate(t, s)
	if _, err := s.Write(t.Context(), ordersV1, []projection.Change{row("order-1")}); err != nil {
		t.Fatal(err)
	}
	wal, err := os.ReadFile(s.path(ordersV1) + "-wal")
	if err != nil || len(wal) == 0 {
		t.Fatalf("there is no write-ahead log: %v", err)
	}
	if err := s.Drop(t.Context(), ordersV1); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("files were left behind: %v, %v", entries, err)
	}
	// As if the process had died in the middle of the drop.
	if err := os.WriteFile(s.path(ordersV1)+"-wal", wal, 0o600); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s)
	if records, _, err := s.Scan(t.Context(), ordersV1, eventstore.All, "", 10); err != nil || len(records) != 0 {
		t.Errorf("rows of the dropped table are back: %d, %v", len(records), err)
	}
}

func TestDroppingUnderLoadIsNoDefect(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	for round := range 25 {
		table := projection.Table{Projection: "orders", Version: round + 1}
		if err := s.Create(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		written := make(chan struct{}, 1000)
		for w := range 6 {
			wg.Go(func() {
				for i := range 1000 {
					_, err := s.Write(t.Context(), table, []projection.Change{row(fmt.Sprintf("order-%d-%d", w, i))})
					if err == nil {
						_, err = s.List(t.Context(), table, "2026-01-24", "", 10)
					}
					if errors.Is(err, projection.ErrNoTable) {
						return
					}
					if err != nil {
						t.Errorf("got %v, want ErrNoTable", err)
						return
					}
					select {
					case written <- struct{}{}:
					default:
					}
				}
			})
		}
		for range 1 + round%7 {
			<-written
		}
		if err := s.Drop(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
	}
}

func TestADropBetweenFindingATableAndUsingItIsErrNoTable(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	err := s.with(t.Context(), ordersV1, "writing to", func(v *tableVersion) error {
		if err := s.Drop(t.Context(), ordersV1); err != nil {
			t.Fatal(err)
		}
		return v.db.transact(t.Context(), func() error { return nil })
	})
	if !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("got %v, want ErrNoTable", err)
	}
}

func TestAWriteThatWaitsForAnotherProcessEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newTables(t, dir)
	mustCreate(t, s)
	release := hold(t, s.path(ordersV1))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Write(ctx, ordersV1, []projection.Change{row("order-1")})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	_, err = s.Write(t.Context(), ordersV1, []projection.Change{row("order-1")})
	wantClear(t, err, s.path(ordersV1), "another process holds the file", fault.Infra)
	release()
	if late, err := s.Write(t.Context(), ordersV1, []projection.Change{row("order-1")}); err != nil || len(late) > 0 {
		t.Errorf("after that: late %v, %v", late, err)
	}
}

func TestNamesThatLeadOutOfTheFolderAreRefused(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "readmodels")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := newTables(t, dir)
	for _, name := range []string{"../orders", "a/b", "/etc/x"} {
		if err := s.Create(t.Context(), projection.Table{Projection: name, Version: 1}); err == nil {
			t.Errorf("%q was taken", name)
		}
		if err := s.Drop(t.Context(), projection.Table{Projection: name, Version: 1}); err == nil {
			t.Errorf("%q was dropped", name)
		}
	}
}

func TestClosedTablesAreInfra(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Totals(t.Context(), ordersV1)
	if err == nil || fault.ClassOf(err) != fault.Infra || errors.Is(err, projection.ErrNoTable) {
		t.Errorf("got %v", err)
	}
}

// TestReadsUseIndexes asks SQLite how it would run each statement: one that walks over a
// whole table would do on a small one and stop the canteen on a large one.
func TestReadsUseIndexes(t *testing.T) {
	t.Parallel()
	v, err := openTableVersion(t.Context(), filepath.Join(t.TempDir(), "t.db"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer v.db.close()
	tables := newTables(t, t.TempDir())
	mustCreate(t, tables)
	mustPut(t, tables, "a", plainRows("a", 1000))
	mustFinish(t, tables)
	filled, err := tables.get(t.Context(), ordersV1)
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	for _, c := range []struct {
		db   *database
		text string
		args []any
		want string
	}{
		{v.db, columns + "WHERE bucket = ? ORDER BY sort DESC LIMIT ?", []any{"b", 1}, "records_by_place (bucket=?)"},
		{v.db, columns + "WHERE bucket = ? AND sort < ? ORDER BY sort DESC LIMIT ?", []any{"b", "s", 1}, "records_by_place (bucket=? AND sort<?)"},
		{v.db, fmt.Sprintf(buckets, "AND bucket < ?"), []any{"b", 1}, "COVERING INDEX records_by_place (bucket>? AND bucket<?)"},
		{v.db, columns + "WHERE stream IN (SELECT value FROM json_each(?))", []any{"[]"}, "PRIMARY KEY (stream=?)"},
		{filled.db, columns + "WHERE bucket = ? ORDER BY sort DESC LIMIT ?", []any{"b", 1}, "records_by_place (bucket=?)"},
		{filled.db, columns + "WHERE bucket = ? AND sort < ? ORDER BY sort DESC LIMIT ?", []any{"b", "s", 1}, "records_by_place (bucket=? AND sort<?)"},
		{filled.db, fmt.Sprintf(buckets, "AND bucket < ?"), []any{"b", 1}, "COVERING INDEX records_by_place (bucket>? AND bucket<?)"},
		{filled.db, columns + "WHERE stream IN (SELECT value FROM json_each(?))", []any{"[]"}, "records_by_stream (stream=?)"},
		{filled.db, columns + "WHERE stream > ? ORDER BY stream LIMIT ?", []any{"s", 1}, "records_by_stream (stream>?)"},
		{s.db, eventColumn + "WHERE stream IN (SELECT value FROM json_each(?)) ORDER BY stream, version", []any{"[]"}, "sqlite_autoindex_events_1 (stream=?)"},
		{s.db, eventColumn + "WHERE position > ? ORDER BY position LIMIT ?", []any{1, 1}, "INTEGER PRIMARY KEY (rowid>?)"},
	} {
		rows, err := c.db.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+c.text, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		all := strings.Join(plan, "\n")
		if !strings.Contains(all, c.want) || strings.Contains(all, "SCAN records") || strings.Contains(all, "SCAN events") || strings.Contains(all, "TEMP B-TREE FOR ORDER BY") {
			t.Errorf("%s\nis run as\n%s\nwant %q and no scan", c.text, all, c.want)
		}
	}
}

func TestATableThatWasOverwrittenInPlaceKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be overwritten there")
	}
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	if _, err := s.Write(t.Context(), ordersV1, []projection.Change{row("order-1")}); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.path(ordersV1), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Replaced()[ordersV1]; !errors.Is(err, ErrReplaced) {
		t.Fatalf("it says %v", err)
	}
	for range 2 { // each would wait until SQLite gives up
		if _, err := s.Record(t.Context(), ordersV1, "order-1"); !errors.Is(err, ErrReplaced) || fault.ClassOf(err) != fault.Infra {
			t.Errorf("a row: %v, want ErrReplaced", err)
		}
	}
	if err := s.Drop(t.Context(), ordersV1); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s)
	if _, err := s.Write(t.Context(), ordersV1, []projection.Change{row("order-2")}); err != nil {
		t.Errorf("made anew: %v", err)
	}
}

func TestTheFolderOfTablesIsMadeWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustCreate(t, newTables(t, filepath.Join(dir, "readmodels")))
	lost := filepath.Join(dir, "lost", "readmodels") // with all that was beside it
	if err := newTables(t, lost).Create(t.Context(), ordersV1); err == nil {
		t.Errorf("%s was made", lost)
	}
}

func TestCountTellsVisibleRowsFromParkedOnes(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	if _, _, err := s.Count(t.Context(), ordersV1); !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("a table that is not there: %v", err)
	}
	mustCreate(t, s)
	parked, invisible, first := row("order-2"), row("order-3"), row("order-4")
	parked.Parked = &projection.Parked{}
	invisible.Place = model.Place{}
	first.Place, first.Data, first.Parked = model.Place{}, nil, &projection.Parked{} // parked at its first event
	if _, err := s.Write(t.Context(), ordersV1, []projection.Change{row("order-1"), parked, invisible, first}); err != nil {
		t.Fatal(err)
	}
	if visible, parked, err := s.Count(t.Context(), ordersV1); err != nil || visible != 2 || parked != 2 {
		t.Errorf("%d rows and %d parked, want 2 and 2: %v", visible, parked, err)
	}
}
