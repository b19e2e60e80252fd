package readmodel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

func at(t *testing.T, text string) event.Instant {
	t.Helper()
	i, err := event.ParseInstant(text)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// apply applies an event that happened at a moment.
func apply(t *testing.T, row *readmodel.Order, p event.Payload, when event.Instant) error {
	t.Helper()
	e, err := event.New(p)
	if err != nil {
		t.Fatal(err)
	}
	e.OccurredAt, e.Stream = when, "order-o1"
	return row.Apply(&e)
}

func TestEverythingCountsOnTheDayOnWhichItHappened(t *testing.T) {
	t.Parallel()
	placed, stored, cancelled, refunded := at(t, "2026-01-24T03:00:00Z"), at(t, "2026-01-26T03:00:00Z"), at(t, "2026-01-27T03:00:00Z"), at(t, "2026-01-28T03:00:00Z")
	for name, c := range map[string]struct {
		paidAt event.Instant
		paid   string
	}{
		"paid before it was stored": {at(t, "2026-01-25T03:00:00Z"), "2026-01-25"},
		"paid when it was stored":   {0, "2026-01-26"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var row readmodel.Order
			for _, step := range []struct {
				p  event.Payload
				at event.Instant
			}{
				{order.Placed{OrderID: "o1", Total: 780}, placed}, {order.Paid{OrderID: "o1", PaidAt: c.paidAt, Method: order.MethodCash}, stored},
				{order.Cancelled{OrderID: "o1"}, cancelled}, {order.Refunded{OrderID: "o1", Amount: 780, Method: order.MethodCash}, refunded},
			} {
				if err := apply(t, &row, step.p, step.at); err != nil {
					t.Fatal(err)
				}
			}
			want := []model.Contribution{
				{Key: "2026-01-24", Field: "orders", Amount: 1}, {Key: c.paid, Field: "paid", Amount: 1}, {Key: c.paid, Field: "revenue.CASH", Amount: 780},
				{Key: "2026-01-27", Field: "cancelled", Amount: 1}, {Key: "2026-01-28", Field: "refunded", Amount: 1}, {Key: "2026-01-28", Field: "refunds.CASH", Amount: 780},
			}
			if diff := cmp.Diff(want, row.Contributions()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if want := (model.Place{Bucket: "2026-01-24", Sort: "2026-01-24T03:00:00.000Z#o1"}); row.Place() != want || row.Status != readmodel.StatusCancelled {
				t.Errorf("the row is %s at %+v, want it cancelled at %+v", row.Status, row.Place(), want)
			}
		})
	}
}

func TestAnOrderThatWasNeverPlacedCountsNowhere(t *testing.T) {
	t.Parallel()
	var row readmodel.Order
	if c := row.Contributions(); c != nil || row.Place() != (model.Place{}) {
		t.Errorf("it contributes %v and is listed at %+v", c, row.Place())
	}
}

func TestAnEventThatCannotBeReadIsAnErrorAndChangesNothing(t *testing.T) {
	t.Parallel()
	placed := readmodel.Order{OrderID: "o1", Total: 780, Status: readmodel.StatusOrdered, PlacedAt: 1}
	for name, c := range map[string]struct {
		row readmodel.Order
		e   event.Event
	}{
		"placed":       {readmodel.Order{}, event.Event{Type: order.PlacedType, Schema: 2, Payload: []byte(`{"orderId":"o1","total":"much"}`)}},
		"placed twice": {placed, event.Event{Type: order.PlacedType, Schema: 2, Payload: []byte(`{"orderId":"o1","total":1}`)}},
		"paid":         {placed, event.Event{Type: order.PaidType, Schema: 2, Payload: []byte(`{"orderId":"o1","paidAt":"yesterday"}`)}},
		"paid by 1":    {placed, event.Event{Type: order.PaidType, Schema: 2, Payload: []byte(`{"orderId":"o1","method":1}`)}},
	} {
		row := c.row
		if err := row.Apply(&c.e); err == nil {
			t.Errorf("%s: no error", name)
		}
		if diff := cmp.Diff(c.row, row); diff != "" {
			t.Errorf("%s changed the row:\n%s", name, diff)
		}
	}
	row := placed
	if err := row.Apply(&event.Event{Type: "MenuChanged"}); err != nil || cmp.Diff(placed, row) != "" {
		t.Errorf("an event for other rows: %v, %+v", err, row)
	}
}

func TestNoStepIsTakenByAnOrderThatWasNeverPlaced(t *testing.T) {
	t.Parallel()
	for _, p := range []event.Payload{
		order.Paid{OrderID: "o1", Method: order.MethodCash}, order.PreparationStarted{OrderID: "o1"}, order.Ready{OrderID: "o1"},
		order.PickedUp{OrderID: "o1"}, order.Cancelled{OrderID: "o1"}, order.Refunded{OrderID: "o1", Amount: 1, Method: order.MethodCash},
	} {
		var row readmodel.Order
		if err := apply(t, &row, p, at(t, "2026-01-24T03:00:00Z")); err == nil || cmp.Diff(readmodel.Order{}, row) != "" {
			t.Errorf("%s: %v, %+v", p.EventType(), err, row)
		}
	}
}
