package dynamo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

func write(t *testing.T, s *Tables, changes ...projection.Change) (late []string) {
	t.Helper()
	late, err := s.Write(t.Context(), ordersV1, changes)
	if err != nil {
		t.Fatal(err)
	}
	return late
}

func wantTotal(t *testing.T, s *Tables, want map[string]int64) {
	t.Helper()
	got, err := s.Total(t.Context(), ordersV1, "2026-01-24")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the total differs (-want +got):\n%s", diff)
	}
}

func TestWriteWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	t.Run("of a group is done once and not late", func(t *testing.T) {
		t.Parallel()
		tables := newTables(t)
		unlucky := tables.with(realClient(t, through(losing("TransactWriteItems"))))
		late := write(t, unlucky, testChange("order-1", 1, oneOrder()), testChange("order-2", 1, oneOrder()))
		if len(late) > 0 {
			t.Errorf("late: %v", late)
		}
		wantTotal(t, tables, map[string]int64{"orders": 2})
	})
	t.Run("of a group with one change too late adds only what was written", func(t *testing.T) {
		t.Parallel()
		tables := newTables(t)
		write(t, tables, testChange("order-2", 1, oneOrder()))
		unlucky := tables.with(realClient(t, through(losing("TransactWriteItems"))))
		late := write(t, unlucky, testChange("order-1", 1, oneOrder()), testChange("order-2", 1, oneOrder()), testChange("order-3", 1, oneOrder()))
		if diff := cmp.Diff([]string{"order-2"}, late); diff != "" {
			t.Errorf("late (-want +got):\n%s", diff)
		}
		wantTotal(t, tables, map[string]int64{"orders": 3})
	})
	t.Run("of a row is done once and not late", func(t *testing.T) {
		t.Parallel()
		tables := newTables(t)
		write(t, tables, testChange("order-1", 1, oneOrder()))
		unlucky := tables.with(realClient(t, through(losing("PutItem"))))
		unlucky.markers.add(ordersV1, "2026-01-24")
		if late := write(t, unlucky, testChange("order-1", 2)); len(late) > 0 {
			t.Errorf("late: %v", late)
		}
	})
	t.Run("and that met another's row meanwhile is late", func(t *testing.T) {
		t.Parallel()
		tables := newTables(t)
		other := func() { write(t, tables, testChange("order-1", 1, oneOrder())) }
		unlucky := tables.with(realClient(t, through(before("TransactWriteItems", other))))
		if late := write(t, unlucky, testChange("order-1", 1, oneOrder())); len(late) != 1 {
			t.Errorf("late: %v", late)
		}
		wantTotal(t, tables, map[string]int64{"orders": 1})
	})
}

func TestManyWritersOfOneTotalLoseNothing(t *testing.T) {
	t.Parallel()
	tables := newTables(t)
	const writers, writes = 32, 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			stream := fmt.Sprintf("order-%d", w)
			for n, unlucky := uint64(1), 0; n <= writes; {
				late, err := tables.Write(t.Context(), ordersV1, []projection.Change{testChange(stream, n, oneOrder())})
				switch {
				case err != nil && fault.ClassOf(err) == fault.Infra && unlucky < 10:
					unlucky++
					continue
				case err != nil || len(late) > 0:
					t.Errorf("write %d of %s: late %v, %v", n, stream, late, err)
					return
				}
				n++
			}
		})
	}
	wg.Wait()
	wantTotal(t, tables, map[string]int64{"orders": writers * writes})
}

func TestOneOfManyWritersOfARowWins(t *testing.T) {
	t.Parallel()
	for name, totals := range map[string][]model.Contribution{"in a transaction": {oneOrder()}, "in one put": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tables := newTables(t)
			tables.markers.add(ordersV1, "2026-01-24")
			var mu sync.Mutex
			won := 0
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					late, err := tables.Write(t.Context(), ordersV1, []projection.Change{testChange("order-1", 1, totals...)})
					if err != nil && fault.ClassOf(err) != fault.Infra {
						t.Error(err)
					}
					if err == nil && len(late) == 0 {
						mu.Lock()
						defer mu.Unlock()
						won++
					}
				})
			}
			wg.Wait()
			if won != 1 {
				t.Errorf("%d writers won", won)
			}
		})
	}
}

func TestFullWriteOfRowsInManyTotalsAndBuckets(t *testing.T) {
	t.Parallel()
	tables := newTables(t)
	var changes []projection.Change
	want := map[string]map[string]int64{}
	for i := range projection.MaxWrite {
		c := testChange(fmt.Sprintf("order-%02d", i), 1)
		for day := range 4 {
			key := fmt.Sprintf("day-%d-%d", i, day)
			c.Totals = append(c.Totals, model.Contribution{Key: key, Field: "orders", Amount: int64(i + 1)}, model.Contribution{Key: key, Field: "revenue.CARD", Amount: -5})
			want[key] = map[string]int64{"orders": int64(i + 1), "revenue.CARD": -5}
		}
		c.Place.Bucket = fmt.Sprintf("bucket-%02d", i)
		changes = append(changes, c)
	}
	if late := write(t, tables, changes...); len(late) > 0 {
		t.Errorf("late: %v", late)
	}
	got, err := tables.Totals(t.Context(), ordersV1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	buckets, err := tables.Buckets(t.Context(), ordersV1, "bucket-40", 100)
	if err != nil || len(buckets) != 40 || buckets[0] != "bucket-39" {
		t.Errorf("buckets before bucket-40: %v, %v", buckets, err)
	}
}

func TestTablesThatAreMadeAndDroppedAgain(t *testing.T) {
	t.Parallel()
	tables := newTables(t)
	write(t, tables, testChange("order-1", 1))
	for range 2 {
		if err := tables.Drop(t.Context(), ordersV1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tables.Write(t.Context(), ordersV1, []projection.Change{testChange("order-1", 1)}); !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("got %v, want ErrNoTable", err)
	}
	for range 2 {
		if err := tables.Create(t.Context(), ordersV1); err != nil {
			t.Fatal(err)
		}
	}
	write(t, tables, testChange("order-1", 1))
	if got, err := tables.Buckets(t.Context(), ordersV1, "", 10); err != nil || len(got) != 1 {
		t.Errorf("the bucket's marker is missing in the new table: %v, %v", got, err)
	}
}

func TestCreateByManyAtOnce(t *testing.T) {
	t.Parallel()
	tables := NewTables(realClient(t), Options{Prefix: newName("p-") + "-"})
	dropAfter(t, realClient(t), tables.name(ordersV1))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := tables.Create(context.Background(), ordersV1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPackKeepsTheLimitsOfTransactions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		changes := make([]projection.Change, rapid.IntRange(1, projection.MaxWrite).Draw(t, "changes"))
		for i := range changes {
			c := testChange(fmt.Sprintf("order-%d", i), 1)
			c.Place.Bucket = fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "bucket"))
			c.Data = make([]byte, rapid.SampledFrom([]int{10, 1000, 100_000, 390_000}).Draw(t, "bytes"))
			for range rapid.IntRange(0, 6).Draw(t, "totals") {
				c.Totals = append(c.Totals, model.Contribution{Key: fmt.Sprint(rapid.IntRange(0, 100).Draw(t, "key")), Field: "orders", Amount: 1})
			}
			changes[i] = c
		}
		all, err := prepare(changes)
		if err != nil {
			t.Fatal(err)
		}
		store, packed := NewTables(nil, Options{}), 0
		for _, group := range pack(all) {
			in, _ := store.transaction(ordersV1, group, 0)
			size := 0
			for _, p := range group {
				size += itemSize(p.item)
			}
			if n := len(in.TransactItems); n > maxTransactionItems || size > maxTransactionBytes {
				t.Fatalf("a transaction of %d items and %d bytes of rows", n, size)
			}
			packed += len(group)
		}
		if packed != len(changes) {
			t.Fatalf("%d of %d changes were packed", packed, len(changes))
		}
	})
}
