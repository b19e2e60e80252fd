package projection_test

import (
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// TestHealLeavesOtherProjectionsStreamsAlone: a rebuild heals all streams there are, and those
// of another kind of aggregate must not come to be rows.
func TestHealLeavesOtherProjectionsStreamsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, mutation{})
	e := event.Event{ID: "e1", Type: "ProductAdded", Schema: 1, Payload: []byte(`{}`)}
	if err := w.events.Append(t.Context(), "product-p1", 0, []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	if err := w.engines[0].Heal(t.Context(), readmodel.Orders(), table, []string{"product-p1"}); err != nil {
		t.Fatal(err)
	}
	records, _, err := w.tables.Scan(t.Context(), table, eventstore.All, "", 10)
	if err != nil || len(records) != 0 {
		t.Errorf("%d rows of streams that orders does not fold (%v)", len(records), err)
	}
}

func TestHealNeverTakesBackWhatTheStoreHasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, mutation{})
	e := event.Event{ID: "e1", Type: order.PlacedType, Schema: 2, Payload: []byte(`{"orderId":"o1","total":780}`)}
	for _, stream := range []string{"order-o1", "order-o2"} {
		if err := w.events.Append(t.Context(), stream, 0, []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	row := projection.Record{Stream: "order-o1", Version: 2, Writes: 1, Data: []byte(`{"orderId":"o1","status":"PAID"}`)}
	gone, parked := row, projection.Record{Stream: "order-o4", Writes: 1, Parked: &projection.Parked{EventVersion: 1}}
	gone.Stream = "order-o3"
	if _, err := w.tables.Write(t.Context(), table, []projection.Change{{Record: row}, {Record: gone}, {Record: parked}}); err != nil {
		t.Fatal(err)
	}
	all := []string{"order-o1", "order-o2", "order-o3", "order-o4"}
	if err := w.engines[0].Heal(t.Context(), readmodel.Orders(), table, all); err != nil {
		t.Fatal(err)
	}
	rows, err := w.tables.Records(t.Context(), table, all)
	if got := rows["order-o1"]; err != nil || got.Version != 2 || string(got.Data) != string(row.Data) {
		t.Errorf("the row that is ahead: %+v, %v", got, err)
	}
	if got := rows["order-o2"]; got.Version != 1 {
		t.Errorf("the other row was not healed: %+v", got)
	}
	if got := rows["order-o3"]; got.Version != 2 || string(got.Data) != string(row.Data) {
		t.Errorf("the row without a stream: %+v", got)
	}
	if got := rows["order-o4"]; got.Parked == nil {
		t.Errorf("the parked row without a stream: %+v", got)
	}
	if err := w.engines[0].Empty(t.Context(), readmodel.Orders(), table, all); err != nil {
		t.Fatal(err)
	}
	if rows, err = w.tables.Records(t.Context(), table, all); err != nil || rows["order-o1"].Version != 2 || rows["order-o2"].Version != 1 {
		t.Errorf("rows of streams that there are were emptied: %+v, %v", rows, err)
	}
	if a, b := rows["order-o3"], rows["order-o4"]; a.Version != 0 || b.Parked != nil {
		t.Errorf("rows without a stream were not emptied: %+v, %+v", a, b)
	}
}
