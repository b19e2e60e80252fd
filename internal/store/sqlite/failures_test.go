package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// aside changes a file from outside, as a damage would.
func aside(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// failsThen is a query whose first row can be read and whose second fails.
func failsThen(t *testing.T, row string) (*sql.Rows, error) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "any.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db.QueryContext(t.Context(), "SELECT "+row+" UNION ALL SELECT "+strings.Replace(row, "'first'", overflow, 1))
}

// overflow is an expression that SQLite fails on when it comes to it.
const overflow = "abs(-9223372036854775808)"

func TestAListThatBreaksOffIsAnErrorAndNotItsBeginning(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(t *testing.T) (int, error){
		"rows": func(t *testing.T) (int, error) {
			r, err := readRecords(failsThen(t, "'first', 1, 1, '{}', NULL, NULL, NULL, NULL"))
			return len(r), err
		},
		"events": func(t *testing.T) (int, error) {
			rows, err := failsThen(t, `'{"eventId":"e1","type":"T","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c","payload":{}}'||char(10)||'{}', 'first'`)
			var seen any
			events, err := readEvents(rows, err, 1, &seen)
			return len(events), err
		},
		"texts": func(t *testing.T) (int, error) {
			all, err := texts(failsThen(t, "'first'"))
			return len(all), err
		},
		"totals": func(t *testing.T) (int, error) {
			all, err := readTotals(failsThen(t, "'first', 'orders', 1"))
			return len(all), err
		},
		"ids": func(t *testing.T) (int, error) {
			s := newStore(t)
			if err := s.Append(t.Context(), "order-o1", 0, []event.Event{newEvent()}); err != nil {
				t.Fatal(err)
			}
			aside(t, s.Path(), "ALTER TABLE events RENAME TO other", "CREATE VIEW events AS SELECT envelope FROM other UNION ALL SELECT "+overflow)
			n := 0
			return n, s.EachID(t.Context(), func(string, string, uint64) error { n++; return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if n, err := read(t); err == nil || !strings.Contains(err.Error(), "overflow") {
				t.Errorf("%d come, %v; want that the rest cannot be read", n, err)
			}
		})
	}
}

func TestACellOfAnotherTypeIsAnError(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(t *testing.T) error{
		"a row's version": func(t *testing.T) error {
			_, err := readRecords(failsThen(t, "'o', 'first', 1, '{}', NULL, NULL, NULL, NULL"))
			return err
		},
		"why it is parked": func(t *testing.T) error {
			_, err := readRecords(failsThen(t, "'o', 1, 1, '{}', NULL, NULL, 'first', NULL"))
			return err
		},
		"its task": func(t *testing.T) error {
			_, err := readRecords(failsThen(t, "'o', 1, 1, '{}', NULL, NULL, NULL, 'first'"))
			return err
		},
		"a total's amount": func(t *testing.T) error { _, err := readTotals(failsThen(t, "'k', 'f', 'first'")); return err },
		"an event's line": func(t *testing.T) error {
			rows, err := failsThen(t, "'first'")
			_, err = readEvents(rows, err, 1)
			return err
		},
		"an event's number": func(t *testing.T) error { return new(numbers).Scan("first") },
		"a text":            func(t *testing.T) error { _, err := texts(failsThen(t, "NULL, 'first'")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := read(t); err == nil || strings.Contains(err.Error(), "overflow") {
				t.Errorf("got %v, want that the first row cannot be read", err)
			}
		})
	}
}

// calls are those of a store, by name.
type calls map[string]func() error

// wantEachToFail wants every call to fail while the tables are away, and to work afterwards.
func wantEachToFail(t *testing.T, path string, tables []string, all calls) {
	t.Helper()
	var away, back []string
	for _, table := range tables {
		away = append(away, fmt.Sprintf("ALTER TABLE %s RENAME TO lost_%[1]s", table))
		back = append(back, fmt.Sprintf("ALTER TABLE lost_%s RENAME TO %[1]s", table))
	}
	aside(t, path, away...)
	for name, call := range all {
		if err := call(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
	aside(t, path, back...)
	for name, call := range all {
		if err := call(); err != nil {
			t.Errorf("%s, once the tables are back: %v", name, err)
		}
	}
}

func TestEveryCallOfAnEventStoreThatCannotBeReadFails(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx, stream := t.Context(), "order-o1"
	first := newEvent()
	if err := s.Append(ctx, stream, 0, []event.Event{first}); err != nil {
		t.Fatal(err)
	}
	mark := eventstore.Mark{Number: 1, ID: first.ID}
	n := 0
	wantEachToFail(t, s.Path(), []string{"events"}, calls{
		"Load":       func() error { _, err := s.Load(ctx, stream, 0); return err },
		"LoadMany":   func() error { _, err := s.LoadMany(ctx, []string{stream}); return err },
		"Streams":    func() error { _, _, err := s.Streams(ctx, eventstore.All, "", 10); return err },
		"Range":      func() error { _, _, err := s.Range(ctx, "", "", 10); return err },
		"Range up":   func() error { _, _, err := s.Range(ctx, "", "z", 10); return err },
		"Read":       func() error { _, _, err := s.Read(ctx, "", 10); return err },
		"Since":      func() error { _, _, err := s.Since(ctx, mark, 10); return err },
		"Holds":      func() error { return s.Holds(ctx, mark) },
		"MarkAfter":  func() error { _, err := s.MarkAfter(ctx, 0, 1); return err },
		"EachID":     func() error { return s.EachID(ctx, func(string, string, uint64) error { return nil }) },
		"Head":       func() error { _, err := s.Head(ctx); return err },
		"AppendedAt": func() error { _, _, err := s.AppendedAt(ctx, 1); return err },
		"Append":     func() error { n++; return s.Append(ctx, fmt.Sprint("order-a", n), 0, []event.Event{newEvent()}) },
		"AppendAll": func() error {
			n++
			return s.AppendAll(ctx, func(add func(string, uint64, []event.Event) error) error {
				return add(fmt.Sprint("order-b", n), 0, []event.Event{newEvent()})
			})
		},
		"AppendAll of nothing": func() error {
			return s.AppendAll(ctx, func(func(string, uint64, []event.Event) error) error { return nil })
		},
	})
	if head, err := s.Head(ctx); err != nil || head != 3 {
		t.Errorf("the head is %d, %v; want 3", head, err)
	}
}

func TestAnAppendThatFailsHalfWayLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	aside(t, s.Path(), "CREATE TRIGGER full BEFORE INSERT ON events WHEN new.version = 2 BEGIN SELECT RAISE(FAIL, 'no room'); END")
	two := func() []event.Event { return []event.Event{newEvent(), newEvent()} }
	for name, call := range (calls{
		"Append": func() error { return s.Append(ctx, "order-o1", 0, two()) },
		"AppendAll": func() error {
			return s.AppendAll(ctx, func(add func(string, uint64, []event.Event) error) error { return add("order-o2", 0, two()) })
		},
		"AppendAll that passes over it": func() error {
			return s.AppendAll(ctx, func(add func(string, uint64, []event.Event) error) error {
				add("order-o3", 0, two())
				if err := add("order-o4", 0, two()[:1]); err == nil {
					t.Error("an append after one that broke was taken")
				}
				return nil
			})
		},
	}) {
		if err := call(); err == nil || !strings.Contains(err.Error(), "no room") {
			t.Errorf("%s: got %v, want that there is no room", name, err)
		}
	}
	if head, err := s.Head(ctx); err != nil || head != 0 {
		t.Errorf("%d events are left, %v", head, err)
	}
	aside(t, s.Path(), "DROP TRIGGER full")
	if err := s.Append(ctx, "order-o1", 0, two()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestEveryCallOfATableThatCannotBeReadFails(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	ctx, n := t.Context(), 0
	if _, err := s.Write(ctx, ordersV1, []projection.Change{row("order-o1")}); err != nil {
		t.Fatal(err)
	}
	wantEachToFail(t, s.path(ordersV1), []string{"records", "totals"}, calls{
		"Records":       func() error { _, err := s.Records(ctx, ordersV1, []string{"order-o1"}); return err },
		"Record":        func() error { _, err := s.Record(ctx, ordersV1, "order-o1"); return err },
		"List":          func() error { _, err := s.List(ctx, ordersV1, "2026-01-24", "", 10); return err },
		"List after":    func() error { _, err := s.List(ctx, ordersV1, "2026-01-24", "z", 10); return err },
		"Buckets":       func() error { _, err := s.Buckets(ctx, ordersV1, "", 10); return err },
		"Buckets older": func() error { _, err := s.Buckets(ctx, ordersV1, "z", 10); return err },
		"Total":         func() error { _, err := s.Total(ctx, ordersV1, "2026-01-24"); return err },
		"Totals":        func() error { _, err := s.Totals(ctx, ordersV1); return err },
		"Scan":          func() error { _, _, err := s.Scan(ctx, ordersV1, eventstore.All, "", 10); return err },
		"Parked":        func() error { _, _, err := s.ParkedRecords(ctx, ordersV1, "", 10); return err },
		"Write": func() error {
			n++
			late, err := s.Write(ctx, ordersV1, []projection.Change{row(fmt.Sprint("order-w", n))})
			if len(late) > 0 {
				t.Errorf("%v are late", late)
			}
			return err
		},
		"PutPart": func() error {
			n++
			_, err := s.PutPart(ctx, ordersV1, bulkPart(fmt.Sprint("p", n), plainRows(fmt.Sprint("order-p", n), 2)))
			return err
		},
	})
}

func TestAWriteThatFailsHalfWayLeavesNeitherRowsNorTotals(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"records", "totals"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			s := newTables(t, t.TempDir())
			mustCreate(t, s)
			changes := []projection.Change{row("order-o1"), row("order-o2")}
			changes[1].Totals[0].Key = "2026-01-25"
			condition := map[string]string{"records": "new.stream = 'order-o2'", "totals": "new.key = '2026-01-25'"}[table]
			aside(t, s.path(ordersV1), "CREATE TRIGGER full BEFORE INSERT ON "+table+" WHEN "+condition+" BEGIN SELECT RAISE(FAIL, 'no room'); END")
			if late, err := s.Write(t.Context(), ordersV1, changes); err == nil || !strings.Contains(err.Error(), "no room") || len(late) > 0 {
				t.Errorf("got %v, %v; want that there is no room", late, err)
			}
			rows, err := s.Records(t.Context(), ordersV1, []string{"order-o1", "order-o2"})
			totals, failed := s.Totals(t.Context(), ordersV1)
			if err := errors.Join(err, failed); err != nil || len(rows) > 0 || len(totals) > 0 {
				t.Errorf("%d rows and %v are left, %v", len(rows), totals, err)
			}
		})
	}
}
