package dynamo

import (
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// units sums what calls consumed, by the kind of table.
type units struct {
	mu                   sync.Mutex
	events, rows         float64 // write units
	eventsRead, rowsRead float64
}

// observe adds what a store answered: an Observer.
func (u *units) observe(table string, readUnits, writeUnits float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if strings.HasPrefix(table, "events-") {
		u.events += writeUnits
		u.eventsRead += readUnits
	} else {
		u.rows += writeUnits
		u.rowsRead += readUnits
	}
}

func (u *units) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.events, u.rows, u.eventsRead, u.rowsRead = 0, 0, 0, 0
}

// byRules is an option of a client whose writes are to be counted by AWS's published rules.
func (u *units) byRules(o *dynamodb.Options) { PriceByRules(u.observe)(o) }

// TestWriteUnits holds the layout to its price: a change of the layout that makes orders
// dearer has to change this test.
func TestWriteUnits(t *testing.T) {
	t.Parallel()
	var used units
	tables := newTables(t, used.byRules)
	events := NewEvents(realClient(t, used.byRules), newEventTable(t))
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
		{"a new row without totals: one put, and the index", []projection.Change{testChange("order-2", 1)}, 1 + 1},
	} {
		used.reset()
		if write(t, tables, c.changes...); used.rows != c.want {
			t.Errorf("%s: %v write units, want %v", c.name, used.rows, c.want)
		}
	}
}

// TestObservedCapacity takes the store at its word where DynamoDB Local counts as AWS does:
// in single puts and in reads.
func TestObservedCapacity(t *testing.T) {
	t.Parallel()
	var used units
	tables := newTables(t, ObserveCapacity(used.observe))
	tables.markers.add(ordersV1, "2026-01-24")
	write(t, tables, testChange("order-1", 1))
	if used.rows != 2 {
		t.Errorf("a new row and its entry in the index: %v write units, want 2", used.rows)
	}
	used.reset()
	if write(t, tables, testChange("order-1", 2)); used.rows != 1 {
		t.Errorf("a row that is listed already: %v write units, want 1", used.rows)
	}
	used.reset()
	if write(t, tables, testChange("order-1", 3, oneOrder())); used.rows == 0 {
		t.Error("a transaction was not observed")
	}
	if _, err := tables.Records(t.Context(), ordersV1, []string{"order-1"}); err != nil {
		t.Fatal(err)
	}
	if used.rowsRead != 1 {
		t.Errorf("a row read consistently: %v read units, want 1", used.rowsRead)
	}
	for name, read := range map[string]func() error{
		"Record": func() error { _, err := tables.Record(t.Context(), ordersV1, "order-1"); return err },
		"List":   func() error { _, err := tables.List(t.Context(), ordersV1, "2026-01-24", "", 10); return err },
		"Scan":   func() error { _, _, err := tables.Scan(t.Context(), ordersV1, eventstore.All, "", 10); return err },
	} {
		used.reset()
		if err := read(); err != nil || used.rowsRead == 0 {
			t.Errorf("%s was not observed: %v", name, err)
		}
	}
}
