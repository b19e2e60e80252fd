package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// wantClear wants an error that names the file and says what to do.
func wantClear(t *testing.T, err error, path, advice string, class fault.Class) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), advice) {
		t.Errorf("got %v; want it to name %s and to say %q", err, path, advice)
	}
	if got := fault.ClassOf(err); got != class {
		t.Errorf("%v is %s, want %s", err, got, class)
	}
}

// openEach opens a file as each kind that is not k.
func openEach(ctx context.Context, path string, k kind) map[string]error {
	errs := map[string]error{}
	if k != eventsFile {
		_, errs["events"] = OpenEvents(ctx, path)
	}
	if k != controlFile {
		_, errs["control"] = OpenControl(ctx, path)
	}
	if k != ledgerFile {
		_, errs["ledger"] = OpenLedger(ctx, path)
	}
	if k != tableFile {
		_, errs["table"] = openTableVersion(ctx, path, true)
	}
	return errs
}

func TestFilesOfOthersAreRefusedAndLeftAsTheyAre(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	db, err := sql.Open("sqlite", "file:"+foreign)
	if err == nil {
		_, err = db.Exec("CREATE TABLE secrets (x); INSERT INTO secrets VALUES (1)")
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, advice := range map[string]string{foreign: "another kind or program", text: "not a database"} {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for kind, err := range openEach(t.Context(), path, 0) {
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), advice) {
				t.Errorf("%s as %s: got %v; want it to say %q", path, kind, err, advice)
			}
		}
		after, err := os.ReadFile(path)
		if err != nil || string(before) != string(after) {
			t.Errorf("%s was changed: %v", path, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("files were left behind: %v, %v", entries, err)
	}
}

func TestOurOtherFilesAndNewerOnesAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "control.db")
	c, err := OpenControl(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for kind, err := range openEach(t.Context(), path, controlFile) {
		if err == nil || !strings.Contains(err.Error(), "another kind") {
			t.Errorf("control records opened as %s: %v", kind, err)
		}
	}
	if _, err := c.db.write.ExecContext(t.Context(), "PRAGMA user_version=99"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = OpenControl(t.Context(), path)
	wantClear(t, err, path, "use a newer gakushoku", fault.Bug)
}

// formatOne is what an event store of format 1 was made with.
const formatOne = `
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  stream   TEXT NOT NULL,
  version  INTEGER NOT NULL,
  envelope TEXT NOT NULL,
  payload  TEXT NOT NULL,
  UNIQUE (stream, version)
) STRICT;
INSERT INTO events VALUES (1, 'order-o1', 1,
  '{"eventId":"e1","type":"OrderPlaced","occurredAt":"2020-01-24T00:00:00.000Z","correlationId":"c","payload":{},"stream":"order-o1","version":1,"schema":1}',
  '{"orderId":"o1","total":780}');`

func TestAnOlderEventStoreIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	old, err := sql.Open("sqlite", "file:"+path)
	if err == nil {
		_, err = old.Exec(fmt.Sprintf("PRAGMA journal_mode=WAL; PRAGMA application_id=%d; PRAGMA user_version=1; %s", eventsFile, formatOne))
	}
	if err = errors.Join(err, old.Close()); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Truncate(time.Millisecond)
	for round := range 2 { // the second finds the new format
		s, err := OpenEvents(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Append(t.Context(), "order-o1", uint64(round)+1, []event.Event{newEvent()}); err != nil {
			t.Fatal(err)
		}
		events, err := s.Load(t.Context(), "order-o1", 0)
		if err != nil || len(events) != round+2 || events[0].ID != "e1" {
			t.Errorf("%d events: %v", len(events), err)
		}
		for number := uint64(1); number <= uint64(len(events)); number++ {
			if at, found, err := s.AppendedAt(t.Context(), number); err != nil || !found || at.Before(before) || at.After(time.Now()) {
				t.Errorf("event %d: %s, %t, %v", number, at, found, err)
			}
		}
		if _, found, err := s.AppendedAt(t.Context(), uint64(len(events))+1); found || err != nil {
			t.Errorf("an event that is not there: %t, %v", found, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFoldersThatCannotBeUsedAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, advice := range map[string]string{
		filepath.Join(dir, "missing", "events.db"): "check that its folder is there",
		filepath.Join(file, "events.db"):           "not a directory",
		dir:                                        "this is no file",
	} {
		for kind, err := range openEach(t.Context(), path, 0) {
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), advice) {
				t.Errorf("%s: got %v; want it to name %s and to say %q", kind, err, path, advice)
			}
		}
	}
}

func TestADamagedFileIsNamedAndNotAnswered(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for i := range 200 {
		if err := s.Append(t.Context(), fmt.Sprintf("order-%d", i), 0, []event.Event{newEvent()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	for i := 4096; i < len(damaged); i++ { // all but the first page
		damaged[i] = 0xa5
	}
	if err := os.WriteFile(s.Path(), damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := OpenEvents(t.Context(), s.Path())
	if err == nil {
		_, err = again.Load(t.Context(), "order-1", 0)
		defer again.Close()
	}
	wantClear(t, err, s.Path(), "restore it from a backup", fault.Infra)

	if err := os.WriteFile(s.Path(), append([]byte("garbage"), whole[7:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = OpenEvents(t.Context(), s.Path())
	wantClear(t, err, s.Path(), "restore it from a backup", fault.Infra)
}

// A table is made of events: it is not restored, but made anew.
func TestADamagedTableIsToldFromOtherTrouble(t *testing.T) {
	t.Parallel()
	tables := OpenTables(t.TempDir())
	defer tables.Close()
	table := projection.Table{Projection: "orders", Version: 1}
	if err := tables.Create(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		row := projection.Record{Stream: fmt.Sprintf("order-%03d", i), Version: 1, Data: []byte(`{"text":"` + strings.Repeat("x", 200) + `"}`)}
		if _, err := tables.Write(t.Context(), table, []projection.Change{{Record: row}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tables.Close(); err != nil {
		t.Fatal(err)
	}
	path := tables.path(table)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"bytes in the middle": append(whole[:4096:4096], bytes.Repeat([]byte{0xa5}, len(whole)-4096)...),
		"no database":         append([]byte("garbage"), whole[7:]...),
	} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		again := OpenTables(filepath.Dir(path))
		_, _, err := again.Scan(t.Context(), table, eventstore.All, "", 500)
		if !errors.Is(err, projection.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		wantClear(t, err, path, "rebuild the projection", fault.Infra)
		again.Close()
	}
}

func TestAFullDiskIsNamedAndLeavesTheStoreUsable(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	limit := func(pages int) {
		t.Helper()
		s.db.lock <- struct{}{}
		defer func() { <-s.db.lock }()
		if _, err := s.db.write.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count=%d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(20)
	large := newEvent()
	large.Payload = []byte(`{"text":"` + strings.Repeat("x", 20_000) + `"}`)
	var failed error
	n := uint64(0)
	for ; n < 50 && failed == nil; n++ {
		failed = s.Append(t.Context(), "order-1", n, []event.Event{large})
	}
	wantClear(t, failed, s.Path(), "free some space", fault.Infra)
	if events, err := s.Load(t.Context(), "order-1", 0); err != nil || uint64(len(events)) != n-1 {
		t.Errorf("%d events are there, %d were acknowledged: %v", len(events), n-1, err)
	}
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	careless := s.AppendAll(t.Context(), func(add func(string, uint64, []event.Event) error) error {
		for i := range 20 {
			add(fmt.Sprintf("order-small-%d", i), 0, []event.Event{newEvent(), large}) //nolint:errcheck // it must not matter
		}
		return nil
	})
	wantClear(t, careless, s.Path(), "free some space", fault.Infra)
	if after, err := s.Head(t.Context()); err != nil || after != head {
		t.Errorf("half an import is there: the head went from %d to %d: %v", head, after, err)
	}
	limit(1 << 30)
	if err := s.Append(t.Context(), "order-1", n-1, []event.Event{large}); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestManyOpenANewFileAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a ?strange#100% folder 学食.db")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := OpenEvents(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Append(t.Context(), fmt.Sprintf("order-%d", i), 0, []event.Event{newEvent()}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := OpenEvents(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if head, err := s.Head(t.Context()); err != nil || head != 8 {
		t.Errorf("%d events are there: %v", head, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file has another name: %v", err)
	}
}

func TestOpeningWithACancelledContextFails(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for kind, err := range openEach(ctx, filepath.Join(t.TempDir(), "x.db"), 0) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
