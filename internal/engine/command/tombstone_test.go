package command_test

import (
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

func TestACommandIsDecidedOverATombstone(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	if _, err := place(t.Context(), handler(s), order.PlaceOrder{OrderID: "o1", Total: yen(780)}, "key-1"); err != nil {
		t.Fatal(err)
	}
	e, err := event.New(tombstone.Retired{Stream: order.Stream("o1"), Through: 1, SHA256: "00", Places: []tombstone.Place{{Number: 1, Count: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	e.ID = "t1"
	if err := s.Append(t.Context(), order.Stream("o1"), 1, []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	h := handler(s)
	for range 2 { // the second time with the state that the first one kept
		paid, err := change(t.Context(), h, "o1", order.PayOrder{Method: order.MethodCash}, "key-2")
		if err != nil || paid.Version != 3 || paid.State.Status != order.StatusPaid {
			t.Errorf("paid at version %d: %+v, %v", paid.Version, paid.State, err)
		}
	}
}
