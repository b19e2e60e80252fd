package projection_test

import (
	"testing"

	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/projection"
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
	if err := w.engines[0].Heal(t.Context(), projection.Orders(), table, []string{"product-p1"}); err != nil {
		t.Fatal(err)
	}
	records, _, err := w.tables.Scan(t.Context(), table, eventstore.All, "", 10)
	if err != nil || len(records) != 0 {
		t.Errorf("%d rows of streams that orders does not fold (%v)", len(records), err)
	}
}
