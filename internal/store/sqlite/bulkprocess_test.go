package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/sqlite"
)

const (
	bulkRowCount  = 6000
	bulkPartCount = 12
)

var bulkTable = projection.Table{Projection: "orders", Version: 2}

// fillTable fills a table version from two goroutines, as a rebuild would, and finishes it.
func fillTable(ctx context.Context, dir string) error {
	s := sqlite.OpenTables(dir)
	defer s.Close()
	if err := s.Create(ctx, bulkTable); err != nil {
		return err
	}
	queue := make(chan projection.BulkPart, bulkPartCount)
	for _, part := range benchParts(bulkRowCount, bulkPartCount) {
		queue <- part
	}
	close(queue)
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for part := range queue {
				if _, err := s.PutPart(ctx, bulkTable, part); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed = errors.Join(failed, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	return s.Finish(ctx, bulkTable)
}

// wantBulk wants the table as fillTable fills it, in a file that SQLite finds sound.
func wantBulk(t *testing.T, dir string) {
	t.Helper()
	s := sqlite.OpenTables(dir)
	defer s.Close()
	rows := 0
	for cursor := ""; ; {
		records, next, err := s.Scan(t.Context(), bulkTable, eventstore.All, cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		rows += len(records)
		if cursor = next; next == "" {
			break
		}
	}
	total, err := s.Total(t.Context(), bulkTable, "2026-01-24")
	if err != nil || rows != bulkRowCount || total["orders"] != bulkRowCount {
		t.Errorf("%d rows, totals %v, want %d: %v", rows, total, bulkRowCount, err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, bulkTable.String()+".filled.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check(5)").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("the file is not sound: %s, %v", verdict, err)
	}
}

func TestABulkThatIsKilledAnywhereIsCompletedByTheNext(t *testing.T) {
	t.Parallel()
	for range 4 {
		dir := t.TempDir()
		for killed, after := 0, 20*time.Millisecond; ; killed++ {
			cmd, _ := start(t, roleBulk, dir)
			timer := time.AfterFunc(after+rand.N(after), func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
			err := cmd.Wait()
			timer.Stop()
			if err == nil {
				t.Logf("%d were killed", killed)
				break
			}
			after += after / 4
		}
		wantBulk(t, dir)
	}
}

func TestProcessesFillATableTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 3 {
		cmd, _ := start(t, roleBulk, dir)
		wg.Go(func() {
			if err := cmd.Wait(); err != nil {
				t.Errorf("a process failed: %v", err)
			}
		})
	}
	wg.Wait()
	wantBulk(t, dir)
}

func TestABulkWaitsForAnotherProcessUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := sqlite.OpenTables(dir)
	defer s.Close()
	if err := s.Create(t.Context(), bulkTable); err != nil {
		t.Fatal(err)
	}
	part := benchParts(10, 1)[0]
	release := lock(t, filepath.Join(dir, bulkTable.String()+".db"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.PutPart(ctx, bulkTable, part); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("PutPart: %v", err)
	}
	if err := s.Finish(ctx, bulkTable); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Finish: %v", err)
	}
	release()
	if rows, err := s.PutPart(t.Context(), bulkTable, part); err != nil || rows != 10 {
		t.Errorf("after that: %d rows, %v, class %s", rows, err, fault.ClassOf(err))
	}
}
