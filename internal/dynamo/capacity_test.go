package dynamo

import (
	"testing"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
)

// TestWriteUnits holds the layout to its price: a change of the layout that makes orders
// dearer has to change this test.
func TestWriteUnits(t *testing.T) {
	t.Parallel()
	var used units
	tables := newTables(t, ObserveCapacity(used.observe))
	events := NewEvents(realClient(t, ObserveCapacity(used.observe)), newEventTable(t))
	if err := events.Append(t.Context(), "order-1", 0, []event.Event{testEvent("e1")}); err != nil {
		t.Fatal(err)
	}
	if used.events != 1 {
		t.Errorf("an event costs %v write units", used.events)
	}
	write(t, tables, testChange("order-0", 1, oneOrder())) // and the bucket's marker
	for _, c := range []struct {
		name    string
		changes []projection.Change
		want    float64
	}{
		{"a new row with its total: transaction of two, and the index", []projection.Change{testChange("order-1", 1, oneOrder())}, 2*2 + 2},
		{"a row that leaves totals alone: one put, nothing in the index", []projection.Change{testChange("order-1", 2)}, 1},
		{"a row that changes a total: transaction of two, nothing in the index", []projection.Change{testChange("order-1", 3, oneOrder())}, 2 * 2},
		{"two rows that share a total", []projection.Change{testChange("order-1", 4, oneOrder()), testChange("order-0", 2, oneOrder())}, 3 * 2},
	} {
		used.reset()
		write(t, tables, c.changes...)
		if used.rows != c.want {
			t.Errorf("%s: %v write units, want %v", c.name, used.rows, c.want)
		}
	}
	used.reset()
	if _, err := tables.Records(t.Context(), ordersV1, []string{"order-0", "order-1"}); err != nil {
		t.Fatal(err)
	}
	if used.rowR != 2 {
		t.Errorf("two rows cost %v read units", used.rowR)
	}
}
