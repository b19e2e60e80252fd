package verify_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/eventstore"
	"gakushoku/internal/projection"
	"gakushoku/internal/readmodel"
	"gakushoku/internal/verify"
)

func TestCompareTellsWhatChangesForReaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newer := projection.Table{Projection: table.Projection, Version: 2}
	if err := w.tables.Create(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	put := func(into projection.Table, stream string, version uint64, total int) {
		t.Helper()
		r := projection.Record{Stream: stream, Version: version, Place: readmodel.Place{Bucket: "2026-01-24", Sort: stream}}
		if version > 0 {
			r.Data = fmt.Appendf(nil, `{"total":%d}`, total)
		}
		if _, err := w.tables.Write(t.Context(), into, []projection.Change{{Record: r}}); err != nil {
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
	got, err := w.verifier(false).Compare(t.Context(), table, newer, eventstore.All)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&verify.Comparison{Same: 1, Changed: 1, OnlyOld: 2, OnlyNew: 2, Moving: 1, Examples: []verify.Changed{
		{Stream: "order-changed", Version: 2, Fields: []verify.FieldChange{{Name: "total", Old: "780", New: "790"}}},
	}}, got); diff != "" {
		t.Error(diff)
	}
}

// A guest orders while two versions are compared: the row is in the old one first.
func TestCompareWaitsForARowThatIsJustComing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newer := projection.Table{Projection: table.Projection, Version: 2}
	if err := w.tables.Create(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	row := []projection.Change{{Record: projection.Record{
		Stream: "order-1", Version: 1, Place: readmodel.Place{Bucket: "2026-01-24", Sort: "order-1"}, Data: []byte(`{"total":780}`),
	}}}
	if _, err := w.tables.Write(t.Context(), table, row); err != nil {
		t.Fatal(err)
	}
	v := w.verifier(false)
	v.Sleep = func(ctx context.Context, _ time.Duration) error {
		_, err := w.tables.Write(ctx, newer, row)
		return err
	}
	got, err := v.Compare(t.Context(), table, newer, eventstore.All)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&verify.Comparison{Moving: 1}, got); diff != "" {
		t.Error(diff)
	}
}
