package sqlite

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// A file that is ours by its name and format, and has lost a table, is refused when it is opened
// and not at the first call that misses it.
func TestAFileThatLacksATableIsNotOpened(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tables := func(path string) *Tables { return OpenTables(filepath.Dir(path)) }
	closed := func(err error, close func() error) error {
		if err == nil {
			err = close()
		}
		return err
	}
	for name, c := range map[string]struct {
		file   string
		open   func(path string) error
		tables []string
	}{
		"events": {"events.db", func(path string) error {
			s, err := OpenEvents(ctx, path)
			return closed(err, func() error { return s.Close() })
		}, []string{"events"}},
		"control": {"control.db", func(path string) error {
			s, err := OpenControl(ctx, path)
			return closed(err, func() error { return s.Close() })
		}, []string{"pointers", "checkpoints"}},
		"ledger": {"log.db", func(path string) error {
			s, err := OpenLedger(ctx, path)
			return closed(err, func() error { return s.Close() })
		}, []string{"segments", "claims"}},
		"table": {ordersV1.String() + ".db", func(path string) error {
			s := tables(path)
			defer s.Close()
			if err := s.Create(ctx, ordersV1); err != nil {
				return err
			}
			_, err := s.Records(ctx, ordersV1, []string{"order-o1"})
			return err
		}, []string{"records", "totals"}},
	} {
		for _, table := range c.tables {
			t.Run(name+" without "+table, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), c.file)
				if err := c.open(path); err != nil {
					t.Fatal(err)
				}
				aside(t, path, "DROP TABLE "+table)
				if err := c.open(path); err == nil || !strings.Contains(err.Error(), path) {
					t.Errorf("got %v, want an error that names the file", err)
				}
			})
		}
	}
}

func TestAMarkBeyondTheEndIsOfAnotherStore(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	first, second := newEvent(), newEvent()
	if err := s.Append(t.Context(), "order-o1", 0, []event.Event{first, second}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		number uint64
		count  int
		want   eventstore.Mark
	}{{0, 1, eventstore.Mark{Number: 1, ID: first.ID}}, {0, 2, eventstore.Mark{Number: 2, ID: second.ID}}, {1, 1, eventstore.Mark{Number: 2, ID: second.ID}}, {0, 3, eventstore.Mark{}}, {2, 1, eventstore.Mark{}}} {
		got, err := s.MarkAfter(t.Context(), c.number, c.count)
		if got != c.want || (c.want == eventstore.Mark{}) != errors.Is(err, eventstore.ErrOtherStore) {
			t.Errorf("event %d after %d: %+v, %v; want %+v", c.count, c.number, got, err, c.want)
		}
	}
}

func TestAPayloadIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if err := s.Append(t.Context(), "order-o1", 0, []event.Event{newEvent()}); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+s.Path()+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var envelope, payload string
	if err := db.QueryRow("SELECT envelope, payload FROM events").Scan(&envelope, &payload); err != nil || strings.Contains(envelope, `"orderId"`) || payload != `{"orderId":"o1"}` {
		t.Errorf("stored %s and %s, %v", envelope, payload, err)
	}
}

func TestATotalThatComesBackToNothingIsNotTold(t *testing.T) {
	t.Parallel()
	s := newTables(t, t.TempDir())
	mustCreate(t, s)
	change := row("order-o1")
	if _, err := s.Write(t.Context(), ordersV1, []projection.Change{change}); err != nil {
		t.Fatal(err)
	}
	change.Expected, change.Totals[0].Amount = 1, -1
	if _, err := s.Write(t.Context(), ordersV1, []projection.Change{change}); err != nil {
		t.Fatal(err)
	}
	all, err := s.Totals(t.Context(), ordersV1)
	one, failed := s.Total(t.Context(), ordersV1, "2026-01-24")
	if err := errors.Join(err, failed); err != nil || len(all) > 0 || len(one) > 0 {
		t.Errorf("totals %v and %v, %v", all, one, err)
	}
}
