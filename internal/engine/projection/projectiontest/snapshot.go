package projectiontest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/projection"
)

// TestSnapshots tests everything that projection.Snapshotter promises, for stores that have snapshots.
func TestSnapshots(t *testing.T, h Tables) {
	contract.Run(t, h, map[string]func(*testing.T, Tables){
		"a snapshot shows the moment it was taken":              testSnapshotMoment,
		"rows and totals of a snapshot agree under writes":      testSnapshotConsistent,
		"a snapshot of a table that is not there is ErrNoTable": testSnapshotNoTable,
		"a snapshot is read by many at once":                    testSnapshotShared,
		"a snapshot is read in the order of names":              testSnapshotOrder,
		"a closed snapshot keeps nothing from being done":       testSnapshotClosed,
	})
}

func snapshotOf(t *testing.T, s projection.Store) projection.Snapshot {
	t.Helper()
	shot, err := s.(projection.Snapshotter).Snapshot(t.Context(), v1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shot.Close() }) //nolint:errcheck // closed twice, where the test does
	return shot
}

// snapshotScan returns Scan of a snapshot.
func snapshotScan(s projection.Snapshot) scan {
	return func(ctx context.Context, _ projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
		return s.Scan(ctx, cursor, limit)
	}
}

func testSnapshotOrder(t *testing.T, h Tables) {
	s := newStore(t, h)
	// Sorted by byte.
	names := []string{"loan-", "loan-1", "loan-10", "loan-2", "loan-B", "loan-b", "loan-é", "loan-唐", "loan-🍛"}
	for i := range names {
		mustWrite(t, s, []projection.Change{change(names[(i*5+2)%len(names)], 1)})
	}
	shot := snapshotOf(t, s)
	for _, limit := range []int{1, 4, 100} {
		var got []string
		for cursor := ""; ; {
			rows, next, err := shot.Scan(t.Context(), cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				got = append(got, r.Stream)
			}
			if cursor = next; next == "" {
				break
			}
			if next != got[len(got)-1] {
				t.Errorf("the cursor after %q is %q", got[len(got)-1], next)
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("pages of %d: got %q, want %q", limit, got, names)
		}
	}
}

func testSnapshotMoment(t *testing.T, h Tables) {
	s := newStore(t, h)
	want := map[string]projection.Record{}
	for i := range 25 {
		c := change(fmt.Sprintf("loan-%02d", i), 1, add(day, "loans", 1))
		if i%7 == 3 {
			c = parkedChange(c.Stream, 1, "poison")
			c.Totals = nil
		}
		want[c.Stream] = c.Record
		mustWrite(t, s, []projection.Change{c})
	}
	wantSums, err := s.Totals(t.Context(), v1)
	if err != nil {
		t.Fatal(err)
	}
	shot := snapshotOf(t, s)
	mustWrite(t, s, []projection.Change{change("loan-00", 2, add(day, "loans", 5)), change("loan-new", 1, add(day, "new", 1))})
	for _, limit := range []int{1, 7, 25, 100} {
		got, err := scanAll(t.Context(), snapshotScan(shot), limit)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, fmt.Sprintf("pages of %d", limit), want, got)
	}
	sums, err := shot.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "totals", wantSums, sums)
	wantRow(t, s, change("loan-00", 2).Record)
}

// testSnapshotConsistent takes snapshots while rows are added, each of which counts once.
func testSnapshotConsistent(t *testing.T, h Tables) {
	s := newStore(t, h)
	const writers, writes = 4, 40
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range writes {
				c := change(fmt.Sprintf("loan-%d-%d", w, i), 1, add(day, "loans", 1))
				if late, err := s.Write(context.WithoutCancel(t.Context()), v1, []projection.Change{c}); err != nil || len(late) > 0 {
					t.Errorf("writing: late %v, %v", late, err)
					return
				}
			}
		})
	}
	for range 20 {
		shot := snapshotOf(t, s)
		rows, err := scanAll(t.Context(), snapshotScan(shot), 9)
		if err != nil {
			t.Error(err)
			break
		}
		sums, err := shot.Totals(t.Context())
		if err != nil || sums[day]["loans"] != int64(len(rows)) {
			t.Errorf("%d rows, and totals %v: %v", len(rows), sums, err)
		}
		if err := shot.Close(); err != nil {
			t.Error(err)
		}
	}
	writing.Wait()
}

func testSnapshotNoTable(t *testing.T, h Tables) {
	s := newStore(t, h)
	_, err := s.(projection.Snapshotter).Snapshot(t.Context(), v2)
	wantErr(t, "snapshot", err, projection.ErrNoTable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.(projection.Snapshotter).Snapshot(ctx, v1)
	wantErr(t, "cancelled", err, context.Canceled)
	if _, _, err := snapshotOf(t, s).Scan(t.Context(), "", 0); err == nil {
		t.Error("a page of 0 rows was read")
	}
}

func testSnapshotShared(t *testing.T, h Tables) {
	s := newStore(t, h)
	for i := range 30 {
		mustWrite(t, s, []projection.Change{change(fmt.Sprintf("loan-%02d", i), 1)})
	}
	shot := snapshotOf(t, s)
	var reading sync.WaitGroup
	for range 4 {
		reading.Go(func() {
			rows, err := scanAll(t.Context(), snapshotScan(shot), 4)
			if err != nil || len(rows) != 30 {
				t.Errorf("%d rows, %v", len(rows), err)
			}
		})
	}
	reading.Wait()
}

func testSnapshotClosed(t *testing.T, h Tables) {
	s := newStore(t, h)
	mustWrite(t, s, []projection.Change{change("loan-1", 1)})
	for range 20 { // more than a store may have connections
		shot := snapshotOf(t, s)
		if err := shot.Close(); err != nil {
			t.Fatal(err)
		}
		if err := shot.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
		if _, _, err := shot.Scan(t.Context(), "", 1); err == nil {
			t.Error("a closed snapshot was read")
		}
	}
	if err := s.Drop(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	_, err := s.Records(t.Context(), v1, []string{"loan-1"})
	wantErr(t, "after the drop", err, projection.ErrNoTable)
}
