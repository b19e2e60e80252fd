package sqlite_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/credential/credentialtest"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventlog/eventlogtest"
	"gakushoku/internal/engine/eventstore/eventstoretest"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/projection/projectiontest"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/engine/streamstate/streamstatetest"
	"gakushoku/internal/store/sqlite"
)

func openEvents(t *testing.T, path string) *sqlite.Events {
	t.Helper()
	s, err := sqlite.OpenEvents(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestEvents(t *testing.T) {
	t.Parallel()
	events := eventstoretest.Harness{
		Open: func(t *testing.T) eventstoretest.Instance {
			return instance(t, filepath.Join(t.TempDir(), "events.db"))
		},
		MaxEventBytes: sqlite.MaxEventBytes,
		Features:      eventstoretest.Features{DetectsGaps: true, SettlesCancelled: true, Persists: true, Overloads: true},
	}
	t.Run("store", func(t *testing.T) { t.Parallel(); eventstoretest.TestStore(t, events) })
	t.Run("ranges", func(t *testing.T) { t.Parallel(); eventstoretest.TestRanges(t, events) })
	t.Run("prune", func(t *testing.T) { t.Parallel(); eventstoretest.TestPrune(t, events) })
}

func instance(t *testing.T, path string) eventstoretest.Instance {
	s := openEvents(t, path)
	return eventstoretest.Instance{
		Store: s,
		Feed:  s,
		Reopen: func(t *testing.T) eventstoretest.Instance {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return instance(t, path)
		},
		Overload: func(t *testing.T) func() { return lock(t, path) },
	}
}

// lock holds the write lock of a file, as a second process would, until it is released.
func lock(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		tx.Rollback() //nolint:errcheck // nothing was written
		db.Close()
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	tables := projectiontest.Tables{
		Open: func(t *testing.T) projectiontest.TablesInstance {
			dir := t.TempDir()
			s := sqlite.OpenTables(dir)
			t.Cleanup(func() { s.Close() })
			return projectiontest.TablesInstance{Store: s, Reopen: func(t *testing.T) projection.Store {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				again := sqlite.OpenTables(dir)
				t.Cleanup(func() { again.Close() })
				return again
			}}
		},
		MaxRowBytes: sqlite.MaxEventBytes,
	}
	t.Run("tables", func(t *testing.T) { t.Parallel(); projectiontest.TestTables(t, tables) })
	t.Run("sink", func(t *testing.T) { t.Parallel(); projectiontest.TestSink(t, tables) })
	t.Run("agenda", func(t *testing.T) { t.Parallel(); projectiontest.TestAgenda(t, tables) })
	t.Run("snapshots", func(t *testing.T) { t.Parallel(); projectiontest.TestSnapshots(t, tables) })
}

func openControl(t *testing.T, path string) *sqlite.Control {
	t.Helper()
	c, err := sqlite.OpenControl(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestControl(t *testing.T) {
	t.Parallel()
	control := projectiontest.Control{
		Open: func(t *testing.T) projectiontest.ControlInstance {
			path := filepath.Join(t.TempDir(), "control.db")
			s := openControl(t, path)
			return projectiontest.ControlInstance{Store: s, Reopen: func(t *testing.T) projectiontest.ControlStore {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				return openControl(t, path)
			}}
		},
	}
	t.Run("pointers", func(t *testing.T) { t.Parallel(); projectiontest.TestPointers(t, control) })
	t.Run("checkpoints", func(t *testing.T) { t.Parallel(); projectiontest.TestCheckpoints(t, control) })
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	credentialtest.TestStore(t, credentialtest.Harness{Open: func(t *testing.T) credentialtest.Instance {
		path := filepath.Join(t.TempDir(), "control.db")
		s := openControl(t, path)
		return credentialtest.Instance{Store: s, Reopen: func(t *testing.T) credential.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return openControl(t, path)
		}}
	}})
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	streamstatetest.TestStore(t, streamstatetest.Harness{Open: func(t *testing.T) streamstatetest.Instance {
		path := filepath.Join(t.TempDir(), "control.db")
		s := openControl(t, path)
		return streamstatetest.Instance{Store: s, Reopen: func(t *testing.T) streamstate.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return openControl(t, path)
		}}
	}})
}

// A file of the first format, which had neither, gets a place for credentials and snapshots when it is opened.
func TestAnOlderControlFileTakesCredentialsAndSnapshots(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "control.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`CREATE TABLE pointers (projection TEXT PRIMARY KEY, changes INTEGER NOT NULL, value TEXT NOT NULL) STRICT;
CREATE TABLE checkpoints (reader TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO checkpoints VALUES ('projector', '{"cursor":"7"}');
PRAGMA application_id=0x67616b03; PRAGMA user_version=1`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	c := openControl(t, path)
	if err := c.AddCredential(t.Context(), "key", credential.Record{ID: "a", Value: []byte(`1`)}); err != nil {
		t.Fatal(err)
	}
	shot := streamstate.Snapshot{Stream: "loan-1", Version: 1, EventID: "e", Data: []byte{1}}
	if err := c.SetSnapshot(t.Context(), shot); err != nil {
		t.Fatal(err)
	}
	if kept, err := c.Checkpoint(t.Context(), "projector"); err != nil || kept.Cursor != "7" {
		t.Errorf("the checkpoint is %+v, %v", kept, err)
	}
}

func openLedger(t *testing.T, path string) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.OpenLedger(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestLedger(t *testing.T) {
	t.Parallel()
	eventlogtest.TestLedger(t, eventlogtest.Ledger{
		Open: func(t *testing.T) eventlogtest.LedgerInstance {
			path := filepath.Join(t.TempDir(), "log.db")
			l := openLedger(t, path)
			return eventlogtest.LedgerInstance{Store: l, Reopen: func(t *testing.T) eventlog.Ledger {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				return openLedger(t, path)
			}}
		},
	})
}
