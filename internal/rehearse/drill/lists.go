package drill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/rehearse/loadgen"
)

// paidButUnpaid is drill 2 of the course: a wrong list is repaired from the events.
func paidButUnpaid() Drill {
	return Drill{
		Name: "paid-but-unpaid", Title: "I have paid, but the list says unpaid", Page: "paid-but-unpaid.md",
		broken: "a bad deployment: its projection of orders forgets payments",
		breaks: func(ctx context.Context, c *canteen) error {
			if err := c.deploy(ctx, badDeployment(order.PaidType, "")); err != nil {
				return err
			}
			// Another guest pays before the one who complains, so that a second wrong row is certain: when the
			// guests of the traffic pay is up to them.
			for _, c.order = range []string{"lunch-other", theOrder} {
				if _, err := c.client.Place(ctx, c.order, loadgen.Orders[2]); err != nil {
					return err
				}
				var err error
				if _, c.operation, err = c.client.Pay(ctx, c.order); err != nil {
					return err
				}
			}
			return nil
		},
		signs: []sign{judged("gakushoku projection verify orders")},
		steps: []step{
			{section: look, shows: []string{"PayOrder", "OK after", "OrderPaid", `status is "ORDERED", should be "PAID"`}},
			{hand: "the deployment is taken back", do: takeBack},
			{section: repair, shows: []string{"healed", `"status":"PAID"`}},
			{section: "Are there others?", shows: []string{"different", "it is sound now"}},
			{section: over, shows: []string{"It is sound."}},
		},
	}
}

func takeBack(ctx context.Context, c *canteen) error { return c.deploy(ctx, nil) }

// poisonEvent is an event that a projection cannot apply.
func poisonEvent() Drill {
	return Drill{
		Name: "poison-event", Title: "The list does not show that I called my order off", Page: "parked-streams.md",
		broken: "a bad deployment: its projection cannot apply " + order.CancelledType + "; a guest calls an order off",
		breaks: func(ctx context.Context, c *canteen) error {
			if err := c.deploy(ctx, badDeployment("", order.CancelledType)); err != nil {
				return err
			}
			c.order = theOrder
			if _, err := c.client.Place(ctx, theOrder, loadgen.Orders[3]); err != nil {
				return err
			}
			_, err := c.client.Work(ctx, theOrder, "cancel")
			return err
		},
		signs: []sign{alarmed("streams-parked", beat), listed("gakushoku projection park list orders", order.Stream(theOrder))},
		steps: []step{
			{section: look, shows: []string{order.Stream(theOrder), order.CancelledType + " is not expected here", "parked since"}},
			{hand: "the deployment is taken back", do: takeBack},
			{section: repair, shows: []string{"1 row, 1 healed, 0 parked"}},
			{section: over, shows: []string{"No stream is parked.", "It is sound."}},
		},
	}
}

// lostRows is a read model with missing rows.
func lostRows() Drill {
	return Drill{
		Name: "lost-rows", Title: "The kitchen does not see my order", Page: "lost-rows.md",
		broken: "rows were deleted from the table behind the list",
		breaks: func(ctx context.Context, c *canteen) error {
			c.order = "lunch-1"
			return deleteRows(ctx, filepath.Join(c.data, "readmodels", readmodel.OrdersName+"-v1.db"), "order-lunch-")
		},
		signs: []sign{judged("gakushoku projection verify orders")},
		steps: []step{
			{section: look, shows: []string{"missing", "OrderPaid"}},
			{section: repair, shows: []string{"orders-v2, which replaces version 1"}},
			{section: over, shows: []string{"It is sound.", `"status":"PAID"`}},
		},
	}
}

// deleteRows deletes the rows of streams that begin with prefix, as a tool for SQLite would.
func deleteRows(ctx context.Context, file, prefix string) error {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=rw&_busy_timeout=5000")
	if err != nil {
		return err
	}
	result, err := db.ExecContext(ctx, "DELETE FROM records WHERE substr(stream, 1, ?) = ?", len(prefix), prefix)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n < orders {
		err = fmt.Errorf("%d rows were deleted, there were %d", n, orders)
	}
	return err
}
