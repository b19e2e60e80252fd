package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
)

func TestEveryCallOfControlRecordsThatCannotBeReadFails(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "control.db")
	c, err := OpenControl(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := projection.Pointer{Projection: "orders"}
	if err := c.SetPointer(ctx, p); err != nil {
		t.Fatal(err)
	}
	wantEachToFail(t, path, []string{"pointers", "checkpoints"}, calls{
		"Pointer":       func() error { _, err := c.Pointer(ctx, "orders"); return err },
		"SetPointer":    func() error { p.Changes = 1; return c.SetPointer(ctx, p) },
		"Checkpoint":    func() error { _, err := c.Checkpoint(ctx, "r"); return err },
		"SetCheckpoint": func() error { return c.SetCheckpoint(ctx, "r", projection.Checkpoint{}) },
	})
}

func TestEveryCallOfALedgerThatCannotBeReadFails(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "log.db")
	l, err := OpenLedger(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	segment := eventlog.Manifest{
		First: 1, Last: 1, Key: "segments/s", Bytes: 1, Partitions: eventlog.Partitions, CreatedAt: 1,
		Frames: []eventlog.Frame{{Length: 1, First: 1, Count: 1}},
	}
	wantEachToFail(t, path, []string{"segments", "claims"}, calls{
		"Claimed": func() error { _, err := l.Claimed(ctx, "s"); return err },
		"Head":    func() error { _, err := l.Head(ctx); return err },
		"List":    func() error { _, err := l.Manifests(ctx, 0, 1); return err },
		"Commit": func() error {
			return l.Commit(ctx, eventlog.Commit{Manifest: segment, Source: "s", Records: 1})
		},
	})
	segment.First, segment.Last, segment.Frames[0].First = 2, 2, 2
	aside(t, path, "CREATE TRIGGER full BEFORE INSERT ON segments BEGIN SELECT RAISE(FAIL, 'no room'); END")
	if err := l.Commit(ctx, eventlog.Commit{Manifest: segment, Source: "s2", Records: 1}); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got %v, want that there is no room", err)
	}
	if claim, err := l.Claimed(ctx, "s2"); err != nil || claim.Records != 0 {
		t.Errorf("its claim stays: %+v, %v", claim, err)
	}
}
