package verify_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/model"
)

func TestCompareTellsWhatChangesForReaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newer := projection.Table{Projection: table.Projection, Version: 2}
	if err := w.Tables.Create(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	put := func(into projection.Table, stream string, version uint64, total int) {
		t.Helper()
		r := projection.Record{Stream: stream, Version: version, Place: model.Place{Bucket: "2026-01-24", Sort: stream}}
		if version > 0 {
			r.Data = fmt.Appendf(nil, `{"total":%d}`, total)
		}
		if _, err := w.Tables.Write(t.Context(), into, []projection.Change{{Record: r}}); err != nil {
			t.Fatal(err)
		}
	}
	for stream, both := range map[string][2][2]int{
		"order-same":     {{2, 780}, {2, 780}},
		"order-changed":  {{2, 780}, {2, 790}},
		"order-moving":   {{2, 780}, {3, 780}},
		"order-only-old": {{2, 780}, {0, 0}}, // the new one is parked before any event
		"order-only-new": {{0, 0}, {1, 780}},
	} {
		put(table, stream, uint64(both[0][0]), both[0][1])
		put(newer, stream, uint64(both[1][0]), both[1][1])
	}
	put(table, "order-gone", 1, 1)
	put(newer, "order-fresh", 1, 1)
	for _, snapshots := range []bool{false, true} {
		if diff := cmp.Diff(&verify.Comparison{Same: 1, Changed: 1, OnlyOld: 2, OnlyNew: 2, Moving: 1, Examples: []verify.Changed{
			{Stream: "order-changed", Version: 2, Fields: []verify.FieldChange{{Name: "total", Old: "780", New: "790"}}},
		}}, against(t, w.verifier(snapshots), table, newer)); diff != "" {
			t.Errorf("snapshots %t: %s", snapshots, diff)
		}
	}
}

// against compares a newer version with an older one.
func against(t *testing.T, v *verify.Verifier, older, newer projection.Table) *verify.Comparison {
	t.Helper()
	found, err := v.Rows(t.Context(), orders, newer, verify.Options{Against: &older})
	if err != nil {
		t.Fatal(err)
	}
	return found.Comparison
}

// An older version has rows by the thousand where the newer one, or the event store, has none.
func TestCompareGetsOverLongStretchesOfOneVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newer := projection.Table{Projection: table.Projection, Version: 2}
	if err := w.Tables.Create(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	want := verify.Comparison{}
	for i := range 9000 {
		change := projection.Change{Record: projection.Record{
			Stream: fmt.Sprintf("order-%05d", i), Version: 1, Place: model.Place{Bucket: "2026-01-24", Sort: fmt.Sprint(i)}, Data: []byte(`{}`),
		}}
		inOld, inNew := i < 6000, i < 100 || i >= 5990
		for version, in := range map[projection.Table]bool{table: inOld, newer: inNew} {
			if !in {
				continue
			}
			if _, err := w.Tables.Write(t.Context(), version, []projection.Change{change}); err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case inOld && inNew:
			want.Same++
		case inOld:
			want.OnlyOld++
		case inNew:
			want.OnlyNew++
		}
	}
	for _, snapshots := range []bool{false, true} {
		if diff := cmp.Diff(&want, against(t, w.verifier(snapshots), table, newer)); diff != "" {
			t.Errorf("snapshots %t: %s", snapshots, diff)
		}
	}
}

// A guest orders while two versions are compared: the row is in the old one first.
func TestCompareWaitsForARowThatIsJustComing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newer := projection.Table{Projection: table.Projection, Version: 2}
	if err := w.Tables.Create(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	row := []projection.Change{{Record: projection.Record{
		Stream: "order-1", Version: 1, Place: model.Place{Bucket: "2026-01-24", Sort: "order-1"}, Data: []byte(`{"total":780}`),
	}}}
	if _, err := w.Tables.Write(t.Context(), table, row); err != nil {
		t.Fatal(err)
	}
	v := w.verifier(false)
	v.Sleep = func(ctx context.Context, _ time.Duration) error {
		_, err := w.Tables.Write(ctx, newer, row)
		return err
	}
	if diff := cmp.Diff(&verify.Comparison{Moving: 1}, against(t, v, table, newer)); diff != "" {
		t.Error(diff)
	}
}
