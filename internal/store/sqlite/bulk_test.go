package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

// bulkPart is a part of these rows.
func bulkPart(name string, rows []projection.Record) projection.BulkPart {
	return projection.BulkPart{
		Name: name,
		Rows: func(yield func(projection.Record, error) bool) {
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
		},
		Totals: func() []model.Contribution {
			return []model.Contribution{{Key: "2026-01-24", Field: "orders", Amount: int64(len(rows))}}
		},
	}
}

// plainRows is count rows of streams that begin with prefix.
func plainRows(prefix string, count int) []projection.Record {
	rows := make([]projection.Record, count)
	for i := range rows {
		rows[i] = row(fmt.Sprintf("order-%s-%d", prefix, i)).Record
	}
	return rows
}

func mustPut(t testing.TB, s *Tables, name string, rows []projection.Record) {
	t.Helper()
	if n, err := s.PutPart(context.Background(), ordersV1, bulkPart(name, rows)); err != nil || n != len(rows) {
		t.Fatalf("putting %s: %d rows, want %d: %v", name, n, len(rows), err)
	}
}

func mustFinish(t testing.TB, s *Tables) {
	t.Helper()
	if err := s.Finish(context.Background(), ordersV1); err != nil {
		t.Fatal(err)
	}
}

// wantRows wants exactly these rows, each written once, in a file that SQLite finds sound.
func wantRows(t interface{ Fatalf(string, ...any) }, s *Tables, rows []projection.Record) {
	want := map[string]projection.Record{}
	for _, r := range rows {
		r.Writes = 1
		want[r.Stream] = r
	}
	got := map[string]projection.Record{}
	for cursor := ""; ; {
		page, next, err := s.Scan(context.Background(), ordersV1, eventstore.All, cursor, 1000)
		if err != nil {
			t.Fatalf("scan: %v", err)
		}
		for _, r := range page {
			got[r.Stream] = r
		}
		if cursor = next; next == "" {
			break
		}
	}
	if !reflect.DeepEqual(want, got) { // cmp looks at each byte of the data by itself: minutes, with the race detector
		t.Fatalf("rows (-want +got):\n%s", cmp.Diff(want, got))
	}
	checkIntegrity(t, s)
}

func checkIntegrity(t interface{ Fatalf(string, ...any) }, s *Tables) {
	v, err := s.get(context.Background(), ordersV1)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	var verdict string
	if err := v.db.read.QueryRow("PRAGMA integrity_check(5)").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("the file is not sound: %s, %v", verdict, err)
	}
}

// drawRecord is a row of any kind: small and large, listed or not, parked, invisible.
func drawRecord(t *rapid.T, stream string) projection.Record {
	r := projection.Record{Stream: stream, Version: rapid.Uint64Range(0, 1<<40).Draw(t, "version")}
	if rapid.IntRange(0, 30).Draw(t, "long stream") == 0 {
		r.Stream += strings.Repeat("長", rapid.IntRange(300, 500).Draw(t, "length"))
	}
	if r.Version > 0 {
		r.Data = []byte(strings.Repeat("d", rapid.SampledFrom([]int{0, 2, 50, 350, 1000, 3500, 3990, 4010, 4100, 9000}).Draw(t, "data")))
		bucket := rapid.SampledFrom([]string{"", "2026-01-24", "2026-01-25", "a\x00b", "a", strings.Repeat("b", 600)}).Draw(t, "bucket")
		if bucket != "" {
			r.Place = model.Place{Bucket: bucket, Sort: rapid.SampledFrom([]string{"", "s", "s\x00", "2026-01-24T00:00:00.000Z#" + stream, strings.Repeat("s", 500)}).Draw(t, "sort")}
		}
	}
	if r.Version == 0 || rapid.IntRange(0, 20).Draw(t, "parked") == 0 {
		r.Parked = &projection.Parked{EventID: "e", EventVersion: r.Version + 1, Reason: "poison", Since: event.InstantOfMilli(1769212800123), Attempts: 1}
	}
	return r
}

func TestAnyRowsOfAnyPartsComeBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		folder := filepath.Join(dir, fmt.Sprint(n))
		if err := os.Mkdir(folder, 0o700); err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(folder)
		s := OpenTables(folder)
		defer s.Close()
		if err := s.Create(context.Background(), ordersV1); err != nil {
			rt.Fatal(err)
		}
		var all []projection.Record
		for p := range rapid.IntRange(1, 5).Draw(rt, "parts") {
			rows := make([]projection.Record, rapid.SampledFrom([]int{0, 1, 3, 9, 40, 90}).Draw(rt, "rows"))
			for i := range rows {
				rows[i] = drawRecord(rt, fmt.Sprintf("order-%d", (i*7919+p)%1009*10+p))
			}
			if _, err := s.PutPart(context.Background(), ordersV1, bulkPart(fmt.Sprint(p), rows)); err != nil {
				rt.Fatal(err)
			}
			all = append(all, rows...)
		}
		if err := s.Finish(context.Background(), ordersV1); err != nil {
			rt.Fatal(err)
		}
		wantRows(rt, s, all)
		listed := 0
		for _, r := range all {
			if r.Visible() && r.Place.Bucket == "2026-01-24" {
				listed++
			}
		}
		if rows, err := s.List(context.Background(), ordersV1, "2026-01-24", "", 1000); err != nil || len(rows) != listed {
			rt.Fatalf("%d rows are listed, want %d: %v", len(rows), listed, err)
		}
	})
}

func TestAFilledTableIsWrittenOnSoundly(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	for p := range 4 {
		mustPut(t, s, fmt.Sprint(p), plainRows(fmt.Sprint(p), 2000))
	}
	mustFinish(t, s)
	for i := range 300 {
		next := row(fmt.Sprintf("order-%d-%d", i%4, i*13%2000))
		next.Expected, next.Version, next.Data = 1, 2, []byte(strings.Repeat("x", i*20))
		added := row(fmt.Sprintf("order-new-%d", i))
		if late, err := s.Write(t.Context(), ordersV1, []projection.Change{next, added}); err != nil || len(late) > 0 {
			t.Fatal(late, err)
		}
	}
	checkIntegrity(t, s)
	records, _, err := s.Scan(t.Context(), ordersV1, eventstore.All, "", 10_000)
	if err != nil || len(records) != 8300 {
		t.Errorf("%d rows: %v", len(records), err)
	}
}

func TestTwoPartsWithOneStreamAreRefused(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	mustPut(t, s, "a", plainRows("same", 3))
	mustPut(t, s, "b", plainRows("same", 2))
	err := s.Finish(t.Context(), ordersV1)
	if err == nil || !strings.Contains(err.Error(), "UNIQUE constraint failed: records.stream") || fault.ClassOf(err) != fault.Bug {
		t.Errorf("got %v", err)
	}
	wantRows(t, s, nil)
}

func TestRowsThatCameBeforeTheBulkStay(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	mustPut(t, s, "a", plainRows("a", 5))
	early, newer := row("order-early"), row("order-a-1")
	newer.Version = 7
	if _, err := s.Write(t.Context(), ordersV1, []projection.Change{early, newer}); err != nil {
		t.Fatal(err)
	}
	mustFinish(t, s)
	want := append(plainRows("a", 5), early.Record)
	want[1] = newer.Record
	want[1].Writes = 1
	records, _, err := s.Scan(t.Context(), ordersV1, eventstore.All, "", 100)
	if err != nil || len(records) != len(want) {
		t.Fatalf("%d rows: %v", len(records), err)
	}
	if r, err := s.Record(t.Context(), ordersV1, "order-a-1"); err != nil || r.Version != 7 || r.Writes != 2 {
		t.Errorf("the newer row is %+v: %v", r, err)
	}
	if _, err := s.Record(t.Context(), ordersV1, "order-early"); err != nil {
		t.Error(err)
	}
}

func TestOtherHandlesSeeAFilledTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := newTables(t, dir), newTables(t, dir)
	mustCreate(t, s)
	wantRows(t, other, nil)
	mustPut(t, s, "a", plainRows("a", 10))
	wantRows(t, other, nil)
	mustFinish(t, s)
	wantRows(t, other, plainRows("a", 10))
	next := row("order-a-3")
	next.Expected, next.Version = 1, 2
	if late, err := other.Write(t.Context(), ordersV1, []projection.Change{next}); err != nil || len(late) > 0 {
		t.Error(late, err)
	}
	if r, err := s.Record(t.Context(), ordersV1, "order-a-3"); err != nil || r.Version != 2 {
		t.Errorf("the row is %+v: %v", r, err)
	}
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestNothingIsLeftOfADroppedLoad(t *testing.T) {
	t.Parallel()
	for name, until := range map[string]func(*Tables){
		"with parts": func(s *Tables) { mustPut(t, s, "a", plainRows("a", 10)) },
		"filled": func(s *Tables) {
			mustPut(t, s, "a", plainRows("a", 10))
			mustFinish(t, s)
			wantRows(t, s, plainRows("a", 10))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := newTables(t, dir)
			mustCreate(t, s)
			until(s)
			if err := s.Drop(t.Context(), ordersV1); err != nil {
				t.Fatal(err)
			}
			wantFiles(t, dir)
		})
	}
}

func TestATableMadeAnewDoesNotInheritALoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newTables(t, dir)
	mustCreate(t, s)
	mustPut(t, s, "a", plainRows("a", 10))
	mustFinish(t, s)
	mustPut(t, s, "late", plainRows("late", 1))
	// As if the process had died in the middle of the drop.
	if err := errors.Join(s.Close(), os.Remove(s.path(ordersV1)), os.WriteFile(s.loadPath(ordersV1), []byte("half a load"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s = newTables(t, dir)
	if _, err := s.Totals(t.Context(), ordersV1); !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("half dropped: %v", err)
	}
	mustCreate(t, s)
	wantRows(t, s, nil)
	mustPut(t, s, "a", plainRows("b", 3))
	mustFinish(t, s)
	wantRows(t, s, plainRows("b", 3))
}

func TestFinishLeavesOnlyTheTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newTables(t, dir)
	mustCreate(t, s)
	mustPut(t, s, "a", plainRows("a", 100))
	mustPut(t, s, "b", plainRows("b", 100))
	wantFiles(t, dir, "orders-v1.db", "orders-v1.db-shm", "orders-v1.db-wal", "orders-v1.load.db")
	mustFinish(t, s)
	// As somebody leaves it who did not see in time that the table was finished.
	if err := os.WriteFile(s.loadPath(ordersV1), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a", plainRows("a", 100))
	wantRows(t, s, append(plainRows("a", 100), plainRows("b", 100)...))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, "orders-v1.db", "orders-v1.filled.db")
}

// TestALoadThatWasFinishedByAnotherIsNotWrittenTo has a part wait while another process
// finishes the table and gives the file that the part has open its name.
func TestALoadThatWasFinishedByAnotherIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := newTables(t, dir), newTables(t, dir)
	mustCreate(t, s)
	mustPut(t, s, "a", plainRows("a", 10))
	l := &load{base: s.path(ordersV1), path: s.loadPath(ordersV1), filled: s.filledPath(ordersV1)}
	if err := l.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	mustFinish(t, other)
	err := l.transact(t.Context(), func() error {
		t.Error("a part went on")
		return nil
	})
	if !errors.Is(err, errInUse) {
		t.Errorf("got %v", err)
	}
	if _, err := l.conn.ExecContext(t.Context(), "DELETE FROM records"); err == nil {
		t.Error("SQLite writes to a file that was moved")
	}
	wantRows(t, other, plainRows("a", 10))
}

func TestADamagedLoadIsNamed(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	if err := os.WriteFile(s.loadPath(ordersV1), []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.PutPart(t.Context(), ordersV1, bulkPart("a", plainRows("a", 1)))
	wantClear(t, err, s.loadPath(ordersV1), "not a database", fault.Infra)
	wantClear(t, s.Finish(t.Context(), ordersV1), s.loadPath(ordersV1), "not a database", fault.Infra)
}

func TestAFullDiskIsNamedToABulkAndCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	mustPut(t, s, "a", plainRows("a", 10))
	put := func(pages int) error {
		return s.loading(t.Context(), ordersV1, "putting a part into", func(l *load) error {
			if err := l.open(t.Context()); err != nil {
				return err
			}
			if _, err := l.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count=%d", pages)); err != nil {
				t.Fatal(err)
			}
			return l.transact(t.Context(), func() error {
				_, broken, err := l.put(t.Context(), bulkPart("b", plainRows("b", 5000)))
				return errors.Join(broken, err)
			})
		})
	}
	wantClear(t, put(20), s.loadPath(ordersV1), "free some space", fault.Infra)
	if err := put(1 << 30); err != nil {
		t.Fatal(err)
	}
	mustFinish(t, s)
	wantRows(t, s, append(plainRows("a", 10), plainRows("b", 5000)...))
}
