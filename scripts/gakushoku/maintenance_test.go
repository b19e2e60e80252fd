package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gakushoku/internal/app/embedded"
)

func TestMaintenanceTidiesAFolderThatIsServed(t *testing.T) {
	t.Parallel()
	dir := archived(t)
	orphan := filepath.Join(dir, "log", "segments", "2026-01-24", "lost.jsonl.zst")
	if err := os.MkdirAll(filepath.Dir(orphan), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan, []byte("an archiver died"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(orphan, old, old); err != nil {
		t.Fatal(err)
	}
	contains(t, ok(t, "maintenance", "stats", "-d", dir), "events.db", "readmodels/orders-v1.db", "order-o1 has 2 events",
		"log: 1 segment of ", "1 of them tiny; 1 orphan of 16 bytes", "maintenance was done: never")
	server := start(t, serving(dir)...)
	server.eventually(t, server.out, " from ")
	done := decoded[embedded.Maintained](t, call(t, "maintenance", "run", "-d", dir, "--json"))
	if done.Swept.Objects != 1 || done.Before.Log.Orphans != 1 || done.After.Log.Orphans != 0 || done.After.LastRun.IsZero() {
		t.Errorf("%+v", done)
	}
	for _, s := range done.After.Stores {
		if s.Name == "events.db" && s.Statistics == 0 {
			t.Errorf("%+v", s)
		}
	}
	contains(t, ok(t, "maintenance", "run", "-d", dir), "0 old snapshots dropped, 0 orphans swept, done in ")
	ok(t, "events", "verify", "-d", dir)
	server.stop()
	stats := decoded[embedded.Maintenance](t, call(t, "maintenance", "stats", "--repeats", "-d", dir, "--json"))
	if stats.Repeats == nil || *stats.Repeats != 0 || stats.LastRun.IsZero() {
		t.Errorf("%+v", stats)
	}
	call(t, "maintenance", "run", "-d", t.TempDir()).wants(t, exitUnknown, "there is no data folder")
}
