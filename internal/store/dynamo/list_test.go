package dynamo

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

func TestMarkerComesWithTheRow(t *testing.T) {
	t.Parallel()
	tables := newTables(t)
	buckets := func() []string {
		t.Helper()
		got, err := tables.Buckets(t.Context(), ordersV1, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	late := testChange("order-1", 3)
	late.Place.Bucket = "2026-01-25"
	if len(write(t, tables, late)) != 1 || len(buckets()) != 0 {
		t.Errorf("a row that was not written left the buckets %v", buckets())
	}
	parked := projection.Change{Record: projection.Record{Stream: "order-2", Writes: 1, Parked: &projection.Parked{EventID: "e", Reason: "poison"}}}
	if write(t, tables, parked); len(buckets()) != 0 {
		t.Errorf("an invisible row left the buckets %v", buckets())
	}
	first := testChange("order-1", 1)
	late.Expected, late.Writes = 1, 2
	write(t, tables, first)
	if write(t, tables, late); !cmp.Equal(buckets(), []string{"2026-01-25", "2026-01-24"}) {
		t.Errorf("got buckets %v", buckets())
	}
}

func TestListPassesOverEntriesThatAreOutOfDate(t *testing.T) {
	t.Parallel()
	tables := newTables(t)
	for _, stream := range []string{"order-1", "order-3", "order-5"} {
		write(t, tables, testChange(stream, 1))
	}
	// The index lags: it still lists rows that have meanwhile become invisible.
	for _, stream := range []string{"order-2", "order-4", "order-6", "order-7"} {
		c := testChange(stream, 1)
		it, err := rowItem(&c.Record, 1, "w")
		if err != nil {
			t.Fatal(err)
		}
		it[attrVersion] = num(0)
		name := tables.name(ordersV1)
		if _, err := tables.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &name, Item: it}); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int]int{1: 1, 2: 2, 3: 3, 10: 3} {
		rows, err := tables.List(t.Context(), ordersV1, "2026-01-24", "", limit)
		if err != nil || len(rows) != want || rows[0].Stream != "order-5" {
			t.Errorf("at most %d: %d rows, %v", limit, len(rows), err)
		}
	}
}

func TestIndexesHoldOnlyWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit           func(*projection.Record)
		listed, parked bool
	}{
		"a row":                  {func(*projection.Record) {}, true, false},
		"a parked row":           {func(r *projection.Record) { r.Parked = &projection.Parked{} }, true, true},
		"an invisible row":       {func(r *projection.Record) { r.Version, r.Parked = 0, &projection.Parked{} }, false, true},
		"a row without a bucket": {func(r *projection.Record) { r.Place = model.Place{} }, false, false},
	} {
		r := testChange("order-1", 1).Record
		c.edit(&r)
		it, err := rowItem(&r, 1, "w")
		if err != nil {
			t.Fatal(err)
		}
		if listed, parked := it[attrList] != nil, it[attrParkedShard] != nil; listed != c.listed || parked != c.parked {
			t.Errorf("%s: listed %v, parked %v", name, listed, parked)
		}
	}
}
