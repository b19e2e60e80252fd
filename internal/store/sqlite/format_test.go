package sqlite

import (
	"path/filepath"
	"testing"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// The layout of table versions before rows had tasks, of a table in use and of one being filled.
const (
	firstTable = `PRAGMA application_id=0x67616b02; PRAGMA user_version=1; PRAGMA journal_mode=WAL;
CREATE TABLE records (stream TEXT PRIMARY KEY, version INTEGER NOT NULL, writes INTEGER NOT NULL, data TEXT, bucket TEXT, sort TEXT, parked TEXT) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_place ON records (bucket, sort) WHERE bucket IS NOT NULL;
CREATE INDEX records_parked ON records (stream) WHERE parked IS NOT NULL;
CREATE TABLE totals (key TEXT NOT NULL, field TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (key, field)) STRICT, WITHOUT ROWID;
INSERT INTO records VALUES ('order-o1', 1, 1, '{}', '2026-01-24', 's', NULL)`
	firstLoad = `PRAGMA application_id=0x67616b02; PRAGMA user_version=1;
CREATE TABLE records (stream TEXT NOT NULL, version INTEGER NOT NULL, writes INTEGER NOT NULL, bucket TEXT, sort TEXT, parked TEXT, data TEXT) STRICT;
CREATE INDEX records_parked ON records (stream) WHERE parked IS NOT NULL;
CREATE TABLE totals (key TEXT NOT NULL, field TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (key, field)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, rows INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO records VALUES ('order-o2', 1, 1, '2026-01-24', 's', NULL, '{}');
INSERT INTO parts VALUES ('first', 1)`
)

func TestATableOfTheFirstFormatGoesOnInThisOne(t *testing.T) {
	t.Parallel()
	waiting := projection.Record{
		Stream: "order-o3", Version: 1, Writes: 1, Data: []byte(`{}`), Place: model.Place{Bucket: "2026-01-24", Sort: "s3"},
		Task: &projection.Task{Task: model.Task{Step: "remind", Due: event.InstantOfMilli(1)}},
	}
	part := projection.BulkPart{
		Name: "second", Totals: func() []model.Contribution { return nil },
		Rows: func(yield func(projection.Record, error) bool) { yield(waiting, nil) },
	}
	for name, put := range map[string]func(t *testing.T, s *Tables) error{
		"in use": func(t *testing.T, s *Tables) error {
			_, err := s.Write(t.Context(), ordersV1, []projection.Change{{Record: waiting}})
			return err
		},
		"being filled": func(t *testing.T, s *Tables) error {
			aside(t, s.loadPath(ordersV1), firstLoad)
			if _, err := s.PutPart(t.Context(), ordersV1, part); err != nil {
				return err
			}
			return s.Finish(t.Context(), ordersV1)
		},
		"filled": func(t *testing.T, s *Tables) error {
			aside(t, s.loadPath(ordersV1), firstLoad)
			if err := s.Finish(t.Context(), ordersV1); err != nil {
				return err
			}
			_, err := s.Write(t.Context(), ordersV1, []projection.Change{{Record: waiting}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := OpenTables(t.TempDir())
			t.Cleanup(func() { s.Close() })
			aside(t, filepath.Join(s.dir, ordersV1.String()+".db"), firstTable)
			if err := put(t, s); err != nil {
				t.Fatal(err)
			}
			rows, err := s.Records(t.Context(), ordersV1, []string{"order-o1", "order-o2"})
			if err != nil || len(rows) == 0 {
				t.Errorf("rows of the old file: %v, %v", rows, err)
			}
			due, _, err := s.Due(t.Context(), ordersV1, event.InstantOfMilli(1), "", 10)
			if err != nil || len(due) != 1 || due[0].Stream != "order-o3" {
				t.Errorf("due: %v, %v", due, err)
			}
		})
	}
}
