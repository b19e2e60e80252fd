package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/model"
)

const day = "2026-01-24"

var (
	v1 = projection.Table{Projection: "loans", Version: 1}
	v2 = projection.Table{Projection: "loans", Version: 2}
)

// newStore returns a new store with the table v1.
func newStore(t *testing.T, h Tables) projection.Store {
	t.Helper()
	s := h.Open(t).Store
	if err := s.Create(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	return s
}

// change returns the writes-th write of a stream's row, with a sort key of its own within the day.
func change(stream string, writes uint64, totals ...model.Contribution) projection.Change {
	return projection.Change{
		Record: projection.Record{
			Stream: stream, Version: writes, Writes: writes, Data: fmt.Appendf(nil, `{"loanId":%q,"n":%d}`, stream, writes),
			Place: model.Place{Bucket: day, Sort: "2026-01-24T00:00:00.000Z#" + stream},
		},
		Expected: writes - 1,
		Totals:   totals,
	}
}

func add(key, field string, amount int64) model.Contribution {
	return model.Contribution{Key: key, Field: field, Amount: amount}
}

// mustWrite writes to v1 and checks that these streams are late.
func mustWrite(t *testing.T, s projection.Tables, changes []projection.Change, wantLate ...string) {
	t.Helper()
	late, err := s.Write(t.Context(), v1, changes)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	wantSame(t, "late streams", toSet(wantLate), toSet(late))
}

func toSet(names []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// wantSame compares; it treats an empty slice or map as equal to nil.
func wantSame(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// wantRow checks a stream's row in v1, by both ways of reading it.
func wantRow(t *testing.T, s projection.Store, want projection.Record) {
	t.Helper()
	one, err := s.Record(t.Context(), v1, want.Stream)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "Record", want, one)
	many, err := s.Records(t.Context(), v1, []string{want.Stream})
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "Records", map[string]projection.Record{want.Stream: want}, many)
}

// wantTotals checks that v1 has exactly these totals, by both ways of reading them.
func wantTotals(t *testing.T, s projection.Store, want map[string]map[string]int64) {
	t.Helper()
	all, err := s.Totals(t.Context(), v1)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "Totals", want, all)
	for key := range want {
		one, err := s.Total(t.Context(), v1, key)
		if err != nil {
			t.Fatal(err)
		}
		for field, amount := range one {
			if amount == 0 { // may be omitted
				delete(one, field)
			}
		}
		wantSame(t, "Total of "+key, want[key], one)
	}
}

// again repeats f after infrastructure errors, as a caller would.
func again(ctx context.Context, f func() error) error {
	return retry.Do(ctx, retry.Policy{Tries: 100}, retry.Unavailable(f))
}

// wantListed compares a list, repeatedly where lists lag.
func wantListed[T any](t *testing.T, h Tables, what string, want []T, list func() ([]T, error)) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got, err := list()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if len(got) == 0 && len(want) == 0 || cmp.Equal(want, got) {
			return
		}
		if !h.ListsLag || time.Now().After(deadline) {
			wantSame(t, what, want, got)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// names returns the streams of a page.
func names(records []projection.Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.Stream)
	}
	return all
}

type scan func(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error)

// scanOf returns Scan of one part.
func scanOf(s projection.Inspector, part eventstore.Part) scan {
	return func(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
		return s.Scan(ctx, t, part, cursor, limit)
	}
}

// scanAll reads all pages and checks their sizes.
func scanAll(ctx context.Context, page scan, limit int) (map[string]projection.Record, error) {
	const maxPages = 10_000
	all := map[string]projection.Record{}
	cursor := ""
	for range maxPages {
		records, next, err := page(ctx, v1, cursor, limit)
		if err != nil {
			return nil, err
		}
		if len(records) > limit {
			return nil, fmt.Errorf("a page of %d rows, at most %d were asked for", len(records), limit)
		}
		for _, r := range records {
			if _, twice := all[r.Stream]; twice {
				return nil, fmt.Errorf("%s came twice", r.Stream)
			}
			all[r.Stream] = r
		}
		if next == "" {
			return all, nil
		}
		cursor = next
	}
	return nil, errors.New("the scan does not end")
}
